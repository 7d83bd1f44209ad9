"""Candidates and their features against dictionaries and the written formulas."""

import random

import numpy as np
import pytest

from stream.core import horizon_counts, horizon_features, horizon_watch, knowledge, levels
from stream.core.horizon_counts import HorizonRow
from stream.core.horizon_watch import Watch
from stream.core.ids import identify
from stream.core.transitions import SKIP, TransitionRow
from tests.reference.slow_horizon import SlowLinks, features

DAY = 86_400.0
NAMES = [f"category {number}" for number in range(60)]


def lived(events: int = 3000, shoppers: int = 12, seed: int = 1) -> Watch:
    """A shop whose shoppers each walk around a few categories, over five days."""
    watch, draw = Watch(4 * DAY, DAY / 2, 5, 2000), random.Random(seed)
    watch.turn(1, 0.0, 100 * DAY)
    for number in range(events):
        shopper = draw.randrange(shoppers)
        category = NAMES[(shopper * 5 + draw.choice([0, 0, 1, 1, 2, 3, 5, 8, 13])) % len(NAMES)]
        who, what = watch.shopper(f"shopper {shopper}"), watch.category(category)
        horizon_watch.learn(watch.world(), who, what, number * 5 * DAY / events, number)
    watch.adopt()
    return watch


WATCH = lived()
AT = 5.5 * DAY


def counts_of(number: int) -> HorizonRow:
    return WATCH.rows[number].counts


def name(code: int) -> str:
    return WATCH.categories.names[code]


def memory(row: HorizonRow, which: str, landmark: float, half_life: float) -> dict[str, float]:
    return {
        name(horizon_counts.code_in(row, slot)): levels.weight_of(int(getattr(row, which)[slot]))
        * 2 ** ((landmark - AT) / half_life)
        for slot in range(row.used)
    }


def links(part: str) -> SlowLinks:
    weights, totals = {}, {}
    for number, own in enumerate(WATCH.categories.names):
        row: TransitionRow = getattr(WATCH.categories.rows[number], part)
        left = 2 ** ((row.updated_at - AT) / WATCH.forgetting.transition_half_life)
        totals[own] = float(row.total) * left
        weights[own] = {
            name(int(row.neighbors[slot])): float(row.weights[slot, SKIP]) * left
            for slot in range(row.used)
        }
    return SlowLinks(weights, totals)


WALKS, FIRSTS = links("transitions"), links("firsts")


def found(row: HorizonRow) -> np.ndarray:
    desk = WATCH.desk()
    horizon_features.find(desk, row, WATCH.own.opens[0], AT)
    return np.asarray(desk.candidates)[: int(desk.looks[0].found)]


@pytest.mark.parametrize("shopper", [0, 3, 11])
def test_features_follow_the_formulas(shopper: int) -> None:
    row = counts_of(shopper)
    long = memory(row, "long", row.long_at, 4 * DAY)
    short = memory(row, "short", row.short_at, DAY / 2)
    ever = {
        name(horizon_counts.code_in(row, slot)): int(row.ever[slot]) for slot in range(row.used)
    }
    for candidate in found(row):
        category = name(int(candidate["shop"]))
        popularity = knowledge.event_share(
            WATCH.categories.rows[int(candidate["shop"])],
            WATCH.totals[0],
            AT,
            WATCH.forgetting.popularity_half_life,
        )
        expected = features(category, long, short, ever, WALKS, FIRSTS, popularity)
        assert candidate["features"].tolist() == pytest.approx(expected, rel=1e-6)


def test_candidates_are_own_ones_then_successors_then_popular_ones_each_once() -> None:
    row = counts_of(2)
    own = {name(horizon_counts.code_in(row, slot)) for slot in range(row.used)}
    top = {name(horizon_counts.code_in(row, slot)) for slot in horizon_counts.top(row, WATCH.codes)}
    candidates = [name(int(candidate["shop"])) for candidate in found(row)]

    assert len(set(candidates)) == len(candidates)
    assert set(candidates[: len(own) - 3]) == own - top
    assert not top & set(candidates)
    successors = {other for start in top for other in WALKS.weights[start]} - own
    popular = {name(int(shop)) for shop in WATCH.desk().popular if shop >= 0}
    assert set(candidates) == (own - top) | successors | (popular - own)
    rest = candidates[len(own) - 3 :][: len(successors)]
    assert set(rest) == successors


def test_of_more_successors_than_there_is_room_for_those_with_most_walk_are_taken() -> None:
    row = counts_of(2)
    top = [name(horizon_counts.code_in(row, slot)) for slot in horizon_counts.top(row, WATCH.codes)]
    follows = {other for start in top for other in WALKS.weights[start]}
    whole = [c for c in found(row) if c["slot"] < 0 and name(int(c["shop"])) in follows]
    desk = WATCH.desk()
    horizon_features.look_at(desk, row, WATCH.own.opens[0], AT)
    horizon_features.find_own(desk, row)
    own = int(desk.looks[0].found)
    horizon_features.find_next(desk, row, 4)
    few = np.asarray(desk.candidates)[own : int(desk.looks[0].found)]

    assert len(few) == 4
    assert few["walk"].tolist() == sorted((float(c["walk"]) for c in whole), reverse=True)[:4]


def test_what_speaks_most_for_a_candidate_is_named() -> None:
    row = counts_of(7)
    long = memory(row, "long", row.long_at, 4 * DAY)
    shares = {own: weight / sum(long.values()) for own, weight in long.items()}
    candidates = found(row).copy()
    desk = WATCH.desk()
    for candidate in candidates:
        slot = horizon_features.origin(desk, row, int(candidate["shop"]))
        named = name(horizon_counts.code_in(row, slot)) if slot >= 0 else None
        assert named == WALKS.origin(shares, name(int(candidate["shop"])))


def test_the_most_popular_categories_come_first() -> None:
    half_life = WATCH.forgetting.popularity_half_life
    shares = {
        number: knowledge.event_share(WATCH.categories.rows[number], WATCH.totals[0], AT, half_life)
        for number in range(WATCH.categories.used)
    }
    expected = sorted(shares, key=lambda number: (-shares[number], identify(name(number))))

    assert WATCH.desk().popular.tolist() == expected[: horizon_features.POPULAR]


def test_a_category_that_the_shop_does_not_know_yet_has_a_probability_too() -> None:
    watch = lived(200)
    watch.codes[0].shop = -1
    desk = watch.desk()
    for shopper in range(12):
        horizon_features.find(desk, watch.rows[shopper].counts, watch.own.opens[0], AT)
        features_found = np.asarray(desk.candidates)[: int(desk.looks[0].found)]["features"]
        assert np.isfinite(features_found).all()
