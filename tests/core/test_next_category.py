"""The next category as an estimator: a shop of its own, learned at once or later."""

import pytest

from stream.core.next_category import NextCategory

AT = 1e9
ALL = ["tents", "boots", "drums", "horns"]


def wander(model: NextCategory, shopper: str, categories: list[str], at: float = AT) -> float:
    """Learn one event a minute; when the next would come."""
    for number, category in enumerate(categories):
        model.learn_one(shopper, category, at + 60 * number)
    return at + 60 * len(categories)


def test_who_went_on_as_others_did_is_expected_where_they_went() -> None:
    model = NextCategory()
    for number in range(30):
        wander(model, f"camper {number}", ["tents", "boots"])
        wander(model, f"player {number}", ["drums", "horns"])
    at = wander(model, "ann", ["tents"])

    assert model.rank("ann", ["horns", "boots"], at) == ["boots", "horns"]
    assert model.explain("ann", "boots", at) == "tents"
    assert model.explain("ann", "horns", at) is None


@pytest.mark.parametrize("adopt_every", [1, 3, 1000])
def test_chances_sum_to_one_however_late_the_shop_learns(adopt_every: int) -> None:
    model = NextCategory(slots=3, neighbors=2, adopt_every=adopt_every)
    at = wander(model, "ann", ALL * 5)
    at = wander(model, "bob", ["drums", "tents"] * 5, at)

    for shopper in ("ann", "bob"):
        likely = model.likely(shopper, at)
        assert sum(one.chance for one in likely) == pytest.approx(1.0, abs=1e-9)
        for one in likely:
            assert model.predict_one(shopper, one.category, at) == one.chance


def test_a_category_is_unknown_to_others_until_the_shop_adopts_it() -> None:
    model = NextCategory(adopt_every=4)
    at = wander(model, "ann", ["tents", "boots", "tents"])
    assert model.predict_one("bob", "tents", at) == 0.0
    assert model.predict_one("ann", "boots", at) > 0.0

    model.learn_one("ann", "boots", at)
    assert model.predict_one("bob", "tents", at) == pytest.approx(0.5)


def test_nobody_knows_a_category_that_never_came() -> None:
    model = NextCategory()
    at = wander(model, "ann", ["tents"])

    assert model.predict_one("ann", "kites", at) == 0.0
    assert model.explain("ann", "kites", at) is None
    assert model.likely("bob", at) == []


def test_the_longer_the_pause_the_less_likely_is_more_of_the_same() -> None:
    """A shopper looks at one category for minutes, and at another the next day."""
    model, at = NextCategory(), AT
    for day in range(60):
        wander(model, "ann", [ALL[day % 2]] * 4, at + 86_400 * day)
    last = at + 86_400 * 59 + 180

    current, next_day = ALL[59 % 2], at + 86_400 * 60
    assert model.predict_one("ann", current, last + 60) > 0.7
    assert model.predict_one("ann", current, next_day) < 0.3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"slots": 1}, "slots must be from 2 to 512, got 1"),
        ({"neighbors": 513}, "neighbors must be from 2 to 512, got 513"),
        ({"depth": 6}, "depth must be from 1 to 5, got 6"),
        ({"adopt_every": 0}, "adopt_every must be at least 1, got 0"),
        ({"transition_half_life": 0}, "transition_half_life must be positive and finite, got 0"),
        ({"popularity_half_life": -1}, "popularity_half_life must be positive and finite, got -1"),
    ],
)
def test_a_wrong_parameter_is_named(wrong: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        NextCategory(**wrong)


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="at must be finite, got nan"):
        NextCategory().learn_one("ann", "tents", at=float("nan"))


def test_a_snapshot_with_other_slots_is_refused() -> None:
    model = NextCategory(slots=4)
    wander(model, "ann", ["tents", "boots"])
    stored = model.snapshot()

    assert NextCategory.restore(stored).likely("ann", AT) == model.likely("ann", AT)
    with pytest.raises(ValueError, match="another layout"):
        NextCategory.restore(stored.replace(b"\xa5slots\x04", b"\xa5slots\x05"))
