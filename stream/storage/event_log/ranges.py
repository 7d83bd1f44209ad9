"""A range of a Kafka topic as a stream of records: every partition, merged by time."""

import asyncio
import heapq
import threading
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import parse_qs, urlsplit

from stream import access
from stream.core.events import MILLISECONDS_FROM
from stream.errors import StreamError, WrongUse
from stream.handshake import greet
from stream.kafka_clients import async_admin, async_consumer
from stream.storage.event_log.mapping import moment
from stream.storage.event_log.records import Accepted

SCHEME = "kafka://"
TIMES_FROM = 1_000_000_000
"""Numbers from here up are Unix seconds (2001 and later), below they are offsets."""
AT_ONCE = 5_000
"""Records of a partition taken at once."""
PATIENCE_MS = 1_000
ANSWER_SECONDS = 3.0
SILENCE = 30
"""So many empty answers in a row, of `PATIENCE_MS` each, and the broker counts as gone."""

Result = TypeVar("Result")


class Bound(NamedTuple):
    """Where a range begins or ends: at an offset, or at a time in milliseconds."""

    by: Literal["offset", "time"]
    value: int


class Address(NamedTuple):
    """What `kafka://HOST:PORT/TOPIC?from=...&to=...` says."""

    broker: str
    topic: str
    start: str | None
    end: str | None


def bound(said: str, option: str) -> Bound:
    """An offset, Unix seconds, or an RFC 3339 time. `offset:N` is an offset whatever its size.

    >>> bound("1200", "--from"), bound("1511544070", "--from")
    (Bound(by='offset', value=1200), Bound(by='time', value=1511544070000))
    >>> bound("2017-11-25T00:00:00Z", "--to").value
    1511568000000
    """
    offset = said.removeprefix("offset:")
    if offset.isdecimal() and (offset != said or int(offset) < TIMES_FROM):
        return Bound("offset", int(offset))
    at = moment(said)
    if isinstance(at, str):
        at = _parsed(at)
    if at is None or not 0 <= at < 1e15:
        raise WrongUse(
            f"{option} {said!r}: give an offset, Unix seconds, or a time like 2017-11-25T00:00:00Z"
        )
    return Bound("time", round(at if at >= MILLISECONDS_FROM else at * 1000))


def _parsed(at: str) -> float | None:
    try:
        return datetime.fromisoformat(at).timestamp()
    except ValueError:
        return None


def address(source: str) -> Address:
    """The parts of a kafka:// source.

    >>> address("kafka://localhost:9092/behavior-events?from=5")[:3]
    ('localhost:9092', 'behavior-events', '5')
    """
    parts = urlsplit(source)
    topic = parts.path.strip("/")
    if not parts.netloc or not topic or "/" in topic:
        raise WrongUse(f"{source}: write kafka://HOST:PORT/TOPIC")
    asked = parse_qs(parts.query)
    if unknown := set(asked) - {"from", "to"}:
        raise WrongUse(f"{source}: no option {sorted(unknown)[0]!r}; there are from and to")
    return Address(parts.netloc, topic, asked.get("from", [None])[0], asked.get("to", [None])[0])


def read(
    source: str, start: str | None, end: str | None, say: Callable[[str], None]
) -> Iterator[Accepted]:
    """The records from `start` up to, without, `end`; at most to the end seen at first.

    Of the partitions' next records the one with the earliest timestamp comes first, then
    the one of the lowest partition, so the order is the same each time. Values are as they
    are on the topic, not looked at. Kafka is asked when the first record is.
    """
    asked = address(source)
    first = bound(said, "--from") if (said := start or asked.start) else None
    last = bound(said, "--to") if (said := end or asked.end) else None
    return _records(asked, first, last, say)


def _records(
    asked: Address, first: Bound | None, last: Bound | None, say: Callable[[str], None]
) -> Iterator[Accepted]:
    # Files are read without it, and it takes a while to import.
    from aiokafka.errors import KafkaConnectionError, KafkaError

    client = _Client()
    try:
        client.wait(greet(asked.broker, access.load(), ANSWER_SECONDS))
        client.start(asked.broker)
        yield from _Range(client, asked, first, last, say).records()
    except KafkaConnectionError:
        raise StreamError(
            f"no broker answers at {asked.broker}: start one with drift broker"
        ) from None
    except KafkaError as error:
        name = type(error).__name__
        raise StreamError(f"{SCHEME}{asked.broker}/{asked.topic}: {name} {error}") from None
    finally:
        client.stop()


