"""One partition: what it skips, what it refuses, what it says, and what it stores."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from stream.core.engine_rows import PLACES, SLICE
from stream.core.ids import identify
from stream.core.ranking import REASONS
from stream.core.shop import ShopModel
from stream.errors import StreamError
from stream.settings import Settings
from stream.shard import LogRecord, Shard, open_shards, warm_up
from stream.storage.checkpoint import Checkpoint
from stream.stored import StoredPartition
from tests.toy_shop import SMALL, START, applied, merged, taught, touch, walked

NOTHING_LEARNED = ShopModel(SMALL)


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[Shard]:
    shard = Shard(tmp_path / "shard", 3, 8, SMALL)
    yield shard
    shard.close()


def one_moves(user: str, first: int = 0) -> list[LogRecord]:
    """Twenty sessions with tents, then ten with boats; two others stay far ahead of `user`."""
    ahead = [touch(first + n, f"early {n}", 1e6, "lamps", item_id=f"lamp {n}") for n in range(2)]
    visits = [
        touch(
            first + 2 + n,
            user,
            n * 1000.0 + event,
            "tents" if n < 20 else "boats",
            item_id=f"{'tent' if n < 20 else 'boat'} {event % 4}",
        )
        for n in range(30)
        for event in range(4)
    ]
    numbered = [r._replace(offset=first + 2 + n) for n, r in enumerate(visits)]
    return [*ahead, *numbered]


def two_move() -> list[LogRecord]:
    """The last record, another shopper's, ends that one's session and two that tip alarms."""
    cem, bob = (one_moves(user)[2:106] for user in ("cem", "bob"))
    moves = [moved for both in zip(cem, bob, strict=True) for moved in both]
    others = [
        touch(0, "dag", 1e5, "lamps"),
        touch(0, "eva", 1e5, "lamps"),
        touch(0, "fay", 25_040.0, "lamps", session_id="phone"),
        touch(0, "fay", 25_080.0, "lamps", session_id="laptop"),
    ]
    return [r._replace(offset=n) for n, r in enumerate([*moves, *others])]


# ------------------------------------------------------------------------- what it says


def test_a_move_is_told_with_its_evidence(shard: Shard) -> None:
    alert = shard.apply(one_moves("cem"), NOTHING_LEARNED).alerts[0]

    assert (alert.user_id, alert.from_category, alert.to_category) == ("cem", "tents", "boats")
    assert alert.evidence > alert.threshold == 20.0
    assert alert.score == pytest.approx(alert.evidence / (alert.evidence + 20.0), abs=1e-3)
    assert alert.session_events == 4
    assert START + 20_000 <= alert.began_at <= alert.session_started_at < alert.occurred_at
    assert alert.id == f"behavior-events-3-{alert.source_offset}-detected-0"
    assert alert.settings == SMALL.fingerprint()
    assert {change.category for change in alert.changes} == {"boats", "tents"}


def test_an_alert_names_the_one_delta_of_its_shopper_and_record(
    shard: Shard, tmp_path: Path
) -> None:
    """The shopper's own record closes the session and begins another, both worth a list."""
    records = one_moves("cem")
    shop = taught(SMALL, records, tmp_path / "shop")

    outcome = shard.apply(records, shop)

    assert outcome.alerts
    for alert in outcome.alerts:
        (delta,) = (d for d in outcome.deltas if d.sequence == alert.source_offset)
        assert (delta.id, delta.user_id) == (alert.delta_id, "cem")
        assert delta.alert_id == alert.id
        assert delta.items


@pytest.mark.parametrize("event_type", ["view", "impression"])
def test_the_delta_of_a_move_comes_with_any_record_that_tells_of_it(
    shard: Shard, event_type: str
) -> None:
    """An impression is no interest and opens no session, but it shows that time has passed."""
    records = one_moves("cem")
    tipping = shard.apply(records, NOTHING_LEARNED).alerts[0].source_offset
    last = touch(tipping, "cem", 40_000.0, "boats", event_type=event_type)

    with_folder = Shard(shard._checkpoint.path.parent / "again", 3, 8, SMALL)
    outcome = with_folder.apply([*records[:tipping], last], NOTHING_LEARNED)
    with_folder.close()

    (alert,) = outcome.alerts
    assert [d.id for d in outcome.deltas if d.sequence == tipping] == [alert.delta_id]


