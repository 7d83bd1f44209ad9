"""A log as all rankings follow it: who took which item, in which period, and what is asked."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.core.calendar import Calendar
from stream.core.compiled import outlined
from stream.core.ids import identify
from stream.core.rows import Float64s, Int8s, Int32s, Int64s
from stream.errors import StreamError
from stream.evaluation.drift.histories import SESSION_GAP
from stream.evaluation.logs import RETURNED, Log

LEAST_WEEKS = 3
"""A log of fewer weeks has days as periods."""
NO_PERIOD = 1 << 30
BY_ITEM = ("order", "group", "rarity", "percentile")
Flags = NDArray[np.bool_]


class Walk(NamedTuple):
    """The events that have an item, in time order, one entry an event in each column.

    `given` are sessions by their 64-bit ids, 0 for none; `sessions` are numbers from 0, a
    shopper's side by side, cut at pauses where none is given. `followed` are events of shoppers
    who had one before, `seen` those whose item came in an earlier period, `asked` those of them
    whose shopper already had such an item. Events from
    `cuts[n]` up to `cuts[n + 1]` are period n. By item, `order` tells which of equals goes
    first, `group` is its first category or -1, `rarity` is -log2 of its share of all events, and
    `percentile` the share of items that have fewer events.
    """

    shoppers: Int32s
    items: Int32s
    categories: Int32s
    at: Float64s
    actions: Int8s
    given: Int64s
    sessions: Int32s
    periods: Int32s
    followed: Flags
    seen: Flags
    asked: Flags
    cuts: Int64s
    order: Int64s
    group: Int32s
    rarity: Float64s
    percentile: Float64s

    @property
    def known(self) -> int:
        """How many items there are."""
        return len(self.order)

    @property
    def people(self) -> int:
        """How many shoppers there are."""
        return int(self.shoppers.max()) + 1


def walk(log: Log) -> Walk:
    """The log's events of items; refunds are none.

    Raises
    ------
    StreamError
        If there is none, or all are of one period.
    """
    taken = (log.items >= 0) & (log.actions != RETURNED)
    if not taken.any():
        raise StreamError(f"no event of {log.name} has an item: is a --preset or --map missing?")
    shoppers, items, at = log.shoppers[taken], log.items[taken], log.at[taken]
    categories, names = log.categories[taken], log.item_names
    periods = period_of(at, log.time_zone)
    if periods[-1] == 0:
        raise StreamError(f"all events of {log.name} are of one day: ranking needs two at least")
    first = first_period(items, periods, len(names))[items]
    seen, followed, asked = (
        first < periods,
        np.zeros(len(at), np.bool_),
        np.zeros(len(at), np.bool_),
    )
    oldest = np.full(len(log.shopper_names), NO_PERIOD)
    ask(shoppers, first, periods, followed, asked, oldest)
    counts = np.bincount(items, minlength=len(names))
    return Walk(
        shoppers=shoppers,
        items=items,
        categories=categories,
        at=at,
        actions=log.actions[taken],
        given=log.sessions[taken],
        sessions=sessions_of(shoppers, log.sessions[taken], at),
        periods=periods,
        followed=followed,
        seen=seen,
        asked=asked & seen,
        cuts=np.searchsorted(periods, np.arange(int(periods[-1]) + 2)),
        order=np.argsort(np.argsort([identify(name) for name in names], kind="stable")),
        group=first_category(items, categories, len(names)),
        rarity=-np.log2(np.maximum(counts, 1) / len(items)),
        percentile=np.searchsorted(np.sort(counts), counts) / len(names),
    )


def period_of(at: Float64s, time_zone: str) -> Int32s:
    """The number of each event's week, or day of a short log; periods without events don't count.

    `at` is ascending; weeks begin on Monday.
    """
    days = Calendar(time_zone).days_of(at)
    # Day 1 was a Monday.
    weeks = (days - 1) // 7
    few = len(np.unique(weeks)) < LEAST_WEEKS
    return np.unique(days if few else weeks, return_inverse=True)[1].astype(np.int32)


def first_period(items: Int32s, periods: Int32s, known: int) -> Int32s:
    """The period in which each item came first."""
    first = np.full(known, NO_PERIOD, np.int32)
    np.minimum.at(first, items, periods)
    return first


def first_category(items: Int32s, categories: Int32s, known: int) -> Int32s:
    """Each item's category in the first event that has one, -1 for none."""
    having = np.flatnonzero(categories >= 0)
    found = np.full(known, -1, np.int32)
    numbers, first = np.unique(items[having], return_index=True)
    found[numbers] = categories[having[first]]
    return found


def sessions_of(shoppers: Int32s, given: Int64s, at: Float64s) -> Int32s:
    """Sessions by number: as they are given, else cut where a shopper paused for half an hour."""
    order = np.argsort(shoppers, kind="stable")
    who, which, when = shoppers[order], given[order], at[order]
    begins = np.ones(len(order), np.bool_)
    paused = (which[1:] == 0) & (np.diff(when) > SESSION_GAP)
    begins[1:] = (who[1:] != who[:-1]) | (which[1:] != which[:-1]) | paused
    numbers = np.empty(len(order), np.int32)
    numbers[order] = np.cumsum(begins) - 1
    return numbers


@outlined
def ask(
    shoppers: Int32s, first: Int32s, periods: Int32s, followed: Flags, asked: Flags, oldest: Int64s
) -> None:
    """Mark events whose shopper took an item before, and one that came in an earlier period.

    `first` is the period in which each event's item came first.
    """
    for event in range(len(shoppers)):
        shopper = shoppers[event]
        followed[event] = oldest[shopper] < NO_PERIOD
        asked[event] = oldest[shopper] < periods[event]
        oldest[shopper] = min(oldest[shopper], first[event])


def until(walk: Walk, period: int) -> Walk:
    """The same up to a period, with it."""
    end = int(walk.cuts[period + 1])
    others = (*BY_ITEM, "cuts")
    cut = {name: column[:end] for name, column in walk._asdict().items() if name not in others}
    return walk._replace(**cut, cuts=walk.cuts[: period + 2])


def parts(walk: Walk) -> list[tuple[int, int]]:
    """First and last period of the part to tune on, of the rest, and of both.

    Nothing is asked in period 0. A log of two periods has one part for all.
    """
    last = len(walk.cuts) - 2
    early = max(1, -(-last // 3))
    return [(1, early), (early + 1, last), (1, last)] if early < last else [(1, last)]


def span(walk: Walk, part: tuple[int, int]) -> Flags:
    """The events of the periods of a part."""
    return np.asarray((walk.periods >= part[0]) & (walk.periods <= part[1]))
