"""A shopper who is forgotten: out of memory, off the disk, and a stranger on coming back."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import settings as few
from hypothesis import strategies as st

from stream.cli import drift
from stream.core.ids import identify
from stream.core.shop import ShopModel
from stream.errors import StreamError, WrongUse
from stream.messages import ForgetRequest, PredictedAlert
from stream.outcome import Forgotten
from stream.pseudonyms import UserIdKey
from stream.settings import Settings
from stream.shard import LogRecord, Shard
from stream.storage.codec import Erasure, row_key
from stream.stored import StoredPartition, partition_folder
from tests.toy_shop import SMALL, START, USERS, groups, touch, walked

SECRET = "a secret of the tests"
SECRETIVE = msgspec.structs.replace(SMALL, user_id_key=UserIdKey.of(SECRET))
BRIEF = msgspec.structs.replace(SMALL, inactive_after=300.0)
"""Shoppers of a walk come every minute or so: some rows are dropped, most are not."""
NOTHING_LEARNED = ShopModel(SMALL)
CUTS = st.lists(st.integers(0, 250), max_size=5)


@contextmanager
def opened(folder: Path, settings: Settings = SMALL) -> Iterator[Shard]:
    shard = Shard(folder, 0, 1, settings)
    try:
        yield shard
    finally:
        shard.close()


def forget(offset: int, user: str) -> LogRecord:
    """A request, as it stands in the log."""
    value = msgspec.json.encode(ForgetRequest(user_id=user, occurred_at=START))
    return LogRecord(0, offset, round(START * 1000) + offset, user.encode(), value)


def asking(records: Sequence[LogRecord], places: Sequence[int]) -> list[LogRecord]:
    """The same log with requests in some places."""
    asked = list(records)
    for number, place in enumerate(sorted(places)):
        asked.insert(place + number, forget(0, USERS[place % len(USERS)]))
    return [record._replace(offset=offset) for offset, record in enumerate(asked)]


def visits(user: str, count: int = 40, first: int = 0) -> list[LogRecord]:
    return [
        touch(first + n, user, n * 10.0, ["tents", "boats"][n % 2], item_id=f"tent {n % 5}")
        for n in range(count)
    ]


def traces(folder: Path, *users: str) -> list[str]:
    """Files with a shopper's name or row key in them, as bytes or as the digits of them."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        held = path.read_bytes()
        for user in users:
            key = identify(user, SMALL.seed)
            needles = (
                user.encode(),
                row_key(key),
                row_key(key)[1:],
                key.to_bytes(8, "little", signed=True),
                row_key(key).hex().encode(),
                row_key(key).hex().upper().encode(),
            )
            found += [path.name for needle in needles if needle in held]
    return found


def outcome_of(
    parts: Sequence[Sequence[LogRecord]], settings: Settings, checkpoints: bool
) -> tuple[str, list[object]]:
    """The hash, and all alerts and requests that came out."""
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder), settings) as shard:
        told: list[object] = []
        for part in parts:
            outcome = shard.apply(part, NOTHING_LEARNED)
            told += [*outcome.alerts, *outcome.forgotten]
            if checkpoints:
                shard.checkpoint()
        return shard.hash(), sorted(told, key=str)


def test_nothing_of_a_forgotten_shopper_is_left_on_the_disk(tmp_path: Path) -> None:
    others = [r._replace(offset=n) for n, r in enumerate([*visits("dag"), *visits("zoe")])]
    with opened(tmp_path) as shard:
        shard.apply(others, NOTHING_LEARNED)
        shard.checkpoint()
        shard.apply(visits("marguerite", first=100), NOTHING_LEARNED)
        shard.checkpoint()
        shard.apply([touch(150, "marguerite", 900.0, "tents")], NOTHING_LEARNED)
        shard.checkpoint()
        assert traces(tmp_path, "marguerite")

        outcome = shard.apply([forget(200, "marguerite")], NOTHING_LEARNED)
        shard.checkpoint()
        assert outcome.forgotten == [Forgotten("marguerite", 200)]
        assert traces(tmp_path, "marguerite"), "deleting alone leaves the bytes in files"

        assert shard.erasures.due()
        shard.erasures.finish()
        assert not shard.erasures.due()
        assert traces(tmp_path, "marguerite") == []
        assert traces(tmp_path, "dag")
    assert traces(tmp_path, "marguerite") == []
    stored = StoredPartition(tmp_path)
    assert stored.user("marguerite") is None
    assert stored.user("dag")
    assert stored.erasure() == Erasure(200, round(START * 1000) + 200)
    assert stored.scrubbed()
    stored.close()


