"""Rankings against a slow reference, and what they promise."""

import math
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import ranking, recents
from stream.core.ids import identify
from stream.core.ranking import REASONS, RankingWeights, rank
from stream.core.recents import RecentsRow
from stream.core.rows import zeros
from stream.core.shop import ShopModel
from tests.core.worlds import HALF_LIFE, NAME_OF, NAMES, SMALL, many, message, walked
from tests.reference.slow_ranking import Shopper, scores
from tests.reference.slow_shop import SlowUpdate

VIEWED, KEPT, BOUGHT = 0, 1, 2
MIX = RankingWeights()
STRANGER = "stranger"
NAME_OF[identify(STRANGER)] = STRANGER


class Entry(NamedTuple):
    item: str
    score: float
    reason: str
    share: float
    because: str | None


def recents_of(shopper: Shopper) -> RecentsRow:
    row = zeros(1, recents.layout(8), RecentsRow)[0]
    for name, action in reversed(shopper):
        recents.push(row, identify(name), action)
    return row


def ranked(
    model: ShopModel,
    shopper: Shopper,
    weights: RankingWeights = MIX,
    now: float = 0.0,
    size: int = 20,
    first: int = 0,
) -> list[Entry]:
    view = model.view
    used = rank(view, first, size, recents_of(shopper), weights, now, HALF_LIFE)
    return [
        Entry(
            NAME_OF[int(row.item_id)],
            float(row.score),
            REASONS[row.reason],
            float(row.share),
            NAME_OF.get(int(row.because)),
        )
        for row in (view.ranked[place] for place in range(first, first + used))
    ]


def learned(*walks: list[str]) -> ShopModel:
    """What shoppers teach who each walked through these items at time 0."""
    model, first = ShopModel(SMALL), 0
    for walk in walks:
        updates = walked([(item, 0.0) for item in walk])
        model.apply(message(updates, first))
        first += len(updates)
    return model


def test_an_empty_model_ranks_nothing() -> None:
    assert ranked(ShopModel(SMALL), [("tent", VIEWED)]) == []


def test_a_shopper_without_events_gets_nothing() -> None:
    assert ranked(learned(["tent", "stove"]), []) == []


def test_what_followed_the_item_on_the_screen_leads_and_says_so() -> None:
    model = learned(["tent", "stove"], ["tent", "stove"], ["tent", "lamp"], ["boat", "kite"])
    first = ranked(model, [("tent", VIEWED)])[0]

    assert (first.item, first.reason, first.because) == ("stove", "follows", "tent")
    assert 0.5 < first.share <= 1.0


def test_what_came_before_is_listed_as_such() -> None:
    entries = ranked(learned(["tent", "stove"]), [("stove", VIEWED)])

    assert [(entry.item, entry.reason, entry.because) for entry in entries] == [
        ("tent", "precedes", "stove")
    ]


def test_what_the_shopper_had_comes_back() -> None:
    entries = ranked(learned(["tent"], ["boat"]), [("boat", VIEWED), ("tent", VIEWED)])

    assert [(entry.item, entry.reason, entry.because) for entry in entries] == [
        ("tent", "recent", None)
    ]


def test_factors_alone_may_be_the_reason() -> None:
    weights = RankingWeights(0.0, 0.0, 0.0, 1.0)
    entry = ranked(learned(["tent", "stove"]), [("tent", VIEWED)], weights)[0]

    assert entry == Entry("stove", 1.0, "similar", 1.0, None)


def test_what_is_on_the_screen_or_bought_is_left_out() -> None:
    model = learned(["tent", "stove", "lamp"], ["tent", "tent"])
    shopper = [("tent", VIEWED), ("stove", BOUGHT), ("lamp", KEPT)]

    assert [entry.item for entry in ranked(model, shopper)] == ["lamp"]
    with_current = MIX._replace(with_current=True)
    assert {entry.item for entry in ranked(model, shopper, with_current)} == {"tent", "lamp"}


def test_items_that_the_model_does_not_know_are_passed_over() -> None:
    model = learned(["tent", "stove"])

    entries = ranked(model, [(STRANGER, VIEWED), ("tent", VIEWED)])
    assert [entry.item for entry in entries] == ["stove", "tent"]


def test_equal_items_rank_by_id() -> None:
    model = learned(*(["tent", other] for other in NAMES[1:4]))
    entries = ranked(model, [("tent", VIEWED)], RankingWeights(1.0, 0.0, 0.0, 0.0))

    assert len({entry.score for entry in entries}) == 1
    assert [entry.item for entry in entries] == sorted(NAMES[1:4], key=identify)


