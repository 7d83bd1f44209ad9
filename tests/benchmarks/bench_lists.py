"""What lists cost an event of a log of sessions, where each event makes one."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from stream.core import ranking
from stream.core.compiled import outlined
from stream.core.engine_rows import PLACES
from stream.core.rows import Rows, zeros
from stream.core.shop import ShopModel, ShopView
from stream.core.updates import LAYOUT, UpdateRow, packed
from stream.evaluation.logs import Log
from stream.evaluation.ranking_engine import (
    Manner,
    Names,
    Served,
    Shoppers,
    listed,
    names_by_id,
    push,
    write,
)
from stream.evaluation.ranking_walk import Walk, walk
from stream.settings import Settings
from tests.benchmarks.bench_replica import read_sessions
from tests.benchmarks.report import Report, Row

STEP = 1000
"""Events that are learned at once."""
LIMITS = {True: 18, False: 9}
"""us an event wanted, with and without factors."""


class Part(NamedTuple):
    """What is done at each event beside keeping the recent items and writing what they teach."""

    lists: bool
    lessons: bool


ALL = Part(True, True)
LESS = (Part(False, True), Part(True, False), Part(False, False))


def run(report: Report, sessions: Sequence[Path]) -> None:
    """The last of the files, after the others, with factors and without."""
    if not sessions:
        report.say("lists: no log: give --sessions FILE to measure them")
        return
    log = read_sessions(report, sessions)
    path = walk(log)
    rows = [_measured(log, path, factors) for factors in (True, False)]
    report.show(
        f"What lists cost, {len(path.at):,} events of {log.name}, the last period measured",
        rows,
        f"CPU us an event, least of three: a list at each, a lesson at one in four. Wanted: "
        f"{LIMITS[True]} with factors, {LIMITS[False]} without. Decoding and messages excluded.",
    )


def _measured(log: Log, path: Walk, factors: bool) -> Row:
    settings = Settings(factors_every=1 if factors else 0)
    everything = min(_cost(log, path, settings, ALL) for _ in range(3))
    less = [min(_cost(log, path, settings, part) for _ in range(3)) for part in LESS]
    return {
        "factors": f"{settings.factors} numbers" if factors else "none",
        "a list": everything[0] - less[0][0],
        "a lesson, of each fourth": everything[0] - less[1][0],
        "recent items, what they teach": less[2][0],
        "learning that": everything[1],
        "all": sum(everything),
        "wanted": LIMITS[factors],
    }


def _cost(log: Log, path: Walk, settings: Settings, part: Part) -> tuple[float, float]:
    """CPU us an event of the last period: at its shopper, and in the shop model."""
    shop, names, shoppers = ShopModel(settings), Names.of(log), Shoppers.of(path, settings)
    served, manner = Served.of(settings), Manner.of(settings)
    name_of = names_by_id(log)
    *_, measured, end = path.cuts.tolist()
    own = learning = 0.0
    # Most lessons are of one event in four, but for those of a shop that is new.
    served.blend[0].lessons = ranking.EAGER
    for first in range(0, end, STEP):
        last = min(first + STEP, end)
        updates = zeros(last - first, LAYOUT, UpdateRow)
        names.meet(shop)
        marked = served.ahead.marking(len(shop.view.categories))
        served = served._replace(ahead=marked)
        began = time.process_time()
        follow(path, shop.view, shoppers, names, served, updates, first, last, manner, part)
        done = time.process_time()
        shop.apply(packed(updates, 0, name_of.__getitem__))
        if first >= measured:
            own += done - began
            learning += time.process_time() - done
    count = end - (measured + -measured % STEP)
    return own / count * 1e6, learning / count * 1e6


@outlined
def follow(
    path: Walk, shop: ShopView, shoppers: Shoppers, names: Names, served: Served,
    updates: Rows[UpdateRow], first: int, last: int, manner: Manner, part: Part,
) -> None:  # fmt: skip
    """What a shard does for lists at these events."""
    for event in range(first, last):
        shopper, at = path.shoppers[event], path.at[event]
        row, moved = shoppers.recents[shopper], shoppers.moves[shopper]
        if part.lessons and row.used > 0 and ranking.sampled(served.blend[0], event * PLACES):
            ranking.reflect(
                shop, row, served.blend[0], served.ahead.outlooks[0], manner.slots,
                names.items[path.items[event]], at, manner.half_life,
            )  # fmt: skip
        write(updates[event - first], row, moved, path, names, event)
        push(row, moved, path, names, event)
        if part.lists:
            listed(shop, row, moved, names, served, at, manner)
