"""Rankings against a slow reference, what they promise, and what they learn."""

import math
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import (
    blend,
    candidates,
    clicks,
    knowledge,
    migration_evidence,
    ranking,
    recents,
    standing,
)
from stream.core.blend import Blend
from stream.core.candidates import CHANNELS, Listing
from stream.core.clicks import Clicks, ClicksRow
from stream.core.ids import identify
from stream.core.knowledge import ENTER, STAY
from stream.core.lately import Lately
from stream.core.migration_evidence import OutlookRow
from stream.core.ranking import REASONS
from stream.core.recents import RecentsRow
from stream.core.rows import Rows, zeros
from stream.core.selection import DIVERSITIES, EVERYTHING
from stream.core.shop import ShopModel
from tests.core.worlds import HALF_LIFE, NAME_OF, NAMES, SMALL, many, message, walked
from tests.reference import slow_ranking
from tests.reference.slow_ranking import Had
from tests.reference.slow_shop import SlowUpdate

VIEWED, KEPT, BOUGHT = 0, 1, 2
NEW = EVERYTHING._replace(current=False, bought=False)
ALL = EVERYTHING
FRESH = Blend.of()
UNTOLD = Clicks.of()
STRANGER = "stranger"
NAME_OF[identify(STRANGER)] = STRANGER
SLOTS = 2


class Entry(NamedTuple):
    item: str
    score: float
    reason: str
    share: float
    because: str | None


def recents_of(shopper: list[Had]) -> RecentsRow:
    row = zeros(1, recents.layout(8), RecentsRow)[0]
    for had in reversed(shopper):
        for _ in range(had.count):
            recents.push(row, identify(had.item), had.action)
    return row


def outlook_of(model: ShopModel, expected: dict[str, float]) -> OutlookRow:
    """A prediction of these next categories, the first of which is the current one."""
    row = zeros(1, migration_evidence.outlook_layout(SLOTS, 8, 1), OutlookRow)[0]
    row.held = min(1, len(expected))
    row.end = SLOTS + max(0, len(expected) - 1) if expected else 0
    row.gated.chances[ENTER] = 1.0
    for number, (category, chance) in enumerate(expected.items()):
        place = number and SLOTS + number - 1
        row.shops[place] = model.categories.number_of(identify(category))
        row.within[place] = chance
        if number == 0:
            row.gated.chances[STAY] = chance
    return row


def ranked(
    model: ShopModel,
    shopper: list[Had],
    listing: Listing = NEW,
    now: float = 0.0,
    size: int = 20,
    first: int = 0,
    own: Rows[blend.BlendRow] = FRESH.rows,
    expected: dict[str, float] | None = None,
    told: Rows[ClicksRow] = UNTOLD.rows,
    lately: bool = True,
) -> list[Entry]:
    own_ids, outlook = Lately(), outlook_of(model, expected or {})
    own_ids.note(identify(had.item) for had in shopper if lately)
    view, row = model.view._replace(lately=own_ids.ids), recents_of(shopper)
    used = ranking.rank(
        view, first, size, row, own[0], told[0], outlook, SLOTS, listing, now, HALF_LIFE
    )
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


def reflected(own: Rows[blend.BlendRow], model: ShopModel, shopper: list[Had], item: str) -> None:
    """Let a blend learn that this item came."""
    ranking.reflect(
        model.view, recents_of(shopper), own[0], outlook_of(model, {}), SLOTS, identify(item),
        0.0, HALF_LIFE,
    )  # fmt: skip


def learned(*walks: list[str], category: str = "") -> ShopModel:
    """What shoppers teach who each walked through these items at time 0."""
    model, first = ShopModel(SMALL), 0
    for walk in walks:
        updates = [u._replace(category=category) for u in walked([(one, 0.0) for one in walk])]
        model.apply(message(updates, first))
        first += len(updates)
    return model


def test_an_empty_model_ranks_nothing() -> None:
    assert ranked(ShopModel(SMALL), [Had("tent")]) == []


def test_a_shopper_without_events_gets_nothing() -> None:
    assert ranked(learned(["tent", "stove"]), []) == []


def test_what_followed_the_item_on_the_screen_leads_and_says_so() -> None:
    model = learned(["tent", "stove"], ["tent", "stove"], ["tent", "lamp"], ["boat", "kite"])
    first = ranked(model, [Had("tent")])[0]

    assert (first.item, first.reason, first.because) == ("stove", "follows", "tent")
    assert 0.5 < first.share <= 1.0


