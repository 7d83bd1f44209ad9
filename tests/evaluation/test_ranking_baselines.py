"""Simple rankings by hand, and beside a reference of dicts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import StreamError
from stream.evaluation import ranking_baselines as baselines
from stream.evaluation.logs import Log
from stream.evaluation.ranking_baselines import METHODS, Judged, Protocol, Tuning, frozen, live
from stream.evaluation.ranking_walk import Walk, parts, walk
from tests.evaluation.toy_log import DAY, START, viewed
from tests.reference import slow_rankings
from tests.reference.slow_rankings import Method, Took

A, B, C, D = range(4)
FIRST_DAY = [(0, A), (0, B), (1, A), (1, C), (2, A), (2, B)]
SECOND_DAY = [(3, A), (3, B), (3, C), (4, A), (4, C), (4, D), (4, B)]
SLOW: dict[int, Method] = {
    baselines.POPULARITY: slow_rankings.popularity,
    baselines.RECENCY: slow_rankings.recency,
    baselines.MARKOV: slow_rankings.markov,
    baselines.NEIGHBORS: slow_rankings.neighbors,
}


def took(*days: list[tuple[int, int]]) -> Log:
    """A log of one list of (shopper, item) a day, a minute apart."""
    every = [(shopper, item, day) for day, own in enumerate(days) for shopper, item in own]
    shoppers, items, day = (np.array(column, np.int32) for column in zip(*every, strict=True))
    at = START + DAY * day + 60.0 * np.arange(len(every))
    log = viewed(shoppers, np.zeros(len(every), np.int32), at)
    names = [f"item {number}" for number in range(int(items.max()) + 1)]
    return log._replace(items=items, item_names=names)


def ranks(steps: Walk, judged: Judged, name: str = "rank") -> dict[int, float]:
    """The rank of each event that is asked of."""
    verdicts = np.asarray(judged.verdicts)
    judged_events = (verdicts["asked"] > 0) & steps.asked
    return {int(event): float(verdicts[name][event]) for event in judged_events.nonzero()[0]}


def test_markov_frozen_by_hand() -> None:
    """After A came B twice and C once, after B and C nothing; D is new and hides nothing."""
    steps = walk(took(FIRST_DAY, SECOND_DAY))
    found = ranks(steps, frozen(steps, baselines.MARKOV, Tuning(), 1))
    assert found == {7: 1.0, 8: 0.0, 10: 2.0, 12: 0.0}


def test_markov_live_learns_as_it_goes() -> None:
    """The second A, C of the day meets A followed by B thrice, by C once; then C by B at last."""
    again = [(5, B), (5, C)]
    steps = walk(took(FIRST_DAY, SECOND_DAY + again))
    assert ranks(steps, live(steps, baselines.MARKOV, Tuning(), 1))[14] == 1.0
    assert ranks(steps, frozen(steps, baselines.MARKOV, Tuning(), 1))[14] == 0.0


def test_popularity_frozen_by_hand() -> None:
    """A came three times, B twice, C once; without the A on the screen B is the first."""
    steps = walk(took(FIRST_DAY, SECOND_DAY))
    judged = frozen(steps, baselines.POPULARITY, Tuning(), 1)
    assert ranks(steps, judged) == {7: 2.0, 8: 3.0, 10: 3.0, 12: 2.0}
    assert ranks(steps, judged, "novel_rank") == {7: 1.0, 8: 2.0, 10: 2.0, 12: 2.0}


def test_of_equals_the_middle_one_counts() -> None:
    steps = walk(took([(0, A), (1, B), (2, C)], [(3, A), (3, B)]))
    judged = frozen(steps, baselines.POPULARITY, Tuning(), 1)
    assert ranks(steps, judged) == {4: 2.0}
    assert ranks(steps, judged, "novel_rank") == {4: 1.5}


def test_recency_lists_what_the_shopper_had_newest_first() -> None:
    steps = walk(took([(0, A), (0, B)], [(0, A), (0, A), (0, B)]))
    judged = live(steps, baselines.RECENCY, Tuning(), 1)
    assert ranks(steps, judged) == {2: 2.0, 3: 1.0, 4: 2.0}
    assert np.asarray(judged.verdicts)["fresh"].tolist() == [0, 1, 1, 0, 1]


def test_live_an_event_of_a_new_item_is_judged_and_not_asked() -> None:
    """Whoever counts every event finds it missed."""
    steps = walk(took([(0, A)], [(0, A), (0, B)]))
    verdicts = np.asarray(live(steps, baselines.MARKOV, Tuning(), 1).verdicts)
    assert steps.asked.tolist() == [False, True, False]
    assert verdicts["asked"].tolist() == [0, 1, 1]
    assert verdicts["rank"][2] == 0.0


def test_decayed_popularity_forgets() -> None:
    """A was taken twice long ago, B once lately, C just now."""
    log = took([(0, A), (1, A), (2, C)], [(5, B)], [(3, C), (3, B)])
    for half_life, rank in [(DAY / 4, 2.0), (1000 * DAY, 3.0)]:
        found = live(walk(log), baselines.DECAYED, Tuning(half_life=half_life), 1)
        assert ranks(walk(log), found)[5] == rank


def test_factors_learn_which_items_are_taken() -> None:
    days = [[(shopper, item) for shopper in range(20) for item in (A, B)] for _ in range(2)]
    days[0].append((20, C))
    steps = walk(took(*days))
    found = ranks(steps, live(steps, baselines.FACTORS, Tuning(rate=0.3), 1))
    assert len(found) > 0
    assert max(found.values()) <= 2.0


@given(
    days=st.lists(
        st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=12),
        min_size=2,
        max_size=4,
    ),
    method=st.sampled_from(sorted(SLOW)),
    protocol=st.sampled_from([live, frozen]),
)
def test_every_rank_is_that_of_the_reference(
    days: list[list[tuple[int, int]]], method: int, protocol: Protocol
) -> None:
    log = took(*days)
    log = log._replace(sessions=log.shoppers.astype(np.int64) + 1)
    every = [Took(*one, day) for day, own in enumerate(days) for one in own]
    wanted = slow_rankings.judged(every, SLOW[method], protocol is frozen)

    steps = walk(log)
    judged = protocol(steps, method, Tuning(neighbors=500), 1, None)
    assert ranks(steps, judged) == {n: one.rank for n, one in enumerate(wanted) if one}
    verdicts = np.asarray(judged.verdicts)
    for event, one in enumerate(wanted):
        if one and one.novel_rank is not None:
            assert verdicts["fresh"][event] == 1
            assert verdicts["novel_rank"][event] == one.novel_rank
        elif one:
            assert verdicts["fresh"][event] == 0


@pytest.mark.parametrize("method", range(len(METHODS)))
def test_a_frozen_period_is_the_same_whatever_else_happens_in_it(method: int) -> None:
    """Another shopper's events of the day change, and none of this one's ranks does."""
    days = [[(shopper, item) for shopper in range(9) for item in (A, B, C, D)[shopper % 3 :]]]
    own = [(10, A), (10, B), (10, C), (10, D)] * 5
    other = [(11, A), (11, B), (11, D), (11, B)] * 5
    changed = [(11, D), (11, C), (11, A), (11, A)] * 5
    walks = [walk(took(*days, seen + own)) for seen in (other, changed)]
    found = [ranks(steps, frozen(steps, method, Tuning(), 1)) for steps in walks]
    first = len(days[0]) + len(other)
    mine = [{event: rank for event, rank in one.items() if event >= first} for one in found]
    assert mine[0] == mine[1]
    assert mine[0]


@pytest.mark.parametrize("method", range(len(METHODS)))
def test_what_is_ranked_live_does_not_know_what_comes(method: int) -> None:
    """Put in turn, all items that may come have ranks of one and the same order."""
    before = [(shopper, item) for shopper in range(9) for item in (A, B, C, D)[shopper % 3 :]]
    before += [(9, A)] * (9 - len(before) % 10)
    sums = [
        np.asarray(live(walk(took(before, [(9, A), (9, came)])), method, Tuning(), 1).verdicts)[-1]
        for came in (A, B, C, D)
    ]
    found = [float(one["rank"]) for one in sums]
    listed = int(sums[0]["listed"])
    assert {int(one["listed"]) for one in sums} == {listed}
    assert sum(found) == pytest.approx(listed * (listed + 1) / 2)


def test_what_is_tuned_is_tuned_on_the_first_third() -> None:
    days = [[(2 * day, A), (2 * day, B), (2 * day + 1, A)] for day in range(8)]
    steps = walk(took(*days))
    assert parts(steps) == [(1, 3), (4, 7), (1, 7)]
    tuning = baselines.tuned(steps, baselines.DECAYED, frozen, (1, 3), 1)
    assert tuning in baselines.GRIDS[baselines.DECAYED]


def test_a_log_of_one_day_or_without_items_is_refused() -> None:
    with pytest.raises(StreamError, match="all events of toy are of one day"):
        walk(took(FIRST_DAY))
    log = took(FIRST_DAY)
    with pytest.raises(StreamError, match="no event of toy has an item"):
        walk(log._replace(items=np.full(len(log.at), -1, np.int32)))
