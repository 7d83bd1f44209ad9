"""Whatever a record holds, a shard takes it, ignores it or refuses it, and goes on."""

import json
import math
import random
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.core.engine_rows import PLACES
from stream.core.shop import ShopModel
from stream.messages import BehaviorEvent, DeadLetter
from stream.outcome import MOST_UNLEARNED, Outcome, Unlearned
from stream.shard import LogRecord, Shard
from tests.recovery.table import Tell
from tests.toy_shop import ROOMY, SMALL, START, touch

GOOD = json.loads(touch(0, "ann", 0.0, "tents", item_id="dome").value or b"")
FIELDS = sorted(BehaviorEvent.__struct_fields__)
LONGEST_REASON = 300
MEGABYTE = "x" * 1_000_000
NESTED = b"[" * 50_000 + b"]" * 50_000

numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([10**400, -(10**400), 2**63, 2**64, 1e308, -0.0, 1e11, 5e-324, math.nan]),
)
strings = st.one_of(
    st.text(st.characters(exclude_categories=[]), max_size=20),
    st.sampled_from(["", "\0", "\n", "\ud800", ">", " > > ", "2026-02-30T25:61:61Z", MEGABYTE]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, strings)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shard]:
    shard = Shard(tmp_path_factory.mktemp("hostile") / "shard", 0, 1, SMALL)
    yield shard
    shard.close()


def became(shard: Shard, value: bytes | None, key: bytes | None = b"ann") -> str:
    """What one record became; its outcome is checked, and that a good one behind it counts."""
    before, offset = shard.counts.copy(), shard.offset + 1
    outcome = shard.apply(
        [LogRecord(0, offset, 0, key, value), touch(offset + 1, "bob", 0.0, "tents")],
        ShopModel(SMALL),
    )
    told = shard.counts - before
    what = [name for name in ("accepted", "ignored", "rejected") for _ in range(told[name])]
    assert len(what) == 2
    what.remove("accepted")
    _check_letters(outcome, offset, key, value, what[0] == "rejected")
    _check_rows(outcome, offset)
    return what[0]


def _check_letters(
    outcome: Outcome, offset: int, key: bytes | None, value: bytes | None, refused: bool
) -> None:
    letters = outcome.dead_letters
    assert len(letters) == refused
    for letter in letters:
        assert letter == DeadLetter(
            topic="behavior-events", partition=0, offset=offset, reason=letter.reason,
            key=key, value=value,
        )  # fmt: skip
        assert 0 < len(letter.reason) <= LONGEST_REASON
        assert letter.reason.isprintable()


