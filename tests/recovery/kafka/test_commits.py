"""Commits that are gone or set back, partitions without events, and many that wait at once."""

import time
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from stream.messages import ALERTS, DELTAS, UPDATES
from stream.topology.broker import Broker
from stream.topology.inbox import CROWDED
from tests.kafka import live
from tests.recovery.kafka import afterwards
from tests.recovery.table import Tell

pytestmark = pytest.mark.kafka
QUIET = (ALERTS, DELTAS, UPDATES)


def published(broker: str) -> dict[str, dict[int, int]]:
    return {topic: live.ends(broker, topic) for topic in QUIET}


def forget_commits(broker: str) -> None:
    """As when a group was silent for longer than Kafka remembers."""
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.delete_groups([live.GROUP])
    admin.close()


def test_commits_that_expired_or_were_set_back_repeat_nothing_and_idle_partitions_are_ready(
    kafka: Broker, tmp_path: Path, tell: Tell
) -> None:
    broker, state = kafka.address, tmp_path / "state"
    log = live.simulated(tmp_path / "events.jsonl", 6000, users=30)
    lines = log.read_bytes().splitlines()
    busy = [line for line in lines if afterwards.partition(line) < 2]
    afterwards.publish(broker, busy[:-500])
    with live.LiveWorker(broker, state) as worker:
        # Two partitions have no record at all.
        worker.wait_for("ready after offset", live.PARTITIONS)
        live.wait_until_read(broker)
        assert worker.stop() == 0
        before = published(broker)
        live.commit(broker, live.GROUP, dict.fromkeys(live.committed(broker), 0))
        worker.start()
        live.wait_until_read(broker)
        assert "the group stands at 0; the state knows what follows" in worker.log()
        assert worker.stop() == 0
        assert published(broker) == before
        forget_commits(broker)
        afterwards.publish(broker, busy[-500:])
        worker.start()
        live.wait_until_read(broker)
        assert worker.stop() == 0
    afterwards.check(broker, [state], tmp_path / "scratch")
    tell("the group's commits set back", 1)
    tell("the group's commits expired", 1)
    tell("partitions without a record", 2)


@pytest.mark.slow
def test_of_four_partitions_that_wait_none_is_left_behind(
    kafka: Broker, tmp_path: Path, tell: Tell
) -> None:
    log = live.simulated(tmp_path / "events.jsonl", 80_000, users=400)
    afterwards.publish(kafka.address, log.read_bytes().splitlines())
    ends, seen = live.ends(kafka.address), []
    with live.LiveWorker(kafka.address, tmp_path / "state") as worker:
        worker.wait_for("assigned partitions")
        while (done := live.committed(kafka.address)) != ends:
            seen.append([done.get(p, 0) for p in ends])
            time.sleep(0.2)
            assert worker.process.poll() is None, worker.log()
        assert worker.stop() == 0
    under_way = [done for done in seen if 0 < max(done) < min(ends.values())]
    assert under_way
    # What may wait for a lane, which is committed at once, and one more fetch.
    assert max(max(done) - min(done) for done in under_way) <= CROWDED + 5000 < min(ends.values())
    tell("four backlogged partitions served side by side", 1)
