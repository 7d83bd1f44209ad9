"""From producing an event to reading the delta it causes, at a steady rate."""

import asyncio
import time
from collections.abc import Iterator
from itertools import islice

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from msgspec.structs import replace

from stream.errors import StreamError
from stream.messages import BehaviorEvent
from stream.storage.partitioning import partition_of
from stream.topology import topics
from stream.topology.outputs import DELTAS
from tests.benchmarks import workload
from tests.benchmarks.contestants import PARTITIONS, START_SECONDS, WORKED, Field, started, worker
from tests.benchmarks.report import Report, Row

RATE, TICK = 1000, 0.005
SETTLING_SECONDS, QUIET_SECONDS = 8.0, 3.0
"""The clock jumps from the backlog's time to now, which closes months of forecasts at once."""

Moments = dict[bytes, float]
"""By key, on the performance counter."""


def run(report: Report, field: Field, quick: bool) -> None:
    """Our worker again, in the folder where it did the backlog."""
    events = iter(list(_of_new_shoppers(field.events)))
    with started(worker(field), field.folder, WORKED):
        sent, read = asyncio.run(_moments(field.broker, events, 6.0 if quick else 20.0))
    settled = min(sent.values()) + SETTLING_SECONDS
    took = [1000 * (at - sent[key]) for key, at in read.items() if sent[key] > settled]
    p50, p95, p99, most = (float(ms) for ms in np.percentile(took, [50, 95, 99, 100]))
    row: Row = {"events/s": RATE, "events": len(sent), "deltas": len(read)}
    row |= {"p50 ms": p50, "p95 ms": p95, "p99 ms": p99, "most ms": most}
    report.show(
        "Latency, from produce to the delta read",
        [row],
        "Each event is the first of a new shopper, on an item of the backlog, and gives a delta "
        f"where there is something to recommend; after {SETTLING_SECONDS:.0f} s to settle. "
        "No linger; producer and reader share a process.",
    )


def _of_new_shoppers(count: int) -> Iterator[BehaviorEvent]:
    decoder = msgspec.json.Decoder(BehaviorEvent)
    for number, record in enumerate(workload.events(count)):
        user = f"new-{number}"
        yield replace(decoder.decode(record.value), user_id=user, event_id=user)


async def _moments(
    broker: str, events: Iterator[BehaviorEvent], seconds: float
) -> tuple[Moments, Moments]:
    """When each event was produced, and when its delta was read."""
    sent: Moments = {}
    read: Moments = {}
    async with (
        AIOKafkaProducer(bootstrap_servers=broker, acks=1) as producer,
        AIOKafkaConsumer(DELTAS, bootstrap_servers=broker) as reader,
    ):
        await reader.seek_to_end()
        await _ready(producer, reader, events)
        reading = asyncio.ensure_future(_read(reader, sent, read))
        await _produce(producer, islice(events, round(RATE * seconds)), sent)
        while time.perf_counter() - max(read.values(), default=0.0) < QUIET_SECONDS:
            await asyncio.sleep(0.1)
        reading.cancel()
    return sent, read


async def _ready(
    producer: AIOKafkaProducer, reader: AIOKafkaConsumer, events: Iterator[BehaviorEvent]
) -> None:
    """Return when the worker has answered an event in every partition."""
    waiting = set(range(PARTITIONS))
    deadline = time.monotonic() + START_SECONDS
    while waiting:
        if time.monotonic() > deadline:
            raise StreamError(f"no delta in partitions {waiting} after {START_SECONDS:.0f} s")
        await _send(producer, next(events))
        for records in (await reader.getmany(timeout_ms=100)).values():
            waiting -= {record.partition for record in records}


async def _produce(
    producer: AIOKafkaProducer, events: Iterator[BehaviorEvent], sent: Moments
) -> None:
    """Send events at RATE, a few each TICK."""
    started_at = time.perf_counter()
    for number, event in enumerate(events):
        while started_at + number / RATE > time.perf_counter():
            await asyncio.sleep(TICK)
        sent[event.user_id.encode()] = time.perf_counter()
        await _send(producer, event)


async def _send(producer: AIOKafkaProducer, event: BehaviorEvent) -> None:
    key = event.user_id.encode()
    value = msgspec.json.encode(replace(event, occurred_at=time.time()))
    await producer.send(topics.EVENTS, value, key, partition=partition_of(key, PARTITIONS))


async def _read(reader: AIOKafkaConsumer, sent: Moments, read: Moments) -> None:
    async for record in reader:
        if record.key in sent:
            read[record.key] = time.perf_counter()
