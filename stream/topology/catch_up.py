"""Brings a shard to where its group stands, from the log itself; nothing is published."""

import contextlib
import logging
from collections.abc import Callable, Iterator

import msgspec

from stream.errors import StreamError
from stream.messages import ALERTS, PredictedAlert
from stream.shard import Shard
from stream.topology.around import Around
from stream.topology.log_reader import LogReader, LostRange
from stream.topology.vitals import Part

log = logging.getLogger(__name__)

SLICE_RECORDS = 500
MARK = b'"kind":"predicted"'
_decode = msgspec.json.Decoder(PredictedAlert).decode
MADE_ANEW = "the topic was made anew: take a new --state folder and another --group"


class CatchUp:
    """What one shard does before its first new record, and where the log has a hole."""

    def __init__(self, around: Around, shard: Shard, part: Part) -> None:
        self._around = around
        self._shard = shard
        self._part = part
        self._where = f"{around.topic}[{shard.partition}]"
        self._log = logging.LoggerAdapter(log, {"partition": shard.partition})
        self._begins = 0
        """What is before it is known to be gone."""
        self._since: int | None = None
        """When the first record was written that was applied in silence, Unix milliseconds."""

    async def run(
        self, committed: int | None, stopping: Callable[[], bool], anew: bool = False
    ) -> None:
        """Read what the state lacks of what the group has committed; stop early when asked to.

        A state that is made `anew` had the log from its beginning.

        Raises
        ------
        StreamError
            If this log is not the one that the state was made from, or has lost what it lacks.
        """
        async with self._reader() as reader:
            begins, ends = await reader.first_offset(), await reader.end_offset()
            await self._check_log(reader, begins, ends, committed)
            if committed is None and self._shard.offset < 0 and not anew:
                # A new group begins with what there is.
                self._begins = begins
                return
            self._check_lost(begins)
            if committed is not None and committed <= self._shard.offset:
                self._log.info(
                    "%s: the group stands at %d; the state knows what follows up to %d, skips it",
                    self._where, committed, self._shard.offset,
                )  # fmt: skip
            if committed is not None:
                await self._replay(reader, committed, stopping)
        if self._since is not None and not stopping():
            await self._take_over(self._since)

    async def mind_gap(self, first: int) -> None:
        """A record came that is not the state's next one: see whether the log lost those between.

        Most gaps are no losses: transactions leave markers that take up offsets.
        """
        if first > max(self._shard.offset + 1, self._begins):
            async with self._reader() as reader:
                self._check_lost(min(first, await reader.first_offset()))

    def _reader(self) -> LogReader:
        return LogReader(self._around.broker, self._around.topic, self._shard.partition)

    async def _check_log(
        self, reader: LogReader, begins: int, ends: int, committed: int | None
    ) -> None:
        shard, where = self._shard, self._where
        if shard.offset >= ends:
            raise StreamError(
                f"state: stands at offset {shard.offset} of {where}, which ends at {ends}: "
                f"{MADE_ANEW}"
            )
        if committed is not None and committed > ends:
            raise StreamError(
                f"state: the group {self._around.group} has committed offset {committed} of "
                f"{where}, which ends at {ends}: {MADE_ANEW}"
            )
        if shard.offset < begins:
            return
        async for records in reader.read(shard.offset, shard.offset + 1):
            if records and not shard.stands_at(records[0]):
                raise StreamError(
                    f"state: another record stands at offset {shard.offset} of {where}: {MADE_ANEW}"
                )

    def _check_lost(self, begins: int) -> None:
        """Refuse to go on, or say loudly that it does, where the log begins too late."""
        lacks = max(self._shard.offset + 1, self._begins)
        if lacks >= begins:
            return
        lost = f"{self._where} no longer holds offsets {lacks} to {begins - 1}"
        if self._around.settings.lost_range == "stop":
            raise StreamError(
                f"state: {lost}, which {self._around.state} lacks: restore a snapshot, or set "
                "lost_range = 'continue' to go on without those records"
            )
        self._log.error("%s; going on without those records", lost)
        self._shard.counts["lost_records"] += begins - lacks
        self._begins = begins

    async def _replay(
        self, reader: LogReader, committed: int, stopping: Callable[[], bool]
    ) -> None:
        while not stopping():
            first = max(self._shard.offset + 1, self._begins)
            if first >= committed:
                return
            self._log.info("%s: catching up %d records", self._where, committed - first)
            try:
                await self._read(reader, first, committed, stopping)
                return
            except LostRange:
                # It was deleted since we looked.
                self._check_lost(await reader.first_offset())

    async def _take_over(self, since: int) -> None:
        """Learn what others foretold meanwhile, so that outcomes follow it.

        An alert was written after its record was, so none before `since` is missed.
        """
        shard, alerts = self._shard, list[PredictedAlert]()
        async with LogReader(self._around.broker, ALERTS, shard.partition) as reader:
            first, end = await reader.offset_at(since), await reader.end_offset()
            async for records in reader.read(first, end):
                alerts += [alert for record in records for alert in _predicted(record.value)]
        found = await self._around.compute(shard.take_over, alerts)
        if found:
            self._log.info(
                "%s: %d predictions of others wait for their outcome", self._where, found
            )

    async def _read(
        self, reader: LogReader, first: int, committed: int, stopping: Callable[[], bool]
    ) -> None:
        around, shard = self._around, self._shard
        async for records in reader.read(first, committed):
            if self._since is None and records:
                self._since = records[0].timestamp
            for start in range(0, len(records), SLICE_RECORDS):
                part = records[start : start + SLICE_RECORDS]
                await around.compute(shard.apply, part, around.shop, muted=True)
                self._part.catching_up(max(0, committed - shard.offset - 1))
            if stopping():
                return
            if shard.changed_rows() >= around.settings.checkpoint_rows:
                await around.compute(shard.checkpoint)
        await around.compute(shard.checkpoint)


def _predicted(value: bytes | None) -> Iterator[PredictedAlert]:
    """The alert, if it is a predicted one."""
    if value is not None and MARK in value:
        with contextlib.suppress(msgspec.DecodeError):
            yield _decode(value)
