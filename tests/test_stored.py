"""What a state folder holds, read while nobody or somebody runs."""

from pathlib import Path

import pytest

from stream.core.bits import low_of
from stream.core.ids import identify
from stream.core.shop import ShopModel
from stream.errors import StreamError, WrongUse
from stream.replay import Replay
from stream.shard import Shard
from stream.state_folder import problems_in
from stream.storage import codec, headers
from stream.stored import (
    StoredPartition,
    combined_hash,
    describe,
    partition_folder,
    stored_partitions,
    stored_shop,
)
from tests.toy_shop import SMALL, START, touch, walked


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The folder of a replay over two partitions."""
    replay = Replay(tmp_path, 2, SMALL)
    replay.feed(walked(1, 200, 2))
    replay.save()
    replay.close()
    return tmp_path


def problems(state: Path, partition: int = 0) -> list[str]:
    stored = StoredPartition(partition_folder(state, partition))
    found = list(stored.problems())
    stored.close()
    assert not any("\n" in problem for problem in found)
    return found


def change(state: Path, key: bytes, value: bytes | None) -> None:
    """Write to a partition past all checks."""
    shard = Shard(partition_folder(state, 0), 0, 2, SMALL)
    database = shard._checkpoint._db
    if value is None:
        del database[key]
    else:
        database[key] = value
    shard.close()


def first_row(state: Path) -> tuple[bytes, bytes]:
    stored = StoredPartition(partition_folder(state, 0))
    row = next(stored.checkpoint.all_rows())
    stored.close()
    return row


def test_partitions_are_found_by_number(state: Path) -> None:
    (state / "partition-x").mkdir()
    partitions = stored_partitions(state)
    assert [part.header.partition for part in partitions] == [0, 1]
    assert [part.settings.meaning() for part in partitions] == [SMALL.meaning()] * 2
    for part in partitions:
        part.close()


def test_a_folder_without_partitions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="no partitions in"):
        stored_partitions(tmp_path)


def test_a_partition_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    Shard(partition_folder(tmp_path, 0), 0, 1, SMALL).close()
    with pytest.raises(StreamError, match="holds nothing yet"):
        stored_partitions(tmp_path)


def test_a_partition_that_just_began_is_left_out_beside_others(state: Path) -> None:
    Shard(partition_folder(state, 7), 7, 8, SMALL).close()

    parts = stored_partitions(state)
    for part in parts:
        part.close()

    assert [part.header.partition for part in parts] == [0, 1]


def test_hashes_are_those_of_the_shards(state: Path) -> None:
    replay = Replay(state, 2, SMALL)
    hashes = replay.hashes()
    # A worker may go on meanwhile.
    partitions = stored_partitions(state)
    assert [part.hash() for part in partitions] == hashes
    for part in partitions:
        part.close()
    replay.close()
    assert len(set(hashes)) == 2
    assert combined_hash(hashes) != combined_hash(hashes[::-1])


def test_a_shopper_is_shown_as_known(tmp_path: Path) -> None:
    shard = Shard(partition_folder(tmp_path, 0), 0, 1, SMALL)
    assert stored_shop(tmp_path, SMALL) is None
    records = [
        touch(0, "ann", 0, "tents", item_id="dome"),
        touch(1, "ann", 100, "tents", item_id="tarp"),
        touch(2, "ann", 101, "boats", item_id="kayak"),
    ]
    shard.apply(records, ShopModel(SMALL))
    shard.checkpoint()
    shard.close()

    stored = StoredPartition(partition_folder(tmp_path, 0))
    found = stored.user("ann")
    assert stored.user("bob") is None
    assert stored.clock() is None
    stored.close()

    assert found is not None
    assert list(found["interest"]) == ["tents", "boats"]
    assert sum(found["interest"].values()) == pytest.approx(1.0, abs=1e-3)
    assert (found["sessions"], found["session_open"]) == (1, True)
    assert found["last_event_at"] == START + 101
    assert found["recent_items"] == [low_of(identify(name)) for name in ("kayak", "tarp", "dome")]
    assert found["list"] == [low_of(identify("dome"))]


def test_the_clock_is_shown_once_three_shoppers_were_seen(state: Path) -> None:
    clocks = []
    for part in stored_partitions(state):
        clocks.append(part.clock())
        part.close()
    assert any(clock is not None and clock > START for clock in clocks)


def test_a_partition_that_was_never_fed_has_no_clock(tmp_path: Path) -> None:
    shard = Shard(partition_folder(tmp_path, 0), 0, 1, SMALL)
    shard.checkpoint()
    shard._checkpoint.write(headers.first(SMALL, "behavior-events", 0, 1), [], [])
    shard.close()
    stored = StoredPartition(partition_folder(tmp_path, 0))
    assert stored.clock() is None
    assert stored.hash()
    stored.close()


def test_items_and_categories_are_described_from_the_model(state: Path) -> None:
    shop = stored_shop(state, SMALL)
    assert shop is not None
    item = describe(shop, "item", shop.items.names[0])
    category = describe(shop, "category", "tents")
    assert item is not None
    assert category is not None
    assert (item["item"], category["category"]) == (shop.items.names[0], "tents")
    weights = list(item["followed_by"].values())
    assert weights == sorted(weights, reverse=True)
    assert item["popularity"] > 0
    assert describe(shop, "item", "unheard of") is None


# ------------------------------------------------------------------------ what is wrong


def test_a_whole_state_has_no_problems(state: Path) -> None:
    assert problems(state) == problems(state, 1) == []


def test_a_row_that_is_cut_is_found(state: Path) -> None:
    key, value = first_row(state)
    change(state, key, value[:100])
    assert [key[1:].hex() in problem for problem in problems(state)] == [True]
    assert "is cut short" in problems(state)[0]


def test_a_row_of_another_shopper_is_found(state: Path) -> None:
    key, value = first_row(state)
    size = len(value) - 3
    for user in (b"zoe", b"\xff\xfe\xfd"):
        change(state, key, value[:size] + user)
        assert ["is another shopper's" in problem for problem in problems(state)] == [True]


def test_a_lost_row_of_an_open_session_is_found(tmp_path: Path) -> None:
    shard = Shard(partition_folder(tmp_path, 0), 0, 2, SMALL)
    shard.apply([touch(n, user, 0, "tents") for n, user in enumerate("abc")], ShopModel(SMALL))
    shard.checkpoint()
    shard.close()
    change(tmp_path, codec.row_key(identify("b", SMALL.seed)), None)
    assert ["1 open sessions are of shoppers without a row" in p for p in problems(tmp_path)] == [
        True
    ]


def test_missing_category_names_are_found(state: Path) -> None:
    shard = Shard(partition_folder(state, 0), 0, 2, SMALL)
    del shard._checkpoint._db[codec.category_key(0)]
    shard.close()
    assert "category names are missing" in problems(state)[0]


def test_a_flipped_byte_on_disk_is_found(state: Path) -> None:
    for path in partition_folder(state, 0).glob("*.sst"):
        stored = bytearray(path.read_bytes())
        stored[100] ^= 1
        path.write_bytes(stored)
    with pytest.raises(StreamError, match="Corruption"):
        problems(state)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("format", 9, "has format 9, this version reads 2: go back to the version that wrote it"),
        ("layout", b"other", "has rows of another layout than this version"),
    ],
)
def test_a_state_of_another_version_is_found_with_the_way_out(
    state: Path, field: str, value: object, words: str
) -> None:
    shard = Shard(partition_folder(state, 0), 0, 2, SMALL)
    setattr(shard.header, field, value)
    shard.checkpoint()
    shard.close()
    (problem,) = problems_in(state)
    assert words in problem
    assert problem.endswith("make it anew from the log with `drift state rebuild`")
    with pytest.raises(StreamError, match=words):
        Shard(partition_folder(state, 0), 0, 2, SMALL)
