"""A worker without a state begins with a snapshot; one whose state is damaged makes it anew."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.state_folder import problems_in
from stream.storage.snapshots import Manifest, Snapshots
from stream.stored import partition_folder
from stream.topology import topics
from stream.topology.broker import Broker
from tests.kafka import live
from tests.kafka.test_refusals import forget_before
from tests.recovery.table import Tell

pytestmark = pytest.mark.kafka
EVENTS = 3000


@pytest.fixture
def broker(embedded_kafka: None) -> Iterator[str]:
    with Broker.start() as running:
        topics.create(running.address, live.PARTITIONS)
        yield running.address


def expected(records: Iterable[Any], scratch: Path) -> dict[int, tuple[int, str]]:
    """Where each partition's state stands after these records, and its hash."""
    found = {}
    for partition in range(live.PARTITIONS):
        own = [record for record in records if record.partition == partition]
        hash = live.hash_after(own, scratch / str(partition), partition)
        found[partition] = own[-1].offset, hash
    return found


def newest(shared: Path, part: str) -> int:
    """The offset of a part's newest snapshot."""
    made = next(iter(Snapshots(str(shared)).newest_first(part)))
    assert isinstance(made, Manifest)
    return made.offset


def break_tables(folder: Path) -> None:
    """Flip a bit among the rows of each table, which only reading them finds.

    What stands in one alone may be overwritten in a newer one, and is read by nobody.
    """
    for table in folder.glob("*.sst"):
        stored = bytearray(table.read_bytes())
        stored[len(stored) * 3 // 4] ^= 1
        table.write_bytes(stored)


def test_a_new_owner_begins_with_snapshots_and_a_damaged_state_is_made_anew(
    broker: str, tmp_path: Path, tell: Tell
) -> None:
    place = tmp_path / "shared"
    settings = {
        "DRIFT_SNAPSHOT_URL": f"file://{place}",
        "DRIFT_SNAPSHOT_EVERY": "0.4",
        "DRIFT_REPLICA_SAVE_SECONDS": "0.5",
    }
    log = live.simulated(tmp_path / "events.jsonl", EVENTS, users=30)
    with live.LiveWorker(broker, tmp_path / "one", settings=settings) as one:
        one.wait_for("ready after offset", live.PARTITIONS)
        live.drift("publish", log, "--broker", broker, "--rate", 3000)
        live.wait_until_read(broker)
        # Also of those that get no more events.
        for part in "shop", *(f"partition-{p}" for p in range(live.PARTITIONS)):
            one.wait_for(f"{part}: snapshot at offset")
        assert one.stop() == 0
    records = live.read(broker, live.EVENTS)
    # What the snapshots hold is gone from the log: who reads it from its beginning fails.
    stands = {p: newest(place, f"partition-{p}") for p in range(live.PARTITIONS)}
    for partition, offset in stands.items():
        forget_before(broker, partition, offset + 1)
    with live.LiveWorker(broker, tmp_path / "two", settings=settings) as two:
        two.wait_for("shop: begins with the snapshot at offset")
        for partition, offset in stands.items():
            two.wait_for(f"partition-{partition}: begins with the snapshot at offset {offset}")
        two.wait_for("ready after offset", live.PARTITIONS)
        assert two.stop() == 0
    assert live.stored(two.state) == expected(records, tmp_path / "scratch")

    break_tables(partition_folder(two.state, 0))
    live.drift("publish", log, "--broker", broker)
    known = {record.partition: record.offset for record in records}
    records += [r for r in live.read(broker, live.EVENTS) if r.offset > known[r.partition]]
    with live.LiveWorker(broker, two.state, settings=settings) as two:
        two.wait_for(f"it is kept in {two.state}/partition-0.damaged-")
        live.wait_until_read(broker)
        assert two.stop() == 0
    assert list(problems_in(two.state)) == []
    assert live.stored(two.state) == expected(records, tmp_path / "scratch-2")
    tell("the state gone, the log trimmed: begun with snapshots", live.PARTITIONS)
    tell("a damaged state: kept aside, made anew from a snapshot and the log", 1)
