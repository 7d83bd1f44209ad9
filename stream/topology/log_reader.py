"""Reads a partition outside of the group: what a shard missed, and all of shop-updates."""

from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from stream.errors import StreamError
from stream.kafka_clients import async_consumer

FETCH_BYTES = 1 << 20
LARGEST_RECORD = 8 << 20
MOST_RECORDS = 1000


class LostRange(StreamError):
    """The log no longer holds records that the state lacks."""


class LogReader:
    """One partition of one topic, read by offset. A missing range is an error, not a jump."""

    def __init__(self, broker: str, topic: str, partition: int) -> None:
        self.topic_partition = TopicPartition(topic, partition)
        self._position = 0
        self._consumer = async_consumer(
            broker,
            # aiokafka's default jumps silently when the range is gone.
            auto_offset_reset="none",
            enable_auto_commit=False,
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_bytes=LARGEST_RECORD,
        )

    async def __aenter__(self) -> "LogReader":
        try:
            await self._consumer.start()
        except BaseException:
            # Else the client complains of it later, behind the line that says what is wrong.
            await self._consumer.stop()
            raise
        self._consumer.assign([self.topic_partition])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._consumer.stop()

    async def first_offset(self) -> int:
        """The oldest offset that the log still holds."""
        offsets = await self._consumer.beginning_offsets([self.topic_partition])
        return int(offsets[self.topic_partition])

    async def end_offset(self) -> int:
        """One above the newest offset."""
        offsets = await self._consumer.end_offsets([self.topic_partition])
        return int(offsets[self.topic_partition])

    async def offset_at(self, time: int) -> int:
        """Of the first record that was written at this time or later, in Unix milliseconds."""
        found = await self._consumer.offsets_for_times({self.topic_partition: time})
        there = found[self.topic_partition]
        return await self.end_offset() if there is None else int(there.offset)

    def lag(self) -> int | None:
        """Records between where `read` stands and the end, None before the first fetch told."""
        end = self._consumer.highwater(self.topic_partition)
        return None if end is None else max(0, int(end) - self._position)

    async def read(self, first: int, end: int | None = None) -> AsyncIterator[Sequence[Any]]:
        """Records from offset `first` up to `end` (excluded), in pieces.

        Without an end it goes on for ever, with an empty piece after a second without records.

        Raises
        ------
        LostRange
            If the log begins after `first`.
        """
        self._consumer.seek(self.topic_partition, first)
        self._position = first
        while end is None or self._position < end:
            try:
                fetched = await self._consumer.getmany(
                    self.topic_partition, timeout_ms=1000, max_records=MOST_RECORDS
                )
            except OffsetOutOfRangeError:
                topic, partition = self.topic_partition
                raise LostRange(
                    f"{topic}[{partition}] no longer holds offset {self._position} "
                    f"(it begins at {await self.first_offset()})"
                ) from None
            records = fetched.get(self.topic_partition, [])
            if records or end is None:
                yield [record for record in records if end is None or record.offset < end]
            # Past the last record there may be markers that are no records.
            self._position = int(await self._consumer.position(self.topic_partition))
