"""The recursive Laplace step against NumPy's algebra, and against brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.core import laplace
from stream.core.horizon_panel import PANEL, PanelRow
from stream.core.laplace import LEARNER, LearnerRow
from stream.core.rows import Rows, zeros
from tests.reference.slow_laplace import SlowLearner, objective

Array = NDArray[np.float64]
Batch = tuple[Array, Array, Array]


def learner() -> LearnerRow:
    row = zeros(1, LEARNER, LearnerRow)[0]
    laplace.start(row)
    return row


def batch(seed: int, count: int = 200, slope: float = 1.5) -> Batch:
    """Rare outcomes that depend on two of the eight features; outliers and weights of 2."""
    random = np.random.default_rng(seed)
    features = random.normal(0, 2, (count, 8))
    features[::50] *= 30
    features = features.astype(np.float32).astype(np.float64)
    logits = slope * features[:, 1] - features[:, 4] - 2
    outcomes = (random.random(count) < 1 / (1 + np.exp(-logits))).astype(np.float64)
    return features, outcomes, random.choice([1.0, 2.0], count)


def rows_of(examples: Batch) -> Rows[PanelRow]:
    features, outcomes, weights = examples
    rows = zeros(len(features), PANEL, PanelRow)
    table = np.asarray(rows)
    table["features"], table["outcome"], table["weight"] = features, outcomes, weights
    return rows


def learn(row: LearnerRow, rows: Rows[PanelRow]) -> int:
    """Learn them all; in how many steps."""
    return sum(1 for _ in laplace.learn(row, rows, len(rows)))


@given(seeds=st.lists(st.integers(0, 10_000), min_size=1, max_size=4))
def test_batches_one_after_another_agree_with_whole_matrices(seeds: list[int]) -> None:
    row, slow = learner(), SlowLearner()
    for number, seed in enumerate(seeds):
        examples = batch(seed, slope=1.5 - number)
        learn(row, rows_of(examples))
        slow.learn(*examples)

    assert row.center == pytest.approx(slow.center, rel=1e-9, abs=1e-9)
    assert row.deviation == pytest.approx(slow.deviation, rel=1e-9)
    assert row.weights == pytest.approx(slow.weights, rel=1e-6, abs=1e-6)
    assert row.curvature == pytest.approx(slow.curvature, rel=1e-5, abs=1e-5)


def test_nowhere_near_is_the_loss_lower() -> None:
    row, examples = learner(), batch(3)
    learn(row, rows_of(examples))
    slow = SlowLearner(np.array(row.center), np.array(row.deviation))
    x, known = slow.design(examples[0]), 0.9 * slow.curvature

    def loss(at: Array) -> float:
        return objective(at, x, examples[1], examples[2], slow.weights, known)

    here, random = np.array(row.weights), np.random.default_rng(1)
    for scale in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(200):
            assert loss(here + scale * random.normal(size=9)) > loss(here) - 1e-5


def test_chances_are_those_of_the_learned_weights() -> None:
    row, examples = learner(), batch(5)
    learn(row, rows_of(examples))
    slow = SlowLearner(np.array(row.center), np.array(row.deviation))
    expected = 1 / (1 + np.exp(-slow.design(examples[0]) @ np.array(row.weights)))

    chances = [laplace.chance(row, features) for features in examples[0]]
    assert chances == pytest.approx(expected.tolist(), rel=1e-9)


def test_what_it_learned_is_about_what_is_true() -> None:
    row = learner()
    for seed in range(3):
        learn(row, rows_of(batch(seed, 2000)))
    slopes = np.array(row.weights)[1:] / np.array(row.deviation)

    # Outliers are clipped, and the first guess of 0 holds slopes back.
    assert slopes[1] > 0.9
    assert slopes[4] < -0.6
    assert np.abs(np.delete(slopes, [1, 4])).max() < 0.2


def test_examples_without_an_outcome_teach_nothing() -> None:
    with_others, without = learner(), learner()
    features, outcomes, weights = batch(7)
    mixed = rows_of((np.repeat(features, 2, 0), np.repeat(outcomes, 2), np.repeat(weights, 2)))
    np.asarray(mixed)["outcome"][1::2] = -1
    learn(with_others, mixed)
    learn(without, rows_of((features, outcomes, weights)))

    assert with_others.tobytes() == without.tobytes()


def test_a_batch_too_small_to_standardize_by_is_not_learned() -> None:
    row = learner()

    assert learn(row, rows_of(batch(1, 49))) == 0
    assert row.tobytes() == learner().tobytes()
    assert learn(row, rows_of(batch(1, 50))) > 0
    learned = row.tobytes()
    assert learn(row, rows_of(batch(2, 3))) > 0
    assert row.tobytes() != learned


def test_a_feature_that_never_varies_does_no_harm() -> None:
    row, (features, outcomes, weights) = learner(), batch(2)
    features[:, 3] = 7.0
    learn(row, rows_of((features, outcomes, weights)))

    assert np.isfinite(row.weights).all()
    assert row.weights[4] == pytest.approx(0.0, abs=1e-9)


def test_outcomes_all_alike_leave_finite_weights() -> None:
    for outcome in (0.0, 1.0):
        row, (features, outcomes, weights) = learner(), batch(2)
        outcomes[:] = outcome
        for _ in range(6):
            learn(row, rows_of((features, outcomes, weights)))
        assert np.isfinite(row.weights).all()
        assert np.isfinite(row.curvature).all()


def test_how_many_examples_a_step_reads_changes_nothing() -> None:
    whole, sliced, rows = learner(), learner(), rows_of(batch(1))
    steps = learn(whole, rows)
    small = sum(1 for _ in laplace.learn(sliced, rows, len(rows), most=100))

    assert small == 2 * steps
    assert sliced.tobytes() == whole.tobytes()