def _check_rows(outcome: Outcome, offset: int) -> None:
    rows = outcome.updates
    assert np.isfinite(rows["occurred_at"]).all()
    assert set((rows["position"] // PLACES).tolist()) <= {offset, offset + 1}


@given(value=st.one_of(st.none(), st.binary(max_size=200)), key=st.none() | st.binary(max_size=4))
@example(value=NESTED, key=b"ann")
@example(value=b"\xef\xbb\xbf{}", key=b"ann")
def test_any_bytes_are_taken_ignored_or_refused(
    shard: Shard, value: bytes | None, key: bytes | None
) -> None:
    assert became(shard, value, key) in ("accepted", "ignored", "rejected")


@given(document=anything)
def test_any_json_that_is_no_event_is_refused(shard: Shard, document: object) -> None:
    assert became(shard, json.dumps(document).encode()) == "rejected"


@given(field=st.sampled_from(FIELDS), value=anything)
@example(field="occurred_at", value=MEGABYTE)
@example(field="occurred_at", value=10**400)
@example(field="occurred_at", value="2026-01-01T00:00:00\n\n")
@example(field="event_type", value=MEGABYTE)
@example(field="quantity", value=10**400)
@example(field="rating", value=1e308)
@example(field="position", value=2**64)
@example(field="items", value=[GOOD] * 1001)
@example(field="user_id", value="a\u2028\x85b")
def test_any_value_of_any_field_is_taken_ignored_or_refused(
    shard: Shard, field: str, value: object
) -> None:
    assert became(shard, json.dumps(GOOD | {field: value}).encode())


@given(field=st.sampled_from(FIELDS), raw=st.binary(max_size=20))
@example(field="properties", raw=NESTED)
@example(field="items", raw=NESTED)
@example(field="price", raw=b"1e999")
@example(field="price", raw=b"9" * 5000)
@example(field="occurred_at", raw=b"9" * 5000)
@example(field="occurred_at", raw=b"1e999")
def test_raw_bytes_in_the_place_of_a_field_too(shard: Shard, field: str, raw: bytes) -> None:
    written = json.dumps({k: v for k, v in GOOD.items() if k != field}).encode()
    assert became(shard, written[:-1] + b', "' + field.encode() + b'": ' + raw + b"}")


POISON = [
    b"",
    b"\x00\xff",
    NESTED,
    json.dumps(GOOD | {"occurred_at": "soon"}).encode(),
    json.dumps(GOOD | {"user_id": 7}).encode(),
    json.dumps(GOOD | {"quantity": -1}).encode(),
    json.dumps(GOOD | {"items": []}).encode(),
    json.dumps(GOOD | {"category": MEGABYTE[:600]}).encode(),
]


@pytest.mark.parametrize(
    "events", [pytest.param(5_000, id="sample"), pytest.param(200_000, marks=pytest.mark.slow)]
)
def test_of_a_log_with_one_percent_poison_all_good_ones_count_and_all_bad_ones_are_kept(
    tmp_path: Path, events: int, tell: Tell
) -> None:
    settings, chance = msgspec.structs.replace(SMALL, hot_users=ROOMY), random.Random(7)
    bad = set(chance.sample(range(events), events // 100))
    kept: list[int] = []
    with closing(Shard(tmp_path / "shard", 0, 1, settings)) as shard:
        for first in range(0, events, 1_000):
            records = [
                LogRecord(0, n, 0, b"ann", chance.choice(POISON))
                if n in bad
                else touch(n, f"user {n % 97}", float(n), f"category {n % 7}", item_id=f"{n % 50}")
                for n in range(first, min(events, first + 1_000))
            ]
            outcome = shard.apply(records, ShopModel(settings))
            kept += [letter.offset for letter in outcome.dead_letters]

        assert shard.counts["accepted"] == events - len(bad)
        assert kept == sorted(bad)
    tell("a record that is no event, among good ones: kept in the dead letters", len(bad))


YEAR = 365 * 86_400.0


def three_at(offset: int, at: float) -> list[LogRecord]:
    return [touch(offset + n, f"other {n}", at, "lamps") for n in range(3)]


def test_a_time_a_year_ahead_is_refused_and_its_shopper_goes_on(tmp_path: Path) -> None:
    usual = [*three_at(0, 0.0), *(touch(3 + n, "ann", n * 100.0, "tents") for n in range(3))]
    wild = touch(6, "ann", YEAR, "boats")
    after = [touch(7 + n, "ann", 1_000.0 + n * 100.0, "kites") for n in range(3)]
    with (
        closing(Shard(tmp_path / "wild", 0, 1, SMALL)) as shard,
        closing(Shard(tmp_path / "tame", 0, 1, SMALL)) as tame,
    ):
        shop = ShopModel(SMALL)
        (letter,) = shard.apply([*usual, wild, *after], shop).dead_letters
        tame.apply([*usual, *after], shop)

        assert (letter.offset, letter.value) == (6, wild.value)
        assert letter.reason == "occurred_at is 365 days ahead of all others"
        assert shard.counts["far_ahead"] == shard.counts["rejected"] == 1
        assert shard.counts["accepted"] == tame.counts["accepted"] == 9
        assert shard.clock() == tame.clock()
        for one in (shard, tame):
            one.checkpoint()
        row, expected = (
            one._residence.peek([one._residence.key("ann")])[0] for one in (shard, tame)
        )
        for model in ("session", "interest"):
            assert row["strict"][model] == expected["strict"][model]


def test_three_shoppers_who_agree_are_believed_after_a_year_of_silence(tmp_path: Path) -> None:
    with closing(Shard(tmp_path / "shard", 0, 1, SMALL)) as shard:
        shard.apply(three_at(0, 0.0), ShopModel(SMALL))
        outcome = shard.apply(three_at(3, YEAR), ShopModel(SMALL))

        assert [letter.offset for letter in outcome.dead_letters] == [3, 4]
        assert shard.clock() == START + YEAR
        assert not shard.apply(three_at(6, YEAR), ShopModel(SMALL)).dead_letters


@given(cuts=st.sets(st.integers(1, 19)), order=st.permutations(range(20)))
def test_how_records_are_grouped_does_not_change_who_is_believed(
    tmp_path_factory: pytest.TempPathFactory, cuts: set[int], order: list[int]
) -> None:
    ats = [n * 100.0 if n % 4 else YEAR + n for n in order]
    records = [touch(n, f"user {order[n] % 5}", at, "tents") for n, at in enumerate(ats)]
    hashes = set()
    for edges in ([0, *sorted(cuts), 20], [0, 20]):
        with closing(Shard(tmp_path_factory.mktemp("cut") / "shard", 0, 1, SMALL)) as shard:
            for first, last in pairwise(edges):
                shard.apply(records[first:last], ShopModel(SMALL))
            hashes.add((shard.hash(), shard.counts["far_ahead"]))
    assert len(hashes) == 1


def test_of_a_flood_of_categories_the_first_are_known_and_the_rest_counted(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SMALL, most_categories=5)
    flood = [touch(n, f"user {n % 9}", float(n), f"category {n}") for n in range(200)]
    again = touch(200, "ann", 200.0, "category 4")
    with closing(Shard(tmp_path / "shard", 0, 1, settings)) as shard:
        for first in range(0, 200, 50):
            shard.apply(flood[first : first + 50], ShopModel(settings))
        shard.apply([again], ShopModel(settings))

        assert shard.categories == [f"category {n}" for n in range(5)]
        assert shard.counts["categories_too_many"] == 195
        assert shard.counts["accepted"] == 201
        before = shard.hash()
    with closing(Shard(tmp_path / "shard", 0, 1, settings)) as reopened:
        reopened.apply([touch(201, "ann", 201.0, "category 6")], ShopModel(settings))
        assert reopened.counts["categories_too_many"] == 196
        assert reopened.hash() != before


def test_names_of_ids_that_the_model_never_learns_do_not_pile_up() -> None:
    unlearned, shop = Unlearned(), ShopModel(SMALL)
    for first in range(0, 8 * MOST_UNLEARNED, 8192):
        unlearned.note({n: str(n) for n in range(first, first + 8192)}, shop)

    asked = dict.fromkeys(range(8 * MOST_UNLEARNED), "")
    kept = [id for id, name in unlearned.filled(asked).items() if name]
    assert MOST_UNLEARNED <= len(kept) <= 4 * MOST_UNLEARNED
    assert kept[-1] == 8 * MOST_UNLEARNED - 1