def test_what_came_before_is_listed_as_such() -> None:
    entries = ranked(learned(["tent", "stove"]), [Had("stove")])

    assert [(entry.item, entry.reason, entry.because) for entry in entries] == [
        ("tent", "precedes", "stove")
    ]


def test_what_goes_with_what_goes_with_an_item_is_found_two_steps_away() -> None:
    entries = ranked(learned(["tent", "stove"], ["lamp", "stove"]), [Had("tent")])

    assert [(entry.item, entry.reason, entry.because) for entry in entries] == [
        ("stove", "follows", "tent"),
        ("lamp", "connected", "tent"),
    ]


def test_what_a_likely_category_sells_is_listed_for_it() -> None:
    model = learned(["boat"], ["kite"], category="sport")
    own = Blend.of().rows
    own[0].weights[:] = [0.1, 0.1, 0.1, 0.1, 0.6, 0.0]
    (entry,) = ranked(model, [Had("boat")], own=own, expected={"garden": 0.1, "sport": 0.9})

    assert (entry.item, entry.reason, entry.because) == ("kite", "category", "sport")


def test_a_neighbor_that_a_category_sells_names_the_category() -> None:
    """The kite is the neighbor of the fourth recent item, and of the second category's shelf."""
    model = learned(["lamp"], category="camping")
    updates = [u._replace(category="sport") for u in walked([("boat", 0.0), ("kite", 0.0)])]
    model.apply(message(updates, first=100))
    own = Blend.of().rows
    own[0].weights[:] = [0.1, 0.1, 0.1, 0.1, 0.6, 0.0]
    shopper = [Had("lamp"), Had(STRANGER), Had("boat")]
    entries = ranked(model, shopper, own=own, expected={"sport": 0.9})

    assert ("kite", "category", "sport") in [(e.item, e.reason, e.because) for e in entries]


def test_what_the_shopper_had_comes_back() -> None:
    entries = ranked(learned(["tent"], ["boat"]), [Had("boat"), Had("tent")])

    assert [(entry.item, entry.reason, entry.because) for entry in entries] == [
        ("tent", "recent", None)
    ]


def test_factors_alone_may_be_the_reason() -> None:
    own = Blend.of().rows
    own[0].weights[:] = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    (entry,) = ranked(learned(["tent", "stove"]), [Had("tent")], own=own)

    assert (entry.item, entry.reason, entry.share, entry.because) == ("stove", "similar", 1.0, None)


def test_factors_that_learn_nothing_say_nothing() -> None:
    model = ShopModel(msgspec.structs.replace(SMALL, factors_every=0))
    model.apply(message(walked([("tent", 0.0), ("stove", 0.0), ("lamp", 0.0)])))
    own = Blend.of().rows
    assert [entry.item for entry in ranked(model, [Had("tent")], own=own)] == ["stove", "lamp"]
    own[0].weights[:] = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    assert ranked(model, [Had("tent")], own=own) == []


def test_what_is_on_the_screen_or_bought_is_left_out_unless_asked_for() -> None:
    model = learned(["tent", "stove", "lamp"], ["tent", "tent"])
    shopper = [Had("tent"), Had("stove", BOUGHT), Had("lamp", KEPT)]

    def items(listing: Listing) -> set[str]:
        return {entry.item for entry in ranked(model, shopper, listing)}

    assert items(NEW) == {"lamp"}
    assert items(NEW._replace(current=True)) == {"tent", "lamp"}
    assert items(NEW._replace(bought=True)) == {"stove", "lamp"}


def test_what_must_not_be_listed_is_no_reason_either() -> None:
    """The shopper looked at a tent that nobody is to be shown."""
    model = learned(["tent", "stove"], ["tent", "stove"])
    hidden = NEW._replace(hidden=standing.ADULT | standing.OUT_OF_STOCK)
    tent = model.items.number_of(identify("tent"))

    knowledge.tell(model.profiles[tent], standing.OUT_OF_STOCK)
    (entry,) = ranked(model, [Had("tent")], hidden)
    assert (entry.item, entry.reason, entry.because) == ("stove", "follows", "tent")
    knowledge.tell(model.profiles[tent], standing.ADULT)
    (entry,) = ranked(model, [Had("tent")], hidden)
    assert (entry.item, entry.reason, entry.because) == ("stove", "follows", None)


