"""Confidence fitted on alerts of which it is known how many are true."""

import math

import numpy as np
import pytest

from stream.evaluation.drift.confidence import (
    PRIOR,
    Examples,
    chances,
    examples,
    fit,
    reliability,
    together,
)
from stream.evaluation.drift.streams import Piece, joined
from tests.evaluation.drift.test_methods import alarms


def seen(excess, true):
    """Alerts in a world with as many true changes as the mix assumes."""
    count = len(excess)
    features = np.stack([np.ones(count), excess, np.zeros(count), np.zeros(count)], axis=1)
    return Examples(features, true, np.where(true, 1 / PRIOR, 1.0))


def known_world(count=4000):
    generator = np.random.default_rng(5)
    excess = generator.exponential(1.0, count)
    return seen(excess, generator.random(count) < 1 / (1 + np.exp(1.0 - 2.0 * excess)))


def test_the_weights_behind_the_alerts_are_found():
    model = fit(known_world())
    assert model.intercept == pytest.approx(-1.0, abs=0.15)
    assert model.evidence == pytest.approx(2.0, abs=0.2)
    assert model.prior == PRIOR


def test_of_alerts_said_to_be_so_sure_so_many_are_true():
    world = known_world()
    bins = reliability(chances(fit(world), world), world.true, world.at(PRIOR))
    assert len(bins) > 4
    for one in bins:
        assert one.low <= one.said <= one.high
        assert one.came.low - 0.02 <= one.said <= one.came.high + 0.02


def test_rare_alerts_with_most_evidence_are_promised_no_more_than_came():
    """One in ten has far more evidence, by chance as often as not; a logistic model says 1."""
    generator = np.random.default_rng(6)
    excess = generator.exponential(1.0, 4000)
    true = generator.random(4000) < 1 / (1 + np.exp(1.0 - 2.0 * excess))
    wild = generator.random(4000) < 0.1
    world = seen(np.where(wild, 9.0, excess), np.where(wild, generator.random(4000) < 0.5, true))
    model = fit(world)
    chance = chances(model, world)
    best = excess > np.quantile(excess, 0.75)
    assert chance.max() < world.true[wild | best].mean() + 0.02
    assert model.chances == sorted(model.chances)
    assert model.ranks == sorted(model.ranks)


def test_few_alerts_all_get_their_common_share():
    world = known_world(40)
    assert len(fit(world).ranks) == 1
    assert chances(fit(world), world) == pytest.approx(
        np.full(40, (world.at(PRIOR) * world.true).sum() / world.at(PRIOR).sum())
    )


def test_evidence_against_a_change_counts_for_nothing():
    world = known_world()
    upside_down = world._replace(true=~world.true)
    assert fit(upside_down).evidence == 0.0


def test_alerts_of_one_kind_teach_nothing():
    assert fit(seen(np.ones(3), np.ones(3, np.bool_))) is None
    assert fit(seen(np.ones(3), np.zeros(3, np.bool_))) is None


def test_false_alarms_count_by_event_and_true_ones_by_change():
    moved = joined([Piece(np.zeros(20, np.int32), np.arange(20), 10) for _ in range(4)])
    quiet = joined([Piece(np.zeros(500, np.int32), np.arange(500))])
    found = alarms((0, 9), (0, 12), (1, 15))
    learned = examples(quiet, alarms((0, 1), (0, 2), (0, 3)), moved, found)
    assert learned.true.tolist() == [False] * 3 + [True] * 2
    assert learned.weights.tolist() == [1 / 500] * 3 + [1 / 4] * 2
    assert learned.at(0.01).tolist() == [1 / 500] * 3 + [0.01 / 4] * 2
    assert together([learned, learned]).weights.sum() == pytest.approx(learned.weights.sum())


def test_a_bin_says_what_its_alerts_are_worth():
    (one,) = reliability(np.full(4, 0.6), np.array([True, True, False, False]), np.ones(4))
    assert (one.came.value, one.came.n) == (0.5, 4)
    assert math.isclose(one.said, 0.6)
