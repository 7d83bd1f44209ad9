"""`drift watch` against a real Kafka."""

import os
import signal
import subprocess
import sys
import time
from itertools import count
from uuid import uuid4

import msgspec
import pytest
from kafka import KafkaProducer

from stream.messages import MigrationAlert, ShareChange
from stream.topology import topics
from stream.topology.broker import Broker

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def broker():
    """The address of a Kafka with our topics."""
    named = os.environ.get("DRIFT_BROKER")
    if named:
        topics.create(named, 4)
        yield named
        return
    with Broker.start() as own:
        topics.create(own.address, 4)
        yield own.address


@pytest.fixture
def publish(broker):
    """Publishes an alert to a category and waits until the broker has it."""
    producer = KafkaProducer(bootstrap_servers=broker)
    numbers = count()

    def send(category):
        alert = MigrationAlert(
            id=f"{category}-{next(numbers)}", user_id="ann", from_category="tents",
            to_category=category, pattern="move", strength=0.5, score=0.9, evidence=3e4,
            threshold=2e4, changes=[ShareChange("tents", 0.52, 0.08)], occurred_at=1.79e9,
            began_at=1.79e9, session_started_at=1.79e9, session_events=5, delta_id="d",
            source_offset=1, settings="s",
        )  # fmt: skip
        producer.send("migration-alerts", msgspec.json.encode(alert), b"ann").get(10)
        return alert

    yield send
    producer.close()


def drift_watch(broker, *arguments):
    command = [sys.executable, "-m", "stream", "watch", "--broker", broker, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_from_the_beginning_it_prints_the_alerts_there_are_as_json(broker, publish):
    category = uuid4().hex
    sent = [publish(category), publish(category)]
    arguments = ["--from-beginning", "--count", "2", "--category", category, "--json"]
    watching = drift_watch(broker, *arguments)
    out, err = watching.communicate(timeout=30)
    assert (watching.returncode, err) == (0, b"")
    assert [msgspec.json.decode(line, type=MigrationAlert) for line in out.splitlines()] == sent


def test_it_shows_what_comes_from_now_on_and_interrupted_ends_well(broker, publish):
    category = uuid4().hex[:16]
    publish(category)
    watching = drift_watch(broker, "--category", category)
    # It says nothing when it begins to listen, so alerts go out until it shows one.
    os.set_blocking(watching.stdout.fileno(), False)
    shown, ends = b"", time.monotonic() + 30
    while b"tents 52 % -> 8 %" not in shown and time.monotonic() < ends:
        publish(category)
        time.sleep(0.3)
        shown += watching.stdout.read() or b""
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=30)
    assert category.encode() in shown
    assert (watching.returncode, err) == (0, b"")