def test_a_barred_category_is_no_reason_for_what_it_sold_once() -> None:
    model = learned(["boat"], ["kite"], category="sport")
    model.categories.rows[0].standing = standing.BARRED_CATEGORY
    own = Blend.of().rows
    own[0].weights[:] = [0.1, 0.1, 0.1, 0.1, 0.6, 0.0]
    listing = NEW._replace(hidden=standing.NEVER)
    (entry,) = ranked(model, [Had("boat")], listing, own=own, expected={"g": 0.1, "sport": 0.9})

    assert (entry.item, entry.reason, entry.because) == ("kite", "category", None)


def test_what_the_shopper_had_is_not_listed_once_it_is_blocked() -> None:
    model = learned(["tent"], ["boat"])
    shopper, listing = [Had("boat"), Had("tent")], NEW._replace(hidden=standing.BLOCKED)
    assert [entry.item for entry in ranked(model, shopper, listing)] == ["tent"]

    knowledge.tell(model.profiles[model.items.number_of(identify("tent"))], standing.BLOCKED)
    assert ranked(model, shopper, listing) == []


def test_items_that_the_model_does_not_know_are_passed_over() -> None:
    entries = ranked(learned(["tent", "stove"]), [Had(STRANGER), Had("tent")])
    assert {entry.item for entry in entries} == {"stove", "tent"}


def test_an_older_item_that_the_model_does_not_know_is_listed_if_it_was_touched_lately() -> None:
    """Else there is no more than half of an id to name it by."""
    model, newer = learned(["tent", "stove"]), ["tent", "lamp", "boat", "kite", "drum"]
    had = [Had(name) for name in [*newer, STRANGER]]

    entries = ranked(model, had)
    assert {entry.item for entry in entries} == {"stove", *newer[1:], STRANGER}
    entries = ranked(model, had, lately=False)
    assert {entry.item for entry in entries} == {"stove", *newer[1:]}


def test_equal_items_rank_by_id() -> None:
    model = learned(*(["tent", other] for other in NAMES[1:4]))
    own = Blend.of().rows
    own[0].weights[:] = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    entries = ranked(model, [Had("tent")], own=own)

    assert len({entry.score for entry in entries}) == 1
    assert [entry.item for entry in entries] == sorted(NAMES[1:4], key=identify)


def test_what_everybody_takes_is_toned_down() -> None:
    """Both followed the tent once; the lamp was looked at alone thirty times."""
    model = learned(["tent", "stove"], ["tent", "lamp"], *[["lamp"]] * 30)
    own = Blend.of().rows
    own[0].weights[:] = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]

    assert [entry.item for entry in ranked(model, [Had("tent")], own=own)] == ["stove", "lamp"]


def test_a_list_is_written_where_it_should_be_and_nowhere_else() -> None:
    model = learned(["tent", "stove", "lamp", "boat"])
    shopper = [Had("stove"), Had("tent")]
    whole = ranked(model, shopper)
    before = np.asarray(model.view.ranked).copy()

    assert ranked(model, shopper, size=2, first=40) == whole[:2]
    after = np.asarray(model.view.ranked)
    assert (after[:40] == before[:40]).all()
    assert (after[42:] == before[42:]).all()


def test_candidates_beyond_the_room_are_dropped() -> None:
    model = learned(["tent", "stove", "lamp", "boat", "kite"])
    room = zeros(2, candidates.CANDIDATE, candidates.CandidateRow)
    view, row = model.view._replace(candidates=room), recents_of([Had("kite")])

    used = ranking.rank(
        view,
        0,
        20,
        row,
        FRESH.rows[0],
        UNTOLD.rows[0],
        outlook_of(model, {}),
        SLOTS,
        ALL,
        0.0,
        HALF_LIFE,
    )
    assert used == 2


@given(power=st.floats(-16, 0, width=32))
def test_exponentials_by_products_are_near_enough(power: float) -> None:
    close = 2.5e-5 if power >= -8 else 2e-4
    found = candidates.exponential(np.float32(power))

    assert float(found) == pytest.approx(math.exp(power), rel=close)


# ------------------------------------------------------------- against the slow reference

