"""Lists chosen from candidates: what may be listed, caps, and what diversity is worth."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import codes, interest, knowledge, recents, selection, standing, taste
from stream.core.candidates import Listing
from stream.core.codes import CodeRow
from stream.core.ids import identify
from stream.core.interest import InterestProfile, InterestRow
from stream.core.recents import RecentsRow
from stream.core.rows import Rows, zeros
from stream.core.selection import CALIBRATED, EVERYTHING, MMR
from stream.core.shop import ShopModel, ShopView
from stream.core.standing import (
    ADULT,
    BARRED,
    BARRED_CATEGORY,
    BLOCKED,
    OUT_OF_STOCK,
    UNKNOWN,
)
from stream.settings import Settings
from tests.core.worlds import SMALL
from tests.reference import slow_ranking

ITEMS = [f"item {number}" for number in range(40)]
STRANGERS = ["stranger 1", "stranger 2"]
GROUPS = ["camping", "sport", "music"]


@dataclass
class World:
    """Scored candidates of a shop, and what is known of each, by name."""

    scores: dict[str, float]
    category_of: dict[str, str]
    vectors: dict[str, list[float]]
    taste: dict[str, float]
    view: ShopView
    recents: RecentsRow

    def choose(self, listing: Listing, size: int) -> list[str]:
        self.view.choices[0].taste.used = len(self.taste)
        for slot, (name, share) in enumerate(self.taste.items()):
            self.view.choices[0].taste.categories[slot] = GROUPS.index(name) + 1
            self.view.choices[0].taste.shares[slot] = share
        used = selection.choose(self.view, size, len(self.scores), self.recents, listing)
        return [self.named(place) for place in self.view.choices[0].chosen[:used].tolist()]

    def named(self, place: int) -> str:
        row = self.view.candidates[place]
        return ITEMS[row.index] if row.index >= 0 else STRANGERS[row.held - 1]


@cache
def a_shop() -> ShopModel:
    model = ShopModel(SMALL)
    ids = np.array([identify(name) for name in ITEMS], np.int64)
    model.items.numbers(ids, np.arange(len(ids), dtype=np.int32))
    ids = np.array([identify(name) for name in GROUPS], np.int64)
    model.categories.numbers(ids, np.arange(len(ids), dtype=np.int32))
    return model


@cache
def had() -> Rows[RecentsRow]:
    rows = zeros(1, recents.layout(8), RecentsRow)
    for name in reversed(STRANGERS):
        recents.push(rows[0], identify(name), 0)
    return rows


def a_world(seed: int, count: int = 25) -> World:
    """Some of the shop's items and two that it has no row of; many score the same."""
    random, view = np.random.default_rng(seed), a_shop().view
    world = World({}, {}, {}, dict(zip(GROUPS, random.dirichlet([1, 1, 1]), strict=True)), view,
                  had()[0])  # fmt: skip
    for item in range(len(ITEMS)):
        row = view.profiles[item]
        row.category, row.standing = int(random.integers(0, 4)), 0
        row.outward_squares = 0.01 if random.random() < 0.3 else 1.0
        row.outward[:] = random.normal(size=SMALL.factors)
    places = [*random.permutation(len(ITEMS))[:count].tolist(), -1, -1]
    for place, item in enumerate(places):
        candidate = view.candidates[place]
        candidate.index, candidate.held, candidate.left_out = item, 0, 0
        if item < 0:
            candidate.held = 1 + place - count
        candidate.score = np.float32(random.choice([0.1, 0.25, 0.5, 1.0, random.random()]))
        name = world.named(place)
        world.scores[name] = float(candidate.score)
        if item >= 0 and view.profiles[item].category:
            world.category_of[name] = GROUPS[view.profiles[item].category - 1]
        if item >= 0 and view.profiles[item].outward_squares > 0.01:
            world.vectors[name] = [float(x) for x in view.profiles[item].outward]
    return world


SIZES, CAPS, WEIGHTS = st.integers(1, 30), st.integers(0, 5), st.floats(0, 1)
WORLDS = st.builds(a_world, st.integers(0, 10_000), st.integers(0, 38))


@given(world=WORLDS, size=SIZES, cap=CAPS)
def test_the_best_are_chosen_under_the_cap(world: World, size: int, cap: int) -> None:
    found = world.choose(EVERYTHING._replace(per_category=cap), size)
    assert found == slow_ranking.best(world.scores, world.category_of, size, cap)


def assert_each_is_worth_most(
    world: World, listing: Listing, size: int, worth: Callable[[str, list[str]], float],
    within: float,
) -> None:  # fmt: skip
    """Each entry is worth most beside those before it, of all that may be listed."""
    found = world.choose(listing, size)
    pool = slow_ranking.best(world.scores, world.category_of, 100, listing.per_category)
    assert len(set(found)) == len(found) == min(size, len(pool))
    for number, name in enumerate(found):
        before = found[:number]
        worths = {other: worth(other, before) for other in pool if other not in before}
        assert worths[name] == pytest.approx(max(worths.values()), abs=within)