def test_what_a_crash_left_on_the_disk_goes_after_the_next_start(tmp_path: Path) -> None:
    with opened(tmp_path) as shard:
        shard.apply([*visits("marguerite"), *visits("zoe", first=40)], NOTHING_LEARNED)
        shard.checkpoint()
        shard.apply([forget(100, "marguerite")], NOTHING_LEARNED)
        shard.checkpoint()
    with opened(tmp_path) as shard:
        assert shard.erasures.due()
        assert traces(tmp_path, "marguerite")
        shard.erasures.finish()
        assert traces(tmp_path, "marguerite") == []
    with opened(tmp_path) as shard:
        assert not shard.erasures.due()


def test_a_request_for_a_stranger_leaves_the_disk_alone_and_is_passed_on(tmp_path: Path) -> None:
    with opened(tmp_path) as shard:
        shard.apply(visits("zoe"), NOTHING_LEARNED)
        before = shard.hash()
        outcome = shard.apply([forget(100, "nobody")], NOTHING_LEARNED)
        assert outcome.forgotten == [Forgotten("nobody", 100)]
        assert shard.hash() == before
        assert not shard.erasures.due()


def test_who_comes_back_is_a_stranger(tmp_path: Path) -> None:
    again = visits("ann", first=300)
    with opened(tmp_path / "one") as shard:
        shard.apply([*visits("ann"), forget(100, "ann"), *again], NOTHING_LEARNED)
        returned = shard._residence.peek([identify("ann", SMALL.seed)])[0]["strict"].tobytes()
    with opened(tmp_path / "other") as shard:
        shard.apply(again, NOTHING_LEARNED)
        fresh = shard._residence.peek([identify("ann", SMALL.seed)])[0]["strict"].tobytes()
    assert returned == fresh


def test_who_comes_back_before_the_checkpoint_does_not_find_the_stored_row(tmp_path: Path) -> None:
    with opened(tmp_path) as shard:
        shard.apply(visits("ann"), NOTHING_LEARNED)
        shard.checkpoint()
        shard.apply([forget(100, "ann"), touch(101, "ann", 0.0, "maps")], NOTHING_LEARNED)
        shard.checkpoint()
    stored = StoredPartition(tmp_path)
    known = stored.user("ann")
    stored.close()
    assert known is not None
    assert known["interest"] == {"maps": 1.0}


@few(max_examples=5)
@given(seed=st.integers(0, 1000), places=st.lists(st.integers(0, 250), max_size=6), cuts=CUTS)
def test_requests_take_effect_at_their_place_however_records_are_grouped(
    seed: int, places: list[int], cuts: list[int]
) -> None:
    records = asking(walked(seed, 250), places)
    whole = outcome_of([records], SMALL, checkpoints=False)
    assert outcome_of(groups(records, cuts), SMALL, checkpoints=True) == whole


@few(max_examples=5)
@given(seed=st.integers(0, 1000), places=st.lists(st.integers(0, 250), max_size=2), cuts=CUTS)
def test_when_the_rows_of_silent_shoppers_leave_the_disk_makes_no_difference(
    seed: int, places: list[int], cuts: list[int]
) -> None:
    records = asking(walked(seed, 250), places)
    whole = outcome_of([records], BRIEF, checkpoints=False)
    assert outcome_of(groups(records, cuts), BRIEF, checkpoints=True) == whole
    assert outcome_of([[record] for record in records], BRIEF, checkpoints=False) == whole


def test_those_logs_are_worth_the_name(tmp_path: Path) -> None:
    """The laws above would hold where nothing happens, nobody is known or nobody is silent."""
    alerts, silent = 0, 0
    for seed in range(4):
        with opened(tmp_path / str(seed), BRIEF) as shard:
            outcome = shard.apply(asking(walked(seed, 250), [90, 200]), NOTHING_LEARNED)
            assert len(shard.erasures.requests) == 2
            alerts += len(outcome.alerts)
            silent += shard.counts["inactive"]
    assert alerts >= 3
    assert silent >= 3


def test_a_shopper_who_was_silent_too_long_is_dropped_and_begins_anew(tmp_path: Path) -> None:
    others = [touch(100 + n, f"other {n}", 10_000.0, "maps") for n in range(4)]
    with opened(tmp_path, BRIEF) as shard:
        shard.apply([*visits("ann"), *visits("bob", first=40), *others], NOTHING_LEARNED)
        shard.checkpoint()
        # Those that a checkpoint writes are looked at by a later one.
        shard.checkpoint()
        assert shard._checkpoint.rows([identify(user, SMALL.seed) for user in ("ann", "bob")]) == (
            [None, None]
        )
        shard.apply([touch(200, "ann", 10_000.0, "maps")], NOTHING_LEARNED)
        shard.checkpoint()
        assert shard.counts["inactive"] >= 2
    stored = StoredPartition(tmp_path)
    known = stored.user("ann")
    assert (stored.user("bob"), known and known["interest"]) == (None, {"maps": 1.0})
    stored.close()