def test_the_clock_of_others_tells_of_a_move_numbered_by_user_id(shard: Shard) -> None:
    """Two movers' sessions end when three others have gone on; the record is one of theirs."""
    records = two_move()
    shard.apply(records[:-1], NOTHING_LEARNED)

    outcome = shard.apply(records[-1:], NOTHING_LEARNED)

    offset = records[-1].offset
    told = [(alert.user_id, alert.id, alert.delta_id) for alert in outcome.alerts]
    prefix = f"behavior-events-3-{offset}"
    assert told == [
        ("bob", f"{prefix}-detected-0", f"{prefix}-delta-0"),
        ("cem", f"{prefix}-detected-1", f"{prefix}-delta-1"),
    ]


def test_a_list_is_offered_after_the_last_touch_of_a_record_wherever_a_slice_ends(
    tmp_path: Path,
) -> None:
    """A basket across the end of a slice is still one record."""
    basket = [{"item_id": f"tent {n}", "category": "tents"} for n in range(100)]
    turned = [basket[n * 7 % 100 :] + basket[: n * 7 % 100] for n in range(SLICE // 100 + 2)]
    records = [touch(n, "ann", n * 30.0, items=items) for n, items in enumerate(turned)]
    shop = taught(SMALL, records[:7], tmp_path / "shop")
    spoken = []
    for name, parts in [("whole", [records]), ("alone", [[r] for r in records])]:
        shard = Shard(tmp_path / name, 0, 1, SMALL)
        spoken.append(applied(shard, parts, shop).deltas)
        shard.close()
    assert spoken[0][-2].sequence == SLICE // 100
    assert spoken[0] == spoken[1]


@pytest.mark.parametrize("records", [walked(3, 250), two_move()], ids=["walk", "two alarms"])
def test_little_room_for_results_leaves_no_trace(tmp_path: Path, records: list[LogRecord]) -> None:
    """The loop comes back for room, and goes on where it was."""
    found = []
    for room in (3, 512):
        shard = Shard(tmp_path / str(room), 0, 1, SMALL)
        results = shard._results
        shard._results = results._replace(
            alarms=results.alarms[:room],
            tipped=results.tipped[:room],
            lists=results.lists[: 2 * room - 2],
            updates=results.updates[: room - 2],
        )
        outcomes = [shard.apply(records[n : n + 300], NOTHING_LEARNED) for n in (0, 300)]
        outcome = merged(outcomes)
        learned = [outcomes[n].updates[["position", "item_id"]].tolist() for n in (0, 1)]
        found.append((shard.hash(), outcome.alerts, outcome.deltas, learned))
        shard.close()
    assert found[0] == found[1]
    assert found[0][1]


def test_what_is_learned_of_the_shop_is_reported_with_its_names(shard: Shard) -> None:
    records = [
        touch(0, "ann", 0, "tents", item_id="dome"),
        touch(1, "ann", 1, "tents", item_id="tarp"),
        touch(2, "ann", 2, "boats", item_id="kayak", event_type="buy"),
        touch(3, "ann", 3, "tents", event_type="impression", item_id="dome"),
        touch(4, "ann", 4, "tents"),
    ]
    outcome = shard.apply(records, NOTHING_LEARNED)

    rows, names = outcome.updates, outcome.names
    assert rows["position"].tolist() == [n * PLACES for n in (0, 1, 2, 4)]
    assert [names.get(id) for id in rows["item_id"].tolist()] == ["dome", "tarp", "kayak", None]
    recent = [[names[id] for id in row if id] for row in rows["recent_items"].tolist()]
    assert recent == [[], ["dome"], ["tarp", "dome"], ["kayak", "tarp", "dome"]]
    assert rows["step"].tolist() == [2, 0, 2, 1]
    assert rows["action"].tolist() == [0, 0, 2, 0]


# ------------------------------------------------------------- what it skips and refuses


def test_impressions_and_clicks_of_the_last_list_are_counted_by_its_reasons(
    shard: Shard, tmp_path: Path
) -> None:
    walk = ["mug", "dome", "peg", "pan"] * 3
    others = [touch(n, "bob", 5.0 * n, "tents", item_id=item) for n, item in enumerate(walk)]
    shop = taught(SMALL, others, tmp_path / "shop")
    (delta,) = shard.apply([touch(0, "ann", 0, "tents", item_id="dome")], shop).deltas
    names = [item.item_id for item in delta.items]
    shown = [{"item_id": name, "position": place} for place, name in enumerate(names)]
    told = [
        touch(1, "ann", 1, event_type="view_item_list", list_id=delta.id, items=shown),
        touch(2, "ann", 1, event_type="view_item_list", list_id="e-0-77-delta-0", items=shown),
        touch(3, "ann", 1, event_type="view_item_list", list_id=delta.id, item_id="unheard of"),
    ]
    shard.apply(told, shop)
    shard.apply([touch(4, "ann", 2, event_type="click", list_id=delta.id, item_id=names[0])], shop)

    records = dict(zip(REASONS, shard.records(), strict=True))
    reasons = [item.reason.because for item in delta.items]
    assert {one: records[one].shown for one in set(reasons)} == Counter(reasons)
    assert records[reasons[0]].clicked == 1
    assert sum(record.clicked for record in records.values()) == 1
    shard.checkpoint()
    with closing(StoredPartition(tmp_path / "shard")) as stored:
        assert {one: told["shown"] for one, told in stored.feedback().items()} == Counter(reasons)


def test_known_records_are_skipped(shard: Shard) -> None:
    records = walked(1, 60)
    shard.apply(records, NOTHING_LEARNED)
    before, counts = shard.hash(), dict(shard.counts)

    outcome = shard.apply(records[20:], NOTHING_LEARNED)

    assert (outcome.alerts, outcome.deltas, outcome.dead_letters) == ([], [], [])
    assert not len(outcome.updates)
    assert (shard.hash(), dict(shard.counts)) == (before, counts)


def test_a_bad_record_is_a_dead_letter_with_its_address_and_the_next_one_counts(
    shard: Shard,
) -> None:
    bad = LogRecord(3, 41, 0, b"ann", b"{")
    outcome = shard.apply([bad, touch(42, "ann", 0.0, "tents")], NOTHING_LEARNED)

    (letter,) = outcome.dead_letters
    assert (letter.topic, letter.partition, letter.offset) == ("behavior-events", 3, 41)
    assert (letter.key, letter.value) == (b"ann", b"{")
    assert letter.reason == "Input data was truncated"
    assert (shard.offset, shard.counts["rejected"], shard.counts["accepted"]) == (42, 1, 1)


@pytest.mark.parametrize("key", [b"", None], ids=["empty", "no"])
def test_a_record_with_no_or_an_empty_key_is_a_dead_letter(shard: Shard, key: bytes | None) -> None:
    good = touch(0, "ann", 0.0, "tents")
    outcome = shard.apply([good._replace(key=key)], NOTHING_LEARNED)
    assert [letter.reason for letter in outcome.dead_letters] == [
        "an empty key: publish with the user_id as key"
    ]


def test_a_key_that_is_not_the_user_id_and_an_unknown_type_are_counted(shard: Shard) -> None:
    shard.apply(
        [
            touch(0, "ann", 0.0)._replace(key=b"someone"),
            touch(1, "ann", 0.0, event_type="scroll"),
            touch(2, "ann", 0.0, event_id="e"),
            touch(3, "ann", 0.0, event_id="e"),
        ],
        NOTHING_LEARNED,
    )
    assert dict(shard.counts) == {
        "accepted": 3, "key_differs": 1, "ignored": 1, "without_category": 3, "repeats": 1,
        "bots": 0, "from_bots": 0,
        "alerts": 0, "deltas": 0,
    }  # fmt: skip


def test_it_knows_the_record_that_it_stands_at(shard: Shard) -> None:
    last = touch(7, "ann", 0.0)
    shard.apply([last], NOTHING_LEARNED)
    assert shard.stands_at(last)
    assert not shard.stands_at(last._replace(offset=8))
    assert not shard.stands_at(last._replace(timestamp=1))
    assert not shard.stands_at(last._replace(value=None))


def refusal(path: Path, partition: int, partitions: int, settings: Settings, topic: str) -> str:
    with pytest.raises(StreamError) as refused:
        Shard(path, partition, partitions, settings, topic)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_another_owner_of_a_folder_is_refused_in_one_line_that_says_what_differs(
    tmp_path: Path,
) -> None:
    path, topic = tmp_path / "state", "behavior-events"
    shard = Shard(path, 1, 4, SMALL)
    shard.checkpoint()
    assert "another process or shard uses it" in refusal(path, 1, 4, SMALL, topic)
    shard.close()

    other = msgspec.structs.replace(SMALL, session_gap=90.0, list_size=4)
    assert "(list_size was 3, now 4; session_gap was 60.0, now 90.0)" in refusal(
        path, 1, 4, other, topic
    )
    assert "partition 1 of 4, not 1 of 8" in refusal(path, 1, 8, SMALL, topic)
    assert "partition 1 of 4, not 2 of 4" in refusal(path, 2, 4, SMALL, topic)
    assert "is of the topic behavior-events, not clicks" in refusal(path, 1, 4, SMALL, "clicks")
    # The refused ones let the folder go.
    Shard(path, 1, 4, SMALL).close()


def test_runtime_settings_may_change(tmp_path: Path) -> None:
    Shard(tmp_path, 0, 1, SMALL).close()
    Shard(tmp_path, 0, 1, msgspec.structs.replace(SMALL, hot_users=99)).close()


def test_one_that_can_not_be_opened_closes_the_others(tmp_path: Path) -> None:
    (tmp_path / "partition-1").write_text("in the way")
    with pytest.raises(StreamError, match="partition-1"):
        open_shards(tmp_path, 2, SMALL)
    (tmp_path / "partition-1").unlink()
    for shard in open_shards(tmp_path, 2, SMALL):
        shard.close()


# ---------------------------------------------------------------------- what it stores


def test_opening_reads_no_shoppers_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it takes no longer with a million users."""
    shard = Shard(tmp_path, 0, 1, SMALL)
    shard.apply([touch(n, f"user {n}", n * 1.0, "tents") for n in range(300)], NOTHING_LEARNED)
    shard.checkpoint()
    shard.close()
    asked: list[int] = []
    rows = Checkpoint.rows
    monkeypatch.setattr(
        Checkpoint, "rows", lambda self, keys: asked.extend(keys) or rows(self, keys)
    )
    monkeypatch.setattr(Checkpoint, "all_rows", None)

    shard = Shard(tmp_path, 0, 1, SMALL)
    assert asked == []
    shard.apply([touch(300, "user 7", 299.0, "tents")], NOTHING_LEARNED)
    shard.close()

    # Beside its own shopper it reads those whose sessions may end by now.
    assert asked.count(identify("user 7", SMALL.seed)) == 1
    assert len(asked) < 100


def test_a_checkpoint_writes_what_changed_and_no_more(shard: Shard) -> None:
    shard.apply([touch(n, f"user {n}", n * 1.0, "tents") for n in range(9)], NOTHING_LEARNED)
    assert shard.changed_rows() == 9
    shard.checkpoint()
    assert shard.changed_rows() == 0
    shard.apply([touch(9, "user 3", 8.0, "tents")], NOTHING_LEARNED)
    assert shard.changed_rows() == 1


def test_warming_up_compiles_the_loop_and_needs_no_folder() -> None:
    warm_up(SMALL)


def test_what_is_not_checkpointed_is_forgotten(tmp_path: Path) -> None:
    shard = Shard(tmp_path, 0, 1, SMALL)
    shard.apply(walked(5, 40), NOTHING_LEARNED)
    shard.checkpoint()
    shard.apply(walked(5, 80), NOTHING_LEARNED)
    shard.close()
    again = Shard(tmp_path, 0, 1, SMALL)
    assert again.offset == walked(5, 40)[-1].offset
    again.close()
    stored = StoredPartition(tmp_path)
    assert stored.header.offset == walked(5, 40)[-1].offset
    stored.close()
