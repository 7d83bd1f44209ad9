"""The recursive Laplace step in NumPy: plain Newton with halving, whole matrices at once."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def first_weights() -> Array:
    return np.array([-6.0] + [0.0] * 8)


def first_curvature() -> Array:
    return np.diag([0.001] + [5.0] * 8)


@dataclass
class SlowLearner:
    """`learn` takes features (rows, 8), outcomes of 1 or 0, and weights."""

    center: Array | None = None
    deviation: Array | None = None
    weights: Array = field(default_factory=first_weights)
    curvature: Array = field(default_factory=first_curvature)

    def design(self, features: Array) -> Array:
        assert self.center is not None
        assert self.deviation is not None
        standard = np.clip((features - self.center) / self.deviation, -4, 4)
        return np.hstack([np.ones((len(features), 1)), standard])

    def learn(self, features: Array, outcomes: Array, weights: Array) -> None:
        if self.center is None:
            self.center = features.mean(0)
            self.deviation = np.maximum(features.std(0), 0.5)
        x, before, known = self.design(features), self.weights, 0.9 * self.curvature
        here, loss = before, objective(before, x, outcomes, weights, before, known)
        for _ in range(12):
            chances = 1 / (1 + np.exp(-x @ here))
            downhill = x.T @ (weights * (outcomes - chances)) - known @ (here - before)
            curvature = (x.T * (weights * chances * (1 - chances))) @ x + known
            step, share = np.linalg.solve(curvature + 1e-6 * np.eye(9), downhill), 1.0
            while share > 1e-3:
                tried = objective(here + share * step, x, outcomes, weights, before, known)
                if tried < loss:
                    break
                share /= 2
            else:
                break
            gained, loss, here = loss - tried, tried, here + share * step
            if gained < 1e-6 * abs(loss):
                break
        chances = 1 / (1 + np.exp(-x @ here))
        self.weights = here
        self.curvature = known + (x.T * (weights * chances * (1 - chances))) @ x


def objective(
    at: Array, x: Array, outcomes: Array, weights: Array, before: Array, known: Array
) -> float:
    """The weighted log-loss, and how far it is from what was known."""
    logits = x @ at
    losses = weights * (np.logaddexp(0, logits) - outcomes * logits)
    return float(losses.sum() + (at - before) @ known @ (at - before) / 2)
