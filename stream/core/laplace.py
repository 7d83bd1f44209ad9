"""Logistic regression that learns from one batch after another: the recursive Laplace step.

What is known of the weights is a Gaussian. A batch is learned by Newton's method on its
weighted log-loss plus that Gaussian, at .9 of its sharpness: (w - w0)' .9 H (w - w0) / 2. The
minimum and the curvature there are what is known next, and the batch is not needed any more.
"""

import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from stream.core.compiled import kernel, outlined
from stream.core.rows import Float32s, Float64s, Layout, Rows, zeros

FEATURES = 8
SIZE = FEATURES + 1
"""Weights: the first belongs to the constant 1."""
KEPT = 0.9
"""Of what earlier batches told; the rest is forgotten with each batch."""
CLIP = 4.0
"""Standardized features go no further from 0."""
NARROWEST = 0.5
"""A feature's standard deviation counts as no less."""
NEWTON_STEPS = 12
SMALLEST_STEP = 1e-3
CLOSE_ENOUGH = 1e-6
"""The share by which a Newton step must lower the loss for another to follow."""
SLICE = 8192
"""Examples that one call reads: under 2 ms."""
LEAST_EXAMPLES = 50
"""From fewer, the features' mean and deviation are not taken for good."""


class LearnerRow:
    """What is known of the weights, and how features are standardized; frozen once `started`.

    `curvature` has shape (9, 9).
    """

    started: int
    batches: int
    center: Float64s
    deviation: Float64s
    weights: Float64s
    curvature: Float64s


LEARNER: Layout = np.dtype(
    [
        ("started", "i4"),
        ("batches", "i4"),
        ("center", "f8", FEATURES),
        ("deviation", "f8", FEATURES),
        ("weights", "f8", SIZE),
        ("curvature", "f8", (SIZE, SIZE)),
    ],
    align=True,
)


class Example(Protocol):
    """Features, an outcome of 1 or 0 (-1 where there is none, so nothing to learn), a weight."""

    @property
    def features(self) -> Float32s: ...
    @property
    def outcome(self) -> int: ...
    @property
    def weight(self) -> np.float32: ...


class PointRow:
    """Weights under trial, and the loss, downhill direction and curvature at them."""

    loss: float
    weights: Float64s
    downhill: Float64s
    curvature: Float64s
    x: Float64s


POINT: Layout = np.dtype(
    [
        ("loss", "f8"),
        ("weights", "f8", SIZE),
        ("downhill", "f8", SIZE),
        ("curvature", "f8", (SIZE, SIZE)),
        ("x", "f8", SIZE),
    ],
    align=True,
)


@kernel
def start(learner: LearnerRow) -> None:
    """Begin with what is known of rare events: a chance of .25 %, whatever the features."""
    learner.weights[0] = -6.0
    learner.curvature[0, 0] = 0.001
    for place in range(1, SIZE):
        learner.curvature[place, place] = 5.0
    for place in range(FEATURES):
        learner.deviation[place] = 1.0


@kernel
def scaled(learner: LearnerRow, place: int, feature: float) -> float:
    """A feature as the weights see it."""
    standard = float((feature - learner.center[place]) / learner.deviation[place])
    return min(max(standard, -CLIP), CLIP)


@kernel
def sigmoid(logit: float) -> float:
    """1 / (1 + exp(-logit)), without an overflow."""
    shrunk = math.exp(-abs(logit))
    return 1.0 / (1.0 + shrunk) if logit >= 0.0 else shrunk / (1.0 + shrunk)


@kernel
def chance(learner: LearnerRow, features: Float64s) -> float:
    """The probability of the outcome 1."""
    logit = learner.weights[0]
    for place in range(FEATURES):
        logit += learner.weights[place + 1] * scaled(learner, place, features[place])
    return sigmoid(logit)


@outlined
def freeze(learner: LearnerRow, examples: Rows[Example], count: int) -> int:
    """Take mean and deviation of the features for good; of how many examples."""
    used = 0
    for place in range(FEATURES):
        total, squares, used = 0.0, 0.0, 0
        for number in range(count):
            if examples[number].outcome >= 0:
                total += np.float64(examples[number].features[place])
                used += 1
        mean = total / max(used, 1)
        for number in range(count):
            if examples[number].outcome >= 0:
                away = np.float64(examples[number].features[place]) - mean
                squares += away * away
        if used >= LEAST_EXAMPLES:
            learner.center[place] = mean
            learner.deviation[place] = max(math.sqrt(squares / used), NARROWEST)
    if used >= LEAST_EXAMPLES:
        learner.started = 1
    return used


