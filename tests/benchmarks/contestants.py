"""Our worker and its peers as processes, each measured over the events that it counted."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import RetriableError

from stream.core.updates import columns_of, decode
from stream.errors import StreamError
from stream.topology import topics
from stream.topology.log_reader import LogReader
from tests.benchmarks import workload
from tests.benchmarks.measuring import TreeMeter

PEERS = Path(__file__).parent / "peers"
PARTITIONS = 2
START_SECONDS, STOP_SECONDS, LOOK_EVERY = 120.0, 20.0, 0.1
PUBLISHED = ("migration-alerts", "recommendation-deltas", topics.UPDATES, "dead-letters")


class Field(NamedTuple):
    """Where a contestant runs: a broker that holds a backlog, and a folder of its own."""

    broker: str
    events: int
    folder: Path
    most_seconds: float


class Span(NamedTuple):
    """From the first event counted to the last, in Unix seconds."""

    events: int
    started_at: float
    ended_at: float


class Finish(NamedTuple):
    """What one contestant did in one round."""

    span: Span
    cpu_seconds: float
    peak_mib: float
    committed_at: float | None
    """When the group's offsets stood at the end of the backlog; None for who commits none."""

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.span.events / (self.span.ended_at - self.span.started_at)

    @property
    def rate_of_cpu(self) -> float:
        """Events a CPU second."""
        return self.span.events / self.cpu_seconds


def run_peer(field: Field, program: Sequence[str]) -> Finish:
    """Let a peer count until the backlog's end or `most_seconds`; it writes its own span."""
    output = f"out-{field.folder.name}"
    with topics.admin(field.broker) as client:
        client.create_topics({output: {"num_partitions": PARTITIONS}})
    told = {
        "BENCH_BROKER": field.broker,
        "BENCH_EVENTS_TOPIC": topics.EVENTS,
        "BENCH_OUTPUT_TOPIC": output,
        "BENCH_FOLDER": str(field.folder),
        "BENCH_EVENTS": str(field.events),
        "BENCH_SECONDS": str(field.most_seconds),
        "PYTHONPATH": str(PEERS),
    }
    result = field.folder / "result.json"
    with started(program, field.folder, told) as process, TreeMeter(process.pid) as meter:
        deadline = time.monotonic() + START_SECONDS + field.most_seconds
        while not result.exists():
            watch(process, field.folder, deadline)
        time.sleep(2 * LOOK_EVERY)
    span = Span(**json.loads(result.read_bytes()))
    return Finish(span, meter.cpu_seconds(*span[1:]), meter.peak_mib, None)


def worker(field: Field, group: str | None = None, settings: Path | None = None) -> list[str]:
    """The command of our worker; unless told otherwise, its group is named like its folder."""
    told = ["--broker", field.broker, "--state", str(field.folder)]
    told += ["--group", group or field.folder.name]
    told += ["--settings", str(settings)] if settings else []
    return [sys.executable, "-m", "stream", "worker", *told, "--log-level", "warning"]


WORKED = {"DRIFT_MOST_HOURLY": str(workload.NO_BOTS)}
"""Settings of our worker: it works on all events, as its peers do."""


def run_worker(field: Field) -> Finish:
    """Let our worker do the backlog; what it published says when it computed what."""
    forget_published(field.broker)
    with (
        topics.admin(field.broker) as client,
        started(worker(field), field.folder, WORKED) as process,
        TreeMeter(process.pid) as meter,
    ):
        deadline = time.monotonic() + START_SECONDS + field.most_seconds
        while committed(client, field.folder.name, PARTITIONS) < field.events:
            watch(process, field.folder, deadline)
        committed_at = time.time()
        time.sleep(2 * LOOK_EVERY)
    span = asyncio.run(published_span(field.broker))
    return Finish(span, meter.cpu_seconds(*span[1:]), meter.peak_mib, committed_at)


async def published_span(broker: str) -> Span:
    """From the first to the last record of shop-updates, by the producer's clock.

    A record says what some 500 events taught and is made when they are computed, so the
    events of the first one were counted before the span began, and are not in it.
    """
    counts, times = [], []
    async with LogReader(broker, topics.UPDATES, 0) as reader:
        async for records in reader.read(0, await reader.end_offset()):
            for record in records:
                counts.append(len(columns_of(decode(record.value)).position))
                times.append(record.timestamp / 1000)
    return Span(sum(counts) - counts[times.index(min(times))], min(times), max(times))


def forget_published(broker: str) -> None:
    """Make what a worker writes anew, and the events topic if it is not there."""
    with topics.admin(broker) as client:
        there = [name for name in PUBLISHED if name in client.list_topics()]
        client.delete_topics(there)
        while set(PUBLISHED) & set(client.list_topics()):
            time.sleep(LOOK_EVERY)
    topics.create(broker, PARTITIONS)


def committed(client: KafkaAdminClient, group: str, partitions: int) -> int:
    """How many records of the backlog a group has committed."""
    try:
        offsets = client.list_group_offsets(group)[group]
    except RetriableError:
        # A new broker makes the topic of offsets for its first group.
        return 0
    wanted = [TopicPartition(topics.EVENTS, number) for number in range(partitions)]
    return sum(max(0, offsets[place].offset) for place in wanted if place in offsets)


def members(client: KafkaAdminClient, group: str) -> int:
    """How many have agreed on who reads what; none while they do."""
    try:
        found = client.describe_groups([group])[group]
    except RetriableError:
        # A new broker makes the topic of offsets for its first group.
        return 0
    return len(found["members"]) if found["group_state"] == "Stable" else 0


@contextmanager
def started(
    program: Sequence[str], folder: Path, told: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with its log in `folder`, ended with all its children on leaving."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            program, env=os.environ | told, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def watch(process: subprocess.Popen[bytes], folder: Path, deadline: float) -> None:
    """Wait a moment; refuse to wait on for one that ended or takes too long."""
    time.sleep(LOOK_EVERY)
    if process.poll() is None and time.monotonic() < deadline:
        return
    ended = "took too long" if process.poll() is None else f"ended with {process.returncode}"
    words = (folder / "log").read_text(errors="replace").splitlines()[-8:]
    raise StreamError("\n".join([f"{folder.name} {ended}; the end of its log:", *words]))
