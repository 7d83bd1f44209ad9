"""Ratings by factors, each side a normal distribution that every rating narrows.

A rating is what all give on average, plus the user's bias, plus the item's, plus the product of
their factors. What is known of a user or an item is a mean and a covariance; a rating moves the
mean by as much as the covariance leaves open (a Kalman step for the one side, the other held at
its mean). So a first rating moves much and a thousandth little, without a step size.

Stern, Herbrich and Graepel 2009. Matchbox: large scale online Bayesian recommendations. WWW.
"""

from typing import NamedTuple

import numpy as np

from stream.core.compiled import kernel, outlined
from stream.core.factorization import between, scrambled
from stream.core.rows import Float64s, Layout

USER, ITEM = 0, 1
BIASES = 2
"""The first two places: the user's bias meets a 1 of the item, the item's a 1 of the user."""
BIAS_VARIANCE, USER_VARIANCE, ITEM_VARIANCE = 0.01, 0.02, 0.1
"""How far biases and factors may lie from where they start; a rating's range is 1.

The best of .01 to .1 on the first 30 % of MovieLens 100k, as is `NOISE`.
"""
NOISE = 0.055
"""The variance of what no user and no item accounts for."""
SPREAD = 0.1
"""Items' factors start between plus and minus this, users' at 0."""
MIDDLE, CAUTION = 0.5, 2.0
"""The overall mean begins here, and as sure as after so many ratings."""


class RatedRow:
    """What is known of a user or an item: `means` and `spread`, its covariance."""

    id: int
    means: Float64s
    spread: Float64s


class LevelRow:
    """The mean of all ratings."""

    count: int
    level: float


class StepRow:
    """Room for one step; nothing in it outlives the step."""

    user_lever: Float64s
    item_lever: Float64s


class RatedRates(NamedTuple):
    """By how much the variance of a bias grows at each rating, and what decides the start."""

    drift: float
    seed: int


LEVEL: Layout = np.dtype([("count", "i8"), ("level", "f8")])


def layout(factors: int) -> Layout:
    """A row of so many factors and two biases."""
    size = BIASES + factors
    return np.dtype([("id", "i8"), ("means", "f8", size), ("spread", "f8", (size, size))])


def step_layout(factors: int) -> Layout:
    """Room for a step with so many factors."""
    return np.dtype(
        [("user_lever", "f8", BIASES + factors), ("item_lever", "f8", BIASES + factors)]
    )


@kernel
def start(row: RatedRow, side: int, seed: int) -> None:
    """What is known of a user or an item without ratings; an item's factors come of its id."""
    row.means[1 - side] = 1.0
    row.spread[side, side] = BIAS_VARIANCE
    key = scrambled(scrambled(row.id) ^ seed)
    for place in range(BIASES, len(row.means)):
        row.means[place] = SPREAD * between(key, place) if side == ITEM else 0.0
        row.spread[place, place] = ITEM_VARIANCE if side == ITEM else USER_VARIANCE


@kernel
def begin(level: LevelRow) -> None:
    """Begin in the middle."""
    level.level = MIDDLE


@kernel
def fit(user: RatedRow, item: RatedRow) -> float:
    """How far from the mean of all this user's rating of this item should be."""
    total = 0.0
    for place in range(len(user.means)):
        total += user.means[place] * item.means[place]
    return total


@kernel
def reach(lever: Float64s, row: RatedRow, other: RatedRow) -> float:
    """How far each place moves with the rating; returns how unsure of it this side is."""
    total = 0.0
    for place in range(len(lever)):
        lever[place] = 0.0
        for column in range(len(lever)):
            lever[place] += row.spread[place, column] * other.means[column]
        total += lever[place] * other.means[place]
    return total


@kernel
def move(row: RatedRow, lever: Float64s, error: float, variance: float) -> None:
    """Take in an error of such a variance: move the means, narrow the spread."""
    for place in range(len(lever)):
        row.means[place] += lever[place] * error / variance
        for column in range(len(lever)):
            row.spread[place, column] -= lever[place] * lever[column] / variance


@outlined
def learn(
    user: RatedRow, item: RatedRow, level: LevelRow, rating: float, rates: RatedRates, step: StepRow
) -> None:
    """Learn a rating, of which the lowest is 0 and the highest 1."""
    error = rating - level.level - fit(user, item)
    variance = NOISE + reach(step.user_lever, user, item) + reach(step.item_lever, item, user)
    move(user, step.user_lever, error, variance)
    move(item, step.item_lever, error, variance)
    user.spread[USER, USER] = min(BIAS_VARIANCE, user.spread[USER, USER] + rates.drift)
    item.spread[ITEM, ITEM] = min(BIAS_VARIANCE, item.spread[ITEM, ITEM] + rates.drift)
    level.count += 1
    level.level += (rating - level.level) / (level.count + CAUTION)
