"""When the log, the state or the broker is not what it was, a worker says so and stops."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition
from rocksdict import Options, Rdict

from stream.storage import codec
from stream.stored import partition_folder
from stream.topology import topics
from stream.topology.broker import Broker, free_port
from tests.kafka import live
from tests.recovery.table import Tell

pytestmark = pytest.mark.kafka
OUT = "the topic was made anew: take a new --state folder and another --group"


@pytest.fixture(scope="module")
def kafka(embedded_kafka: None) -> Iterator[str]:
    with Broker.start() as running:
        yield running.address


@pytest.fixture
def broker(kafka: str) -> str:
    """That Kafka with new topics."""
    make_anew(kafka)
    return kafka


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return live.simulated(tmp_path / "events.jsonl", 3000, users=30)


@pytest.fixture
def group(tmp_path: Path) -> str:
    """Unknown to Kafka so far."""
    return tmp_path.name


@pytest.fixture
def state(broker: str, log: Path, group: str, tmp_path: Path) -> Path:
    """What is left of a worker that read the log to its end, and its group's offsets."""
    live.drift("publish", log, "--broker", broker)
    folder, source = tmp_path / "state", f"kafka://{broker}/{live.EVENTS}"
    live.drift("replay", source, "--state", folder, "--out", tmp_path / "out")
    # Of a replay's shop model the live one knows nothing.
    shutil.rmtree(folder / "shop")
    live.commit(broker, group, live.ends(broker))
    return folder


def make_anew(kafka: str) -> None:
    names = {topic.name for topic in topics.TOPICS}
    with topics.admin(kafka) as client:
        if there := names & set(client.list_topics()):
            client.delete_topics(list(there))
            live.eventually(lambda: not names & set(client.list_topics()))
    topics.create(kafka, live.PARTITIONS)