def test_a_list_is_written_where_it_should_be_and_nowhere_else() -> None:
    model = learned(["tent", "stove", "lamp", "boat"])
    shopper = [("stove", VIEWED), ("tent", VIEWED)]
    whole = ranked(model, shopper)
    before = np.asarray(model.view.ranked).copy()

    assert ranked(model, shopper, size=2, first=40) == whole[:2]
    after = np.asarray(model.view.ranked)
    assert (after[:40] == before[:40]).all()
    assert (after[42:] == before[42:]).all()


def test_candidates_beyond_the_room_are_dropped() -> None:
    model = learned(["tent", "stove", "lamp", "boat", "kite"])
    room = zeros(2, ranking.CANDIDATE, ranking.CandidateRow)
    view = model.view._replace(candidates=room)

    assert rank(view, 0, 20, recents_of([("kite", VIEWED)]), MIX, 0.0, HALF_LIFE) == 2


@given(power=st.floats(-16, 0, width=32))
def test_exponentials_by_products_are_near_enough(power: float) -> None:
    close = 2.5e-5 if power >= -8 else 2e-4
    found = ranking.exponential(np.float32(power))

    assert float(found) == pytest.approx(math.exp(power), rel=close)


RECENT = st.lists(
    st.tuples(st.sampled_from([*NAMES, STRANGER]), st.integers(0, 2)),
    max_size=7,
    unique_by=lambda recent: recent[0],
)


@given(
    events=st.integers(0, 150),
    seed=st.integers(0, 20),
    shopper=RECENT,
    later=st.integers(-50, 500),
    with_current=st.booleans(),
)
def test_rankings_agree_with_the_slow_reference(
    events: int, seed: int, shopper: Shopper, later: int, with_current: bool
) -> None:
    updates = many(events, seed)
    model, now = ShopModel(SMALL), (updates[-1].at if updates else 0.0) + later
    model.apply(message(updates))
    weights = MIX._replace(with_current=with_current)

    entries = ranked(model, shopper, weights, now)
    expected = scores(model, shopper, weights, now, HALF_LIFE)

    assert {entry.item for entry in entries} == set(expected)
    for entry in entries:
        parts = expected[entry.item]
        assert entry.score == pytest.approx(sum(parts), abs=1e-5)
        assert parts[REASONS.index(entry.reason)] == pytest.approx(max(parts), abs=1e-5)
        assert entry.share == pytest.approx(max(parts) / sum(parts), abs=1e-4)
    for above, below in pairwise(entries):
        key = -above.score, identify(above.item)
        assert key < (-below.score, identify(below.item))


@given(events=st.integers(0, 60), shoppers=st.lists(RECENT, max_size=5))
def test_ranking_changes_nothing(events: int, shoppers: list[Shopper]) -> None:
    model = ShopModel(SMALL)
    model.apply(message(many(events)))
    before, first = model.hash(), [ranked(model, shopper) for shopper in shoppers]

    assert [ranked(model, shopper) for shopper in shoppers] == first
    assert model.hash() == before


def test_a_withheld_item_is_found() -> None:
    """Two tastes; a shopper of one, whose next item was never seen after these two together."""
    model = learned(*(["tent", "stove"], ["stove", "lamp"], ["boat", "kite"], ["kite", "drum"]) * 5)

    assert ranked(model, [("stove", VIEWED), ("tent", VIEWED)])[0].item == "lamp"
    assert ranked(model, [("kite", VIEWED), ("boat", VIEWED)])[0].item == "drum"


def lists_of_a_run() -> str:
    model, updates = ShopModel(SMALL), many(300)
    model.apply(message(updates))
    shoppers: list[Shopper] = [
        [(name, VIEWED) for name in update.recent] for update in updates[:60]
    ]
    return repr([ranked(model, shopper, now=updates[-1].at) for shopper in shoppers])


def test_plain_python_ranks_bit_for_bit_as_compiled_code() -> None:
    program = "from tests.core.test_ranking import lists_of_a_run; print(lists_of_a_run())"
    plain = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=True,
        text=True,
    )

    assert plain.stdout.strip() == lists_of_a_run()


def test_a_late_question_changes_no_order() -> None:
    """All rows fade alike when all were learned at once; asking before that is asking then."""
    model = learned(["tent", "stove", "lamp"], ["tent", "lamp"])
    model.apply(message([SlowUpdate(0.0, "tent", ())], first=100))

    early = ranked(model, [("tent", VIEWED)], now=-100.0)
    assert early == ranked(model, [("tent", VIEWED)], now=0.0)
