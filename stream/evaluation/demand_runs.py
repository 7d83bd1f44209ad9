"""What our forecaster said at the end of each week and day, and how far off it and others were."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.core.calendar import WEEKDAYS, Calendar
from stream.core.forecast import Forecaster
from stream.core.forecast_book import SPANS
from stream.core.forecast_demand import Outlook
from stream.core.rows import Float64s
from stream.evaluation.bootstrap import DRAWS, Interval
from stream.evaluation.demand_days import Daily

USUAL = 1.2533
"""A bell's standard deviation in mean absolute errors."""
EIGHTY = 1.2816
"""In standard deviations: so far to both sides lie 80 % of a bell."""


class Said(NamedTuple):
    """Forecasts by when they were made and category, shape (origins, categories)."""

    expected: Float64s
    low: Float64s
    high: Float64s


class Run(NamedTuple):
    """Our forecasts of one log, learned day by day.

    `weekly` are those of a mean week of the next 1, 4 and 13, by horizon, at the end of each
    whole week; `totals` what all weeks were expected to sell. `next_day` are those at the end
    of each day.
    """

    weekly: Mapping[str, Said]
    totals: Float64s
    next_day: Said


def run(daily: Daily, interval: float = 0.8) -> Run:
    """Let a forecaster learn every day and write down what it says; weeks begin as the log does."""
    weekday = WEEKDAYS[(daily.first_day - 1) % 7]
    forecaster = Forecaster(Calendar("UTC", weekday), interval)
    weeks = len(daily.quantities) // 7
    width = len(daily.names)
    weekly = {horizon: _empty(weeks, width) for horizon in SPANS}
    totals, next_day = np.zeros(weeks), _empty(len(daily.quantities), width)
    columns = {name: place for place, name in enumerate(daily.names)}
    for place, (day, sold) in enumerate(daily.totals()):
        forecaster.close_day(day, sold)
        demand = forecaster.demand(daily.series)
        if demand is None:
            continue
        _note(next_day, place, demand.next_day(), columns)
        if place % 7 == 6 and demand.shop.closed["week"]:
            totals[place // 7] = demand.shop.total
            for horizon in SPANS:
                _note(weekly[horizon], place // 7, demand.weekly(horizon), columns)
    return Run(weekly, totals, next_day)


def _empty(origins: int, categories: int) -> Said:
    return Said(*(np.zeros((origins, categories)) for _ in range(3)))


def _note(said: Said, place: int, outlook: Outlook, columns: Mapping[str | None, int]) -> None:
    numbers = [columns[category] for category, _ in outlook.names]
    said.expected[place, numbers] = outlook.expected
    said.low[place, numbers] = outlook.low
    said.high[place, numbers] = outlook.high


class Errors(NamedTuple):
    """Of each category, over all origins: the sum of |error|, of the truth, and its mean |step|.

    `steps` are the mean |change| from one period to the next where the method only learned.
    """

    errors: Float64s
    truth: Float64s
    steps: Float64s
    origins: int

    def wape(self, seed: int) -> Interval:
        """Sum of |error| / sum of truth; the interval is of categories drawn again and again."""
        return _drawn(self.errors, self.truth, self.origins, seed)

    def above(self, other: "Errors", seed: int) -> Interval:
        """How far the WAPE is above another's of the same truth."""
        return _drawn(self.errors - other.errors, self.truth, self.origins, seed)

    def mase(self, large: NDArray[np.bool_]) -> float:
        """Mean over large categories of mean |error| / mean |change| of a period; NaN for none."""
        counted = large & (self.steps > 0.0)
        if not counted.any():
            return math.nan
        return float((self.errors[counted] / self.origins / self.steps[counted]).mean())


def _drawn(parts: Float64s, wholes: Float64s, origins: int, seed: int) -> Interval:
    """The ratio of two sums over categories, with the interval of drawn categories."""
    count = len(parts)
    taken = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), DRAWS)
    drawn = (taken @ parts) / np.maximum(taken @ wholes, 1e-300)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(parts.sum() / wholes.sum()), float(low), float(high), origins)


def ahead(truth: Float64s, span: int) -> Float64s:
    """For each period, the mean of the `span` that follow it; as many rows fewer."""
    sums = np.cumsum(np.vstack([np.zeros(truth.shape[1]), truth]), axis=0)
    means: Float64s = (sums[span + 1 :] - sums[1 : len(truth) - span + 1]) / span
    return means


def errors(expected: Float64s, truth: Float64s, span: int, learned: int) -> Errors:
    """How far off forecasts were that were made from period `learned` - 1 on."""
    first = learned - 1
    right = ahead(truth, span)[first:]
    told = expected[first : first + len(right)]
    steps = np.abs(np.diff(truth[:learned], axis=0)).mean(0)
    return Errors(np.abs(told - right).sum(0), right.sum(0), steps, len(right))


class Cover(NamedTuple):
    """How often intervals held, how wide they were for what was sold, and where they failed."""

    coverage: float
    width: float
    worst: float
    """The least coverage of any origin."""
    poor: float
    """Share of categories that were covered less than 65 % of the time."""
    origins: int


def covered(
    said: Said, truth: Float64s, span: int, learned: int, large: NDArray[np.bool_]
) -> Cover:
    """Of large categories, from period `learned` - 1 on."""
    first = learned - 1
    right = ahead(truth, span)[first:][:, large]
    low = said.low[first : first + len(right)][:, large]
    high = said.high[first : first + len(right)][:, large]
    held = (low - 1e-6 <= right) & (right <= high + 1e-6)
    width = float((high - low).sum() / (len(right) * truth.mean(0)[large].sum()))
    poor = float((held.mean(0) < 0.65).mean())
    return Cover(float(held.mean()), width, float(held.mean(1).min()), poor, len(right))


def poisson(expected: Float64s, span: int) -> Said:
    """Intervals as if what is sold were counts without any other spread."""
    return _around(expected, EIGHTY * np.sqrt(np.maximum(expected, 0.05) / span))


def gauss(expected: Float64s, truth: Float64s, span: int) -> Said:
    """Intervals of a bell around the forecast, from the decayed mean |error| that has matured."""
    right = ahead(truth, span)
    mean = 0.8 * np.sqrt(np.maximum(expected[0], 0.25) / span)
    reach = np.zeros_like(expected)
    for period in range(len(expected)):
        if period >= span:
            mean += 0.1 * (np.abs(right[period - span] - expected[period - span]) - mean)
        reach[period] = EIGHTY * USUAL * np.maximum(mean, 0.02)
    return _around(expected, reach)


def _around(expected: Float64s, reach: Float64s) -> Said:
    return Said(expected, np.maximum(expected - reach, 0.0), expected + reach)
