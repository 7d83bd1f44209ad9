"""The bilinear model: chances over all categories, learned as a slow reference does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import bilinear_step
from stream.core.bilinear import BilinearMigration
from stream.core.bilinear_step import BilinearRates, BridgeRow, EmbeddingRow, StepRow
from stream.core.factorization import RingRow, ring_layout
from stream.core.migration_slots import MigrationRow, layout, push
from stream.core.rows import zeros
from tests.reference.slow_bilinear import SlowBilinear
from tests.reference.slow_migration import SlowHabits

FACTORS = 3
STEP = bilinear_step.step_layout(FACTORS, 2)


def test_chances_sum_to_one_and_who_is_new_may_go_anywhere() -> None:
    model = BilinearMigration(factors=4, negatives=2)
    for category in ["tents", "boots", "drums"] * 20:
        model.learn_one("ann", category)

    every = [model.predict_one("ann", one) for one in ("tents", "boots", "drums")]
    assert sum(every) == pytest.approx(1.0, abs=1e-9)
    assert model.predict_one("bob", "drums") == pytest.approx(1 / 3)
    assert model.predict_one("ann", "kites") == 0.0


def test_two_tastes_are_told_apart() -> None:
    model = BilinearMigration(factors=8, negatives=4)
    for number in range(200):
        model.learn_one("ann", ["tents", "boots"][number % 2])
        model.learn_one("bob", ["drums", "horns"][number % 2])

    assert model.rank("ann", ["drums", "boots"]) == ["boots", "drums"]
    assert model.rank("bob", ["tents", "horns"]) == ["horns", "tents"]


def test_another_seed_starts_elsewhere_and_the_same_one_does_not() -> None:
    def stored(seed: int) -> bytes:
        model = BilinearMigration(factors=4, negatives=2, seed=seed)
        for category in ["tents", "boots"] * 5:
            model.learn_one("ann", category)
        return model.snapshot()

    assert stored(1) == stored(1)
    assert stored(1) != stored(2)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(11, 15)), max_size=60), st.integers(0, 9))
def test_chances_agree_with_a_slow_reference(events: list[tuple[int, int]], seed: int) -> None:
    rates = BilinearRates(rate=0.3, negatives=2, seed=seed)
    slow = SlowBilinear(FACTORS, rates.negatives, rates.rate, seed)
    rows = zeros(5, bilinear_step.layout(FACTORS), EmbeddingRow)
    np.asarray(rows)["id"] = np.arange(11, 16)
    for row in rows:
        bilinear_step.start(row, seed)
        slow.start(int(row.id))
    bridge = zeros(1, bilinear_step.bridge_layout(FACTORS), BridgeRow)[0]
    bilinear_step.begin(bridge)
    ring, room = zeros(1, ring_layout(64), RingRow)[0], zeros(1, STEP, StepRow)[0]
    shoppers, habits = zeros(2, layout(4), MigrationRow), [SlowHabits(4), SlowHabits(4)]
    chances = np.zeros(5)
    for shopper, id in events:
        if habits[shopper].slots:
            bilinear_step.spread(chances, rows, shoppers[shopper], bridge, room)
            expected = slow.chances(habits[shopper])
            assert chances.tolist() == pytest.approx([expected[id] for id in range(11, 16)], 1e-3)
        bilinear_step.learn(rows, shoppers[shopper], bridge, ring, room, id - 11, rates)
        slow.learn(habits[shopper], id)
        push(shoppers[shopper], id - 11, 0.0)
        habits[shopper].push(str(id), 0.0)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"factors": 0}, "factors must be at least 1, got 0"),
        ({"negatives": 0}, "negatives must be at least 1, got 0"),
        ({"rate": 0}, "rate must be positive and finite, got 0"),
    ],
)
def test_a_wrong_parameter_is_named(wrong: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        BilinearMigration(**wrong)
