"""One assigned partition in a worker: catch up, apply, deliver, checkpoint, acknowledge."""

import contextlib
import logging
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from stream.errors import Damaged, StreamError
from stream.messages import UPDATES
from stream.shard import Shard
from stream.topology.around import Around
from stream.topology.catch_up import CatchUp
from stream.topology.inbox import Inbox, Stale, fence
from stream.topology.opening import Opening
from stream.topology.outputs import Packed, flow_outputs, outputs
from stream.topology.retelling import tell_again
from stream.topology.scrubbing import Scrubbing
from stream.topology.vitals import Part

log = logging.getLogger(__name__)

# Some 10 ms of work: other partitions and the shop model get the compute thread in between.
SLICE_RECORDS = 500


class Lane:
    """Runs one partition until it is asked to stop, or finds that the group moved on.

    In this order a crash repeats an output, under the same id, and loses none:
    deliver, checkpoint, acknowledge. A slice is computed once the shop model has learned the
    one before: in a backlog, lists would lag behind what the shop knows. Other lanes compute
    meanwhile.
    """

    def __init__(self, around: Around, partition: int, generation: int) -> None:
        self.partition = partition
        self.generation = generation
        self._around = around
        self._inbox = Inbox(around, partition)
        self._opening = Opening(around, partition)
        self._at_hand: list[Any] = []
        """Batches of which outputs may be delivered, but not all are."""
        self._unacknowledged: list[Any] = []
        self._settled: int | None = None
        """What the group has committed, or this lane acknowledged: all outputs below are out."""
        self._checkpointed_at = time.monotonic()
        self._part = Part()

    def put(self, event: Any) -> None:
        """Take a batch as it comes from Faust."""
        self._inbox.put(event)

    def ask_to_stop(self) -> None:
        """Finish the batch at hand, checkpoint, and end; what waits is read again later."""
        self._inbox.ask_to_stop()

    async def run(self, committed: Awaitable[Mapping[int, int | None]]) -> None:
        """Open the shard, catch up with the group, and serve until asked to stop."""
        self._inbox.open()
        shard = await self._opening.shard()
        try:
            self._part = self._around.metrics.vitals.opened(
                self.partition, lambda: self._around.lag(self.partition, shard.offset)
            )
            self._settled = (await committed)[self.partition]
            try:
                await self._serve(shard)
            except Damaged as error:
                shard = await self._anew(shard, error)
                await self._serve(shard)
        except Stale:
            where = {"partition": self.partition}
            log.warning(
                "partition %d: the group moved on; rolled back", self.partition, extra=where
            )
        finally:
            await self._end(shard)

    async def _anew(self, shard: Shard, error: Damaged) -> Shard:
        """The shard of a folder that takes the damaged one's place."""
        self._part.ready = False
        self._around.questions.close(self.partition)
        with contextlib.suppress(StreamError):
            await self._around.compute(shard.close)
        return await self._opening.anew(error)

    async def _serve(self, shard: Shard) -> None:
        """Catch up, do again what is at hand and not acknowledged, and then what comes."""
        catch_up = CatchUp(self._around, shard, self._part)
        events = self._unacknowledged + self._at_hand
        self._unacknowledged = []
        # What is before these was acknowledged.
        until = events[0].message.value[0].offset if events else self._settled
        anew = self._opening.moved_aside
        await catch_up.run(until, lambda: self._inbox.stopping, anew)
        if not self._inbox.stopping:
            await self._opening.done()
        self._around.metrics.read(shard)
        self._around.questions.open(shard)
        self._part.begin()
        where = {"partition": self.partition}
        log.info("partition %d: ready after offset %d", self.partition, shard.offset, extra=where)
        if events and not self._inbox.stopping:
            await self._take(shard, catch_up, events)
        scrubbing = Scrubbing(shard, self._around.compute)
        try:
            await tell_again(self._around, shard, self.generation)
            await self._follow(shard, catch_up, scrubbing)
        finally:
            # The shard can't close before.
            await scrubbing.wait()

    async def _follow(self, shard: Shard, catch_up: CatchUp, scrubbing: Scrubbing) -> None:
        while not self._inbox.stopping:
            await scrubbing.tend()
            waits = self._patience(), scrubbing.patience(), self._copy_patience(shard, scrubbing)
            events = await self._inbox.next(_soonest(waits))
            if events:
                await self._take(shard, catch_up, events)
            if self._checkpoint_due(shard):
                await self._checkpoint(shard)
            if self._may_copy(scrubbing):
                await self._around.snapshots.consider(shard)
        await self._checkpoint(shard)
        await scrubbing.finish()

    async def _take(self, shard: Shard, catch_up: CatchUp, events: list[Any]) -> None:
        self._at_hand = events
        await catch_up.mind_gap(events[0].message.value[0].offset)
        await self._process(shard, events)
        self._unacknowledged += events
        self._at_hand = []

    def _patience(self) -> float | None:
        """Seconds until a checkpoint is due; None while there is nothing to acknowledge."""
        if not self._unacknowledged:
            return None
        due_at = self._checkpointed_at + self._around.settings.checkpoint_seconds
        return max(0.0, due_at - time.monotonic())

    def _may_copy(self, scrubbing: Scrubbing) -> bool:
        """Whether all is in the checkpoint, and nobody in it who is forgotten."""
        return not self._unacknowledged and scrubbing.patience() is None

    def _copy_patience(self, shard: Shard, scrubbing: Scrubbing) -> float | None:
        """Seconds until a snapshot is due of what was read, if no more is."""
        return self._around.snapshots.patience(shard) if self._may_copy(scrubbing) else None

    async def _process(self, shard: Shard, events: Sequence[Any]) -> None:
        self._part.unsaved = True
        records = [record for event in events for record in event.message.value]
        for first in range(0, len(records), SLICE_RECORDS):
            part = records[first : first + SLICE_RECORDS]
            packed = await self._around.compute(self._outputs_of, shard, part)
            await fence(self._around, self.generation)
            ends = await self._around.publisher.deliver(packed)
            await self._around.learned(ends.get((UPDATES, 0), 0))

    def _outputs_of(self, shard: Shard, records: Sequence[Any]) -> list[Packed]:
        outcome, topic = shard.apply(records, self._around.shop), self._around.topic
        told = flow_outputs(shard.flows(), topic, self.partition)
        self._around.metrics.read(shard)
        self._around.metrics.refused(outcome.dead_letters)
        return self._around.publisher.packed(chain(outputs(outcome, topic, self.partition), told))

    def _checkpoint_due(self, shard: Shard) -> bool:
        if not self._unacknowledged:
            return False
        return self._patience() == 0 or shard.changed_rows() >= (
            self._around.settings.checkpoint_rows
        )

    async def _checkpoint(self, shard: Shard) -> None:
        await fence(self._around, self.generation)
        began = time.monotonic()
        await self._around.compute(shard.checkpoint)
        self._checkpointed_at = time.monotonic()
        self._part.checkpointed(self._checkpointed_at - began)
        for event in self._unacknowledged:
            event.ack()
            self._settled = event.message.value[-1].offset + 1
        self._unacknowledged.clear()

    async def _end(self, shard: Shard) -> None:
        """Let the folder go; what is not in the checkpoint is forgotten."""
        self._inbox.close()
        self._around.questions.close(self.partition)
        self._around.metrics.forget(self.partition)
        self._around.metrics.vitals.closed(self.partition, self._part)
        await self._around.compute(shard.close)


def _soonest(waits: Iterable[float | None]) -> float | None:
    """The shortest of these waits, None for no end."""
    return min((wait for wait in waits if wait is not None), default=None)