RECENT = st.lists(
    st.builds(Had, st.sampled_from([*NAMES, STRANGER]), st.integers(0, 2), st.integers(1, 4)),
    max_size=7,
    unique_by=lambda had: had.item,
)
EXPECTED = st.dictionaries(
    st.sampled_from(["camping", "sport", "music"]), st.floats(0.01, 0.5), max_size=3
)


def experienced(model: ShopModel, seed: int) -> Rows[blend.BlendRow]:
    """A blend that saw some lists."""
    random, own = np.random.default_rng(seed), Blend.of().rows
    for _ in range(seed):
        shopper = [Had(str(name)) for name in random.permutation(NAMES)[:3]]
        reflected(own, model, shopper, str(random.choice(NAMES)))
    return own


@given(
    events=st.integers(0, 150),
    seed=st.integers(0, 20),
    shopper=RECENT,
    expected=EXPECTED,
    later=st.integers(-50, 500),
    current=st.booleans(),
    bought=st.booleans(),
)
def test_rankings_agree_with_the_slow_reference(
    events: int,
    seed: int,
    shopper: list[Had],
    expected: dict[str, float],
    later: int,
    current: bool,
    bought: bool,
) -> None:
    updates = many(events, seed)
    model, now = ShopModel(SMALL), (updates[-1].at if updates else 0.0) + later
    model.apply(message(updates))
    known = {name: chance for name, chance in expected.items() if name in model.categories.names}
    own = experienced(model, seed)

    entries = ranked(
        model,
        shopper,
        EVERYTHING._replace(current=current, bought=bought),
        now,
        own=own,
        expected=known,
    )
    slow = slow_ranking.scores(model, shopper, own[0], known, now, HALF_LIFE)

    assert {entry.item for entry in entries} == slow_ranking.listed(slow, shopper, current, bought)
    for entry in entries:
        score, parts, held = slow[entry.item]
        assert entry.score == pytest.approx(score, rel=1e-4, abs=1e-6)
        if held is not None:
            assert (entry.reason, entry.share) == ("recent", 1.0)
        else:
            assert parts[REASONS.index(entry.reason)] == pytest.approx(max(parts), abs=1e-6)
            assert entry.share == pytest.approx(max(parts) / sum(parts), abs=1e-4)
    for above, below in pairwise(entries):
        key = -above.score, identify(above.item)
        assert key < (-below.score, identify(below.item))


@given(events=st.integers(0, 60), shoppers=st.lists(RECENT, max_size=5))
def test_ranking_changes_nothing(events: int, shoppers: list[list[Had]]) -> None:
    model, own = ShopModel(SMALL), Blend.of()
    model.apply(message(many(events)))
    before = model.hash()
    first = [ranked(model, shopper, own=own.rows) for shopper in shoppers]

    assert [ranked(model, shopper, own=own.rows) for shopper in shoppers] == first
    assert model.hash() == before
    assert own.pack() == FRESH.pack()


# -------------------------------------------------------------------- what a blend learns


def test_a_channel_that_is_right_gains_weight() -> None:
    """The stove always follows the tent; what precedes it never comes."""
    model, own = learned(*[["boat", "tent", "stove"]] * 4), Blend.of().rows
    for _ in range(50):
        reflected(own, model, [Had("tent")], "stove")

    before, after = FRESH.rows[0].weights[0], own[0].weights[0]
    assert after[candidates.FOLLOWS] > before[candidates.FOLLOWS] + 0.05
    assert after[candidates.PRECEDES] < before[candidates.PRECEDES]
    assert after.sum() == pytest.approx(1.0, abs=1e-6)
    others = np.delete(own[0].weights, 0, axis=0)
    assert (others == np.delete(FRESH.rows[0].weights, 0, axis=0)).all()


def test_items_that_are_never_taken_again_lose_their_place() -> None:
    model, own = learned(["tent", "stove"], ["tent", "lamp"]), Blend.of().rows
    shopper = [Had("tent"), Had("lamp")]
    assert ranked(model, shopper)[0].item == "stove"

    for _ in range(300):
        reflected(own, model, shopper, "lamp")
    assert ranked(model, shopper, own=own)[0].item == "lamp"
    assert ranked(model, shopper, own=own)[0].score > 0.9


