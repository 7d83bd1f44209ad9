"""The demo as a newcomer runs it, but shorter."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from kafka import KafkaProducer

from stream.topology import topics
from stream.topology.broker import Broker

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("embedded_kafka")]


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """The demo, with `folder` for all that is temporary."""
    environment = os.environ | {"TMPDIR": str(folder)}
    environment.pop("DRIFT_BROKER", None)
    return subprocess.Popen(
        [sys.executable, "-m", "stream", "demo", *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def started_by(demo: "subprocess.Popen[str]") -> dict[str, psutil.Process]:
    """All that runs once the demo publishes: Kafka, the worker, and what keeps each."""
    assert demo.stderr
    assert any("publishing" in line for line in demo.stderr)
    children = psutil.Process(demo.pid).children(recursive=True)
    return {_name(child.cmdline()): child for child in children}


def _name(command: list[str]) -> str:
    of = "kafka" if "kafka.Kafka" in command else "worker" if "worker" in command else "other"
    return f"keeper of {of}" if any("keeper.py" in word for word in command) else of


def test_the_demo_finds_moves_on_a_real_kafka_and_says_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How the shop's own Kafka is reached is nothing to the demo's.
    monkeypatch.setenv("DRIFT_SECURITY_PROTOCOL", "SASL_SSL")
    demo = start(tmp_path, "--seconds", "15", "--seed", "1")
    said, errors = demo.communicate(timeout=240)

    assert demo.returncode == 0, errors
    found = re.search(r"found (\d+) of (\d+) migrations", said)
    false = re.search(r"false alarms: \d+, that is ([\d.]+) per", said)
    assert found
    assert false
    assert int(found[1]) >= 0.8 * int(found[2]) > 0
    assert float(false[1]) <= 2.0
    assert len(re.findall(r"u\d+: .+ -> .+ \(.+, strength .+, score .+\): .+ % -> ", said)) == int(
        re.search(r"(\d+) alerts\n", said)[1]  # type: ignore[index]
    )
    assert "events/s processed | lag 0 events" in said
    assert "is now shown" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 130, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, -signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_nothing_that_the_demo_started_outlives_it(
    tmp_path: Path, ending: signal.Signals, code: int
) -> None:
    demo = start(tmp_path, "--seconds", "60")
    children = started_by(demo)
    demo.send_signal(ending)
    _, errors = demo.communicate(timeout=60)

    assert {*children} == {"kafka", "keeper of kafka", "worker", "keeper of worker"}
    assert demo.returncode == code
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(children.values(), timeout=40)
    assert alive == []
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_dies_ends_the_demo_with_the_last_it_said(tmp_path: Path) -> None:
    demo = start(tmp_path, "--seconds", "60")
    worker = started_by(demo)["worker"]
    (log,) = tmp_path.rglob("worker.log")
    while "assigned partitions" not in log.read_text():
        time.sleep(0.05)
    worker.kill()
    _, errors = demo.communicate(timeout=60)

    assert demo.returncode == 1
    assert "drift: the worker ended by itself; the end of its log:\n" in errors
    assert "assigned partitions [0, 1, 2, 3]" in errors
    assert list(tmp_path.iterdir()) == []


def test_a_kafka_that_holds_events_is_refused(tmp_path: Path) -> None:
    with Broker.start() as kafka:
        topics.create(kafka.address, 2)
        producer = KafkaProducer(bootstrap_servers=kafka.address)
        producer.send(topics.EVENTS, key=b"ann", value=b"{}").get(timeout=10)
        producer.close()
        began = time.monotonic()
        demo = start(tmp_path, "--broker", kafka.address)
        _, errors = demo.communicate(timeout=60)

    assert demo.returncode == 2
    assert f"behavior-events at {kafka.address} already holds records" in errors
    assert time.monotonic() - began < 30
