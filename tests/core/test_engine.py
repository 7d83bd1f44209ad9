"""The loop in small shops: who is in which session, what is told, which list is sent."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given

from stream.core.bits import low_of
from stream.core.events import Decoder
from stream.core.ids import identify
from stream.core.shop import ShopModel
from stream.messages import MigrationAlert, RecommendationDelta
from stream.outcome import Outcome
from stream.settings import Settings
from stream.shard import LogRecord, Shard
from stream.stored import StoredPartition
from tests.reference.slow_shoppers import Alert, SlowShoppers
from tests.toy_shop import SMALL, START, applied, streams, taught, touch, walked

PATIENT = msgspec.structs.replace(SMALL, false_alarms_per_10k_events=1e-3)
"""No evidence suffices: closed sessions are seen by their number alone."""


@contextmanager
def partition(settings: Settings = SMALL) -> Iterator[tuple[Shard, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        shard = Shard(Path(folder), 0, 1, settings)
        try:
            yield shard, Path(folder)
        finally:
            shard.close()


def known(shard: Shard, folder: Path, user: str) -> dict[str, object]:
    """What is stored of a shopper."""
    shard.checkpoint()
    stored = StoredPartition(folder)
    found = stored.user(user)
    stored.close()
    assert found is not None
    return found


def sessions(records: Sequence[LogRecord], user: str) -> tuple[int, bool]:
    """How many sessions of the shopper are over, and whether one is open."""
    with partition(PATIENT) as (shard, folder):
        shard.apply(records, ShopModel(PATIENT))
        found = known(shard, folder, user)
    assert isinstance(found["sessions"], int)
    return found["sessions"], bool(found["session_open"])


# --------------------------------------------------------------- against the reference


def name(alert: Alert | None) -> str | None:
    """The id of an alert of the first partition."""
    return alert and "behavior-events-0-{}-detected-{}".format(*alert.id)


@given(streams(most=200))
def test_the_loop_does_what_the_slow_reference_does(records: list[LogRecord]) -> None:
    slow, decode = SlowShoppers(SMALL), Decoder(SMALL)
    with partition() as (shard, folder):
        outcome = shard.apply(records, ShopModel(SMALL))
        refused = {letter.offset: letter.reason for letter in outcome.dead_letters}
        for record in records:
            reason = refused.get(record.offset, "")
            touches = [] if reason and "ahead" not in reason else decode(record.value)
            if reason and isinstance(touches, list) and touches:
                # Its time is not believed alone, but with two others it counts.
                slow.witness(touches[0].user_id, touches[0].occurred_at)
            elif isinstance(touches, list):
                slow.record(record.offset, touches)

        assert [(a.id, a.revision, a.to_category, a.returns_to) for a in outcome.alerts] == [
            (name(t.alert), t.revision, t.to, name(t.alert.returns_to)) for t in slow.told
        ]
        for alert, told in zip(outcome.alerts, slow.told, strict=True):
            first = told.alert.alarm
            assert (alert.user_id, alert.from_category) == (told.alert.user, first.A)
            assert (alert.pattern, alert.source) == (first.kind, first.source)
            assert alert.evidence == pytest.approx(first.T, abs=0.1001)
            assert (alert.occurred_at, alert.began_at) == (told.alert.ended_at, first.began_at)
            assert alert.strength == pytest.approx(told.strength, abs=1e-5)
        assert shard.counts["repeats"] == slow.repeats
        for user, shopper in slow.shoppers.items():
            found = known(shard, folder, user)
            assert found["sessions"] == shopper.detector.sessions
            assert found["session_open"] == (shopper.session is not None)
            assert found["last_event_at"] == shopper.last_at
            assert found["recent_items"] == [low_of(identify(item)) for item in shopper.items]
            assert set(found["interest"]) <= set(shopper.categories)


# ----------------------------------------------------------------------------- sessions


def test_a_session_ends_when_the_shopper_comes_back_after_the_gap() -> None:
    assert sessions([touch(0, "ann", 0, "tents"), touch(1, "ann", 60, "tents")], "ann") == (0, True)
    assert sessions([touch(0, "ann", 0, "tents"), touch(1, "ann", 61, "tents")], "ann") == (1, True)


def test_a_session_ends_by_the_clock_of_others_once_three_have_passed_it() -> None:
    others = [touch(n, user, 61.0, "boats") for n, user in enumerate(["bob", "cem", "dag"], 1)]
    first = touch(0, "ann", 0, "tents")
    assert sessions([first, *others[:2]], "ann") == (0, True)
    assert sessions([first, *others], "ann") == (1, False)


def test_impressions_and_repeats_tell_the_time_too() -> None:
    others = [
        touch(1, "bob", 10, "boats", event_id="e"),
        touch(2, "cem", 61, event_type="impression"),
        touch(3, "dag", 61, event_type="impression"),
        touch(4, "bob", 61, "boats", event_id="e"),
    ]
    assert sessions([touch(0, "ann", 0, "tents"), *others], "ann") == (1, False)
    assert sessions([touch(0, "ann", 0, "tents"), *others], "bob") == (0, True)


def test_one_wild_timestamp_ends_nothing() -> None:
    wild = [touch(n, "bob", 1e6 + n, "boats") for n in range(1, 9)]
    assert sessions([touch(0, "ann", 0, "tents"), *wild], "ann") == (0, True)


def test_an_impression_opens_no_session() -> None:
    seen = touch(0, "ann", 0, "tents", event_type="impression", item_id="dome")
    assert sessions([seen], "ann") == (0, False)


def test_another_session_id_ends_the_session_after_a_minute_of_silence_of_the_first() -> None:
    def switch(at: float) -> tuple[int, bool]:
        first = touch(0, "ann", 0, "tents", session_id="phone")
        return sessions([first, touch(1, "ann", at, "tents", session_id="laptop")], "ann")

    assert switch(5) == (0, True)
    assert switch(6) == (1, True)


def test_a_session_is_cut_before_its_65th_event() -> None:
    views = [touch(n, "ann", n / 10, "tents") for n in range(65)]
    assert sessions(views[:64], "ann") == (0, True)
    assert sessions(views, "ann") == (1, True)


def test_a_late_event_does_not_reopen_what_the_clock_has_closed() -> None:
    """It makes a session of its own, which the next event in time ends."""
    records = [touch(n, user, 1000, "boats") for n, user in enumerate(["bob", "cem", "dag"])]
    records += [touch(3, "ann", 0, "tents"), touch(4, "ann", 30, "tents")]
    assert sessions(records, "ann") == (0, True)
    records += [touch(5, "eva", 5000, "boats"), touch(6, "bob", 5000, "boats")]
    records += [touch(7, "cem", 5000, "boats")]
    assert sessions(records, "ann") == (0, True)
    assert sessions([*records, touch(8, "ann", 5000, "tents")], "ann") == (1, True)


def test_shoppers_of_a_log_that_is_sorted_by_shopper_keep_their_sessions() -> None:
    """Three that come first stand at the end of time; the clock must not cut the others up."""
    early = [touch(n, user, 1e6, "boats") for n, user in enumerate(["bob", "cem", "dag"])]
    visits = [touch(3 + n, "ann", n * 10.0, "tents") for n in range(30)]
    assert sessions([*early, *visits], "ann") == (0, True)


# -------------------------------------------------------------------------------- lists


def spoken(records: Sequence[LogRecord], settings: Settings = SMALL) -> list[RecommendationDelta]:
    """The deltas of these records, against a shop that has learned of two walks."""
    with tempfile.TemporaryDirectory() as folder, partition(settings) as (shard, _):
        shop = taught(settings, [*walked(1, 200), *later(walked(2, 200), 1000)], Path(folder))
        return shard.apply(records, shop).deltas


def later(records: list[LogRecord], offset: int) -> list[LogRecord]:
    return [record._replace(offset=record.offset + offset) for record in records]


def ids(delta: RecommendationDelta) -> list[str]:
    return [item.item_id for item in delta.items]


def view(offset: int, at: float, item: str = "tents-0", **more: object) -> LogRecord:
    return touch(offset, "ann", at, item.split("-")[0], item_id=item, **more)


def test_no_list_is_sent_of_nothing() -> None:
    with partition() as (shard, _):
        assert shard.apply([view(0, 0)], ShopModel(SMALL)).deltas == []


def test_the_first_list_comes_at_once_and_whole() -> None:
    (delta,) = spoken([view(7, 0)])
    assert (delta.user_id, delta.sequence, delta.occurred_at) == ("ann", 7, START)
    assert delta.full
    assert len(delta.items) == SMALL.list_size
    assert (delta.entered, delta.left, delta.moved) == (ids(delta), [], [])
    assert (delta.id, delta.alert_id) == ("behavior-events-0-7-delta-0", None)


def test_the_next_list_comes_after_the_interval_if_something_changed() -> None:
    records = [view(0, 0), view(1, 19, "boats-1"), view(2, 20, "boats-2"), view(3, 40, "boats-2")]
    first, second = spoken(records)
    assert second.sequence == 2
    assert not second.full
    assert sorted(second.entered) == sorted(set(ids(second)) - set(ids(first)))
    assert sorted(second.left) == sorted(set(ids(first)) - set(ids(second)))
    for moved in second.moved:
        assert ids(second)[moved.now] == moved.item_id
        assert ids(first)[moved.before] == moved.item_id
        assert moved.now != moved.before


def test_every_third_list_is_whole() -> None:
    items = ["tents-0", "boats-1", "drums-2", "kites-0", "lamps-1", "tubas-0", "boats-0"]
    deltas = spoken([view(n, n * 20.0, item) for n, item in enumerate(items)])
    assert [delta.full for delta in deltas] == [n % 3 == 0 for n in range(len(deltas))]
    assert len(deltas) > 4


@given(streams(most=150))
def test_a_list_never_shows_what_is_on_the_screen_and_nothing_twice(
    records: list[LogRecord],
) -> None:
    decode = Decoder(SMALL)
    with tempfile.TemporaryDirectory() as folder, partition() as (shard, _):
        shop = taught(SMALL, walked(1, 200), Path(folder))
        slow = SlowShoppers(SMALL)
        for record in records:
            outcome = shard.apply([record], shop)
            if not outcome.dead_letters and isinstance(touches := decode(record.value), list):
                slow.record(record.offset, touches)
            for delta in outcome.deltas:
                recent = slow.shoppers[delta.user_id].items
                assert not set(recent[:1]) & set(ids(delta))
                assert len(set(ids(delta))) == len(delta.items) <= SMALL.list_size


def test_a_bought_item_is_not_offered_again() -> None:
    shown = ids(spoken([view(0, 0)])[0])
    records = [view(0, 0), view(1, 20, shown[0], event_type="buy"), view(2, 40, "tents-0")]
    deltas = spoken(records)
    assert deltas[-1].sequence == 2
    assert shown[0] not in ids(deltas[-1])


def test_after_catching_up_in_silence_the_first_list_is_whole() -> None:
    with tempfile.TemporaryDirectory() as folder, partition() as (shard, _):
        shop = taught(SMALL, walked(1, 200), Path(folder))
        shard.apply([view(0, 0)], shop)
        silent = shard.apply([view(1, 20, "boats-1")], shop, muted=True)
        assert silent.deltas == []
        (delta,) = applied(shard, [[view(2, 40, "boats-1")]], shop).deltas
        assert delta.full


def test_a_move_in_silence_is_shown_by_the_next_list_not_at_once() -> None:
    visits = [
        view(4 * n + event, n * 100.0 + event, f"{'tents' if n < 20 else 'boats'}-{event}")
        for n in range(30)
        for event in range(4)
    ]
    with tempfile.TemporaryDirectory() as folder, partition() as (shard, _):
        shop = taught(SMALL, walked(1, 200), Path(folder))
        shard.apply(visits[:60], shop)
        assert shard.apply(visits[60:], shop, muted=True).alerts == []
        (delta,) = shard.apply([view(120, 2904, "boats-0")], shop).deltas
        assert (delta.full, delta.alert_id) == (True, None)
    assert len(told(visits)) == 1


def told(records: Sequence[LogRecord]) -> list[MigrationAlert]:
    with partition() as (shard, _):
        return shard.apply(records, ShopModel(SMALL)).alerts


def test_impressions_in_silence_make_no_list_stale() -> None:
    with tempfile.TemporaryDirectory() as folder, partition() as (shard, _):
        shop = taught(SMALL, walked(1, 200), Path(folder))
        shard.apply([view(0, 0)], shop)
        shard.apply([view(1, 20, event_type="impression")], shop, muted=True)
        assert shard.apply([view(2, 40)], shop).deltas == []


def test_an_empty_batch_is_no_trouble() -> None:
    with partition() as (shard, _):
        outcome = shard.apply([], ShopModel(SMALL))
        assert (outcome.alerts, outcome.deltas) == (Outcome().alerts, Outcome().deltas)
        assert shard.offset == -1
