"""Workers that are killed, frozen or start from nothing end where a replay ends."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from stream.topology import topics
from stream.topology.broker import Broker
from tests.kafka import live

pytestmark = pytest.mark.kafka


@pytest.fixture
def broker(embedded_kafka: None) -> Iterator[str]:
    """A Kafka of the test's own, for the names of topics are fixed."""
    with Broker.start() as running:
        topics.create(running.address, live.PARTITIONS)
        yield running.address


def publishing(log: Path, broker: str, rate: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "stream", "publish", str(log), "--broker", broker]
    return subprocess.Popen([*command, "--rate", str(rate)], stdout=subprocess.DEVNULL)


def storm(workers: list[live.LiveWorker], kills: int, seed: int) -> None:
    """SIGKILL one of them at random moments, and start it again; every third while it starts."""
    draw = random.Random(seed)
    for number in range(kills):
        victim = draw.choice(workers)
        if number % 3 < 2:
            victim.wait_for("ready after offset")
        time.sleep(draw.uniform(0, 1.5))
        victim.kill()
        time.sleep(draw.uniform(0, 0.5))
        victim.start()
    for worker in workers:
        worker.wait_for("ready after offset")


def check_states(broker: str, folders: list[Path], summary: dict[str, Any], scratch: Path) -> None:
    """Whoever read a partition last has the replay's state; all others had it on their way."""
    records = {p: list(part) for p, part in groupby(live.read(broker, live.EVENTS), by_partition)}
    stored = [(p, *found) for folder in folders for p, found in live.stored(folder).items()]
    whole = {p: hash for p, offset, hash in stored if offset == len(records[p]) - 1}
    assert {str(p): hash for p, hash in whole.items()} == summary["partition_hashes"]
    for number, (p, offset, hash) in enumerate(stored):
        before = records[p][: offset + 1]
        assert hash == live.hash_after(before, scratch / str(number), p), (p, offset)
    for folder in folders:
        assert live.drift("state", "verify", "--state", folder) == {"problems": []}


def check_alerts(broker: str, out: Path) -> None:
    every = [json.loads(record.value) for record in live.read(broker, "migration-alerts")]
    expected = live.lines(out / "migration-alerts.jsonl")
    assert live.standing(every) == live.standing(expected)
    sent, replayed = live.detected(every), live.detected(expected)
    assert replayed
    assert {alert["id"]: alert for alert in sent} == {alert["id"]: alert for alert in replayed}
    # A repeat is the same alert.
    assert all(alert in replayed for alert in sent)


def check_deltas(broker: str) -> None:
    newest: dict[str, Any] = {}
    for record in live.read(broker, "recommendation-deltas"):
        delta = json.loads(record.value)
        if delta["sequence"] >= newest.get(delta["user_id"], delta)["sequence"]:
            newest[delta["user_id"]] = delta
    assert newest
    for delta in newest.values():
        items = [entry["item_id"] for entry in delta["items"]]
        assert 0 < len(set(items)) == len(items) <= 20
        assert all(items)


def check_models(workers: list[live.LiveWorker]) -> None:
    """Started once more, with nothing new to read, both learn all that was published."""
    for worker in workers:
        assert worker.stop() == 0
        worker.start()
    for worker in workers:
        worker.wait_for("shop model: complete")
        worker.wait_for("assigned partitions")
    for worker in workers:
        assert worker.stop() == 0, worker.log()
    hashes = [live.drift("state", "hash", "--state", worker.state) for worker in workers]
    assert len({known["model_position"] for known in hashes}) == 1
    assert len({known["model_hash"] for known in hashes}) == 1


def by_partition(record: Any) -> int:
    return int(record.partition)


@pytest.mark.parametrize(
    ("events", "kills", "seed"),
    [(25_000, 6, 1), *(pytest.param(100_000, 25, n, marks=pytest.mark.slow) for n in (2, 3))],
)
def test_killed_again_and_again_two_workers_end_where_a_replay_ends(
    broker: str, tmp_path: Path, events: int, kills: int, seed: int
) -> None:
    log = live.simulated(tmp_path / "events.jsonl", events, users=90, seed=seed)
    summary = live.drift("replay", log, "--partitions", 4, "--out", tmp_path / "out")
    with (
        live.LiveWorker(broker, tmp_path / "one") as one,
        live.LiveWorker(broker, tmp_path / "two") as two,
        publishing(log, broker, 1000) as publisher,
    ):
        one.wait_for("assigned partitions")
        storm([one, two], kills, seed)
        assert publisher.wait(120) == 0
        live.wait_until_read(broker)
        check_models([one, two])
    check_states(broker, [one.state, two.state], summary, tmp_path / "scratch")
    check_alerts(broker, tmp_path / "out")
    check_deltas(broker)


def test_frozen_beyond_its_session_a_worker_wakes_up_and_does_no_harm(
    broker: str, tmp_path: Path
) -> None:
    log = live.simulated(tmp_path / "events.jsonl", 15_000)
    summary = live.drift("replay", log, "--partitions", 4, "--out", tmp_path / "out")
    with (
        live.LiveWorker(broker, tmp_path / "one") as one,
        live.LiveWorker(broker, tmp_path / "two") as two,
    ):
        one.wait_for("assigned partitions")
        two.wait_for("assigned partitions [1, 3]")
        alone = two.log().count("assigned partitions [0, 1, 2, 3]")
        with publishing(log, broker, 1500) as publisher:
            live.eventually(lambda: live.committed(broker))
            one.send(signal.SIGSTOP)
            two.wait_for("assigned partitions [0, 1, 2, 3]", alone + 1)
            time.sleep(1)
            one.send(signal.SIGCONT)
            one.wait_for("the group moved on; rolled back")
            assert publisher.wait(60) == 0
        live.wait_until_read(broker)
        check_models([one, two])
    check_states(broker, [one.state, two.state], summary, tmp_path / "scratch")
    check_alerts(broker, tmp_path / "out")
    check_deltas(broker)
