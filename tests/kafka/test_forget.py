"""`drift forget` on a running worker: out of the state, the disk, the lists and the log lines."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from stream.messages import DELTAS, ForgetRequest
from stream.storage.partitioning import partition_of
from stream.topology import topics
from stream.topology.broker import Broker
from tests.kafka import live

pytestmark = pytest.mark.kafka
ODD = 'ödd "user" > 7'


@pytest.fixture
def broker(embedded_kafka: None) -> Iterator[str]:
    with Broker.start() as running:
        topics.create(running.address, live.PARTITIONS)
        yield running.address


def newest(broker: str, user: str) -> dict[int, bytes | None]:
    """What compaction would leave of a shopper's lists, by partition."""
    records = live.read(broker, DELTAS)
    return {r.partition: r.value for r in records if r.key == user.encode()}


def named_in(folder: Path, user: str) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if user.encode() in path.read_bytes()]


def test_a_forgotten_shopper_is_gone_from_state_disk_lists_and_logs(
    broker: str, tmp_path: Path
) -> None:
    log = live.simulated(tmp_path / "events.jsonl", 2000)
    first = json.loads(log.read_bytes().splitlines()[0])
    odd = msgspec.json.encode({**first, "user_id": ODD})
    log.write_bytes(log.read_bytes() + odd + b"\n")
    user, home = first["user_id"], partition_of(first["user_id"].encode(), live.PARTITIONS)
    live.drift("publish", log, "--broker", broker)
    with live.LiveWorker(broker, tmp_path / "state") as worker:
        live.wait_until_read(broker)
        assert named_in(worker.state, user)
        assert newest(broker, user)[home] is not None

        asked = live.drift("forget", user, ODD, "--broker", broker)
        live.eventually(lambda: worker.log().count("erased up to offset") >= 2)
        live.wait_until_read(broker)
        assert worker.stop() == 0

        ends = live.ends(broker)
        assert asked["users"] == 2
        assert asked["offsets"] == {str(p): [end - 2, end - 1] for p, end in ends.items()}
        assert newest(broker, user) == dict.fromkeys(range(live.PARTITIONS))
        assert (named_in(worker.state, user), named_in(worker.state, ODD)) == ([], [])
        assert user not in worker.log()

        # A file with the same requests makes the same state.
        requests = [ForgetRequest(user_id=one, occurred_at=1.8e9) for one in (user, ODD)]
        log.write_bytes(log.read_bytes() + msgspec.json.Encoder().encode_lines(requests))
        out = ["--partitions", live.PARTITIONS, "--out", tmp_path / "out"]
        replayed = live.drift("replay", log, *out)["partition_hashes"]
        assert {str(p): hash for p, (_, hash) in live.stored(worker.state).items()} == replayed

        # The owner before may send a list that it had in hand.
        late = [(user.encode(), b'{"sequence": 1}')]
        live.send(broker, late, home, DELTAS)
        worker.start()
        live.eventually(lambda: newest(broker, user)[home] is None)
