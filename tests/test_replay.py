"""A replay: merged order, the shop's knowledge in steps, and going on where it stopped."""

from pathlib import Path

import msgspec
import pytest

from stream.core.tallies import Told
from stream.errors import StreamError
from stream.replay import PROGRESS, Replay
from stream.settings import Settings
from stream.shard import LogRecord
from stream.storage.partitioning import partition_of
from stream.stored import SHOP, partition_folder
from tests.toy_shop import SMALL, touch, walked

RECORDS = walked(1, 120, 2)
WEEK = 7 * 86_400.0


def refusal(state: Path, settings: Settings = SMALL) -> str:
    with pytest.raises(StreamError) as refused:
        Replay(state, 2, settings)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def saved(state: Path, count: int) -> None:
    replay = Replay(state, 2, SMALL)
    replay.feed(RECORDS[:count])
    replay.save()
    replay.close()


def test_outputs_stand_in_the_order_of_the_merged_log(tmp_path: Path) -> None:
    replay = Replay(tmp_path, 2, SMALL)
    published = replay.feed(RECORDS)
    replay.close()
    order = {(record.partition, record.offset): n for n, record in enumerate(RECORDS)}
    partition = {delta.id: int(delta.id.split("-")[2]) for delta in published.deltas}
    deltas = [order[partition[delta.id], delta.sequence] for delta in published.deltas]
    assert deltas == sorted(deltas)
    assert len(set(partition.values())) == 2
    dead = [order[letter.partition, letter.offset] for letter in published.dead_letters]
    assert dead == sorted(dead)
    assert dead


def test_the_shop_model_learns_after_every_so_many_records(tmp_path: Path) -> None:
    replay = Replay(tmp_path, 2, SMALL)
    for number, record in enumerate(RECORDS[:21], 1):
        before = replay.shop.applied
        replay.feed([record])
        if number % SMALL.adopt_every:
            assert replay.shop.applied == before
    assert replay.shop.applied > 0
    assert replay.shop.position > 0
    replay.close()


def test_lists_say_which_model_they_knew(tmp_path: Path) -> None:
    replay = Replay(tmp_path, 2, SMALL)
    positions = [delta.model_position for delta in replay.feed(RECORDS).deltas]
    replay.close()
    assert positions == sorted(positions)
    assert len(set(positions)) > 3


def test_lists_name_items_that_the_shop_model_has_yet_to_learn(tmp_path: Path) -> None:
    """Their teaching waits, also over an end of the program."""
    late = msgspec.structs.replace(SMALL, adopt_every=1000, delta_interval=1e-3)
    items = ["stove", "lamp", "mug", "pan"]
    records = [touch(n, "ann", 10.0 * n, "camp", item_id=item) for n, item in enumerate(items)]
    listed: list[list[str]] = []
    for part in (records[:2], records[2:]):
        replay = Replay(tmp_path, 1, late)
        listed += [[item.item_id for item in d.items] for d in replay.feed(part).deltas]
        replay.save()
        replay.close()

    assert sorted(listed[-1]) == ["lamp", "mug", "stove"]


def test_it_goes_on_at_the_next_offsets(tmp_path: Path) -> None:
    saved(tmp_path, 50)
    replay = Replay(tmp_path, 2, SMALL)
    last = [max(r.offset for r in RECORDS[:50] if r.partition == p) for p in (0, 1)]
    assert replay.next_offsets() == [offset + 1 for offset in last]
    assert replay.counts()["repeats"] >= 0
    assert set(replay.counts()) == {"rejected", "ignored", "repeats", "without_category"}
    replay.close()


def test_records_of_a_basket_and_of_one_partition_alone_are_fine(tmp_path: Path) -> None:
    replay = Replay(tmp_path, 2, SMALL)
    assert replay.feed([touch(0, "ann", 0.0, items=[{}, {}])]).dead_letters == []
    assert replay.next_offsets() == [1, 0]
    replay.close()


def test_large_states_are_written_on_the_way(tmp_path: Path) -> None:
    """So that rows that left memory do not pile up."""
    settings = msgspec.structs.replace(SMALL, checkpoint_rows=5)
    replay = Replay(tmp_path, 1, settings)
    replay.feed([touch(n, f"user {n}", n * 1.0, "tents") for n in range(70)])
    assert replay.shards[0].changed_rows() <= 5 + settings.adopt_every
    replay.close()


