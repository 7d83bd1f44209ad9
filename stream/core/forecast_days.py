"""The next day's demand: a slow level times an index of the weekday."""

import math

import numpy as np

from stream.core import forecast_interval as intervals
from stream.core import forecast_outlook as outlooks
from stream.core.compiled import kernel, outlined
from stream.core.forecast_interval import TRACK, Aim, TrackRow
from stream.core.forecast_outlook import OutcomeRow
from stream.core.rows import Float64s, Layout, Rows

METHOD = "level x weekday"
LEVEL_RATE = 1.0 - 0.5 ** (1 / 14)
INDEX_RATE = 0.07
"""Of the logarithm, once the first weeks have gone by."""
SILENT_DAYS = 3
"""Of a new category so many days before its first sale count as well."""
LEAST_INDEX, MOST_INDEX = 0.01, 100.0


class DayRow:
    """A category's days since it first sold, and what the last one sold.

    `index` says how many times the level a weekday sells, from the first of the shop's week.
    The rest is the forecast of the day that comes next.
    """

    days: int
    silent: int
    last: float
    level: float
    index: Float64s
    track: TrackRow
    expected: float
    reach: float
    scale: float


DAY_ROW: Layout = np.dtype(
    [
        ("days", "i4"),
        ("silent", "i4"),
        ("last", "f8"),
        ("level", "f8"),
        ("index", "f8", 7),
        ("track", TRACK),
        ("expected", "f8"),
        ("reach", "f8"),
        ("scale", "f8"),
    ],
    align=True,
)


@kernel
def learn(row: DayRow, quantity: float, weekday: int, before: int) -> None:
    """Count a closed day, that has `before` days before it.

    A category's days begin with the first on which it sells.
    """
    if row.days == 0:
        row.silent = min(before, SILENT_DAYS)
        for place in range(7):
            row.index[place] = 1.0
    else:
        ratio = (quantity + 0.5) / (row.level * row.index[weekday] + 0.5)
        rate = max(INDEX_RATE, 1.0 / (row.days // 7 + 2.0))
        index = row.index[weekday] * math.exp(rate * math.log(ratio))
        row.index[weekday] = min(max(index, LEAST_INDEX), MOST_INDEX)
    rate = max(LEVEL_RATE, 1.0 / (row.days + row.silent + 1.0))
    row.level += rate * (quantity / row.index[weekday] - row.level)
    row.last = quantity
    row.days += 1


@kernel
def promise(row: DayRow, weekday: int, pull: float, aim: Aim) -> None:
    """Forecast the day that comes next, a `weekday`."""
    row.expected = row.level * row.index[weekday]
    intervals.begin(row.track, row.expected, 1.0, aim)
    row.reach = intervals.reach(row.track, pull, aim)
    row.scale = max(row.track.scale, intervals.LEAST_SCALE)


@outlined
def close_day(
    rows: Rows[DayRow],
    outcomes: Rows[OutcomeRow],
    count: int,
    quantities: Float64s,
    weekday: int,
    before: int,
    pull: float,
    aim: Aim,
) -> None:
    """Compare the day with its forecasts, and learn it."""
    for number in range(count):
        row, outcome, sold = rows[number], outcomes[number], quantities[number]
        outcome.matured = 0
        if row.days == 0 and not sold > 0.0:
            continue
        if row.days > 0:
            outlooks.judge(outcome, row.track, row.expected, row.reach, row.scale, sold, pull, aim)
        learn(row, sold, weekday, before)


@outlined
def look_ahead(rows: Rows[DayRow], count: int, weekday: int, pull: float, aim: Aim) -> None:
    """Forecast the day that comes next for every category that has sold."""
    for number in range(count):
        if rows[number].days > 0:
            promise(rows[number], weekday, pull, aim)
