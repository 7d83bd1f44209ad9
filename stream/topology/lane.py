"""One assigned partition in a worker: catch up, apply, deliver, checkpoint, acknowledge."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from stream.shard import Shard
from stream.stored import partition_folder
from stream.topology.around import Around
from stream.topology.catch_up import CatchUp
from stream.topology.outputs import Packed, outputs

log = logging.getLogger(__name__)

# Some 10 ms of work: other partitions and the shop model get the compute thread in between.
SLICE_RECORDS = 500
CROWDED, CLEARED = 10_000, 2_500
"""Records that wait, from which a partition is held, and down to which it is released."""


class Stale(Exception):
    """What is in memory must be forgotten: the group counts on others now."""


class Lane:
    """Runs one partition until it is asked to stop, or finds that the group moved on.

    In this order a crash repeats an output, under the same id, and loses none:
    deliver, checkpoint, acknowledge. While the outputs of a slice are on their way,
    the next one is computed.
    """

    def __init__(self, around: Around, partition: int, generation: int) -> None:
        self.partition = partition
        self.generation = generation
        self._around = around
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._waiting = 0
        self._stopping = False
        self._ended = False
        self._delivery: asyncio.Task[None] | None = None
        self._unacknowledged: list[Any] = []
        self._checkpointed_at = time.monotonic()

    def put(self, event: Any) -> None:
        """Take a batch as it comes from Faust; where many records wait, ask for no more."""
        if self._ended:
            return
        self._queue.put_nowait(event)
        self._waiting += len(event.message.value)
        if self._waiting >= CROWDED:
            self._around.hold(self.partition)

    def ask_to_stop(self) -> None:
        """Finish the batch at hand, checkpoint, and end; what waits is read again later."""
        self._stopping = True
        self._queue.put_nowait(None)

    async def run(self, committed: Awaitable[Mapping[int, int | None]]) -> None:
        """Open the shard, catch up with the group, and serve until asked to stop."""
        around, partition = self._around, self.partition
        around.release(partition)
        shard = await around.compute(
            Shard, partition_folder(around.state, partition), partition, around.partitions,
            around.settings, around.topic,
        )  # fmt: skip
        try:
            catch_up = CatchUp(around, shard)
            await catch_up.run((await committed)[partition], lambda: self._stopping)
            log.info("partition %d: ready after offset %d", partition, shard.offset)
            await self._serve(shard, catch_up)
        except Stale:
            log.warning("partition %d: the group moved on; rolled back", partition)
        finally:
            await self._end(shard)

    async def _serve(self, shard: Shard, catch_up: CatchUp) -> None:
        while not self._stopping:
            events = await self._next()
            if events:
                await catch_up.mind_gap(events[0].message.value[0].offset)
                await self._process(shard, events)
            if self._checkpoint_due(shard):
                await self._checkpoint(shard)
        await self._checkpoint(shard)

    async def _next(self) -> list[Any]:
        """All batches that wait, or none when a checkpoint is due or the end has come.

        Taken one by one, small batches would each wait for a delivery, and lag behind.
        """
        try:
            async with asyncio.timeout(self._patience()):
                events = [await self._queue.get()]
        except TimeoutError:
            return []
        while not self._queue.empty():
            events.append(self._queue.get_nowait())
        events = [event for event in events if event is not None]
        self._waiting -= sum(len(event.message.value) for event in events)
        if self._waiting <= CLEARED:
            self._around.release(self.partition)
        return events

    def _patience(self) -> float | None:
        """Seconds until a checkpoint is due; None while there is nothing to acknowledge."""
        if not self._unacknowledged:
            return None
        due_at = self._checkpointed_at + self._around.settings.checkpoint_seconds
        return max(0.0, due_at - time.monotonic())

    async def _process(self, shard: Shard, events: Sequence[Any]) -> None:
        records = [record for event in events for record in event.message.value]
        for first in range(0, len(records), SLICE_RECORDS):
            part = records[first : first + SLICE_RECORDS]
            packed = await self._around.compute(self._outputs_of, shard, part)
            await self._delivered()
            await self._fence()
            self._delivery = asyncio.ensure_future(self._around.publisher.deliver(packed))
        self._unacknowledged += events

    def _outputs_of(self, shard: Shard, records: Sequence[Any]) -> list[Packed]:
        outcome = shard.apply(records, self._around.shop)
        return self._around.publisher.packed(outputs(outcome, self._around.topic, self.partition))

    async def _delivered(self) -> None:
        """Return when all outputs so far are acknowledged by the broker."""
        if self._delivery is not None:
            await self._delivery
            self._delivery = None

    def _checkpoint_due(self, shard: Shard) -> bool:
        if not self._unacknowledged:
            return False
        return self._patience() == 0 or shard.changed_rows() >= (
            self._around.settings.checkpoint_rows
        )

    async def _checkpoint(self, shard: Shard) -> None:
        await self._delivered()
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
            if self._around.silence() < self._around.settings.session_timeout:
                return
            await asyncio.sleep(0.05)

    async def _end(self, shard: Shard) -> None:
        """Let the folder go; what is not in the checkpoint is forgotten."""
        self._ended = True
        if self._delivery is not None:
            await asyncio.gather(self._delivery, return_exceptions=True)
        await self._around.compute(shard.close)
