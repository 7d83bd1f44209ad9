"""The kernels of the next category against the slow reference, event by event."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import migration, popularity
from stream.core.transitions import SKIP, STEP
from tests.core.migration_world import KNOWN, SMALL, World, world
from tests.reference import slow_migration
from tests.reference.slow_migration import SlowCategory, SlowForecast, SlowHabits, SlowMixture

PACE = migration.pace(SMALL)
SLOTS, DEPTH = SMALL.prediction_slots, SMALL.prediction_depth
EVENTS = st.lists(
    st.tuples(
        st.integers(0, KNOWN + 1),
        st.sampled_from([0.0, 1.0, 12.5, 45.0, 200.0, 1e3, 9e3, 9e4, 4e6, -50.0]),
        st.booleans(),
    ),
    max_size=50,
)


def shop_at(played: World, at: float) -> dict[str, SlowCategory]:
    """The shop's rows as they weigh at a time, by name."""
    return {str(code): category_at(played, code, at) for code in range(len(played.categories))}


def category_at(played: World, code: int, at: float) -> SlowCategory:
    row = played.categories[code]
    events, known = row.popularity, row.transitions
    left = 2.0 ** (-max(0.0, at - float(known.updated_at)) / PACE.transition_half_life)
    past = max(0.0, at - float(events.updated_at))
    weights = {
        str(known.neighbors[slot]): [float(weight) * left for weight in known.weights[slot]]
        for slot in range(int(known.used))
    }
    return SlowCategory(
        events=float(events.weight) * 2.0 ** (-past / PACE.popularity_half_life),
        entries=float(row.entries),
        total=float(known.total) * left,
        steps={name: both[STEP] for name, both in weights.items()},
        skips={name: both[SKIP] for name, both in weights.items()},
    )


def events_at(played: World, at: float) -> float:
    every = played.totals[0].popularity
    return float(popularity.weight_at(every, at, PACE.popularity_half_life))


def assert_same_forecast(played: World, slow: SlowForecast) -> None:
    gated = played.outlook[0].gated.chances.tolist()
    assert gated == pytest.approx(slow.step_chances, abs=1e-9)
    chances = slow.chances()
    for code in range(len(played.codes)):
        assert played.chance(code) == pytest.approx(chances.get(str(code), 0.0), abs=1e-9)
    for code in range(len(played.categories)):
        reason = migration.explain(played.outlook[0], played.categories, code)
        assert reason == slow.reason(str(code))


def assert_same_state(played: World, habits: SlowHabits, mixture: SlowMixture) -> None:
    row, learned = played.row[0], played.mixture[0]
    used = range(int(row.used))
    mine = [(str(row.codes[n]), row.long[n], row.short[n], row.touched[n]) for n in used]
    assert mine == [(one.category, one.long, one.short, one.touched) for one in habits.slots]
    assert (row.run, row.distinct, row.steps.tolist()) == (
        habits.run,
        habits.distinct,
        habits.steps,
    )
    assert learned.returning.tolist() == pytest.approx(mixture.returning, abs=1e-9)
    assert learned.entering.tolist() == pytest.approx(mixture.entering, abs=1e-9)
    assert learned.gate.weights.tolist() == pytest.approx(mixture.views, abs=1e-9)
    assert learned.gate.leaning.tolist() == pytest.approx(mixture.leaning, abs=1e-9)
    assert learned.gate.every.tolist() == mixture.every
    for later in (False, True):
        ranks = [mixture.ranks.get((later, rank), 0.5) for rank in range(SLOTS + 1)]
        assert learned.ranks[int(later)].tolist() == ranks


def play(events: list[tuple[int, float, bool]], known: int = KNOWN) -> World:
    played, habits, mixture, at = world(known), SlowHabits(SLOTS), SlowMixture(), 1e9
    for code, passed, told in events:
        at += passed
        gap = max(0.0, passed) if told else -1.0
        if played.predict(at, gap):
            shop, every = shop_at(played, at), events_at(played, at)
            slow = slow_migration.predict(habits, shop, every, mixture, at, gap, DEPTH)
            assert_same_forecast(played, slow)
            slow_migration.learn(habits, mixture, slow, str(code))
        habits.push(str(code), at)
        played.learn(code, at)
        assert_same_state(played, habits, mixture)
    return played


@given(EVENTS)
def test_chances_reasons_and_all_that_is_learned_agree(
    events: list[tuple[int, float, bool]],
) -> None:
    play(events)


@pytest.mark.parametrize("seed", range(3))
def test_they_agree_over_a_long_stream_with_evictions(seed: int) -> None:
    draw = random.Random(seed)
    steps = [0.0, 5.0, 45.0, 2e3, 1e5]
    played = play(
        [
            (draw.choice([draw.randrange(KNOWN + 2), draw.randrange(3)]), draw.choice(steps), True)
            for _ in range(400)
        ]
    )

    assert int(played.row[0].distinct) > SLOTS


def test_they_agree_where_no_other_category_is_left_to_enter() -> None:
    """The shop knows 0 and 1, which the shopper has; 2 and 3 are unknown to the shop."""
    codes = [0, 1, 0, 0, 2, 1, 3, 3, 0, 2]
    played = play([(code, 10.0, True) for code in codes * 5], known=2)

    played.predict(2e9)
    assert played.outlook[0].gated.chances.tolist()[2] == 0.0
    assert sum(played.chance(code) for code in range(4)) == pytest.approx(1.0, abs=1e-9)


def test_they_agree_at_the_edge_of_each_bucket() -> None:
    """Runs of 1 to 12 events, then one that outgrows all, with gaps at and next to each edge."""
    edges = [edge + by for edge in slow_migration.GAPS for by in (-0.5, 0.0, 0.5)]
    codes = [run % 3 for run in range(1, 13) for _ in range(run)] + [6] * 80
    twice = [code for code in codes for _ in range(2)]
    play([(code, edges[n % len(edges)], True) for n, code in enumerate(codes + twice)])