@given(world=WORLDS, size=SIZES, cap=CAPS, weight=WEIGHTS)
def test_a_list_by_marginal_relevance_is_the_slow_one(
    world: World, size: int, cap: int, weight: float
) -> None:
    listing = EVERYTHING._replace(per_category=cap, diversity=MMR, diversity_weight=weight)

    def worth(other: str, chosen: list[str]) -> float:
        return slow_ranking.relevance(
            other, chosen, world.scores, world.vectors, world.category_of, weight
        )

    assert_each_is_worth_most(world, listing, size, worth, 1e-5)


@given(world=WORLDS, size=SIZES, cap=CAPS, weight=WEIGHTS)
def test_a_calibrated_list_is_the_slow_one(
    world: World, size: int, cap: int, weight: float
) -> None:
    listing = EVERYTHING._replace(per_category=cap, diversity=CALIBRATED, diversity_weight=weight)

    def worth(other: str, chosen: list[str]) -> float:
        return slow_ranking.calibration(
            other, chosen, world.scores, world.category_of, world.taste, weight
        )

    assert_each_is_worth_most(world, listing, size, worth, 1e-9)


@given(world=WORLDS, size=SIZES, diversity=st.sampled_from([MMR, CALIBRATED]))
def test_diversity_of_no_weight_changes_nothing(world: World, size: int, diversity: int) -> None:
    listing = EVERYTHING._replace(diversity=diversity, diversity_weight=0.0)
    assert world.choose(listing, size) == world.choose(EVERYTHING, size)


@given(world=WORLDS, size=SIZES, cap=CAPS, diversity=st.integers(0, 2), seed=st.integers(0, 99))
def test_what_is_hidden_is_as_if_it_were_no_candidate(
    world: World, size: int, cap: int, diversity: int, seed: int
) -> None:
    random, hidden = np.random.default_rng(seed), BLOCKED | ADULT | UNKNOWN
    listing = EVERYTHING._replace(
        hidden=hidden, per_category=cap, diversity=diversity, diversity_weight=0.5
    )
    for item in range(len(ITEMS)):
        flags = (BLOCKED, ADULT, OUT_OF_STOCK)
        world.view.profiles[item].standing = sum(flag for flag in flags if random.random() < 0.2)
    out = {name for item, name in enumerate(ITEMS) if world.view.profiles[item].standing & hidden}
    found = world.choose(listing, size)
    assert not out & set(found)
    assert not set(STRANGERS) & set(found)

    for place in range(len(world.scores)):
        world.view.candidates[place].left_out = world.named(place) in {*out, *STRANGERS}
    assert world.choose(listing._replace(hidden=0), size) == found


def test_a_taste_serves_one_list() -> None:
    """Who forgets to note the next shopper's gets no list of somebody else's."""
    world = a_world(3)
    listing = EVERYTHING._replace(diversity=CALIBRATED, diversity_weight=0.9)
    calibrated = world.choose(listing, 10)
    world.taste = {}
    assert world.choose(listing, 10) == world.choose(EVERYTHING, 10) != calibrated


def test_unlike_items_come_before_more_of_the_same() -> None:
    """Two tents much alike score most; the lamp is like neither."""
    world = a_world(0, 3)
    for place, (score, vector) in enumerate([(1.0, [1, 0]), (0.9, [1, 0.1]), (0.5, [0, 1])]):
        item = world.view.candidates[place].index
        world.view.candidates[place].score = np.float32(score)
        world.view.profiles[item].outward_squares = 1.0
        world.view.profiles[item].outward[:] = [*vector, *[0] * (SMALL.factors - 2)]
    tent, other, lamp = (world.named(place) for place in range(3))
    mmr = EVERYTHING._replace(hidden=UNKNOWN, diversity=MMR, diversity_weight=0.5)

    assert world.choose(mmr, 3) == [tent, lamp, other]
    assert world.choose(mmr._replace(diversity_weight=0.1), 3) == [tent, other, lamp]


def test_a_calibrated_list_has_the_proportions_of_the_taste() -> None:
    """Sport scores more throughout, but is a quarter of what the shopper cares about."""
    world = a_world(0, 38)
    for place in range(38):
        sport = place % 2
        world.view.profiles[world.view.candidates[place].index].category = 2 if sport else 1
        world.view.candidates[place].score = np.float32(0.011 if sport else 0.01)
    world.taste = {"camping": 0.75, "sport": 0.25}
    listing = EVERYTHING._replace(hidden=UNKNOWN, diversity=CALIBRATED, diversity_weight=0.9)
    sport = {world.named(place) for place in range(1, 38, 2)}

    assert len(sport & set(world.choose(EVERYTHING._replace(hidden=UNKNOWN), 12))) == 12
    assert len(sport & set(world.choose(listing, 12))) == 3


