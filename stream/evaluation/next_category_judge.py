"""How good a prediction of the next category was, on the terms that all methods share."""

import math
from typing import NamedTuple

import numpy as np

from stream.core.compiled import kernel
from stream.core.knowledge import ENTER, RETURN, STAY
from stream.core.rows import Float64s, Int32s, Int64s, Layout, Rows
from stream.errors import StreamError
from stream.evaluation.logs import Log

SMALLEST = 1e-12
"""No chance is taken for less, so that a category held impossible costs 27.6 nats."""


class VerdictRow:
    """How one prediction did. `step` is what really happened, -1 where nothing was predicted.

    `rank` is the true category's among all, of equals the middle one; `change_rank` the same
    without the current category. `among_rank` and `among_loss` are among the shopper's earlier
    categories if the event was a return, and among those never touched if it was an entry.
    """

    step: int
    loss: float
    rank: float
    change_rank: float
    among_rank: float
    among_loss: float


VERDICT: Layout = np.dtype(
    [
        ("step", "i4"),
        ("loss", "f8"),
        ("rank", "f8"),
        ("change_rank", "f8"),
        ("among_rank", "f8"),
        ("among_loss", "f8"),
    ],
    align=True,
)


class Walk(NamedTuple):
    """A log as the methods follow it: by event, and with room for what a shopper had.

    A hold is one category of one shopper: those of shopper u are `hold_first[u]` up to
    `hold_first[u + 1]`, in order of first appearance. A move is one category after another,
    those from a category again side by side. `hold` and `move` have one entry an event; `move`
    is -1 at a shopper's first.
    """

    shoppers: Int32s
    categories: Int32s
    at: Float64s
    hold: Int64s
    hold_first: Int64s
    hold_category: Int32s
    move: Int64s
    move_first: Int64s
    move_category: Int32s
    known: int


def walk(log: Log) -> Walk:
    """The events of a log that have a category.

    Raises
    ------
    StreamError
        If none has.
    """
    having = log.categories >= 0
    if not having.any():
        raise StreamError(
            f"no event of {log.name} has a category: give a --catalog, or map one with --map"
        )
    shoppers, categories = log.shoppers[having], log.categories[having]
    count, known = len(shoppers), int(categories.max(initial=-1)) + 1
    hold, hold_first, hold_category = _numbered(shoppers, categories, int(log.shoppers.max()) + 1)
    before = _previous(shoppers)
    moving = before >= 0
    moves, move_first, move_category = _numbered(
        categories[before[moving]], categories[moving], known
    )
    move = np.full(count, -1, np.int64)
    move[moving] = moves
    return Walk(
        shoppers, categories, log.at[having], hold, hold_first, hold_category, move, move_first,
        move_category, known,
    )  # fmt: skip


def _numbered(left: Int32s, right: Int32s, lefts: int) -> tuple[Int64s, Int64s, Int32s]:
    """Number the pairs by left, then first appearance: each event's pair, starts, and rights."""
    keys = left.astype(np.int64) << 32 | right
    values, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.lexsort((first, values >> 32))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    starts = np.searchsorted(values[order] >> 32, np.arange(lefts + 1))
    return place[inverse], starts.astype(np.int64), (values[order] & 0xFFFFFFFF).astype(np.int32)


def _previous(shoppers: Int32s) -> Int64s:
    """The place of the same shopper's event before each, -1 for none."""
    order = np.argsort(shoppers, kind="stable")
    before = np.full(len(shoppers), -1, np.int64)
    same = shoppers[order][1:] == shoppers[order][:-1]
    before[order[1:][same]] = order[:-1][same]
    return before


class MarkedRow:
    """At which event a category was last marked as one that the shopper had."""

    event: int


MARKED: Layout = np.dtype([("event", "i8")])


@kernel
def loss_of(chance: float, total: float) -> float:
    """The log-loss of a chance within a total."""
    return -math.log(max(chance, SMALLEST) / total) if total > 0.0 else -math.log(SMALLEST)


@kernel
def judge(
    verdict: VerdictRow,
    chances: Float64s,
    came: int,
    current: int,
    step: int,
    event: int,
    marked: Rows[MarkedRow],
) -> None:
    """Judge the chances of all categories, now that `came` came.

    Categories that the shopper had are marked with the number of the event.
    """
    chance, total, among = chances[came], 0.0, 0.0
    above, equal, among_above, among_equal = 0, 0, 0, 0
    for category in range(len(chances)):
        other = chances[category]
        own = marked[category].event == event
        rival = category != current and own == (step == RETURN)
        total += other
        above += other > chance
        equal += other == chance
        if rival:
            among += other
            among_above += other > chance
            among_equal += other == chance
    verdict.step = step
    verdict.loss = loss_of(chance, total)
    verdict.rank = 1.0 + above + 0.5 * (equal - 1)
    rank = verdict.rank
    if chances[current] > chance:
        rank -= 1.0
    elif chances[current] == chance:
        rank -= 0.5
    verdict.change_rank = rank if step != STAY else 0.0
    verdict.among_rank = 1.0 + among_above + 0.5 * (among_equal - 1) if step != STAY else 0.0
    verdict.among_loss = loss_of(chance, among) if step != STAY else 0.0


@kernel
def mark_own(
    marked: Rows[MarkedRow], categories: Int32s, first: int, last: int, event: int
) -> None:
    """Mark the categories of these holds as the shopper's."""
    for hold in range(first, last):
        marked[categories[hold]].event = event


@kernel
def step_to(hold: int, current: int, seen: int) -> int:
    """What an event does by its hold, of which those below `seen` were there before."""
    if hold == current:
        return STAY
    return RETURN if hold < seen else ENTER