def test_a_replay_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, 50)
    replay = Replay(tmp_path, 2, SMALL)
    replay.feed(RECORDS[50:60])
    replay.shards[0].checkpoint()
    replay.close()
    assert "a replay into it was cut off; start over in a new folder" in refusal(tmp_path)


def test_a_damaged_note_of_progress_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, 50)
    (tmp_path / PROGRESS).write_bytes(b"\xc1")
    assert f"{PROGRESS} is damaged" in refusal(tmp_path)


def test_a_damaged_model_is_refused_and_the_partitions_are_let_go(tmp_path: Path) -> None:
    saved(tmp_path, 50)
    model = tmp_path / SHOP / "shop.model"
    whole = model.read_bytes()
    model.write_bytes(whole[:-1])
    assert "is damaged" in refusal(tmp_path)
    model.write_bytes(whole)
    Replay(tmp_path, 2, SMALL).close()


def test_other_settings_and_another_number_of_partitions_are_refused(tmp_path: Path) -> None:
    saved(tmp_path, 50)
    other = msgspec.structs.replace(SMALL, seed=8)
    assert "seed was 7, now 8" in refusal(tmp_path, other)
    with pytest.raises(StreamError, match="partition 0 of 2, not 0 of 3"):
        Replay(tmp_path, 3, SMALL)
    assert not partition_folder(tmp_path, 2).exists()


def test_counts_and_findings_are_the_same_however_records_are_fed(tmp_path: Path) -> None:
    whole = Replay(tmp_path / "whole", 2, SMALL)
    whole.feed(RECORDS)
    parts = Replay(tmp_path / "parts", 2, SMALL)
    for first in range(0, len(RECORDS), 11):
        parts.feed(RECORDS[first : first + 11])
    counts = [counted(replay) for replay in (whole, parts)]
    found = [replay.findings() for replay in (whole, parts)]
    for replay in (whole, parts):
        replay.close()

    assert len(counts[0]) > 20
    assert counts[0] == counts[1]
    assert found[0] == found[1]


def counted(replay: Replay) -> list[Told]:
    return [msgspec.structs.replace(told, source_offset=0) for told in replay.flows()]


def weeks_of_moves() -> list[LogRecord]:
    """Twenty shoppers a week go from tents to boats, and three times as many in the last."""
    log = []
    for week in range(5):
        for n in range(60 if week == 4 else 20):
            user = f"{week}-{n}"
            for at, category in ((week * WEEK, "tents"), (week * WEEK + 60, "boats")):
                log.append((at + n * 3600.0, user, category))
            for other in range(20):
                log.append((week * WEEK + other * 3600.0, f"{week} {other}", "lamps"))
                log.append((week * WEEK + other * 3600.0 + 9, f"{week} {other}", "tents"))
    log += [(6 * WEEK, f"last {n}", "tents") for n in range(8)]
    offsets = [0, 0]
    records = []
    for at, user, category in sorted(log):
        partition = partition_of(user.encode(), 2)
        record = touch(offsets[partition], user, at, category, event_type="purchase")
        records.append(record._replace(partition=partition))
        offsets[partition] += 1
    return records


def test_a_replay_that_goes_on_finds_what_is_new_and_together_they_find_all(
    tmp_path: Path,
) -> None:
    records, cut = weeks_of_moves(), 2500
    whole = Replay(tmp_path / "whole", 2, SMALL)
    whole.feed(records)
    every = whole.findings()
    whole.close()
    first = Replay(tmp_path / "parts", 2, SMALL)
    first.feed(records[:cut])
    earlier = first.findings()
    first.save()
    first.close()
    second = Replay(tmp_path / "parts", 2, SMALL)
    second.feed(records[cut:])
    later = second.findings()
    again = second.findings()
    second.close()

    assert {alert.category for alert in every.alerts} == {"boats", "tents"}
    assert earlier.alerts + later.alerts == every.alerts
    assert earlier.forecasts + later.forecasts == every.forecasts
    assert earlier.forecasts
    assert (again.alerts, again.forecasts) == ([], [])
