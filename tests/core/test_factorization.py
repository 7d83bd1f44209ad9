"""Sampled softmax against float64 lists, and what it learns."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import factorization
from stream.core.factor_rankers import (
    BPRFactorization,
    ISGDFactorization,
    SoftmaxFactorization,
)
from stream.core.factorization import OBJECTIVES, RingRow, ScratchRow
from stream.core.ids import identify
from stream.core.rows import zeros
from stream.core.shop import ShopModel
from stream.settings import Settings
from tests.core.worlds import NAMES, SMALL, message, walked
from tests.reference import slow_shop
from tests.reference.slow_shop import SlowFactors, SlowUpdate

NUMBERS = st.integers(-(2**63), 2**63 - 1)


@given(number=NUMBERS)
def test_scrambling_agrees_with_unbounded_numbers(number: int) -> None:
    assert factorization.scrambled(number) == slow_shop.scrambled(number)


@given(left=st.integers(0, 2**62 - 1), right=st.integers(0, 2**62 - 1))
def test_a_product_keeps_its_lower_bits_without_an_overflow(left: int, right: int) -> None:
    assert factorization.times(left, right) == (left * right) % 2**62


def slowly(updates: list[SlowUpdate], settings: Settings) -> SlowFactors:
    slow = SlowFactors(
        settings.factors,
        settings.negatives,
        settings.factor_rate,
        settings.seed,
        factorization.RING,
        settings.factor_objective,
        settings.factors_every,
    )
    for step, update in enumerate(updates):
        slow.learn([identify(name) for name in update.recent], identify(update.item), step)
    return slow


@given(
    items=st.lists(st.sampled_from(NAMES), max_size=40),
    objective=st.sampled_from(OBJECTIVES),
    every=st.integers(0, 3),
)
def test_vectors_agree_with_the_slow_reference(
    items: list[str], objective: str, every: int
) -> None:
    updates = walked([(item, 0.0) for item in items])
    settings = msgspec.structs.replace(SMALL, factor_objective=objective, factors_every=every)
    model, slow = ShopModel(settings), slowly(updates, settings)
    model.apply(message(updates))

    for name in set(items):
        id = identify(name)
        row = model.profiles[model.items.number_of(id)]
        assert row.inward.tolist() == pytest.approx(slow.inward[id], rel=1e-5, abs=1e-6)
        assert row.outward.tolist() == pytest.approx(slow.outward[id], rel=1e-5, abs=1e-6)
        assert float(row.inward_squares) == pytest.approx(slow.squares_in[id], rel=1e-4)
        assert float(row.outward_squares) == pytest.approx(slow.squares_out[id], rel=1e-4)


def test_a_new_item_starts_where_its_id_says_whoever_came_first() -> None:
    first, second = ShopModel(SMALL), ShopModel(SMALL)
    first.apply(message([SlowUpdate(0.0, "tent", ()), SlowUpdate(0.0, "drum", ())]))
    second.apply(message([SlowUpdate(0.0, "drum", ()), SlowUpdate(0.0, "tent", ())]))

    assert first.profiles[0].inward.tolist() == second.profiles[1].inward.tolist()
    assert abs(first.profiles[0].inward).max() <= 0.3


def test_the_ring_forgets_what_came_before_its_length() -> None:
    ring = zeros(1, factorization.ring_layout(3), RingRow)[0]
    scratch = zeros(1, factorization.scratch_layout(2, 2), ScratchRow)[0]
    for item in [5, 6, 7, 8]:
        factorization.remember(ring, item)

    seen = set()
    for step in range(100):
        factorization.draw(scratch, ring, 5, 2, step, 7)
        seen |= set(scratch.drawn[1:].tolist())
    assert seen == {6, 7, 8}


@pytest.mark.parametrize("ranker", [SoftmaxFactorization, BPRFactorization, ISGDFactorization])
@pytest.mark.parametrize("every", [1, 2])
def test_it_learns_what_a_withheld_user_takes_next(
    ranker: type[SoftmaxFactorization], every: int
) -> None:
    """Two tastes, ten items each; a new user shows one item of a taste and has all others ahead."""
    model = ranker(factors=8, every=every)
    tastes = [[f"{taste}{number}" for number in range(10)] for taste in ("camp", "baby")]
    draw = random.Random(1)
    for visit in range(200 * every):
        for item in draw.sample(tastes[visit % 2], 5):
            model.learn_one(visit, item)
    model.learn_one("new", "camp0")

    ranked = model.rank("new", {*tastes[0], *tastes[1]} - {"camp0"})
    assert set(ranked[:9]) == set(tastes[0]) - {"camp0"}


@pytest.mark.parametrize(("name", "value"), [("factors", 0), ("negatives", 0), ("rate", 0.0)])
def test_bad_parameters_are_refused_by_name_and_value(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{name}.* must be .*, got .*{value}"):
        SoftmaxFactorization(**{name: value})
