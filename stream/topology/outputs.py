"""Results as record batches: one for each topic and input batch, awaited before the checkpoint."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer

from stream.core.engine import PLACES
from stream.core.updates import encode as encode_updates
from stream.core.updates import packed
from stream.messages import DeadLetter, MigrationAlert, RecommendationDelta
from stream.outcome import Outcome

ALERTS = "migration-alerts"
DELTAS = "recommendation-deltas"
UPDATES = "shop-updates"
DEAD_LETTERS = "dead-letters"
# A record batch is cut here; a larger single record gets a batch of its own.
BATCH_BYTES = 900_000
LARGEST_BATCH = 8 << 20
UPDATE_ROWS = 4096

Headers = list[tuple[str, bytes]]


class Output(NamedTuple):
    """One record to publish."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: Headers


def outputs(outcome: Outcome, topic: str, partition: int) -> Iterator[Output]:
    """The records that say what came of a batch of `topic`, to the same partition number."""
    source = f"/interest-drift/{topic}/{partition}"
    for alert in outcome.alerts:
        yield _keyed(ALERTS, partition, alert, "migration-alert", source)
    for delta in outcome.deltas:
        yield _keyed(DELTAS, partition, delta, "recommendation-delta", source)
    for letter in outcome.dead_letters:
        yield _dead_letter(letter, partition, source)
    yield from _updates(outcome, topic, partition, source)


def _keyed(
    topic: str,
    partition: int,
    message: MigrationAlert | RecommendationDelta,
    kind: str,
    source: str,
) -> Output:
    headers = _cloud_event(message.id, kind, source, message.occurred_at)
    value = msgspec.json.encode(message)
    return Output(topic, partition, message.user_id.encode(), value, headers)


def _dead_letter(letter: DeadLetter, partition: int, source: str) -> Output:
    id = f"{letter.topic}-{letter.partition}-{letter.offset}-dead-letter-0"
    headers = _cloud_event(id, "dead-letter", source, None)
    return Output(DEAD_LETTERS, partition, letter.key, msgspec.json.encode(letter), headers)


def _updates(outcome: Outcome, topic: str, partition: int, source: str) -> Iterator[Output]:
    rows = outcome.updates
    for first in range(0, len(rows), UPDATE_ROWS):
        part = rows[first : first + UPDATE_ROWS]
        message = packed(part, partition, lambda id: outcome.names.get(id, ""))
        position = int(part["position"][0])
        id = f"{topic}-{partition}-{position // PLACES}-updates-{position % PLACES}"
        headers = _cloud_event(id, "shop-updates", source, float(part["occurred_at"][-1]))
        yield Output(UPDATES, 0, None, encode_updates(message), headers)


def _cloud_event(id: str, kind: str, source: str, occurred_at: float | None) -> Headers:
    """CloudEvents 1.0 attributes, in Kafka's binary mode."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", id.encode()),
        ("ce_type", f"interest-drift.{kind}.v1".encode()),
        ("ce_source", source.encode()),
        ("content-type", b"application/msgpack" if kind == "shop-updates" else b"application/json"),
    ]
    if occurred_at is not None:
        headers.append(("ce_time", datetime.fromtimestamp(occurred_at, UTC).isoformat().encode()))
    return headers


class Publisher:
    """Sends outputs and waits until the broker has them all."""

    def __init__(self, broker: str) -> None:
        self._broker = broker
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        # Linger would be waited for at every batch: outputs are awaited one batch at a time.
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._broker,
            acks="all",
            linger_ms=0,
            max_batch_size=LARGEST_BATCH,
            max_request_size=LARGEST_BATCH,
        )
        await self._producer.start()

    async def stop(self) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def deliver(self, records: list[Output]) -> None:
        """Return when every record is acknowledged; in order within a topic and partition.

        Raises
        ------
        aiokafka.errors.KafkaError
            If the broker did not take one.
        """
        by_topic: dict[tuple[str, int], list[Output]] = {}
        for record in records:
            by_topic.setdefault((record.topic, record.partition), []).append(record)
        sent = [await self._send(*where, group) for where, group in by_topic.items()]
        await asyncio.gather(*(future for futures in sent for future in futures))

    async def _send(
        self, topic: str, partition: int, records: list[Output]
    ) -> list[asyncio.Future[object]]:
        assert self._producer is not None
        futures = []
        batch, size = self._producer.create_batch(), 0
        for record in records:
            room = len(record.value) + 512
            if size and size + room > BATCH_BYTES:
                futures.append(await self._producer.send_batch(batch, topic, partition=partition))
                batch, size = self._producer.create_batch(), 0
            batch.append(
                key=record.key, value=record.value, timestamp=None, headers=record.headers
            )
            size += room
        futures.append(await self._producer.send_batch(batch, topic, partition=partition))
        return futures
