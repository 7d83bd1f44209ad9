"""Intervals: how far a measured number may lie from the one behind it."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from stream.core.rows import Float64s

LEVEL = 0.95
DRAWS = 1000


class Interval(NamedTuple):
    """A number and where the one behind it lies, at the level asked for."""

    value: float
    low: float
    high: float
    n: int
    """How many independent things it rests on: trials, shoppers or draws."""


def share(hits: int, trials: int, level: float = LEVEL) -> Interval:
    """A share of trials, with Wilson's interval.

    >>> [round(end, 2) for end in share(8, 10)[:3]]
    [0.8, 0.49, 0.94]
    """
    if not trials:
        return Interval(math.nan, math.nan, math.nan, 0)
    z = _normal(level)
    value, spread = hits / trials, z * z / trials
    middle = (value + spread / 2) / (1 + spread)
    half = z * math.sqrt(value * (1 - value) / trials + spread / (4 * trials)) / (1 + spread)
    return Interval(value, max(0.0, middle - half), min(1.0, middle + half), trials)


def rate(count: int, exposure: float, per: float = 1.0, level: float = LEVEL) -> Interval:
    """Events `per` so much exposure, with the exact interval of a Poisson count.

    >>> [round(end, 2) for end in rate(4, 40_000, per=10_000)[:3]]
    [1.0, 0.27, 2.56]
    """
    tail = (1 - level) / 2
    low = float(stats.chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    high = float(stats.chi2.ppf(1 - tail, 2 * count + 2)) / 2
    unit = per / exposure
    return Interval(count * unit, low * unit, high * unit, count)


def mean(values: ArrayLike, level: float = LEVEL) -> Interval:
    """The mean of independent values, with Student's interval."""
    known = np.asarray(values, np.float64)
    count = len(known)
    if count < 2:
        only = float(known[0]) if count else math.nan
        return Interval(only, math.nan, math.nan, count)
    middle = float(known.mean())
    spread = float(known.std(ddof=1)) / math.sqrt(count)
    half = float(stats.t.ppf((1 + level) / 2, count - 1)) * spread
    return Interval(middle, middle - half, middle + half, count)


def within(measured: Interval, least: float, most: float) -> Interval:
    """The same, its ends no further than the number can lie: a share is not below 0."""
    low, high = max(measured.low, least), min(measured.high, most)
    return measured._replace(low=low, high=high) if low <= high else measured


def by_shopper(
    values: ArrayLike,
    shoppers: ArrayLike,
    seed: int,
    weights: ArrayLike | None = None,
    level: float = LEVEL,
    draws: int = DRAWS,
) -> Interval:
    """The (weighted) mean of values, whole shoppers drawn again and again.

    Events of one shopper hang together, so it is shoppers that count as independent.
    Give the difference of two methods, event by event, for a paired comparison.
    """
    sums, counts = _per_shopper(values, shoppers, weights)
    if not len(sums):
        return Interval(math.nan, math.nan, math.nan, 0)
    means = np.empty(draws)
    generator = np.random.default_rng(seed)
    equal = np.full(len(sums), 1.0 / len(sums))
    for draw in range(draws):
        taken = generator.multinomial(len(sums), equal)
        means[draw] = (taken @ sums) / max(float(taken @ counts), 1e-300)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(sums.sum() / counts.sum()), float(low), float(high), len(sums))


def median(values: ArrayLike, seed: int, level: float = LEVEL, draws: int = DRAWS) -> Interval:
    """The median of independent values, drawn again and again; of two middle ones the lower.

    It may be infinite, as where what is waited for did not happen.

    >>> median([1.0, 2.0, np.inf], seed=1).value
    2.0
    """
    known = np.sort(np.asarray(values, np.float64))
    count = len(known)
    if not count:
        return Interval(math.nan, math.nan, math.nan, 0)
    generator, middle = np.random.default_rng(seed), (count - 1) // 2
    drawn = known[np.sort(generator.integers(0, count, (draws, count)), axis=1)[:, middle]]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    return Interval(float(known[middle]), float(low), float(high), count)


def _per_shopper(
    values: ArrayLike, shoppers: ArrayLike, weights: ArrayLike | None
) -> tuple[Float64s, Float64s]:
    """Each shopper's sum of weighted values, and of weights."""
    numbers: NDArray[np.int64]
    _, numbers = np.unique(np.asarray(shoppers), return_inverse=True)
    amount = np.asarray(values, np.float64)
    weight = np.ones_like(amount) if weights is None else np.asarray(weights, np.float64)
    sums = np.bincount(numbers, weight * amount).astype(np.float64)
    return sums, np.bincount(numbers, weight).astype(np.float64)


def _normal(level: float) -> float:
    return float(stats.norm.ppf((1 + level) / 2))
