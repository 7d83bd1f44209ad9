"""Tests of whether counts in one window differ from those in the window before.

Arrays are float64, one entry a cell. Statistics are in standard deviations of what chance
alone would do.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream.core.rows import Float64s

LEAST_EXPECTED = 3.0
"""Cells of which less is expected in either window are pooled for the G-test."""


def z_shares(before: Float64s, all_before: float, now: Float64s, all_now: float) -> Float64s:
    """How far each cell's share of all moved between two windows: the two-proportion z.

    >>> z_shares(np.array([10.0]), 100.0, np.array([20.0]), 100.0).round(3)
    array([1.98])
    """
    pooled = (before + now) / (all_before + all_now)
    variance = pooled * (1.0 - pooled) * (1.0 / all_before + 1.0 / all_now)
    difference = now / all_now - before / all_before
    return np.divide(
        difference, np.sqrt(variance), out=np.zeros_like(difference), where=variance > 0.0
    )


def z_interaction(
    before: Float64s,
    row_before: Float64s,
    now: Float64s,
    row_now: Float64s,
    others_before: Float64s,
    rest_before: Float64s,
    others_now: Float64s,
    rest_now: Float64s,
) -> Float64s:
    """How far a row's flow to a category grew beyond what all other rows' flows there did.

    `before` and `now` are the flow A to B, `row_...` all moves out of A; `others_...` the
    flows to B from elsewhere, `rest_...` all moves that are not out of A.

    >>> ones = np.ones(1)
    >>> grown = z_interaction(8*ones, 100*ones, 32*ones, 100*ones, 50*ones, 900*ones,
    ...                       50*ones, 900*ones)
    >>> grown.round(2)
    array([3.09])
    """
    lift = np.log((now + 0.5) / row_now) - np.log((before + 0.5) / row_before)
    elsewhere = np.log((others_now + 0.5) / rest_now) - np.log((others_before + 0.5) / rest_before)
    variance = sum(1.0 / (count + 0.5) for count in (before, now, others_before, others_now))
    return np.asarray((lift - elsewhere) / np.sqrt(variance))


def two_sided(z: Float64s) -> Float64s:
    """The chance of a z as far from 0, or farther.

    >>> two_sided(np.array([0.0, 1.959964])).round(4)
    array([1.  , 0.05])
    """
    return np.array([math.erfc(abs(one) / math.sqrt(2.0)) for one in z.tolist()])


def benjamini_hochberg(chances: Float64s, rate: float) -> NDArray[np.bool_]:
    """Which of a family of tests pass, so that at most `rate` of those are expected by chance.

    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.5]), 0.05)
    array([ True, False, False, False])

    References
    ----------
    [^1]: Benjamini and Hochberg 1995. Controlling the false discovery rate. JRSS B.
    """
    ranked = np.sort(chances)
    under = np.flatnonzero(ranked <= rate * np.arange(1, len(ranked) + 1) / max(1, len(ranked)))
    return np.asarray(chances <= ranked[under[-1]] if len(under) else np.zeros(len(chances), bool))


def g_test_row(before: Sequence[float], now: Sequence[float]) -> tuple[float, int, float]:
    """Whether a row's moves go elsewhere than before: G, degrees of freedom, and its chance.

    Cells of which less than three are expected in a window are pooled. A row of one cell
    says nothing: (0, 0, 1).

    >>> g, degrees, chance = g_test_row([30, 30, 1], [30, 30, 1])
    >>> (g, degrees, chance)
    (0.0, 2, 1.0)
    """
    counts = np.array([before, now], dtype=np.float64)
    enough = _expected(counts).min(axis=0) >= LEAST_EXPECTED
    pooled = counts[:, ~enough].sum(axis=1, keepdims=True)
    table = np.hstack([counts[:, enough], pooled])
    table = table[:, table.sum(axis=0) > 0.0]
    if table.shape[1] < 2:
        return 0.0, 0, 1.0
    ratio = np.where(table > 0.0, table / _expected(table), 1.0)
    g = max(0.0, float(2.0 * (table * np.log(ratio)).sum()))
    return g, table.shape[1] - 1, chi_squared(g, table.shape[1] - 1)


def chi_squared(statistic: float, degrees: int) -> float:
    """The chance of a chi-squared statistic as large, or larger; by its finite sum.

    >>> round(chi_squared(3.841459, 1), 4), round(chi_squared(5.991465, 2), 4)
    (0.05, 0.05)
    """
    half = statistic / 2.0
    if half <= 0.0:
        return 1.0
    odd = degrees % 2
    total = math.erfc(math.sqrt(half)) if odd else 0.0
    for step in range(degrees // 2):
        power = step + odd / 2.0
        total += math.exp(power * math.log(half) - half - math.lgamma(power + 1.0))
    return min(1.0, total)


def _expected(counts: Float64s) -> Float64s:
    total = counts.sum()
    rows, columns = counts.sum(axis=1, keepdims=True), counts.sum(axis=0, keepdims=True)
    return np.asarray(rows * columns / total if total else counts)
