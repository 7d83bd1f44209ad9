"""The horizon model as an estimator."""

import random
from functools import cache

import msgspec
import pytest

from stream.core.entering import EnteringInterest

DAY = 86_400.0
NAMES = [f"category {number}" for number in range(12)]
SHOPPERS = [f"shopper {number}" for number in range(12)]


@cache
def learned(days: int = 12, seed: int = 3) -> EnteringInterest:
    """Each shopper has two lasting interests, and two that take turns day by day."""
    model, draw = EnteringInterest(panel=2000), random.Random(seed)
    for day in range(days):
        for hour in range(16):
            for number, shopper in enumerate(SHOPPERS):
                own = [NAMES[number], NAMES[(number + 1) % 12]]
                today = NAMES[(number + 2 + (day + number) % 2) % 12]
                chance = draw.choice(NAMES)
                category = draw.choice([*own, today, *own, today, chance])
                model.learn_one(shopper, category, day * DAY + hour * 3600)
    return model


NOW = 12 * DAY


def test_whose_turn_it_is_enters_before_all_others() -> None:
    for number, shopper in enumerate(SHOPPERS):
        due = NAMES[(number + 2 + (12 + number) % 2) % 12]
        assert learned().rank(shopper, NAMES, NOW)[0] == due
        assert learned().predict_one(shopper, due, NOW) > 0.4


def test_one_of_the_three_largest_does_not_enter() -> None:
    for number, shopper in enumerate(SHOPPERS):
        assert learned().predict_one(shopper, NAMES[number], NOW) == 0.0
    chances = [learned().predict_one(shopper, name, NOW) for shopper in SHOPPERS for name in NAMES]
    assert chances.count(0.0) == 3 * len(SHOPPERS)
    assert all(0.0 <= chance <= 1.0 for chance in chances)


def test_strangers_and_new_categories_have_a_probability_too() -> None:
    for shopper, category in [("stranger", NAMES[0]), ("stranger", "new")]:
        assert 0.0 < learned().predict_one(shopper, category, NOW) < 1.0
    assert 0.0 < learned().predict_one(SHOPPERS[0], "new", NOW) < 0.1


def test_of_equals_the_lower_id_comes_first() -> None:
    model = EnteringInterest()
    ranked = model.rank("ann", ["a", "b", "c", "d"], at=0)

    assert ranked == model.rank("ann", ["d", "c", "b", "a"], at=0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"period": 0}, "period must be positive and finite, got 0"),
        ({"long_half_life": float("inf")}, "long_half_life must be positive and finite, got inf"),
        ({"short_half_life": -1}, "short_half_life must be positive and finite, got -1"),
        ({"least_events": 0}, "least_events must be from 1 to 127, got 0"),
        ({"panel": 99}, "panel must be at least 100, got 99"),
    ],
)
def test_a_parameter_out_of_range_is_refused(parameters: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EnteringInterest(**parameters)  # type: ignore[arg-type]  # wrong ones are what is tested


def test_a_time_that_is_no_number_is_refused() -> None:
    for call in (learned().learn_one, learned().predict_one):
        with pytest.raises(ValueError, match="at must be finite, got nan"):
            call("ann", "tents", float("nan"))


def test_a_snapshot_of_another_layout_is_refused() -> None:
    stored = msgspec.msgpack.decode(EnteringInterest(panel=200).snapshot())
    # The fingerprint of the first table.
    stored[-1][0][0] = b"x" * 8

    with pytest.raises(ValueError, match="another layout"):
        EnteringInterest.restore(msgspec.msgpack.encode(stored))
