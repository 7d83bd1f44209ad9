"""How a worker comes by a partition's shard: from its folder, a snapshot, or the log."""

import logging

from stream.errors import Damaged
from stream.shard import Shard
from stream.storage import aside, headers
from stream.storage.snapshots import Manifest
from stream.stored import partition_folder
from stream.topology.around import Around
from stream.topology.log_reader import LogReader

log = logging.getLogger(__name__)

AHEAD = 100_000
"""Records that are read from the log sooner than a snapshot is fetched."""


class Opening:
    """Opens the shard of one partition.

    A damaged folder is moved aside and kept. Where a folder holds nothing, or far less than
    a snapshot, the newest good snapshot of this log and these settings takes its place; what
    follows is caught up from the log.
    """

    def __init__(self, around: Around, partition: int) -> None:
        self._around = around
        self._partition = partition
        self._path = partition_folder(around.state, partition)
        self._wanted = headers.first(around.settings, around.topic, partition, around.partitions)
        self.moved_aside = False

    async def shard(self) -> Shard:
        """The shard, as near to the end of the log as what is stored can bring it."""
        try:
            await self._prepare()
            return await self._open()
        except Damaged as error:
            return await self.anew(error)

    async def anew(self, error: Damaged) -> Shard:
        """Move the folder aside for this reason, and open what a snapshot or nothing gives."""
        kept = await self._around.compute(aside.move_aside, self._path, "damaged")
        log.error("%s; it is kept in %s and made anew", error, kept)
        self.moved_aside = True
        await self._prepare()
        return await self._open()

    async def done(self) -> None:
        """What was to come from the log has come."""
        await self._around.compute(aside.has_log, self._path)

    async def _open(self) -> Shard:
        around = self._around
        return await around.compute(
            Shard, self._path, self._partition, around.partitions, around.settings, around.topic
        )

    async def _prepare(self) -> None:
        """Let a snapshot take the folder's place, if that is worth it."""
        if aside.wants_log(self._path):
            return
        around = self._around
        stands = await around.compute(aside.stands_at, self._path)
        found = await around.snapshots.newest_first(self._path.name, stands + 1)
        if not found:
            return
        async with LogReader(around.broker, around.topic, self._partition) as reader:
            first, end = await reader.first_offset(), await reader.end_offset()
            lost = first > stands + 1

            async def fits(manifest: Manifest) -> bool:
                if stands >= 0 and not lost and manifest.offset < stands + AHEAD:
                    return False
                return await self._is_of_log(manifest, reader, first, end)

            await around.snapshots.restored(self._path, found, fits)

    async def _is_of_log(self, manifest: Manifest, reader: LogReader, first: int, end: int) -> bool:
        """Whether the state in a snapshot was made for this, of records of this log."""
        header = manifest.content.header
        if header is None or (why := headers.misfit(header, self._wanted)) is not None:
            log.error("%s: the snapshot at %d %s", self._path.name, manifest.offset, why)
            return False
        if manifest.offset >= end:
            log.error(
                "%s: the snapshot at offset %d is of another log: this one ends at %d",
                self._path.name, manifest.offset, end,
            )  # fmt: skip
            return False
        if first <= manifest.offset:
            async for records in reader.read(manifest.offset, manifest.offset + 1):
                if records and not headers.ends_with(header, records[0]):
                    log.error(
                        "%s: the snapshot at offset %d is of another log: there is another record",
                        self._path.name, manifest.offset,
                    )  # fmt: skip
                    return False
        return True
