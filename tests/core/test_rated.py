"""Ratings by factors against NumPy's matrices, and what they learn."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.ids import identify
from stream.core.rated_ranker import RatedFactorization
from tests.reference.slow_rated import SlowRated

RATINGS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "eve"]),
        st.sampled_from(["alien", "heat", "big"]),
        st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0]),
    ),
    max_size=40,
)


@given(ratings=RATINGS, drift=st.sampled_from([0.0, 1e-3]))
def test_predictions_agree_with_the_slow_reference(
    ratings: list[tuple[str, str, float]], drift: float
) -> None:
    model, slow = RatedFactorization(factors=2, drift=drift), SlowRated(2, drift, 7)
    for user, item, rating in ratings:
        expected = slow.predict(identify(user), identify(item))
        within = 1 + 4 * min(1.0, max(0.0, expected))
        assert model.predict_one(user, item) == pytest.approx(within, abs=1e-9)
        model.learn_one(user, item, rating)
        slow.learn(identify(user), identify(item), (rating - 1) / 4)


def test_factors_tell_two_tastes_apart_where_biases_can_not() -> None:
    """Each user loves one kind and hates the other, so that all averages are alike."""
    draw, errors = random.Random(1), []
    for factors in (0, 2):
        model, misses = RatedFactorization(factors=factors), []
        for _ in range(3000):
            user, item = draw.randrange(20), draw.randrange(20)
            rating = 5.0 if user % 2 == item % 2 else 1.0
            misses.append(abs(model.predict_one(user, item) - rating))
            model.learn_one(user, item, rating)
        errors.append(sum(misses[2000:]) / 1000)
    assert errors[0] > 1.5
    assert errors[1] < 0.3


def test_a_first_rating_moves_more_than_a_hundredth() -> None:
    model = RatedFactorization(factors=0, drift=0.0)
    moved = []
    for _ in range(100):
        before = model.predict_one("new", "film")
        model.learn_one("new", "film", 4.0)
        moved.append(abs(model.predict_one("new", "film") - before))
    assert moved[0] > 100 * moved[-1] > 0


def test_a_rating_beyond_the_scale_counts_as_its_end() -> None:
    models = [RatedFactorization(factors=2), RatedFactorization(factors=2)]
    for model, rating in zip(models, (5.0, 70.0), strict=True):
        model.learn_one("ann", "film", rating)
    assert models[0].snapshot() == models[1].snapshot()


@pytest.mark.parametrize(
    ("name", "value"),
    [("factors", -1), ("highest", 1.0), ("highest", float("inf")), ("drift", -0.5)],
)
def test_bad_parameters_are_refused_by_name_and_value(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be .*, got {value}"):
        RatedFactorization(**{name: value})
