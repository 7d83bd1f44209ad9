"""When a period is over: labels for the panel, a learning step, outcomes for the predictions."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

import numpy as np

from stream.core import horizon_counts, laplace, precision, reach
from stream.core.codes import CodeRow
from stream.core.compiled import outlined
from stream.core.foresight import Foresight
from stream.core.horizon_counts import HorizonRow
from stream.core.horizon_panel import PanelRow
from stream.core.precision import PrecisionRow
from stream.core.reach import ReachRow
from stream.core.rows import Int32s, Int64s, Rows

READ = 256
"""Shoppers whose rows are read at once."""
WITHDRAWN = -1
"""The number of a prediction that was not published after all."""
Shoppers = tuple[Rows[HorizonRow], list[str]]
Read = Callable[[Int64s], Shoppers]
"""From the keys of shoppers to their rows of one horizon, empty for unknown ones, and names."""


class Settled(NamedTuple):
    """What became of a prediction. `category` is an id, `position` and `number` name the event."""

    user: str
    category: int
    probability: float
    position: int
    number: int
    came_true: bool


@outlined
def settle(
    panel: Rows[PanelRow],
    which: Int32s,
    shoppers: Rows[HorizonRow],
    codes: Rows[CodeRow],
    period: int,
    least: int,
    precisions: PrecisionRow,
    reaches: ReachRow,
    learned: bool,
) -> None:
    """Label panel rows, each by the shopper that `which` tells, and note what came of them.

    What was said before anything was `learned` is no measure of precision.
    """
    before = -1
    for place in range(len(panel)):
        row, shopper = panel[place], which[place]
        row.outcome = horizon_counts.label(shoppers[shopper], codes, row.category, period, least)
        came, weight = row.outcome == 1, np.float64(row.weight)
        if learned:
            precision.record(precisions, np.float64(row.probability), came, weight)
        if shopper != before:
            reach.record(reaches, row.cell, row.outcome >= 0)
        before = shopper


@outlined
def judge(
    ids: Int64s,
    shoppers: Rows[HorizonRow],
    codes: Rows[CodeRow],
    period: int,
    least: int,
    labels: Int32s,
) -> None:
    """The label of each category, each of its own shopper."""
    for place in range(len(ids)):
        labels[place] = horizon_counts.label(shoppers[place], codes, ids[place], period, least)


def piece(panel: Rows[PanelRow], first: int, last: int) -> Rows[PanelRow]:
    """The rows from `first` up to `last` (excluded), not copied."""
    return cast(Rows[PanelRow], np.asarray(panel)[first:last].view(np.recarray))


def mature(
    own: Foresight, horizon: int, codes: Rows[CodeRow], read: Read, target: float
) -> Iterator[None]:
    """Learn from a horizon's panel, in steps of a few milliseconds: go through them all."""
    open, size = own.opens[horizon], len(own.panel) // len(own.stores)
    used, learned = int(own.stores[horizon].used), own.learners[horizon].batches > 0
    panel = piece(own.panel, horizon * size, horizon * size + used)
    precision.fade(own.precisions[horizon])
    reach.fade(own.reaches[horizon])
    keys = np.asarray(panel)["key"]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, int)
    ends = np.append(starts, len(keys))
    for first in range(0, len(starts), READ):
        last = min(first + READ, len(starts))
        rows, _ = read(np.asarray(keys[starts[first:last]], np.int64))
        which = np.repeat(np.arange(last - first), np.diff(ends[first : last + 1]))
        some = piece(panel, int(ends[first]), int(ends[last]))
        settle(
            some, which.astype(np.int32), rows, codes, int(open.period), int(open.least),
            own.precisions[horizon], own.reaches[horizon], learned,
        )  # fmt: skip
        yield
    yield from laplace.learn(own.learners[horizon], panel, len(panel))
    own.stores[horizon].limit = precision.limit(own.precisions[horizon], target)


def outcomes(own: Foresight, horizon: int, codes: Rows[CodeRow], read: Read) -> list[Settled]:
    """What became of a horizon's predictions, in the order in which they were made.

    One for a shopper with too few events in the period did not come true.
    """
    size, open = len(own.predictions) // len(own.stores), own.opens[horizon]
    table = np.asarray(own.predictions)[horizon * size :][: int(own.stores[horizon].predictions)]
    settled: list[Settled] = []
    for first in range(0, len(table), READ):
        some = table[first : first + READ]
        rows, users = read(np.asarray(some["key"], np.int64))
        labels = np.zeros(len(some), np.int32)
        ids = np.asarray(some["category"], np.int64)
        judge(ids, rows, codes, int(open.period), int(open.least), labels)
        columns = (
            some[name].tolist() for name in ("category", "probability", "position", "number")
        )
        settled += map(Settled, users, *columns, (labels == 1).tolist())
    return [one for one in settled if one.number != WITHDRAWN]


def clear(own: Foresight, horizon: int) -> None:
    """Empty a horizon's tables for the next period, sampling about as many shoppers as before."""
    store = own.stores[horizon]
    store.used, store.predictions, store.taken = 0, 0, 0
    store.panel_stored, store.predictions_stored = 0, 0
    # Should there be fewer shoppers this time, the larger sample fits; else it is halved again.
    store.halvings = max(int(store.halvings) - 1, 0)