def forget_before(broker: str, partition: int, offset: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.delete_records({TopicPartition(live.EVENTS, partition): offset})
    admin.close()


def test_a_topic_made_anew_is_refused_by_its_end_and_by_its_records(
    broker: str, state: Path, group: str, tmp_path: Path, tell: Tell
) -> None:
    make_anew(broker)
    with live.LiveWorker(broker, state, group=group) as worker:
        why = worker.refusal()
        assert why.startswith("drift: state: stands at offset ")
        assert why.endswith(f"which ends at 0: {OUT}")
        other = live.simulated(tmp_path / "other.jsonl", 6000, users=30, seed=4)
        live.drift("publish", other, "--broker", broker)
        worker.start()
        why = worker.refusal()
        assert why.startswith("drift: state: another record stands at offset ")
        assert why.endswith(OUT)
    tell("a topic made anew: refused", 2)


def test_a_shorter_topic_than_the_groups_offsets_is_refused_without_a_state_too(
    broker: str, group: str, tmp_path: Path
) -> None:
    live.commit(broker, group, {0: 1000})
    with live.LiveWorker(broker, tmp_path / "state", group=group) as worker:
        assert worker.refusal() == (
            f"drift: state: the group {group} has committed offset 1000 of behavior-events[0], "
            f"which ends at 0: {OUT}"
        )


def test_a_changed_partition_count_is_refused_with_the_way_out(
    broker: str, log: Path, group: str, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    live.drift("replay", log, "--partitions", 3, "--state", state, "--out", tmp_path / "out")
    shutil.rmtree(state / "shop")
    with live.LiveWorker(broker, state, group=group) as worker:
        why = worker.refusal()
    assert " of 3, not " in why
    assert "take a new --state folder and group, and read the log again" in why


def test_records_that_are_gone_before_they_were_read_stop_it_or_are_told(
    broker: str, state: Path, log: Path, group: str
) -> None:
    stands = live.ends(broker)[0]
    live.drift("publish", log, "--broker", broker)
    forget_before(broker, 0, stands + 10)
    with live.LiveWorker(broker, state, group=group) as worker:
        assert worker.refusal() == (
            f"drift: state: behavior-events[0] no longer holds offsets {stands} to {stands + 9}, "
            f"which {state} lacks: restore a snapshot, or set lost_range = 'continue' to go on "
            "without those records"
        )
        worker.settings["DRIFT_LOST_RANGE"] = "continue"
        worker.start()
        live.wait_until_read(broker, group)
        assert worker.stop() == 0
        assert f"no longer holds offsets {stands} to {stands + 9}; going on" in worker.log()
    known = live.drift("state", "show", "--state", state)
    assert known["partitions"]["0"]["lost_records"] == 10


def test_of_a_lost_range_it_catches_up_what_the_log_still_holds(
    broker: str, log: Path, group: str, tmp_path: Path, tell: Tell
) -> None:
    live.drift("publish", log, "--broker", broker)
    records = [record for record in live.read(broker, live.EVENTS) if record.partition == 0]
    live.commit(broker, group, live.ends(broker))
    forget_before(broker, 0, 100)
    with live.LiveWorker(broker, tmp_path / "state", group=group) as worker:
        assert "no longer holds offsets 0 to 99" in worker.refusal()
        worker.settings["DRIFT_LOST_RANGE"] = "continue"
        worker.start()
        worker.wait_for("ready after offset", live.PARTITIONS)
        assert worker.stop() == 0
    stands, found = live.stored(tmp_path / "state")[0]
    assert stands == len(records) - 1
    assert found == live.hash_after(records[100:], tmp_path / "scratch", 0)
    tell("a range trimmed from the log: refused, or told and gone on", 1)


def test_a_bug_ends_it_with_a_traceback_and_commits_nothing_more(
    broker: str, state: Path, log: Path, group: str
) -> None:
    before = live.committed(broker, group)
    # What no code of ours writes: rows cut short.
    database = Rdict(str(partition_folder(state, 0)), Options(raw_mode=True))
    for key in [key for key in database.keys(from_key=codec.ROW) if key < codec.AFTER_ROWS]:
        database[key] = database[key][:100]
    database.close()
    live.drift("publish", log, "--broker", broker)
    with live.LiveWorker(broker, state, group=group) as worker:
        assert worker.process.wait(60) == 1
        assert "Traceback (most recent call last)" in worker.log()
    assert live.committed(broker, group)[0] == before[0]


def test_what_can_be_told_at_once_is_one_line(broker: str, tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    with live.LiveWorker(nobody, tmp_path / "a") as worker:
        assert worker.refusal().startswith(f"drift: no broker answers at {nobody}: start one with")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with live.LiveWorker(address, tmp_path / "b") as worker:
            assert worker.refusal().startswith(f"drift: no broker answers at {address}: start one")
    (tmp_path / "c" / "worker.lock").mkdir(parents=True)
    with live.LiveWorker(broker, tmp_path / "c") as worker:
        assert worker.refusal().startswith(f"drift: state: can't write to {tmp_path}/c: ")


def test_a_state_folder_that_can_not_be_read_is_one_line(
    broker: str, group: str, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    partition_folder(state, 2).touch()
    with live.LiveWorker(broker, state, group=group) as worker:
        assert worker.refusal().startswith(f"drift: state: can't open {state}/partition-2: ")


def test_topics_that_are_not_as_they_should_be_are_one_line(
    broker: str, group: str, tmp_path: Path
) -> None:
    with topics.admin(broker) as client:
        client.delete_topics(["migration-alerts"])
        live.eventually(lambda: "migration-alerts" not in client.list_topics())
        client.create_topics({"migration-alerts": {"num_partitions": 7}})
    with live.LiveWorker(broker, tmp_path / "state", group=group) as worker:
        assert worker.refusal().startswith(
            "drift: topics: migration-alerts has 7 partitions, not 4"
        )


@pytest.mark.slow
@pytest.mark.usefixtures("embedded_kafka")
def test_told_to_stop_while_the_broker_is_gone_it_ends_soon_and_well(tmp_path: Path) -> None:
    with Broker.start() as own:
        topics.create(own.address, live.PARTITIONS)
        with live.LiveWorker(own.address, tmp_path / "state") as worker:
            worker.wait_for("ready after", times=live.PARTITIONS)
            own.stop()
            worker.wait_for("Unable to update metadata")
            assert worker.stop() == 0
            assert "Traceback" not in worker.log()