def test_what_is_no_candidate_tells_how_far_lists_reach() -> None:
    model, own = learned(["tent", "stove"], ["boat", "kite"]), Blend.of().rows
    reflected(own, model, [Had("tent")], "kite")
    reflected(own, model, [Had("tent")], STRANGER)
    reflected(own, model, [Had("tent")], "stove")

    row = own[0]
    assert (row.sought[0] - blend.SOUGHT, row.found[0] - blend.FOUND) == (3, 1)
    assert row.updates.tolist() == [1.0] + [0.0] * (blend.CONTEXTS - 1)


def test_every_cell_is_a_cell_of_its_own() -> None:
    cells = {
        blend.cell_of(place, count, same, action, chance)
        for place in (0, 1, 2, 3, 5, 8, 15, 31)
        for count in (1, 2, 250)
        for same in (False, True)
        for action in (0, 1, 2)
        for chance in (0.0, 0.005, 0.02, 0.06)
    }
    assert cells == set(range(blend.CELLS))


def test_a_blend_is_stored_and_found_again() -> None:
    model, own = learned(["tent", "stove"]), Blend.of()
    reflected(own.rows, model, [Had("tent")], "stove")

    assert Blend.of().restored(own.pack()).pack() == own.pack() != FRESH.pack()
    with pytest.raises(ValueError, match="another layout"):
        Blend.of().restored(b"\0" * len(own.pack()))


def test_every_event_is_learned_from_at_first_and_one_in_four_later() -> None:
    row = Blend.of().rows[0]
    assert all(ranking.sampled(row, 1024 * offset) for offset in range(100))

    row.lessons = ranking.EAGER
    share = np.mean([ranking.sampled(row, 1024 * offset) for offset in range(4000)])
    assert share == pytest.approx(0.25, abs=0.03)


def test_reasons_that_are_clicked_more_where_they_are_seen_rise() -> None:
    model = learned(["tent", "stove"], ["tent", "stove"], ["tent", "lamp"], ["boat", "tent"])
    before = {entry.item: entry.score for entry in ranked(model, [Had("tent")])}
    own = Clicks.of()
    for _ in range(500):
        clicks.show(own.rows[0], 0, REASONS.index("precedes"), True)
        clicks.show(own.rows[0], 0, REASONS.index("follows"), False)
    after = {entry.item: entry.score for entry in ranked(model, [Had("tent")], told=own.rows)}

    assert after["boat"] > 1.5 * before["boat"]
    assert after["stove"] < before["stove"]


def test_an_item_that_the_model_has_yet_to_learn_can_come_back() -> None:
    """The shopper's own row tells of it; two of them are told apart by their ids alone."""
    entries = ranked(learned(["tent", "stove"]), [Had("boat"), Had("kite"), Had("tent")], ALL)

    assert {entry.item for entry in entries} == {"boat", "kite", "tent", "stove"}
    assert {entry.reason for entry in entries if entry.item != "stove"} == {"recent"}


# ------------------------------------------------------------------------------ the whole


def test_a_withheld_item_is_found() -> None:
    """Two tastes; a shopper of one, whose next item was never seen after these two together."""
    model = learned(*(["tent", "stove"], ["stove", "lamp"], ["boat", "kite"], ["kite", "drum"]) * 5)

    assert ranked(model, [Had("stove"), Had("tent")])[0].item == "lamp"
    assert ranked(model, [Had("kite"), Had("boat")])[0].item == "drum"


def lists_of_a_run() -> str:
    model, updates = ShopModel(SMALL), many(300)
    model.apply(message(updates))
    own, lists = Blend.of().rows, []
    for update in updates[:60]:
        shopper = [Had(name) for name in update.recent]
        expected = {"sport": 0.4, "camping": 0.3}
        for diversity in range(len(DIVERSITIES)):
            own_taste = model.view.choices[0].taste
            own_taste.used, own_taste.categories[:2], own_taste.shares[:2] = 2, [1, 2], [0.7, 0.3]
            listing = NEW._replace(per_category=2, diversity=diversity, diversity_weight=0.4)
            now = updates[-1].at
            lists.append(ranked(model, shopper, listing, now, own=own, expected=expected))
        if shopper:
            reflected(own, model, shopper, update.item)
    return repr((lists, own[0].weights.tolist()))


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

    early = ranked(model, [Had("tent")], now=-100.0)
    assert early == ranked(model, [Had("tent")], now=0.0)


def test_there_are_as_many_starting_weights_as_channels() -> None:
    assert len(blend.START) == CHANNELS
    assert sum(blend.START) == pytest.approx(1.0)
