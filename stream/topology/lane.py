"""One assigned partition in a worker: catch up, apply, deliver, checkpoint, acknowledge."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream.core.shop import ShopModel
from stream.errors import StreamError
from stream.outcome import Outcome
from stream.settings import Settings
from stream.shard import Shard
from stream.stored import partition_folder
from stream.topology.compute import Compute
from stream.topology.log_reader import LogReader, LostRange
from stream.topology.outputs import Publisher, outputs

log = logging.getLogger(__name__)

# Some 10 ms of work: other partitions and the shop model get the compute thread in between.
SLICE_RECORDS = 500
CROWDED, CLEARED = 8, 2
"""Batches that wait, from which a partition is paused, and down to which it is resumed."""


class Stale(Exception):
    """The group has moved on: what is in memory must be forgotten."""


@dataclass(frozen=True)
class Around:
    """What all lanes of a worker share."""

    broker: str
    state: Path
    topic: str
    partitions: int
    settings: Settings
    shop: ShopModel
    compute: Compute
    publisher: Publisher
    generation: Callable[[], int]
    """The group's generation as the client knows it now."""
    silence: Callable[[], float]
    """Seconds since the group last answered a heartbeat."""
    session_timeout: float
    pause: Callable[[int], None]
    resume: Callable[[int], None]