class _Client:
    """A consumer on a thread of its own, so that whoever reads may run an event loop too.

    It is in no group: nothing is committed, nobody else's position moves.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.consumer: Any = None

    def start(self, broker: str) -> None:
        self.consumer = self.wait(self._made(broker))
        self.wait(self.consumer.start())

    async def _made(self, broker: str) -> Any:
        return async_consumer(
            broker, group_id=None, enable_auto_commit=False, auto_offset_reset="none"
        )

    def wait(self, asked: Coroutine[Any, Any, Result]) -> Result:
        """What a call to the consumer brings."""
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()

    def stop(self) -> None:
        if self.consumer is not None:
            self.wait(self.consumer.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _partition_numbers(asked: Address) -> list[int]:
    """Those of the topic; none if it is not there. Asking for it by name could create it."""
    admin = async_admin(asked.broker)
    try:
        await admin.start()
        topics = await admin.describe_topics()
    finally:
        await admin.close()
    return sorted(
        partition["partition"]
        for topic in topics
        if topic["topic"] == asked.topic
        for partition in topic["partitions"]
    )


class _Range:
    """The partitions of a topic between two bounds, read side by side."""

    def __init__(
        self,
        client: _Client,
        asked: Address,
        first: Bound | None,
        last: Bound | None,
        say: Callable[[str], None],
    ) -> None:
        self._client, self._consumer = client, client.consumer
        self._source = f"{SCHEME}{asked.broker}/{asked.topic}"
        self._all = self._partitions(asked)
        kept = client.wait(self._consumer.beginning_offsets(self._all))
        ends = client.wait(self._consumer.end_offsets(self._all))
        starts = self._offsets(first, kept, ends)
        stops = self._offsets(last, ends, ends)
        for each in self._all:
            if starts[each] < kept[each]:
                say(
                    f"{self._source}: partition {each.partition} keeps records from offset "
                    f"{kept[each]} on; those from {starts[each]} are gone"
                )
        self._start = {each: max(starts[each], kept[each]) for each in self._all}
        self._end = {each: min(stops[each], ends[each]) for each in self._all}

    def _partitions(self, asked: Address) -> list[Any]:
        from aiokafka import TopicPartition

        numbers = self._client.wait(_partition_numbers(asked))
        if not numbers:
            raise StreamError(f"{asked.broker} has no topic {asked.topic}: run drift topics create")
        return [TopicPartition(asked.topic, number) for number in numbers]

    def _offsets(self, at: Bound | None, default: Any, ends: Any) -> dict[Any, int]:
        """For each partition the offset of a bound; past the last record it is the end."""
        if at is None:
            return dict(default)
        if at.by == "offset":
            return dict.fromkeys(self._all, at.value)
        times = dict.fromkeys(self._all, at.value)
        found = self._client.wait(self._consumer.offsets_for_times(times))
        return {
            each: ends[each] if found.get(each) is None else found[each].offset
            for each in self._all
        }

    def records(self) -> Iterator[Accepted]:
        some = [each for each in self._all if self._start[each] < self._end[each]]
        if not some:
            return
        self._client.wait(self._begun(some))
        yield from heapq.merge(
            *(self._of(each, self._end[each]) for each in some),
            key=lambda record: (record.timestamp, record.partition),
        )

    async def _begun(self, some: list[Any]) -> None:
        self._consumer.assign(some)
        for each in some:
            self._consumer.seek(each, self._start[each])

    def _of(self, partition: Any, end: int) -> Iterator[Accepted]:
        """The records of one partition, fetched as they are asked for."""
        silent, number = 0, partition.partition
        while silent < SILENCE:
            came = self._client.wait(self._fetched(partition))
            for at in came:
                if at.offset >= end:
                    return
                yield Accepted(
                    self._source, 0, number, at.offset, at.timestamp,
                    at.key or b"", at.value or b"",
                )  # fmt: skip
            # Marks of transactions have offsets too, so the last offset may never come.
            if self._client.wait(self._consumer.position(partition)) >= end:
                return
            silent = 0 if came else silent + 1
        raise StreamError(f"{self._source} stopped answering; is the broker up?")

    async def _fetched(self, partition: Any) -> list[Any]:
        came = await self._consumer.getmany(partition, timeout_ms=PATIENCE_MS, max_records=AT_ONCE)
        return list(came.get(partition, ()))
