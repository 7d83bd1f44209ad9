"""Runs workers against a real Kafka, and reads back what they published and stored."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from stream.core.shop import ShopModel
from stream.evaluation.scenarios import Shop
from stream.settings import Settings
from stream.shard import Shard
from stream.stored import stored_partitions

EVENTS = "behavior-events"
PARTITIONS = 4
GROUP = "interest-drift"
# Short times, so that tests need not wait; none of them changes what the state means.
QUICK = {"DRIFT_CHECKPOINT_SECONDS": "0.3", "DRIFT_SESSION_TIMEOUT": "6"}


def eventually(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Return when it is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not true within {seconds} s"
        time.sleep(0.05)


def drift(*arguments: object) -> Any:
    """What a command prints with --json."""
    command = [sys.executable, "-m", "stream", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class LiveWorker:
    """A `drift worker` process of its own, with a state folder and a name."""

    def __init__(
        self, broker: str, state: Path, *, group: str = GROUP, settings: Mapping[str, str] = {}
    ) -> None:
        self.state = state
        self.said = state.with_name(f"{state.name}.log")
        self._arguments = ["--broker", broker, "--state", str(state), "--group", group]
        self.settings = {**QUICK, **settings}
        self.start()

    def start(self) -> None:
        """Again, after it has ended."""
        self._heard = self.said.stat().st_size if self.said.exists() else 0
        with self.said.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stream", "worker", *self._arguments],
                stderr=log,
                env={**os.environ, **self.settings},
            )

    def log(self) -> str:
        """What it has said since its last start."""
        return self.said.read_bytes()[self._heard :].decode()

    def wait_for(self, words: str, times: int = 1, seconds: float = 60.0) -> None:
        """Return when it has said so."""

        def said() -> bool:
            assert self.process.poll() is None, self.log()
            return self.log().count(words) >= times

        eventually(said, seconds)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.send(signal.SIGTERM)
        return self.process.wait(30)

    def refusal(self) -> str:
        """Wait until it ends by itself with exit code 1: the one line that says why."""
        assert self.process.wait(60) == 1, self.log()
        plain = [line for line in self.log().splitlines() if " INFO " not in line]
        assert len(plain) == 1, plain
        return plain[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.kill()


def simulated(path: Path, events: int, users: int = 60, seed: int = 3) -> Path:
    """A file of a shop's events, in which some shoppers move, and search now and then."""
    shop = Shop(users=users, items=300, categories=12, seed=seed, searches=0.2)
    path.write_bytes(b"".join(e.value + b"\n" for e in itertools.islice(shop, events)))
    return path


def send(
    broker: str,
    records: Iterable[tuple[bytes | None, bytes | None]],
    partition: int,
    topic: str = EVENTS,
) -> None:
    """Publish raw keys and values to one partition of the events, or of another topic."""
    producer = KafkaProducer(bootstrap_servers=broker, max_request_size=8 << 20)
    for key, value in records:
        producer.send(topic, value, key, partition=partition)
    producer.flush()
    producer.close()


def ends(broker: str, topic: str = EVENTS) -> dict[int, int]:
    """Each partition's end offset."""
    consumer = KafkaConsumer(bootstrap_servers=broker)
    places = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
    found = consumer.end_offsets(places)
    consumer.close()
    return {place.partition: offset for place, offset in found.items()}


def committed(broker: str, group: str = GROUP, topic: str = EVENTS) -> dict[int, int]:
    """The group's committed offsets of the events, or of another topic that it reads."""
    admin = KafkaAdminClient(bootstrap_servers=broker)
    try:
        found = admin.list_group_offsets(group)
    except KafkaError:
        # A new broker's group coordinator is not there at once.
        return {}
    finally:
        admin.close()
    return {
        place.partition: it.offset for place, it in found[group].items() if place.topic == topic
    }


def commit(broker: str, group: str, offsets: Mapping[int, int]) -> None:
    """As if a group without members had read so far."""
    admin = KafkaAdminClient(bootstrap_servers=broker)
    wanted = {
        TopicPartition(EVENTS, partition): OffsetAndMetadata(offset, "", -1)
        for partition, offset in offsets.items()
    }

    def taken() -> bool:
        try:
            admin.alter_group_offsets(group, wanted)
        except KafkaError:
            return False
        return committed(broker, group) == dict(offsets)

    eventually(taken)
    admin.close()


def wait_until_read(broker: str, group: str = GROUP, seconds: float = 60.0) -> None:
    """Return when the group has committed all events there are."""
    wanted = {partition: end for partition, end in ends(broker).items() if end}
    eventually(lambda: committed(broker, group) == wanted, seconds)


def read(broker: str, topic: str) -> list[Any]:
    """All records of a topic, partition by partition."""
    consumer = KafkaConsumer(bootstrap_servers=broker, max_partition_fetch_bytes=8 << 20)
    places = [TopicPartition(topic, partition) for partition in ends(broker, topic)]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    last = consumer.end_offsets(places)
    records: list[Any] = []
    while any(consumer.position(place) < last[place] for place in places):
        for part in consumer.poll(500, max_records=10_000).values():
            records += part
    consumer.close()
    return sorted(records, key=lambda record: (record.partition, record.offset))


def detected(alerts: list[Any]) -> list[Any]:
    """Those that the law promises to be the same, live and replayed."""
    return [alert for alert in alerts if alert["kind"] == "detected"]


def standing(alerts: list[Any]) -> dict[str, Any]:
    """Population alerts as last told, by id, without revisions; withdrawn ones are gone."""
    newest: dict[str, Any] = {}
    for alert in alerts:
        if alert["kind"] == "population":
            known = newest.get(alert["id"], alert)
            if alert["revision"] >= known["revision"]:
                newest[alert["id"]] = alert
    return {id: {**a, "revision": 0} for id, a in newest.items() if not a["withdrawn"]}


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def header(record: Any, name: str) -> str | None:
    value: bytes | None = dict(record.headers).get(name)
    return None if value is None else value.decode()


def hash_after(records: Iterable[Any], scratch: Path, partition: int) -> str:
    """The state that these records of one partition make, one slow thing after the other."""
    shard = Shard(scratch, partition, PARTITIONS, Settings())
    shard.apply(list(records), ShopModel(Settings()), muted=True)
    found = shard.hash()
    shard.close()
    return found


def stored(state: Path) -> dict[int, tuple[int, str]]:
    """For each partition in a state folder: the offset where it stands, and its hash."""
    found = {}
    for part in stored_partitions(state):
        found[part.header.partition] = part.header.offset, part.hash()
        part.close()
    return found
