"""Interest against a reference that keeps every event, and one that evicts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.interest import InterestProfile, slot_of

NAMES = ["jazz", "rock", "soul", "folk"]
SHORT, LONG = 60.0, 600.0
Event = tuple[str, int, float]
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.integers(-300, 300), st.sampled_from([0.0, 0.5, 1.0, 5.0])
    ),
    max_size=30,
)


def learned(events: list[Event], slots: int = 16) -> InterestProfile:
    profile = InterestProfile(short_half_life=SHORT, long_half_life=LONG, slots=slots)
    for category, at, weight in events:
        profile.update(category, at, weight)
    return profile


def part(weights: dict[str, float], category: str) -> float:
    return weights.get(category, 0.0) / (math.fsum(weights.values()) or 1.0)


def slow_memory(events: list[Event], half_life: float) -> dict[str, float]:
    """What each category weighs at time 0: no decay by steps, no order of events."""
    return {
        name: math.fsum(w * 2 ** (at / half_life) for other, at, w in events if other == name)
        for name in NAMES
    }


@given(EVENTS)
def test_shares_agree_with_a_list_of_all_events(events: list[Event]) -> None:
    profile = learned(events)
    short, long = slow_memory(events, SHORT), slow_memory(events, LONG)

    for category in NAMES:
        expected = (part(short, category) + part(long, category)) / 2
        assert profile.share(category) == pytest.approx(expected, abs=1e-9)


@given(EVENTS)
def test_the_order_of_events_does_not_matter_while_all_categories_fit(events: list[Event]) -> None:
    in_order, reverse = learned(events), learned(events[::-1])

    for category in NAMES:
        assert in_order.share(category) == pytest.approx(reverse.share(category), abs=1e-9)


def slow_eviction(events: list[Event], slots: int) -> dict[str, list[float]]:
    """Short and long weights by category, in the order of slots."""
    kept: dict[str, list[float]] = {}
    clock = events[0][1] if events else 0
    for category, at, weight in events:
        for weights in kept.values():
            weights[0] *= 2 ** (-max(0, at - clock) / SHORT)
            weights[1] *= 2 ** (-max(0, at - clock) / LONG)
        clock = max(clock, at)
        if category not in kept and len(kept) == slots:
            victim = min(kept, key=lambda name: kept[name][1])
            kept = {category if name == victim else name: w for name, w in kept.items()}
            kept[category] = [0.0, 0.0]
        mine = kept.setdefault(category, [0.0, 0.0])
        mine[0] += weight * 2 ** (-(clock - at) / SHORT)
        mine[1] += weight * 2 ** (-(clock - at) / LONG)
    return kept


# Times are whole half-lives and weights halves: the sums are exact, so ties are ties.
EXACT = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.integers(0, 8).map(lambda n: n * 600),
        st.sampled_from([0.5, 1.0]),
    ),
    max_size=40,
)


@given(events=EXACT, slots=st.integers(1, 3))
def test_evictions_agree_with_the_slow_reference(events: list[Event], slots: int) -> None:
    profile = learned(events, slots)
    row, expected = profile._row[0], slow_eviction(events, slots)

    names = list(profile._numbers)
    assert [names[number] for number in row.categories[: row.used]] == list(expected)
    assert row.short[: row.used].tolist() == [short for short, _ in expected.values()]
    assert row.long[: row.used].tolist() == [long for _, long in expected.values()]


def test_the_short_memory_follows_a_move_before_the_long_one() -> None:
    steady = InterestProfile(short_half_life=600, long_half_life=600)
    quick = InterestProfile(short_half_life=60, long_half_life=600)
    for profile in (steady, quick):
        for at in range(0, 600, 60):
            profile.update("jazz", at)
        profile.update("rock", 600)

    assert quick.share("rock") > steady.share("rock")


def test_an_event_counts_by_its_weight() -> None:
    assert learned([("jazz", 0, 1.0), ("rock", 0, 3.0)]).share("rock") == 0.75


def test_an_event_of_weight_0_changes_nothing() -> None:
    profile = learned([("jazz", 0, 1.0)], slots=1)
    before = profile._row.tobytes()

    profile.update("rock", 999, weight=0.0)

    assert profile._row.tobytes() == before


def test_asking_changes_nothing_and_works_before_learning() -> None:
    asked, unasked = InterestProfile(), InterestProfile()

    assert asked.share("soul") == 0.0
    for profile in (asked, unasked):
        profile.update("jazz", 0)
        profile.update("rock", 10)
    assert asked.share("rock") == unasked.share("rock")


def test_what_is_remembered_is_known() -> None:
    row = learned([("jazz", 0, 1.0), ("rock", 0, 0.0)])._row[0]

    assert slot_of(row, 0) >= 0
    assert slot_of(row, 1) < 0


def test_the_least_of_the_long_memory_makes_room() -> None:
    events = [("jazz", 0, 3.0), ("rock", 600, 1.0), ("soul", 600, 1.0)]
    profile = learned(events, slots=2)

    assert profile.share("rock") == 0.0
    assert profile.share("jazz") > 0.0


def test_what_has_faded_away_is_not_a_number_problem() -> None:
    profile = InterestProfile(short_half_life=1, long_half_life=1)
    profile.update("jazz", 0)
    profile.update("rock", 1_000_000)

    assert profile.share("rock") == 1.0


def test_after_a_long_pause_the_long_memory_still_counts() -> None:
    profile = InterestProfile(short_half_life=1, long_half_life=1e9, slots=2)
    for category, at in [("jazz", 0), ("rock", 5_000), ("soul", 10_000)]:
        profile.update(category, at)
    profile.update("folk", -10_000)

    assert profile.share("folk") == pytest.approx(0.25, abs=1e-4)


def test_the_short_memory_may_be_empty() -> None:
    """Only a late event is left in the slots: it no longer weighs anything there."""
    profile = InterestProfile(short_half_life=1, long_half_life=1e9, slots=1)
    profile.update("jazz", 0)
    profile.update("rock", -5_000)

    assert profile.share("rock") == 1.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"short_half_life": 0}, "short_half_life must be positive, got 0"),
        ({"long_half_life": -1}, "long_half_life must be positive, got -1"),
        ({"slots": 0}, "slots must be from 1 to 512, got 0"),
    ],
)
def test_a_wrong_parameter_is_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InterestProfile(**wrong)


@pytest.mark.parametrize(
    ("at", "weight"), [(math.nan, 1.0), (math.inf, 1.0), (0.0, -1.0), (0.0, math.inf)]
)
def test_a_wrong_event_is_refused_and_changes_nothing(at: float, weight: float) -> None:
    profile = InterestProfile()
    with pytest.raises(ValueError, match="must be"):
        profile.update("jazz", at, weight)

    assert profile.snapshot() == InterestProfile().snapshot()
