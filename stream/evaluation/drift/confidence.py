"""How sure an alert may be: alerts ranked by a logistic model, and what came of each rank.

The model alone promises too much of the rare alerts with most evidence. So each alert gets the
share of true changes among those of about its rank: isotonic regression (pool adjacent
violators; Barlow et al. 1972, and Zadrozny and Elkan 2002 for probabilities).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from stream.calibration import Confidence
from stream.core.rows import Float64s
from stream.evaluation.bootstrap import Interval, share
from stream.evaluation.drift.judging import LATEST, judge
from stream.evaluation.drift.streams import Found, Streams

RATES = (1 / 1000, 1 / 5000)
"""True changes an event, in each half of the mix that confidence is fitted on."""
PRIOR = round(sum(RATES) / len(RATES), 9)
STEPS, RIDGE = 50, 5.0
"""Newton's steps, and a pull to 0, as strong as five alerts, where alerts are few."""
FEWEST, LEVELS = 60.0, 12
"""What the alerts of a level are worth at least, in alerts of equal weight, and how many levels
of that worth there may be."""
DOUBT = 20.0
"""How many alerts the share of true ones over all levels is worth in each."""
EDGES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
FEATURES = 4
RISING = slice(1, 3)
SMALL = 1e-9


class Examples(NamedTuple):
    """Alerts, and whether a true change is behind each.

    `features` has a column of ones, ln(evidence / threshold), the strength, and whether the
    ring tipped it. `weights` is how many of its kind there are an event: alerts where
    nothing moves, and, once for each true change an event, alerts after one.
    """

    features: Float64s
    true: NDArray[np.bool_]
    weights: Float64s

    def at(self, rate: float) -> Float64s:
        """Weights at so many true changes an event."""
        return np.where(self.true, rate * self.weights, self.weights)


def examples(quiet: Streams, false: Found, moved: Streams, found: Found) -> Examples:
    """Alerts where nothing moves, and the first alert after each change, if it is in time."""
    verdict = judge(moved, found)
    alarms = verdict.alarm[verdict.within(LATEST)]
    features = np.concatenate([_features(false), _features(found)[alarms]])
    true = np.repeat([False, True], [false.number, len(alarms)])
    weights = np.where(true, 1.0 / max(moved.number, 1), 1.0 / max(quiet.events, 1))
    return Examples(features, true, weights)


def _features(found: Found) -> Float64s:
    return np.stack([np.ones(found.number), found.excess, found.strength, found.source], axis=1)


def together(parts: Sequence[Examples]) -> Examples:
    """All of them, each part weighing the same."""
    features, true, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Examples(features, true, weights / len(parts))


def fit(seen: Examples) -> Confidence | None:
    """The ranking of greatest likelihood on the mix, and the chance at each rank.

    None if all alerts are of one kind. More evidence or strength never makes an alert less
    sure: a weight below 0 is taken for chance and set to 0.
    """
    if seen.true.all() or not seen.true.any():
        return None
    used = np.ones(FEATURES, np.bool_)
    beta = _weights(seen, used)
    while (beta[RISING] < 0).any():
        used[RISING] &= beta[RISING] > 0
        beta = _weights(seen, used)
    ranks, chances = _levels(seen.features @ beta, seen.true, seen.at(PRIOR))
    intercept, evidence, strength, ring = (float(weight) for weight in beta)
    return Confidence(
        prior=PRIOR,
        intercept=intercept,
        evidence=evidence,
        strength=strength,
        ring=ring,
        ranks=ranks,
        chances=chances,
    )


def _levels(
    ranks: Float64s, true: NDArray[np.bool_], weights: Float64s
) -> tuple[list[float], list[float]]:
    """Ranks with enough alerts around each, and the share of true ones there, both rising."""
    # Of one rank, the true ones first: none of it may seem to rise.
    order = np.lexsort((~true, ranks))
    ranks, true, weights = ranks[order], true[order].astype(np.float64), weights[order]
    rising = isotonic_regression(true, weights=weights).x
    every = float((weights * true).sum() / weights.sum())
    levels = []
    for part in _enough(np.flatnonzero(np.diff(rising) > SMALL) + 1, weights):
        own, worth = weights[part], _worth(weights[part])
        share = float((own * true[part]).sum() / own.sum())
        chance = (share * worth + every * DOUBT) / (worth + DOUBT)
        levels.append((float((own * ranks[part]).sum() / own.sum()), chance))
    levels.sort()
    return [rank for rank, _ in levels], np.maximum.accumulate([c for _, c in levels]).tolist()


def _enough(cuts: NDArray[np.intp], weights: Float64s) -> list[slice]:
    """The parts between cuts, neighbors made one until each is worth enough, the highest first."""
    parts: list[slice] = []
    end, enough = len(weights), max(FEWEST, _worth(weights) / LEVELS)
    for cut in [*cuts[::-1].tolist(), 0]:
        if _worth(weights[cut:end]) >= enough:
            parts.append(slice(cut, end))
            end = cut
    if end > 0 and parts:
        parts[-1] = slice(0, parts[-1].stop)
    return parts or [slice(0, end)]


def _worth(weights: Float64s) -> float:
    """How many alerts of equal weight tell as much."""
    return float(weights.sum() ** 2 / (weights * weights).sum()) if len(weights) else 0.0


def _weights(seen: Examples, used: NDArray[np.bool_]) -> Float64s:
    """The weights of the features used, by Newton's method; 0 for the others."""
    weights = seen.at(PRIOR)
    # They sum to what the alerts are worth, so that the pull is as strong for every log.
    weights = weights * (weights.sum() / (weights * weights).sum())
    features = seen.features[:, used]
    pull = np.diag([0.0, *[RIDGE] * (features.shape[1] - 1)])
    beta = np.zeros(features.shape[1])
    for _ in range(STEPS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(features @ beta, -500.0, 500.0)))
        slope = features.T @ (weights * (seen.true - chance)) - pull @ beta
        curve = (features.T * (weights * chance * (1 - chance))) @ features + pull
        step = np.linalg.solve(curve + SMALL * np.eye(len(beta)), slope)
        beta = beta + step
        if np.abs(step).max() < SMALL:
            break
    whole = np.zeros(FEATURES)
    whole[used] = beta
    return whole


def chances(model: Confidence, seen: Examples) -> Float64s:
    """The chance that the model gives each alert."""
    beta = np.array([model.intercept, model.evidence, model.strength, model.ring])
    chance: Float64s = np.interp(seen.features @ beta, model.ranks, model.chances)
    return chance


class Bin(NamedTuple):
    """Alerts that were said to be about equally sure."""

    low: float
    high: float
    said: float
    came: Interval
    """The share with a true change behind it; n is what the weights are worth in alerts."""


def reliability(chance: Float64s, true: NDArray[np.bool_], weights: Float64s) -> list[Bin]:
    """What was said against what came, in bins that hold any alert."""
    bins = []
    for low, high in pairwise(EDGES):
        there = (chance >= low) & ((chance < high) | (high == EDGES[-1]))
        if there.any():
            bins.append(_bin(low, high, chance[there], true[there], weights[there]))
    return bins


def _bin(
    low: float, high: float, chance: Float64s, true: NDArray[np.bool_], weights: Float64s
) -> Bin:
    total = weights.sum()
    worth = round(_worth(weights))
    came = float((weights * true).sum() / total)
    ends = share(round(came * worth), worth)
    return Bin(low, high, float((weights * chance).sum() / total), ends._replace(value=came))
