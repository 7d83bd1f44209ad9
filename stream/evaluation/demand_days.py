"""What a log sold, or had looked at, on each local day: by category, and by item."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from stream.core.calendar import Calendar
from stream.core.events import BUY, VIEW
from stream.core.forecast import Key
from stream.core.rows import Float64s, Int32s
from stream.evaluation.logs import RETURNED, Log
from stream.messages import Series

Unit = Literal["quantity", "lines"]
DISTINCT = 3
"""So many shoppers must have gone so far in time: a wild timestamp is one shopper's."""
LATE_DAYS = 28
"""Days of the log's end in which the best-selling items are looked for."""


class Daily(NamedTuple):
    """Quantities of each day and category, shape (days, categories); refunds are taken off.

    Days count from `first_day`. A name is None where events have no category; that column is
    the last, if there is one.
    """

    series: Series
    first_day: int
    names: Sequence[str | None]
    quantities: Float64s

    def totals(self) -> Iterator[tuple[int, dict[Key, float]]]:
        """Each day with what it sold, as a `Forecaster` takes it."""
        for place, quantities in enumerate(self.quantities):
            sold = np.flatnonzero(quantities).tolist()
            yield (
                self.first_day + place,
                {(self.series, self.names[n], None): float(quantities[n]) for n in sold},
            )


def closed_days(log: Log, calendar: Calendar) -> tuple[int, int]:
    """The log's first day, and its last that is over: three shoppers came after it.

    The last is before the first in a log of one day.
    """
    order = np.lexsort((log.at, log.shoppers))
    shoppers = log.shoppers[order]
    begins = np.flatnonzero(np.r_[True, shoppers[1:] != shoppers[:-1]])
    ends = np.r_[begins[1:], len(shoppers)] - 1
    rank = min(DISTINCT, len(begins)) - 1
    earliest = np.sort(log.at[order[begins]])[rank]
    clock = np.sort(log.at[order[ends]])[::-1][rank]
    return calendar.day_of(float(earliest)), calendar.day_of(float(clock)) - 1


def counts(log: Log, series: Series, unit: Unit = "quantity") -> Float64s:
    """What each event counts in a series; below 0 for a refund. In `lines`, a whole event is 1."""
    action = VIEW if series == "views" else BUY
    signs = (log.actions == action).astype(np.float64)
    if series == "purchases":
        signs -= log.actions == RETURNED
    counted: Float64s = signs * log.quantities if unit == "quantity" else signs
    return counted


def daily(log: Log, series: Series, calendar: Calendar, unit: Unit = "quantity") -> Daily:
    """The log's closed days."""
    first, last = closed_days(log, calendar)
    days, count = calendar.days_of(log.at), counts(log, series, unit)
    kept = (count != 0) & (days >= first) & (days <= last)
    bare = bool(np.any(log.categories[kept] < 0))
    names = [*log.category_names, *([None] if bare else [])]
    columns = np.where(log.categories < 0, len(log.category_names), log.categories)
    places = (days[kept] - first).astype(np.int64) * len(names) + columns[kept]
    size = max(last + 1 - first, 0) * len(names)
    summed = np.bincount(places, count[kept], minlength=size).reshape(-1, len(names))
    return Daily(series, first, names, np.round(summed, 3))


def item_days(
    log: Log, series: Series, calendar: Calendar, most: int
) -> dict[int, dict[Key, float]]:
    """For each closed day what the `most` items sold that sold most in the last four weeks."""
    first, last = closed_days(log, calendar)
    days, count = calendar.days_of(log.at), counts(log, series)
    kept = (count != 0) & (log.items >= 0) & (days >= first) & (days <= last)
    kept &= np.isin(log.items, _best(log.items, count, kept & (days > last - LATE_DAYS), most))
    totals: dict[int, dict[Key, float]] = {}
    for event in np.flatnonzero(kept).tolist():
        category = int(log.categories[event])
        name = log.category_names[category] if category >= 0 else None
        key: Key = (series, name, log.item_names[int(log.items[event])])
        day = totals.setdefault(int(days[event]), {})
        day[key] = round(day.get(key, 0.0) + float(count[event]), 3)
    return totals


def _best(items: Int32s, count: Float64s, late: np.ndarray, most: int) -> Int32s:
    """The items that sold most; of equals, those that came first in the log."""
    sold = np.bincount(items[late], count[late], minlength=1)
    order = np.argsort(-sold, kind="stable")[:most].astype(np.int32)
    return order[sold[order] > 0]
