"""Results as record batches: one for each topic and input batch, awaited before the checkpoint."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
from aiokafka.producer.message_accumulator import BatchBuilder

from stream.core.engine_rows import PLACES
from stream.core.shop_counts import Findings
from stream.core.tallies import Told, key_of
from stream.core.updates import encode as encode_updates
from stream.core.updates import packed
from stream.foretold import Foretold
from stream.kafka_clients import async_producer
from stream.messages import (
    ALERTS,
    DEAD_LETTERS,
    DELTAS,
    FLOWS,
    FORECASTS,
    UPDATES,
    CatalogEntries,
    DeadLetter,
    DemandForecast,
    MigrationAlert,
    RecommendationDelta,
)
from stream.outcome import Forgotten, Outcome
from stream.storage.partitioning import partition_of

if TYPE_CHECKING:
    from stream.kafka_clients import AIOKafkaProducer

# A record batch is cut here; a larger single record gets a batch of its own.
BATCH_BYTES = 900_000
LARGEST_BATCH = 8 << 20
UPDATE_ROWS = 4096
LARGEST_UPDATES = 2 << 20

Header = tuple[str, bytes]
Place = tuple[str, int]
"""Topic and partition."""
VERSION: Header = ("ce_specversion", b"1.0")
ALERT_TYPE: Header = ("ce_type", b"interest-drift.migration-alert.v1")
FLOW_TYPE: Header = ("ce_type", b"interest-drift.category-flow.v1")
FORECAST_TYPE: Header = ("ce_type", b"interest-drift.demand-forecast.v1")
DELTA_TYPE: Header = ("ce_type", b"interest-drift.recommendation-delta.v1")
FORGOTTEN_TYPE: Header = ("ce_type", b"interest-drift.forgotten.v1")
DEAD_LETTER_TYPE: Header = ("ce_type", b"interest-drift.dead-letter.v1")
UPDATES_TYPE: Header = ("ce_type", b"interest-drift.shop-updates.v1")
JSON: Header = ("content-type", b"application/json")
MSGPACK: Header = ("content-type", b"application/msgpack")

encode = msgspec.json.Encoder().encode


class Output(NamedTuple):
    """One record to publish."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    """None tells a compacted topic that the key is no more."""
    headers: list[Header]


def outputs(outcome: Outcome, topic: str, partition: int) -> Iterator[Output]:
    """The records that say what came of a batch of `topic`, to the same partition number."""
    source = ("ce_source", f"/interest-drift/{topic}/{partition}".encode())
    for alert in outcome.alerts:
        yield _keyed(ALERTS, partition, alert, ALERT_TYPE, source)
    for foretold in outcome.foretold:
        yield _keyed(ALERTS, partition, foretold, ALERT_TYPE, source)
    yield from _listed(outcome, topic, partition, source)
    for letter in outcome.dead_letters:
        yield _dead_letter(letter, partition, source)
    for first in range(0, len(outcome.updates), UPDATE_ROWS):
        part = outcome.updates[first : first + UPDATE_ROWS]
        yield from _updates(part, outcome.names, topic, partition, source)


def tombstones(forgotten: Iterable[Forgotten], topic: str, partition: int) -> Iterator[Output]:
    """The records by which readers of lists, and compaction, forget shoppers."""
    source = ("ce_source", f"/interest-drift/{topic}/{partition}".encode())
    for one in forgotten:
        id = f"{topic}-{partition}-{one.offset}-forgotten-0"
        headers = [VERSION, ("ce_id", id.encode()), FORGOTTEN_TYPE, source]
        yield Output(DELTAS, partition, one.user.encode(), None, headers)


def flow_outputs(told: Iterable[Told], topic: str, partition: int) -> Iterator[Output]:
    """A partition's counts of moves and demand, and its clock."""
    source = ("ce_source", f"/interest-drift/{topic}/{partition}".encode())
    for message in told:
        key = key_of(message)
        id = f"{topic}-{partition}-{message.source_offset}-flow-{key}"
        headers = _cloud_event(id, FLOW_TYPE, source, None)
        yield Output(FLOWS, 0, key.encode(), encode(message), headers)


def shop_outputs(findings: Findings, partitions: int) -> Iterator[Output]:
    """What the shop's counts tell, and the keys of those that nobody needs any more."""
    source = ("ce_source", f"/interest-drift/{FLOWS}/0".encode())
    for alert in findings.alerts:
        key = alert.category.encode()
        headers = _cloud_event(alert.id, ALERT_TYPE, source, alert.window_ends_at)
        yield Output(ALERTS, partition_of(key, partitions), key, encode(alert), headers)
    for forecast in findings.forecasts:
        name = forecast_key(forecast)
        id = f"{FORECASTS}-{forecast.period_started_at:.0f}-{name}"
        headers = _cloud_event(id, FORECAST_TYPE, source, forecast.made_at)
        yield Output(FORECASTS, 0, name.encode(), encode(forecast), headers)
    for ended in findings.ended:
        yield Output(FLOWS, 0, ended.encode(), None, [])


