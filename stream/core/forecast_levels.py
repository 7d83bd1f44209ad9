"""Level experts: what share of the next weeks' demand a category will have, said in six ways."""

import numpy as np

from stream.core.compiled import kernel, outlined
from stream.core.rows import Float32s, Float64s, Layout, Rows

KEPT_WEEKS = 13
"""Weeks of which each quantity is kept: those of the longest span."""
METHODS = (
    "last week",
    "mean of the last weeks",
    "level, half-life 2 weeks",
    "level, half-life 8 weeks",
    "mean of all weeks",
    "damped trend",
)
EXPERTS = len(METHODS)
QUICK = 1.0 - 0.5 ** (1 / 2)
SLOW = 1.0 - 0.5 ** (1 / 8)
LEVEL_RATE, TREND_RATE, DAMPING = 0.29, 0.10, 0.8
SILENT_WEEKS = 1
"""Of a new category so many weeks before its first sale count as well: what sells now and then
would else begin with its luckiest week."""
FIRST_TREND = 4
"""Weeks after which a trend is learned."""


class LevelRow:
    """A category's weeks since it first sold. `quantities` is a ring by the week's number.

    `silent` is the number of weeks before that count as well.
    """

    weeks: int
    silent: int
    unsold: int
    quantities: Float64s
    quick: float
    slow: float
    average: float
    level: float
    trend: float


LEVEL: Layout = np.dtype(
    [
        ("weeks", "i4"),
        ("silent", "i4"),
        ("unsold", "i4"),
        ("quantities", "f8", KEPT_WEEKS),
        ("quick", "f8"),
        ("slow", "f8"),
        ("average", "f8"),
        ("level", "f8"),
        ("trend", "f8"),
    ],
    align=True,
)


@kernel
def mean_quantity(row: LevelRow, week: int, count: int) -> float:
    """Of a week, over the `count` weeks that end with `week`."""
    total = 0.0
    for back in range(count):
        total += row.quantities[(week - back) % KEPT_WEEKS]
    return total / count


@kernel
def mean_share(row: LevelRow, week: int, count: int, totals: Float64s) -> float:
    """Mean of the shares of the `count` weeks that end with `week`; `totals` is a ring too."""
    total = 0.0
    for back in range(count):
        place = (week - back) % KEPT_WEEKS
        if totals[place] > 0.0:
            total += row.quantities[place] / totals[place]
    return total / count


@kernel
def learn(row: LevelRow, quantity: float, week: int, totals: Float64s) -> None:
    """Count a closed week. A category's weeks begin with the first in which it sells."""
    row.unsold = 0 if quantity > 0.0 else row.unsold + 1
    if row.weeks == 0 and row.unsold > 0:
        return
    if row.weeks == 0:
        row.silent = min(week, SILENT_WEEKS)
    row.quantities[week % KEPT_WEEKS] = quantity
    share = mean_share(row, week, 1, totals)
    fresh = 1.0 / (row.weeks + row.silent + 1.0)
    row.quick += max(QUICK, fresh) * (share - row.quick)
    row.slow += max(SLOW, fresh) * (share - row.slow)
    row.average += fresh * (share - row.average)
    before = row.level
    ahead = before + DAMPING * row.trend
    row.level = ahead + max(LEVEL_RATE, fresh) * (share - ahead)
    rate = TREND_RATE if row.weeks + row.silent >= FIRST_TREND else 0.0
    row.trend = DAMPING * row.trend + rate * (row.level - before - DAMPING * row.trend)
    row.weeks += 1


@kernel
def damped(span: int) -> float:
    """How many weekly trends the mean of the next `span` weeks is above the level.

    >>> damped(1)
    0.8
    """
    total, ahead, strength = 0.0, 0.0, 1.0
    for _ in range(span):
        strength *= DAMPING
        ahead += strength
        total += ahead
    return total / span


@kernel
def speak(row: LevelRow, said: Float32s, week: int, span: int, totals: Float64s) -> None:
    """Write what each expert says of the next `span` weeks."""
    said[0] = mean_share(row, week, 1, totals)
    said[1] = mean_share(row, week, min(span, row.weeks + row.silent), totals)
    said[2] = row.quick
    said[3] = row.slow
    said[4] = row.average
    said[5] = max(row.level + damped(span) * row.trend, 0.0)


@outlined
def close_week(
    rows: Rows[LevelRow], count: int, quantities: Float64s, week: int, totals: Float64s
) -> None:
    """Count a closed week of each of the first `count` categories."""
    for number in range(count):
        learn(rows[number], quantities[number], week, totals)
