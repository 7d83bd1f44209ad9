"""The next category: chances of all of them sum to 1, and they follow what shoppers do."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import migration, migration_slots
from stream.core.migration import LikelyRow
from stream.core.rows import zeros
from tests.core.migration_world import KNOWN, world

STREAMS = st.lists(
    st.tuples(st.integers(0, KNOWN + 1), st.sampled_from([0.0, 1.0, 40.0, 9e4, -50.0])),
    max_size=60,
)


@given(STREAMS)
def test_the_chances_of_all_categories_sum_to_one(stream: list[tuple[int, float]]) -> None:
    shop, at = world(), 1e9
    for code, passed in stream:
        at += passed
        if shop.predict(at, max(passed, -1.0)):
            every = [shop.chance(code) for code in range(KNOWN)]
            own = shop.row[0].codes[: int(shop.row[0].used)].tolist()
            unknown = [shop.chance(code) for code in own if code >= KNOWN]
            assert sum(every) + sum(unknown) == pytest.approx(1.0, abs=1e-9)
            assert min(every) >= 0.0
        shop.learn(code, at)


@given(STREAMS)
def test_predicting_changes_neither_shop_nor_shopper(stream: list[tuple[int, float]]) -> None:
    shop, at = world(), 1e9
    for code, passed in stream:
        at += passed
        shop.predict(at)
        kept = (shop.row, shop.categories, shop.totals, shop.mixture)
        before = [rows.tobytes() for rows in kept]
        shop.predict(at + 77.0, 5.0)
        assert [rows.tobytes() for rows in kept] == before
        shop.predict(at)
        shop.learn(code, at)


def test_before_the_first_event_nothing_is_predicted() -> None:
    assert not world().predict(1e9)


def test_who_alternates_is_expected_to_go_back() -> None:
    shop = world()
    for n in range(60):
        shop.predict(1e9 + n)
        shop.learn(n % 2, 1e9 + n)
    shop.predict(1e9 + 60)

    assert shop.chance(0) > 0.8


def test_what_follows_in_the_shop_is_entered_more_likely_and_says_why() -> None:
    """Other shoppers went from 0 to 5; this one, new to both 5 and 6, is at 0."""
    shop = world()
    for shopper in range(40):
        shop.row[0] = np.zeros((), shop.row.dtype)
        for n, code in enumerate((0, 5) if shopper % 4 else (0, 6)):
            shop.predict(1e9 + n)
            shop.learn(code, 1e9 + n)
    shop.row[0] = np.zeros((), shop.row.dtype)
    shop.learn(0, 1e9)
    shop.predict(1e9 + 1)

    assert shop.chance(5) > shop.chance(6) > shop.chance(3)
    assert migration.explain(shop.outlook[0], shop.categories, 5) == 0


def test_the_likeliest_categories_come_first_and_equals_by_id() -> None:
    shop, likely = world(), zeros(KNOWN, migration.LIKELY, LikelyRow)
    shop.learn(3, 1e9)
    shop.predict(1e9)
    used = migration.likely(
        shop.outlook[0], shop.row[0], shop.codes, shop.categories, shop.totals[0], shop.marks,
        likely,
    )  # fmt: skip

    found = [(float(row.chance), int(row.id)) for row in likely[:used]]
    assert found == sorted(found, key=lambda one: (-one[0], one[1]))
    assert len(found) == KNOWN
    assert int(likely[0].code) == 3


@given(st.integers(0, 10_000))
def test_slots_are_the_shoppers_categories_by_recency(seed: int) -> None:
    """Against a list: newest first; past four the lightest of the older half leaves."""
    draw, row = random.Random(seed), world().row[0]
    slots: list[list[float]] = []
    for n in range(50):
        code = draw.randrange(7)
        known = [slot for slot in slots if slot[0] == code]
        step = 2 if not known else (0 if slots[0][0] == code else 1)
        slots = [[slot[0], np.float32(slot[1]) * migration_slots.LONG_LEFT] for slot in slots]
        weight = next((slot[1] for slot in slots if slot[0] == code), np.float32(0.0))
        if not known and len(slots) == 4:
            victim = 3 if slots[3][1] <= slots[2][1] else 2
            del slots[victim]
        slots = [[code, weight + np.float32(1.0)], *(s for s in slots if s[0] != code)]

        assert migration_slots.push(row, code, float(n)) == step
        assert row.codes[: int(row.used)].tolist() == [slot[0] for slot in slots]
        assert row.long[: int(row.used)].tolist() == [slot[1] for slot in slots]
