"""What a worker's world does: the log, and a Kafka that can lose, repeat and delay what it is sent.

It takes the place of the aiokafka clients, so that everything of ours runs as it is: the same
bytes of record batches go in, the same records come out. All is in files, and outlives a kill.
"""

import asyncio
import os
import random
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError, RequestTimedOutError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import RecordMetadata

from stream.messages import EVENTS
from stream.shard import LogRecord
from stream.topology.outputs import LARGEST_BATCH

_encode, _decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(type=tuple).decode


class Stored(NamedTuple):
    """A record as a consumer gets it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Environment:
    """Topics, and what the group has committed; `trouble` is what befalls outputs."""

    def __init__(self, folder: Path, events: Sequence[LogRecord], trouble: "Trouble") -> None:
        self.trouble = trouble
        self.topics: dict[str, list[Stored]] = {}
        self._folder = folder
        for one in events:
            self._keep(Stored(EVENTS, 0, *one[1:5]))
        self._file = (folder / "outputs").open("a+b", buffering=0)
        self._file.seek(0)
        for line in _frames(self._file.read()):
            self._keep(Stored(*line))

    def close(self) -> None:
        self._file.close()

    def records(self, topic: str) -> list[Stored]:
        return self.topics.get(topic, [])

    def end(self, topic: str) -> int:
        """One above the newest offset."""
        there = self.records(topic)
        return there[-1].offset + 1 if there else 0

    def committed(self) -> int | None:
        """Where the group stands in the events."""
        try:
            return int((self._folder / "committed").read_bytes())
        except FileNotFoundError:
            return None

    def commit(self, offset: int) -> None:
        """As Faust does some time after batches were acknowledged."""
        made = self._folder / "committed.new"
        made.write_bytes(str(offset).encode())
        os.replace(made, self._folder / "committed")

    def append(self, topic: str, partition: int, batch: bytes) -> int:
        """Take a record batch as a broker does: all of it or nothing; its first offset."""
        taken, first = MemoryRecords(batch), self.end(topic)
        frames = b""
        for offset, record in enumerate(taken.next_batch(), first):
            kept = Stored(
                topic, partition, offset, record.timestamp, record.key, record.value,
                tuple(record.headers),
            )  # fmt: skip
            self._keep(kept)
            frame = _encode(kept)
            frames += len(frame).to_bytes(4, "big") + frame
        self._file.write(frames)
        return first

    def _keep(self, record: Stored) -> None:
        self.topics.setdefault(record.topic, []).append(record)


def _frames(content: bytes) -> Iterator[tuple[Any, ...]]:
    """What was written whole; a kill may have cut the last write."""
    at = 0
    while at + 4 <= len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        if at + 4 + size > len(content):
            return
        yield _decode(content[at + 4 : at + 4 + size])
        at += 4 + size


class Trouble:
    """What befalls record batches on their way: one in so many, drawn by a seed.

    `lost`: the broker never got it, and the producer gives up. `unanswered`: the broker has it,
    and the producer gives up. `repeated`: it is there twice. `late`: the producer gives up,
    and it comes when other records of other owners are there already. Between topics the order
    is any; within a partition a producer keeps it.
    """

    KINDS = ("lost", "unanswered", "repeated", "late")
    MOST = 6
    """Then all goes well: three of four kinds end a worker, and one must come to the end."""

    def __init__(self, seed: int, share: float = 0.0) -> None:
        self.met: dict[str, int] = dict.fromkeys(self.KINDS, 0)
        self._random = random.Random(seed)
        self._share = share
        self._waiting: list[tuple[str, int, bytes]] = []

    def ways(self) -> int:
        """How long a batch is on its way."""
        return self._random.randrange(4) if self._share else 0

    def send(self, environment: Environment, topic: str, partition: int, batch: bytes) -> int:
        """Bring it to the broker, or not; the offset of its first record."""
        kind = self._befalls()
        if kind == "late":
            self._waiting.append((topic, partition, batch))
        times = {"lost": 0, "late": 0, "repeated": 2}.get(kind, 1)
        offsets = [environment.append(topic, partition, batch) for _ in range(times)]
        if self._waiting and kind != "late" and self._random.random() < 0.3:
            self.arrive(environment)
        if kind in ("lost", "unanswered", "late"):
            raise RequestTimedOutError
        return offsets[0]

    def _befalls(self) -> str:
        if self._random.random() >= self._share or sum(self.met.values()) == self.MOST:
            return ""
        kind = self._random.choice(self.KINDS)
        self.met[kind] += 1
        return kind

    def arrive(self, environment: Environment) -> None:
        """What was late is there now."""
        waiting, self._waiting = self._waiting, []
        for late in waiting:
            environment.append(*late)


class Producer:
    """What our code asks of an AIOKafkaProducer."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._turns: dict[TopicPartition, asyncio.Lock] = {}

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(LARGEST_BATCH, 0)

    async def send_batch(
        self, batch: BatchBuilder, topic: str, *, partition: int
    ) -> "asyncio.Future[RecordMetadata]":
        return asyncio.ensure_future(self._send(bytes(batch._build()), topic, partition))

    async def _send(self, batch: bytes, topic: str, partition: int) -> RecordMetadata:
        place = TopicPartition(topic, partition)
        async with self._turns.setdefault(place, asyncio.Lock()):
            for _ in range(self._environment.trouble.ways()):
                await asyncio.sleep(0)
            first = self._environment.trouble.send(self._environment, topic, partition, batch)
        return RecordMetadata(topic, partition, place, first, None, 0, 0)


class Consumer:
    """What our code asks of an AIOKafkaConsumer that is in no group."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._position = 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def assign(self, places: Sequence[TopicPartition]) -> None: ...

    def seek(self, place: TopicPartition, offset: int) -> None:
        self._position = offset

    async def position(self, place: TopicPartition) -> int:
        return self._position

    async def beginning_offsets(
        self, places: Sequence[TopicPartition]
    ) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    async def end_offsets(self, places: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {place: self._environment.end(place.topic) for place in places}

    def highwater(self, place: TopicPartition) -> int:
        return self._environment.end(place.topic)

    async def offsets_for_times(
        self, times: Mapping[TopicPartition, int]
    ) -> Mapping[TopicPartition, Stored | None]:
        return {
            place: next(
                (one for one in self._environment.records(place.topic) if one.timestamp >= time),
                None,
            )
            for place, time in times.items()
        }

    async def getmany(
        self, place: TopicPartition, *, timeout_ms: int, max_records: int
    ) -> Mapping[TopicPartition, Sequence[Stored]]:
        end = self._environment.end(place.topic)
        if self._position > end:
            raise OffsetOutOfRangeError({place: self._position})
        records = self._environment.records(place.topic)
        first = bisect_left(records, self._position, key=lambda one: one.offset)
        found = records[first : first + max_records]
        if not found:
            await asyncio.sleep(0.001)
            return {}
        self._position = found[-1].offset + 1
        return {place: found}


@contextmanager
def in_place_of_kafka(environment: Environment) -> Iterator[None]:
    """All clients that our code makes meanwhile are of this environment."""

    def consumer(broker: str, **options: object) -> Consumer:
        return Consumer(environment)

    def producer(broker: str, **options: object) -> Producer:
        return Producer(environment)

    with (
        mock.patch("stream.topology.log_reader.async_consumer", consumer),
        mock.patch("stream.topology.outputs.async_producer", producer),
    ):
        yield