@outlined
def prior(learner: LearnerRow, point: PointRow) -> None:
    """Begin a sum at a point: what earlier batches say of it."""
    point.loss = 0.0
    for row in range(SIZE):
        slope = 0.0
        for column in range(SIZE):
            away = point.weights[column] - learner.weights[column]
            point.curvature[row, column] = KEPT * learner.curvature[row, column]
            slope += point.curvature[row, column] * away
        point.downhill[row] = -slope
        point.loss += 0.5 * slope * (point.weights[row] - learner.weights[row])


@outlined
def gather(
    learner: LearnerRow, point: PointRow, examples: Rows[Example], first: int, last: int
) -> None:
    """Add the examples from `first` up to `last` (excluded) to the sums at a point."""
    for number in range(first, last):
        example = examples[number]
        if example.outcome < 0:
            continue
        weight, logit = np.float64(example.weight), point.weights[0]
        point.x[0] = 1.0
        for place in range(FEATURES):
            point.x[place + 1] = scaled(learner, place, np.float64(example.features[place]))
            logit += point.weights[place + 1] * point.x[place + 1]
        probability = sigmoid(logit)
        softplus = max(logit, 0.0) + math.log(1.0 + math.exp(-abs(logit)))
        point.loss += weight * (softplus - example.outcome * logit)
        error = weight * (example.outcome - probability)
        spread = weight * probability * (1.0 - probability)
        for row in range(SIZE):
            point.downhill[row] += error * point.x[row]
            part = spread * point.x[row]
            for column in range(row + 1):
                point.curvature[row, column] += part * point.x[column]


@outlined
def mirror(point: PointRow) -> None:
    """Fill the upper half of the curvature, of which only the lower was summed."""
    for row in range(SIZE):
        for column in range(row):
            point.curvature[column, row] = point.curvature[row, column]


@outlined
def solve(point: PointRow, lower: Float64s, step: Float64s) -> None:
    """The Newton step from a point, by Cholesky; `lower` (9, 9) is room to work."""
    for row in range(SIZE):
        for column in range(row + 1):
            rest = point.curvature[row, column] + (1e-6 if row == column else 0.0)
            for inner in range(column):
                rest -= lower[row, inner] * lower[column, inner]
            if row == column:
                lower[row, row] = math.sqrt(max(rest, 1e-12))
            else:
                lower[row, column] = rest / lower[column, column]
    for row in range(SIZE):
        rest = point.downhill[row]
        for inner in range(row):
            rest -= lower[row, inner] * step[inner]
        step[row] = rest / lower[row, row]
    for row in range(SIZE - 1, -1, -1):
        rest = step[row]
        for inner in range(row + 1, SIZE):
            rest -= lower[inner, row] * step[inner]
        step[row] = rest / lower[row, row]


def learn(
    learner: LearnerRow, examples: Rows[Example], count: int, most: int = SLICE
) -> Iterator[None]:
    """Learn the first `count` examples, in steps of `most` at once: go through them all.

    The first batch also decides how features are standardized; one that is too small for that
    is not learned.
    """
    if not learner.started and freeze(learner, examples, count) < LEAST_EXAMPLES:
        return
    points = zeros(2, POINT, PointRow)
    here, there = points[0], points[1]
    here.weights[:] = learner.weights
    yield from _sum(learner, here, examples, count, most)
    lower, step = np.zeros((SIZE, SIZE)), np.zeros(SIZE)
    for _ in range(NEWTON_STEPS):
        solve(here, lower, step)
        share = 1.0
        while share > SMALLEST_STEP:
            there.weights[:] = here.weights + share * step
            yield from _sum(learner, there, examples, count, most)
            if there.loss < here.loss:
                break
            share /= 2
        else:
            break
        gained = here.loss - there.loss
        here, there = there, here
        if gained < CLOSE_ENOUGH * abs(there.loss):
            break
    learner.weights[:] = here.weights
    learner.curvature[:] = here.curvature
    learner.batches += 1


def _sum(
    learner: LearnerRow, point: PointRow, examples: Rows[Example], count: int, most: int
) -> Iterator[None]:
    """All sums at a point."""
    prior(learner, point)
    for first in range(0, count, most):
        gather(learner, point, examples, first, min(first + most, count))
        yield
    mirror(point)