def catalog_outputs(pieces: Iterable[CatalogEntries]) -> Iterator[Output]:
    """The records by which all workers learn the shop's catalog."""
    source = ("ce_source", b"/interest-drift/catalog")
    for piece in pieces:
        value = encode_updates(piece)
        # No record of the events is the cause; the same piece has the same id.
        id = f"catalog-{blake2b(value, digest_size=8).hexdigest()}"
        yield Output(UPDATES, 0, None, value, _cloud_event(id, UPDATES_TYPE, source, None))


def forecast_key(forecast: DemandForecast) -> str:
    """Under which the newest forecast takes the place of the one before."""
    what = (forecast.horizon, forecast.series, forecast.category, forecast.item_id)
    return msgspec.json.encode(what).decode()


def _listed(outcome: Outcome, topic: str, partition: int, source: Header) -> Iterator[Output]:
    """Lists, and who is forgotten, in the order of the records that caused them."""
    forgotten = deque(outcome.forgotten)
    for delta in outcome.deltas:
        while forgotten and forgotten[0].offset < delta.sequence:
            yield from tombstones([forgotten.popleft()], topic, partition)
        yield _keyed(DELTAS, partition, delta, DELTA_TYPE, source)
    yield from tombstones(forgotten, topic, partition)


def _keyed(
    topic: str,
    partition: int,
    message: MigrationAlert | Foretold | RecommendationDelta,
    kind: Header,
    source: Header,
) -> Output:
    headers = _cloud_event(message.id, kind, source, message.occurred_at)
    return Output(topic, partition, message.user_id.encode(), encode(message), headers)


def _dead_letter(letter: DeadLetter, partition: int, source: Header) -> Output:
    id = f"{letter.topic}-{letter.partition}-{letter.offset}-dead-letter-0"
    headers = _cloud_event(id, DEAD_LETTER_TYPE, source, None)
    return Output(DEAD_LETTERS, partition, letter.key, encode(letter), headers)


def _updates(
    rows: np.ndarray, names: Mapping[int, str], topic: str, partition: int, source: Header
) -> Iterator[Output]:
    """One record, or two halves where long names make it too large for the topic."""
    value = encode_updates(packed(rows, partition, lambda id: names.get(id, "")))
    if len(value) > LARGEST_UPDATES and len(rows) > 1:
        for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
            yield from _updates(half, names, topic, partition, source)
        return
    position = int(rows["position"][0])
    id = f"{topic}-{partition}-{position // PLACES}-updates-{position % PLACES}"
    headers = _cloud_event(id, UPDATES_TYPE, source, float(rows["occurred_at"][-1]))
    yield Output(UPDATES, 0, None, value, headers)


def _cloud_event(id: str, kind: Header, source: Header, occurred_at: float | None) -> list[Header]:
    """CloudEvents 1.0 attributes, in Kafka's binary mode."""
    content = MSGPACK if kind is UPDATES_TYPE else JSON
    headers = [VERSION, ("ce_id", id.encode()), kind, source, content]
    if occurred_at is not None:
        time = datetime.fromtimestamp(occurred_at, UTC).isoformat()
        headers.append(("ce_time", time.encode()))
    return headers


class Packed(NamedTuple):
    """A record batch, ready to be sent."""

    topic: str
    partition: int
    batch: BatchBuilder


class Publisher:
    """Sends outputs and waits until the broker has them all."""

    def __init__(self, broker: str) -> None:
        self._broker = broker
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        # Linger would be waited for at every batch: outputs are awaited one batch at a time.
        self._producer = async_producer(
            self._broker,
            acks="all",
            linger_ms=0,
            max_batch_size=LARGEST_BATCH,
            max_request_size=LARGEST_BATCH,
        )
        try:
            await self._producer.start()
        except BaseException:
            await self._producer.stop()
            raise

    async def stop(self) -> None:
        if self._producer is not None:
            await self._producer.stop()

    def packed(self, records: Iterable[Output]) -> list[Packed]:
        """The records as batches, in their order; any thread may call it."""
        whole: list[Packed] = []
        open_: dict[Place, BatchBuilder] = {}
        for record in records:
            where = record.topic, record.partition
            batch = open_.get(where)
            size = len(record.value or b"")
            if batch is None or batch.size() + size > BATCH_BYTES:
                batch = open_[where] = self._batch()
                whole.append(Packed(*where, batch))
            batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers)
        return whole

    def _batch(self) -> BatchBuilder:
        assert self._producer is not None
        return self._producer.create_batch()

    async def deliver(self, packed: Sequence[Packed]) -> dict[Place, int]:
        """Return when every record is acknowledged; in order within a topic and partition.

        Returns
        -------
        dict
            One above the last offset that was written, by topic and partition.

        Raises
        ------
        aiokafka.errors.KafkaError
            If the broker did not take one.
        """
        by_place: dict[Place, list[BatchBuilder]] = {}
        for topic, partition, batch in packed:
            by_place.setdefault((topic, partition), []).append(batch)
        ends = await asyncio.gather(
            *(self._send(*where, group) for where, group in by_place.items())
        )
        return dict(zip(by_place, ends, strict=True))

    async def _send(self, topic: str, partition: int, batches: list[BatchBuilder]) -> int:
        assert self._producer is not None
        sent = [
            await self._producer.send_batch(batch, topic, partition=partition) for batch in batches
        ]
        written = await asyncio.gather(*sent)
        return int(written[-1].offset + batches[-1].record_count())
