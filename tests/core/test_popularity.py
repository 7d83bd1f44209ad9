"""Decayed counts against a list of all events."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.popularity import DecayedPopularity
from stream.core.transitions import TransitionCounts

HALF_LIFE = 60.0
EVENTS = st.lists(st.tuples(st.sampled_from(["tent", "drum"]), st.integers(-300, 300)), max_size=30)


@given(events=EVENTS)
def test_counts_agree_with_a_list_of_all_events(events: list[tuple[str, int]]) -> None:
    popularity = DecayedPopularity(HALF_LIFE)
    for item, at in events:
        popularity.learn_one("u", item, x={"occurred_at": at})

    for item in ["tent", "drum"]:
        expected = sum(0.5 ** ((400 - at) / HALF_LIFE) for other, at in events if other == item)
        counted = popularity.predict_one("u", item, x={"occurred_at": 400})
        assert counted == pytest.approx(expected, rel=1e-5)


def test_what_is_taken_now_outranks_what_was_taken_more_long_ago() -> None:
    popularity = DecayedPopularity(HALF_LIFE)
    for at in [0, 0, 0, 300]:
        popularity.learn_one("u", "tent" if at == 0 else "drum", x={"occurred_at": at})

    assert popularity.rank("v", ["tent", "drum"]) == ["drum", "tent"]


def test_what_a_user_did_not_take_teaches_nothing() -> None:
    popularity = DecayedPopularity(HALF_LIFE)
    before = popularity.snapshot()
    popularity.learn_one("u", "tent", y=False)

    assert popularity.snapshot() == before


def test_a_half_life_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="half_life must be positive, got 0"):
        DecayedPopularity(0)


def test_a_snapshot_of_other_rows_is_refused() -> None:
    snapshot = TransitionCounts(slots=4).snapshot()
    other = msgspec.msgpack.decode(snapshot)
    other[0] = {"slots": 5}

    with pytest.raises(ValueError, match="another layout"):
        TransitionCounts.restore(msgspec.msgpack.encode(other))