# --------------------------------------------------------------------------- a shopper's taste


@given(
    touches=st.lists(st.tuples(st.sampled_from(GROUPS), st.floats(0, 1e4)), max_size=20),
    known=st.integers(0, 3),
)
def test_a_taste_is_the_shares_of_the_profile(touches: list[tuple[str, float]], known: int) -> None:
    profile, row = InterestProfile(60, 600, 4), zeros(1, interest.layout(4), InterestRow)
    book = zeros(3, codes.LAYOUT, CodeRow)
    np.asarray(book)["shop"] = [code if code < known else -1 for code in range(3)]
    for category, at in touches:
        profile.update(category, at)
        interest.learn(row[0], GROUPS.index(category), 1.0, at, 60.0, 600.0)
    noted = zeros(1, taste.layout(4), taste.TasteRow)
    taste.note(noted[0], row[0], book)

    shares = {category: profile.share(category) for category, _ in touches}
    assert noted[0].shares[: noted[0].used].sum() == pytest.approx(1.0 if touches else 0.0)
    for category in GROUPS[:known]:
        slot = taste.slot_of(noted[0], GROUPS.index(category) + 1)
        share = noted[0].shares[slot] if slot >= 0 else 0.0
        assert share == pytest.approx(shares.get(category, 0.0))
    assert taste.slot_of(noted[0], 0) == -1


@given(
    entries=st.lists(st.integers(0, 9), min_size=3, max_size=3),
    seed=st.integers(0, 999),
    more=st.integers(0, 2),
)
def test_a_gain_is_a_difference_of_divergences(entries: list[int], seed: int, more: int) -> None:
    shares = np.random.default_rng(seed).dirichlet([1, 1, 1])
    row, size = zeros(1, taste.layout(3), taste.TasteRow), sum(entries) + 1
    row[0].used, row[0].shares[:] = 3, shares
    before, after = np.array(entries, np.int32), np.array(entries, np.int32)
    after[more] += 1
    names = [GROUPS[slot] for slot in range(3) for _ in range(after[slot])]
    far = slow_ranking.divergence(
        names, dict(zip(GROUPS, GROUPS, strict=True)), dict(zip(GROUPS, shares, strict=True))
    )

    assert taste.divergence(row[0], after, size) == pytest.approx(far)
    less = taste.divergence(row[0], before, size) - taste.divergence(row[0], after, size)
    assert taste.gain(shares[more], entries[more], size) == pytest.approx(less, abs=1e-12)


# -------------------------------------------------------------------------- what may be listed


def test_the_settings_say_which_flags_keep_an_item_out() -> None:
    usual = standing.hidden(Settings())
    for flag in (BLOCKED, BARRED, BARRED_CATEGORY, OUT_OF_STOCK, ADULT):
        assert not standing.listable(flag, usual)
    assert standing.listable(0, usual)
    assert standing.listable(UNKNOWN, usual)
    assert standing.listable(OUT_OF_STOCK, standing.hidden(Settings(list_out_of_stock=True)))
    assert standing.listable(ADULT, standing.hidden(Settings(list_adult=True)))
    assert not standing.listable(UNKNOWN, standing.hidden(Settings(blocked_categories=["toys"])))


def test_sold_out_items_may_be_named_as_a_reason_and_others_not() -> None:
    usual = standing.hidden(Settings())
    assert standing.nameable(OUT_OF_STOCK, usual)
    assert not standing.nameable(ADULT | OUT_OF_STOCK, usual)
    assert standing.nameable(ADULT, standing.hidden(Settings(list_adult=True)))
    assert not standing.nameable(BARRED, usual)


def test_the_catalog_changes_its_own_flags_and_leaves_those_of_the_settings() -> None:
    model = ShopModel(SMALL_AND_BARRED)
    numbers = model.items.numbers(np.array([identify("tent")], np.int64), np.zeros(1, np.int32))
    row = model.profiles[int(numbers[0])]
    assert row.standing == BARRED
    knowledge.tell(row, ADULT | OUT_OF_STOCK)
    assert row.standing == BARRED | ADULT | OUT_OF_STOCK
    knowledge.tell(row, BLOCKED | BARRED_CATEGORY)
    assert row.standing == BARRED | BLOCKED
    knowledge.tell(row, 0)
    assert row.standing == BARRED


SMALL_AND_BARRED = Settings(
    neighbors=3, factors=10, negatives=3, blocked_items=["tent"],
    blocked_categories=["music >live"], category_level=2,
)  # fmt: skip


def test_blocked_categories_are_cut_as_events_are() -> None:
    barred = standing.Barred.by(SMALL_AND_BARRED)
    assert barred.categories.tolist() == [identify("music > live")]