def test_a_late_event_makes_nobody_silent(tmp_path: Path) -> None:
    others = [touch(n, f"other {n}", 10_000.0, "maps") for n in range(4)]
    late = [touch(10, "ann", 10_000.0, "tents"), touch(11, "ann", 0.0, "tents")]
    with opened(tmp_path, BRIEF) as shard:
        shard.apply([*others, *late, touch(12, "ann", 10_001.0, "tents")], NOTHING_LEARNED)
        assert shard.counts["inactive"] == 0


def test_a_prediction_of_a_forgotten_shopper_is_not_taken_over(tmp_path: Path) -> None:
    ends_at = START + 86_400 - START % 86_400
    alerts = [
        PredictedAlert(
            id=f"behavior-events-0-{offset}-predicted-0", user_id="ann", from_category=None,
            to_category="tents", probability=0.5, horizon="day", period_ends_at=ends_at,
            precision=0.5, matured=9, occurred_at=START, source_offset=offset,
            settings=SMALL.fingerprint(),
        )
        for offset in (20, 120)
    ]  # fmt: skip
    clock = [touch(n, f"other {n}", 0.0, "maps") for n in range(3)]
    with opened(tmp_path) as shard:
        records = [*clock, *visits("ann", first=3), forget(100, "ann"), touch(130, "ann", 1.0)]
        shard.apply(records, NOTHING_LEARNED, muted=True)
        assert shard.take_over(alerts) == 1


def test_with_a_key_no_user_id_reaches_state_or_outputs(tmp_path: Path) -> None:
    assert SECRETIVE.user_id_key
    name = SECRETIVE.user_id_key.pseudonym("marguerite")
    with opened(tmp_path, SECRETIVE) as shard:
        outcome = shard.apply(visits("marguerite", 200), NOTHING_LEARNED)
        shard.checkpoint()
        assert {delta.user_id for delta in outcome.deltas} == {name}
        assert shard.counts["key_differs"] == 0
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"marguerite" not in held
    assert SECRET.encode() not in held
    assert SECRETIVE.user_id_key.key not in held
    assert name.encode() in held
    with opened(tmp_path, SECRETIVE) as shard:
        outcome = shard.apply([forget(300, "marguerite")], NOTHING_LEARNED)
        assert outcome.forgotten == [Forgotten(name, 300)]
        shard.checkpoint()
    stored = StoredPartition(tmp_path)
    assert stored.user(name) is None
    stored.close()


def test_a_shopper_behind_a_keyed_hash_is_found_by_the_id_and_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(partition_folder(tmp_path, 0), SECRETIVE) as shard:
        shard.apply(visits("marguerite"), NOTHING_LEARNED)
        shard.checkpoint()
    asked = ["state", "show", "--state", str(tmp_path), "--user", "marguerite", "--json"]
    for key, said in ((None, "made with a user_id_key"), (SECRET[::-1], "made with another")):
        if key:
            monkeypatch.setenv("DRIFT_USER_ID_KEY", key)
        with pytest.raises(WrongUse, match=said):
            CliRunner().invoke(drift, asked, catch_exceptions=False, standalone_mode=False)
    monkeypatch.setenv("DRIFT_USER_ID_KEY", SECRET)
    assert '"tents":' in CliRunner().invoke(drift, asked).output


def test_another_key_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path, SECRETIVE) as shard:
        shard.checkpoint()
    other = msgspec.structs.replace(SMALL, user_id_key=UserIdKey.of(SECRET[::-1]))
    with pytest.raises(StreamError, match=r"user_id_key was '\w{32}', now '\w{32}'"):
        Shard(tmp_path, 0, 1, other)


@pytest.mark.parametrize("marketing", [True, False])
def test_alerts_carry_what_a_shopper_said_of_marketing(tmp_path: Path, marketing: bool) -> None:
    said = touch(0, "cem", 0.0, "tents", marketing=marketing)
    ahead = [touch(n + 1, f"early {n}", 1e6, "lamps") for n in range(2)]
    moves = [
        touch(10 + 4 * n + event, "cem", n * 1000.0 + event, "tents" if n < 20 else "boats")
        for n in range(30)
        for event in range(4)
    ]
    with opened(tmp_path) as shard:
        outcome = shard.apply([said, *ahead, *moves], NOTHING_LEARNED)
        shard.checkpoint()
    assert outcome.alerts
    assert {alert.marketing for alert in outcome.alerts} == {marketing}
    stored = StoredPartition(tmp_path)
    known = stored.user("cem")
    assert known
    assert known["marketing"] is marketing
    stored.close()
