"""Which alarms are told, and under which ids: cooldown, ways back, second looks, the ring."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.calibration import Budget, Calibration
from stream.core import drift, drift_session
from stream.core.events import Decoder
from stream.core.shop import ShopModel
from stream.messages import MigrationAlert
from stream.settings import Settings
from stream.shard import LogRecord, Shard
from stream.stored import StoredPartition
from tests.reference.drift_ring import Ring
from tests.reference.slow_shoppers import Alert, SlowShoppers
from tests.toy_shop import ROOMY, SMALL, groups, restless, touch

CALM = msgspec.structs.replace(SMALL, false_alarms_per_10k_events=10.0)
"""Alarms in calm shops are true ones."""
WIDE = msgspec.structs.replace(SMALL, wide_categories=True)
NAMES = ["tents", "lamps", "boats", "kites", "drums", "tubas"]


def calibrated(ring_threshold: float | None, base: Settings = SMALL) -> Settings:
    """With a ring that tips above this."""
    budget = Budget(
        false_alarms_per_10k_events=base.false_alarms_per_10k_events,
        threshold=drift.limits(base).threshold,
        ring_threshold=ring_threshold,
    )
    calibration = Calibration(
        made_from="a test",
        shoppers=400,
        events=90_000,
        budgets=[budget],
        popularity=dict.fromkeys(NAMES[:5], 1 / 6),
        others=0.01,
    )
    return msgspec.structs.replace(base, calibration=calibration)


RINGED = calibrated(0.5, WIDE)
STILL = 1e9
"""A ring that never tips."""


@contextmanager
def opened(shop: Settings = SMALL) -> Iterator[Shard]:
    with tempfile.TemporaryDirectory() as folder:
        shard = Shard(Path(folder) / "partition", 0, 1, shop)
        try:
            yield shard
        finally:
            shard.close()


def told(records: Sequence[LogRecord], shop: Settings = SMALL) -> list[MigrationAlert]:
    with opened(shop) as shard:
        return shard.apply(records, ShopModel(shop)).alerts


def visits(*tastes: tuple[str, int], user: str = "ann") -> list[LogRecord]:
    """So many visits to each category, a hundred seconds apart, each of four views."""
    each = [name for name, count in tastes for _ in range(count)]
    return [
        touch(4 * n + event, user, n * 100.0 + event, ["maps", name][event % 4 > 0])
        for n, name in enumerate(each)
        for event in range(4)
    ]


def ways(alerts: Sequence[MigrationAlert]) -> list[tuple[str, str]]:
    return [(a.from_category, a.to_category) for a in alerts if a.revision == 0]


# ------------------------------------------------------------------------- what is told

FORTH_AND_BACK = visits(("tents", 25), ("boats", 25), ("tents", 25))


def test_a_way_back_names_the_alert_that_it_takes_back() -> None:
    first, second = (alert for alert in told(FORTH_AND_BACK, CALM) if alert.revision == 0)
    assert ways([first, second]) == [("tents", "boats"), ("boats", "tents")]
    assert (first.returns_to, second.returns_to) == (None, first.id)


def test_a_way_back_after_the_window_names_none() -> None:
    late = msgspec.structs.replace(CALM, return_window=500.0)
    alerts = told(FORTH_AND_BACK, late)
    assert ways(alerts) == [("tents", "boats"), ("boats", "tents")]
    assert {alert.returns_to for alert in alerts} == {None}


def test_a_third_category_is_no_way_back() -> None:
    alerts = told(visits(("tents", 25), ("boats", 25), ("drums", 25)), CALM)
    assert ways(alerts) == [("tents", "boats"), ("boats", "drums")]
    assert {alert.returns_to for alert in alerts} == {None}


def test_within_the_cooldown_nothing_more_is_told() -> None:
    quiet = msgspec.structs.replace(CALM, cooldown=10_000.0)
    assert ways(told(FORTH_AND_BACK, quiet)) == [("tents", "boats")]
    assert len(ways(told(FORTH_AND_BACK, msgspec.structs.replace(CALM, cooldown=0.0)))) == 2


def test_what_gained_more_later_is_told_again_under_the_same_id() -> None:
    soft = [("boats", "kites"), ("boats", "boats"), ("kites", "kites")]
    each = [("tents", "tents")] * 25 + [soft[0], soft[1]] * 4 + [soft[2]] * 12
    records = [
        touch(3 * n + place, "ann", n * 100.0 + place, name)
        for n, (one, other) in enumerate(each)
        for place, name in enumerate(["maps", one, other])
    ]
    alerts = told(records, msgspec.structs.replace(CALM, amend_after=20))
    first, again = alerts[:2]
    assert (first.revision, again.revision) == (0, 1)
    assert (first.to_category, again.to_category) == ("boats", "kites")
    now = {change.category: change for change in again.changes}
    assert now["kites"].after > now["boats"].after
    assert now["tents"].before == {c.category: c.before for c in first.changes}["tents"]
    same = {"revision", "to_category", "changes", "strength"}
    for name in MigrationAlert.__struct_fields__:
        assert name in same or getattr(first, name) == getattr(again, name), name
    never = told(records, msgspec.structs.replace(CALM, amend_after=0))
    assert [(a.id, a.revision) for a in never] == [(first.id, 0)]


def test_the_ring_tells_a_large_move_at_once() -> None:
    before = [touch(n, "ann", n * 100.0, name) for n, name in enumerate(["tents", "lamps"] * 60)]
    after = [
        touch(120 + n, "ann", 12_000.0 + n, name) for n, name in enumerate(["drums", "kites"] * 25)
    ]
    (alert,) = told(
        [*before, *after], calibrated(4.0, msgspec.structs.replace(CALM, wide_categories=True))
    )
    assert (alert.source, alert.pattern, alert.threshold) == ("ring", "restart", 4.0)
    assert 130 < alert.source_offset < 165
    assert alert.occurred_at == 1_700_000_000.0 + 12_000.0 + alert.source_offset - 120
    assert told([*before, *after], CALM) == []


def test_without_a_ring_threshold_a_calibration_changes_thresholds_only() -> None:
    records = restless(1, 600)
    plain, other = told(records), told(records, calibrated(None, WIDE))
    assert len(plain) > 5
    assert [msgspec.structs.replace(alert, settings="") for alert in plain] == [
        msgspec.structs.replace(alert, settings="", chance_share=None) for alert in other
    ]
    off = msgspec.structs.replace(calibrated(0.5), ring=False)
    assert ways(told(records, off)) == ways(plain)


def test_categories_beyond_what_rows_hold_are_counted_and_not_followed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    records = visits(("tents", 25), ("boats", 25), ("drums", 25))
    assert ways(told(records, calibrated(STILL, WIDE))) == ways(told(records))
    monkeypatch.setattr(drift_session, "MOST_NARROW", 2)
    with opened() as shard, caplog.at_level(logging.WARNING):
        alerts = shard.apply(records, ShopModel(SMALL)).alerts
        assert shard.counts["categories_not_followed"] == 4 * 50 - 50
    assert all("boats" not in way and "drums" not in way for way in ways(alerts))
    assert [record.getMessage() for record in caplog.records] == [
        "partition 0: the detector does not follow more than 2 categories: "
        "set wide_categories in a new --state folder"
    ]


def test_what_a_calibrated_shard_stored_is_read_with_its_calibration(tmp_path: Path) -> None:
    shard = Shard(tmp_path, 0, 1, RINGED)
    shard.apply(restless(1, 300), ShopModel(RINGED))
    whole = shard.hash()
    shard.close()
    stored = StoredPartition(tmp_path)
    assert stored.settings.fingerprint() == RINGED.fingerprint()
    assert stored.hash() == whole
    assert list(stored.problems()) == []
    found = stored.user("ann")
    assert found is not None
    assert found["sessions"] > 5
    stored.close()


# ----------------------------------------------------------------------------- the laws

RESTLESS = st.builds(restless, st.integers(0, 10_000), st.integers(300, 900))
CUTS = st.lists(st.integers(0, 900), max_size=8)
FEW = settings(max_examples=12)


def strict(
    parts: Sequence[Sequence[LogRecord]], shop: Settings = RINGED, muted: int = -1
) -> tuple[str, list[MigrationAlert]]:
    """Hash and alerts after these batches, of which one in two may be applied in silence."""
    with opened(shop) as shard:
        model, alerts = ShopModel(shop), []
        for number, part in enumerate(parts):
            alerts += shard.apply(part, model, muted=number % 2 == muted).alerts
        return shard.hash(), alerts


def name(alert: Alert | None) -> str | None:
    return alert and "behavior-events-0-{}-detected-{}".format(*alert.id)


def test_the_restless_are_worth_the_name() -> None:
    alerts = [alert for seed in range(9) for alert in told(restless(seed, 900), RINGED)]
    assert sum(alert.revision for alert in alerts) >= 3
    assert sum(alert.source == "ring" for alert in alerts) >= 3
    assert sum(alert.returns_to is not None for alert in alerts) >= 3
    assert sum(not alert.id.endswith("-0") for alert in alerts) >= 3


@given(records=RESTLESS)
@FEW
def test_alerts_agree_with_the_slow_reference(records: list[LogRecord]) -> None:
    assert RINGED.calibration is not None
    shares = dict.fromkeys([*NAMES, "lutes", "maps"], 0.01) | RINGED.calibration.popularity
    slow, decode = SlowShoppers(RINGED, 20.0, 0.5, lambda: Ring(shares)), Decoder(RINGED)
    for record in records:
        touches = decode(record.value)
        assert isinstance(touches, list)
        slow.record(record.offset, touches)
    assert [
        (a.id, a.revision, a.to_category, a.source, a.returns_to, a.occurred_at)
        for a in told(records, RINGED)
    ] == [
        (name(t.alert), t.revision, t.to, t.alert.alarm.source, name(t.alert.returns_to),
         t.alert.ended_at)
        for t in slow.told
    ]  # fmt: skip


@given(records=RESTLESS, cuts=CUTS)
@FEW
def test_how_records_are_grouped_leaves_no_trace(records: list[LogRecord], cuts: list[int]) -> None:
    whole = strict([records])
    assert strict(groups(records, cuts)) == whole
    assert strict([[record] for record in records]) == whole


@given(records=RESTLESS, cuts=CUTS)
@FEW
def test_evictions_leave_no_trace(records: list[LogRecord], cuts: list[int]) -> None:
    roomy = msgspec.structs.replace(RINGED, hot_users=ROOMY)
    assert strict(groups(records, cuts)) == strict([records], roomy)


@given(records=RESTLESS, cuts=CUTS, first=st.integers(0, 1))
@FEW
def test_silence_leaves_no_trace(records: list[LogRecord], cuts: list[int], first: int) -> None:
    hash, alerts = strict([records])
    after, spoken = strict(groups(records, cuts), muted=first)
    assert after == hash
    whole = {(alert.id, alert.revision): alert for alert in alerts}
    assert all(whole[alert.id, alert.revision] == alert for alert in spoken)
