"""The shop as a whole, in the one member that owns category-flows: learn, deliver, acknowledge."""

import logging
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from stream.core.shop_counts import Findings, ShopCounts
from stream.core.tallies import Told
from stream.messages import FLOWS
from stream.topology.around import Around
from stream.topology.inbox import Inbox, Stale, fence
from stream.topology.log_reader import LogReader, LostRange
from stream.topology.outputs import Packed, shop_outputs

log = logging.getLogger(__name__)

SLICE_RECORDS = 500
_decode = msgspec.json.Decoder[Told](Told).decode


class ShopLane:
    """Makes population alerts and forecasts of the counts of all partitions.

    It stores nothing: who comes to own the topic reads again what the group has committed,
    in silence, and so knows what was told. Results are delivered before the counts that they
    come from are acknowledged: a crash repeats some, under the same ids, and loses none.

    `around` is that of category-flows, `partitions` how many the alerts have.
    """

    def __init__(self, around: Around, partitions: int, generation: int) -> None:
        self.partition = 0
        self.generation = generation
        self._around = around
        self._partitions = partitions
        self._inbox = Inbox(around, 0)
        self._shop = ShopCounts(around.settings)

    def put(self, event: Any) -> None:
        """Take a batch as it comes from Faust."""
        self._inbox.put(event)

    def ask_to_stop(self) -> None:
        """Finish the batch at hand and end."""
        self._inbox.ask_to_stop()

    async def run(self, committed: Awaitable[Mapping[int, int | None]]) -> None:
        """Know what the group has told, and go on from there until asked to stop."""
        self._inbox.open()
        try:
            await self._remember((await committed)[0] or 0)
            while not self._inbox.stopping:
                await self._process(await self._inbox.next())
        except Stale:
            log.warning("%s: the group moved on", FLOWS)
        finally:
            self._inbox.close()

    async def _remember(self, committed: int) -> None:
        """Read what was committed; nothing is told of it."""
        async with LogReader(self._around.broker, FLOWS, 0) as reader:
            end = min(committed, await reader.end_offset())
            first = await reader.first_offset()
            while first < end and not self._inbox.stopping:
                try:
                    async for records in reader.read(first, end):
                        await self._learn_in_slices(records)
                        if self._inbox.stopping:
                            return
                    first = end
                except LostRange:
                    # It was deleted since we looked.
                    first = await reader.first_offset()
        log.info("%s: ready before offset %d", FLOWS, end)

    async def _learn_in_slices(self, records: Sequence[Any]) -> None:
        for first in range(0, len(records), SLICE_RECORDS):
            part = records[first : first + SLICE_RECORDS]
            await self._around.compute(lambda part: list(self._found(part)), part)

    async def _process(self, events: Sequence[Any]) -> None:
        records = [record for event in events for record in event.message.value]
        for first in range(0, len(records), SLICE_RECORDS):
            part = records[first : first + SLICE_RECORDS]
            packed = await self._around.compute(self._outputs_of, part)
            await fence(self._around, self.generation)
            await self._around.publisher.deliver(packed)
        await fence(self._around, self.generation)
        for event in events:
            event.ack()

    def _outputs_of(self, records: Sequence[Any]) -> list[Packed]:
        return self._around.publisher.packed(
            output
            for findings in self._found(records)
            for output in shop_outputs(findings, self._partitions)
        )

    def _found(self, records: Iterable[Any]) -> Iterator[Findings]:
        """What there is to find after each clock; a key's end tells nothing new."""
        for record in records:
            if record.value is None:
                continue
            try:
                message = _decode(record.value)
            except msgspec.DecodeError as error:
                # A stranger wrote it, or a later version.
                log.error("%s[0]@%d is skipped: %s", FLOWS, record.offset, error)
                continue
            if self._shop.learn(message):
                findings = self._shop.find(record.offset)
                self._around.metrics.score(findings.forecasts)
                yield findings