class Lane:
    """Runs one partition until it is asked to stop, or finds that the group moved on.

    In this order a crash repeats an output, under the same id, and loses none:
    deliver, checkpoint, acknowledge.
    """

    def __init__(self, around: Around, partition: int, generation: int) -> None:
        self.partition = partition
        self.generation = generation
        self._around = around
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._stopping = asyncio.Event()
        self._unacknowledged: list[Any] = []
        self._checkpointed_at = time.monotonic()
        self._paused = False
        self._shard: Shard | None = None

    def put(self, event: Any) -> None:
        """Take a batch as it comes from Faust; where many wait, ask for no more."""
        self._queue.put_nowait(event)
        if not self._paused and self._queue.qsize() >= CROWDED:
            self._paused = True
            self._around.pause(self.partition)

    def ask_to_stop(self) -> None:
        """Finish the batch at hand, checkpoint, and end; what waits is read again later."""
        self._stopping.set()

    async def run(self, committed: Awaitable[Mapping[int, int]]) -> None:
        """Open the shard, catch up to what the group has committed, and serve until asked to stop."""
        path = partition_folder(self._around.state, self.partition)
        self._shard = shard = await self._around.compute(
            Shard, path, self.partition, self._around.partitions, self._around.settings,
            self._around.topic,
        )  # fmt: skip
        try:
            await self._catch_up(shard, (await committed).get(self.partition, 0))
            log.info("partition %d: ready after offset %d", self.partition, shard.offset)
            await self._serve(shard)
        except Stale:
            log.warning("partition %d: the group moved on; rolled back", self.partition)
        finally:
            # What is not in the checkpoint is forgotten with the shard.
            await self._around.compute(shard.close)

    async def _serve(self, shard: Shard) -> None:
        while not self._stopping.is_set():
            event = await self._next()
            if event is not None:
                await self._process(shard, event)
            if self._checkpoint_due(shard):
                await self._checkpoint(shard)
        await self._checkpoint(shard)

    async def _next(self) -> Any:
        """The next batch, or None when a checkpoint is due or the end has come."""
        if not self._queue.empty():
            event = self._queue.get_nowait()
            if self._paused and self._queue.qsize() <= CLEARED:
                self._paused = False
                self._around.resume(self.partition)
            return event
        wait = self._around.settings.checkpoint_seconds if self._unacknowledged else None
        getting = asyncio.ensure_future(self._queue.get())
        stopping = asyncio.ensure_future(self._stopping.wait())
        done, left = await asyncio.wait(
            {getting, stopping}, timeout=wait, return_when=asyncio.FIRST_COMPLETED
        )
        for future in left:
            future.cancel()
        return getting.result() if getting in done else None

    async def _process(self, shard: Shard, event: Any) -> None:
        records: Sequence[Any] = event.message.value
        for first in range(0, len(records), SLICE_RECORDS):
            part = records[first : first + SLICE_RECORDS]
            outcome = await self._around.compute(shard.apply, part, self._around.shop)
            await self._deliver(outcome)
        self._unacknowledged.append(event)

    async def _deliver(self, outcome: Outcome) -> None:
        def encoded() -> list[Any]:
            return list(outputs(outcome, self._around.topic, self.partition))

        records = await self._around.compute(encoded)
        await self._fence()
        await self._around.publisher.deliver(records)

    def _checkpoint_due(self, shard: Shard) -> bool:
        if not self._unacknowledged:
            return False
        settings = self._around.settings
        late = time.monotonic() - self._checkpointed_at >= settings.checkpoint_seconds
        return late or shard.changed_rows() >= settings.checkpoint_rows

    async def _checkpoint(self, shard: Shard) -> None:
        await self._fence()
        await self._around.compute(shard.checkpoint)
        self._checkpointed_at = time.monotonic()
        for event in self._unacknowledged:
            event.ack()
        self._unacknowledged.clear()

    async def _fence(self) -> None:
        """Go on only while the group still counts on this worker.

        A worker that was frozen wakes up here: it waits until the group has answered
        again, and then either nothing has changed or its generation is over.
        """
        while True:
            if self._around.generation() != self.generation:
                raise Stale
            if self._around.silence() < self._around.session_timeout:
                return
            await asyncio.sleep(0.05)

    async def _catch_up(self, shard: Shard, committed: int) -> None:
        """Read what the state lacks of what the group has committed; nothing is published."""
        around = self._around
        async with LogReader(around.broker, around.topic, self.partition) as reader:
            await self._check_log(shard, reader)
            missing = committed - shard.offset - 1
            if missing <= 0:
                return
            log.info("partition %d: catching up %d records", self.partition, missing)
            try:
                await self._replay(shard, reader, committed)
            except LostRange as lost:
                await self._go_on_without(shard, lost)

    async def _replay(self, shard: Shard, reader: LogReader, committed: int) -> None:
        around = self._around
        async for records in reader.read(shard.offset + 1, committed):
            if self._stopping.is_set():
                raise Stale
            for first in range(0, len(records), SLICE_RECORDS):
                part = records[first : first + SLICE_RECORDS]
                await around.compute(shard.apply, part, around.shop, muted=True)
            if shard.changed_rows() >= around.settings.checkpoint_rows:
                await around.compute(shard.checkpoint)
        await around.compute(shard.checkpoint)

    async def _go_on_without(self, shard: Shard, lost: LostRange) -> None:
        if self._around.settings.lost_range == "stop":
            raise StreamError(
                f"state: {lost}, which partition {self.partition} lacks: restore a snapshot, or "
                "set lost_range = 'continue' to go on without those records"
            )
        log.error("partition %d: %s; going on without those records", self.partition, lost)
        shard.counts["lost_ranges"] += 1

    async def _check_log(self, shard: Shard, reader: LogReader) -> None:
        """Refuse a log that is not the one this state was made from."""
        end = await reader.end_offset()
        where = f"{self._around.topic}[{self.partition}]"
        out = "the topic was made anew: take a new --state folder and another --group"
        if shard.offset >= end:
            raise StreamError(
                f"state: stands at offset {shard.offset} of {where}, which ends at {end}: {out}"
            )
        if shard.offset < 0 or shard.offset < await reader.first_offset():
            return
        async for records in reader.read(shard.offset, shard.offset + 1):
            if records and not shard.stands_at(records[0]):
                raise StreamError(
                    f"state: another record stands at offset {shard.offset} of {where}: {out}"
                )
