"""How far each level expert is trusted, for each category and span of weeks of its own.

When the weeks that the experts spoke of are over, an expert's loss becomes .9 loss + |error| /
mean |error| of all experts; its weight is exp(-loss / 2), normalized (Hedge). What is steady in
one category moves in another.
"""

import math

import numpy as np

from stream.core import forecast_interval as intervals
from stream.core import forecast_levels as experts
from stream.core.compiled import kernel, outlined
from stream.core.forecast_interval import TRACK, Aim, TrackRow
from stream.core.forecast_levels import EXPERTS, LevelRow
from stream.core.rows import Float32s, Float64s, Int32s, Layout, Rows

FIRST_LOSS = 5
"""Weeks that a category was known for when its experts spoke; before, errors don't count."""
LOSS_KEPT = 0.9
SHARPNESS = 0.5
"""At 2 the best expert gets more, and all is worse, on both halves of a grocer's year."""


class OutlookRow:
    """What was said of a category for one span, until it is known. Rings by the week's number.

    `said` are the experts' shares, shape (span, 6). `expected` and `reach` are quantities: the
    mean of a week of the span, and how far the interval goes to both sides.
    """

    track: TrackRow
    losses: Float64s
    said: Float32s
    expected: Float32s
    reach: Float32s
    scale: Float32s


def layout(span: int) -> Layout:
    """The layout of an `OutlookRow` for spans of so many weeks."""
    return np.dtype(
        [
            ("track", TRACK),
            ("losses", "f8", EXPERTS),
            ("said", "f4", (span, EXPERTS)),
            ("expected", "f4", span),
            ("reach", "f4", span),
            ("scale", "f4", span),
        ],
        align=True,
    )


class OutcomeRow:
    """What came of one forecast. `matured` is 0 if there was none.

    `held` is 1 if the interval that was given held what was sold, `missed` if one as wide as
    today's would not have.
    """

    matured: int
    held: int
    missed: int
    error: float
    sold: float


OUTCOME: Layout = np.dtype(
    [("matured", "i4"), ("held", "i4"), ("missed", "i4"), ("error", "f8"), ("sold", "f8")],
    align=True,
)


@kernel
def judge(
    outcome: OutcomeRow, track: TrackRow, expected: float, reach: float, scale: float,
    sold: float, pull: float, aim: Aim,
) -> None:  # fmt: skip
    """Note what came of a forecast, and let its tracker learn."""
    error = abs(expected - sold)
    outcome.matured = 1
    outcome.held = 1 if error <= reach + 1e-9 else 0
    outcome.missed = 1 if intervals.learn(track, error, scale, pull, aim) else 0
    outcome.error = error
    outcome.sold = sold


@kernel
def blame(outlook: OutlookRow, place: int, share: float) -> None:
    """Add what the experts said, at a place of the ring, to their losses."""
    mean = 0.0
    for expert in range(EXPERTS):
        mean += abs(np.float64(outlook.said[place, expert]) - share) / EXPERTS
    for expert in range(EXPERTS):
        error = abs(np.float64(outlook.said[place, expert]) - share)
        outlook.losses[expert] = LOSS_KEPT * outlook.losses[expert] + error / (mean + 1e-9)


@outlined
def mature(
    rows: Rows[LevelRow],
    outlooks: Rows[OutlookRow],
    outcomes: Rows[OutcomeRow],
    count: int,
    week: int,
    totals: Float64s,
    pull: float,
    aim: Aim,
) -> None:
    """Compare what was said a span ago with the span that `week`, already learned, has ended."""
    for number in range(count):
        row, outlook, outcome = rows[number], outlooks[number], outcomes[number]
        span = len(outlook.expected)
        known = row.weeks - span
        outcome.matured = 0
        if known < 1:
            continue
        place = week % span
        sold = experts.mean_quantity(row, week, span)
        expected, reach = np.float64(outlook.expected[place]), np.float64(outlook.reach[place])
        scale = np.float64(outlook.scale[place])
        judge(outcome, outlook.track, expected, reach, scale, sold, pull, aim)
        if known >= FIRST_LOSS:
            blame(outlook, place, experts.mean_share(row, week, span, totals))


@kernel
def trusted(outlook: OutlookRow, place: int) -> float:
    """The share on which the experts, each as far as it is trusted, agree."""
    least = outlook.losses[0]
    for expert in range(EXPERTS):
        least = min(least, outlook.losses[expert])
    total, share = 0.0, 0.0
    for expert in range(EXPERTS):
        weight = math.exp(-SHARPNESS * (outlook.losses[expert] - least))
        total += weight
        share += weight * np.float64(outlook.said[place, expert])
    return share / total


@outlined
def agree(
    rows: Rows[LevelRow],
    outlooks: Rows[OutlookRow],
    count: int,
    week: int,
    totals: Float64s,
    shares: Float64s,
) -> None:
    """Let the experts speak at the end of `week`; write what they agree on to `shares`."""
    for number in range(count):
        row, outlook = rows[number], outlooks[number]
        shares[number] = 0.0
        if row.weeks == 0:
            continue
        span = len(outlook.expected)
        place = week % span
        experts.speak(row, outlook.said[place], week, span, totals)
        shares[number] = trusted(outlook, place)


@outlined
def promise(
    rows: Rows[LevelRow],
    outlooks: Rows[OutlookRow],
    shorter: Rows[OutlookRow],
    count: int,
    week: int,
    shares: Float64s,
    total: float,
    pull: float,
    aim: Aim,
) -> None:
    """Turn shares of a `total` into quantities with intervals, and keep them until they mature.

    Until one has, a horizon is taken to be at least as far off as the next `shorter` one is.
    """
    for number in range(count):
        outlook, expected = outlooks[number], shares[number] * total
        span = len(outlook.expected)
        place = week % span
        intervals.begin(outlook.track, expected, span, aim)
        if rows[number].weeks <= span:
            outlook.track.scale = max(outlook.track.scale, shorter[number].track.scale)
        outlook.expected[place] = np.float32(expected)
        outlook.reach[place] = np.float32(intervals.reach(outlook.track, pull, aim))
        outlook.scale[place] = np.float32(max(outlook.track.scale, intervals.LEAST_SCALE))


@outlined
def favorites(outlooks: Rows[OutlookRow], count: int, places: Int32s) -> None:
    """Which expert is trusted most, of each category; the first of equals."""
    for number in range(count):
        best = 0
        for expert in range(1, EXPERTS):
            if outlooks[number].losses[expert] < outlooks[number].losses[best]:
                best = expert
        places[number] = best
