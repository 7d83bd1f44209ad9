"""This process' whole copy of the shop model, kept up with shop-updates."""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from stream.core.shop import VERSION, ShopModel, Snapshot
from stream.core.updates import decode
from stream.errors import Damaged, StreamError
from stream.messages import UPDATES
from stream.settings import Settings
from stream.storage.aside import move_aside
from stream.storage.replica import load_model, save_model
from stream.storage.snapshots import Manifest
from stream.topology.compute import Compute
from stream.topology.log_reader import LogReader
from stream.topology.snapshots import Snapshotter
from stream.topology.vitals import Part

log = logging.getLogger(__name__)


class Replica:
    """Reads shop-updates from where the saved model stands, and saves it again now and then."""

    def __init__(
        self, broker: str, folder: Path, settings: Settings, compute: Compute,
        snapshots: Snapshotter, part: Part,
    ) -> None:  # fmt: skip
        self.shop = ShopModel(settings)
        self._settings = settings
        self._snapshots = snapshots
        self._broker = broker
        self._folder = folder
        self._every = settings.replica_save_seconds
        self._compute = compute
        self._part = part
        self._saved_at = time.monotonic()
        self._saved = -1
        self._saving: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()
        self._over = False
        # A thread of its own, so that one save is over before the next begins.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="replica")

    async def catch_up(self) -> None:
        """Return when the replica knows all that was published when this was called."""
        async with LogReader(self._broker, UPDATES, 0) as reader:
            end = await reader.end_offset()
            self.shop = await self._stored(end)
            await self._start_from_what_there_is(reader, end)
            self._part.catching_up(end - self.shop.position)
            async for records in reader.read(self.shop.position, end):
                await self._apply(records)
                self._part.catching_up(end - self.shop.position)
        self._part.begin()
        log.info("shop model: complete up to %d of %s", self.shop.position, UPDATES)

    async def follow(self) -> None:
        """Apply updates as they come, until cancelled; a save does not hold them up."""
        try:
            await self._follow()
        finally:
            self._over = True
            await self._tell()

    async def _follow(self) -> None:
        async with LogReader(self._broker, UPDATES, 0) as reader:
            self._part.lag = reader.lag
            async for records in reader.read(self.shop.position):
                if records:
                    await self._apply(records)
                    self._part.catching_up(0)
                await self._tend()

    async def learned(self, position: int) -> None:
        """Return when all before this offset of shop-updates is learned, or none will be more."""
        async with self._news:
            await self._news.wait_for(lambda: self._over or self.shop.position >= position)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def save(self) -> None:
        """Write the model as it is now, after a save that is under way."""
        if self._saving is not None:
            await self._saving
        await (await self._begin_save())

    async def _tend(self) -> None:
        """See to saves and snapshots."""
        if self._saving is not None:
            if self._saving.done():
                await self._saving
                self._saving = None
        elif self.shop.position == self._saved:
            self._snapshots.consider_model(self._folder, self._saved)
        elif time.monotonic() - self._saved_at >= self._every:
            self._saving = await self._begin_save()

    async def _begin_save(self) -> "asyncio.Task[None]":
        """Copy the arrays in the compute thread; another writes them, while this one goes on."""
        self._saved_at = time.monotonic()
        snapshot = await self._compute(self.shop.snapshot)
        return asyncio.ensure_future(self._save(snapshot))

    async def _save(self, snapshot: Snapshot) -> None:
        await asyncio.get_running_loop().run_in_executor(
            self._writer, save_model, snapshot, self._folder
        )
        self._saved = snapshot.position
        self._part.checkpointed(time.monotonic() - self._saved_at)
        self._snapshots.consider_model(self._folder, snapshot.position)

    def close(self) -> None:
        """Wait for the file that is being written."""
        if self._saving is not None:
            self._saving.cancel()
        self._writer.shutdown()

    async def _stored(self, end: int) -> ShopModel:
        """The saved model, or that of a snapshot that knows more; else an empty one."""
        try:
            own = await self._compute(load_model, self._folder, self._settings)
        except Damaged as error:
            kept = await self._compute(move_aside, self._folder, "damaged")
            log.error("%s; it is kept in %s and made anew", error, kept)
            own = None
        least = own.position + 1 if own else 0

        async def fits(manifest: Manifest) -> bool:
            return manifest.offset <= end and manifest.content.format == VERSION

        found = await self._snapshots.newest_first(self._folder.name, least)
        if await self._snapshots.restored(self._folder, found, fits):
            own = await self._compute(load_model, self._folder, self._settings)
        return own or ShopModel(self._settings)

    async def _start_from_what_there_is(self, reader: LogReader, end: int) -> None:
        if self.shop.position > end:
            raise StreamError(
                f"state: the shop model in {self._folder} stands at {self.shop.position} of "
                f"{UPDATES}, which ends at {end}: the topic was made anew; "
                "remove that folder to learn from what it holds now"
            )
        first = await reader.first_offset()
        if self.shop.position < first:
            log.warning("%s[0] begins at %d: what was before is not learned", UPDATES, first)
            self.shop.position = first

    async def _apply(self, records: Sequence[Any]) -> None:
        await self._compute(self._learn, records)
        await self._tell()

    def _learn(self, records: Sequence[Any]) -> None:
        for record in records:
            try:
                self.shop.apply(decode(record.value or b""), record.offset)
            except StreamError as error:
                # All replicas skip it, so that they stay alike.
                log.error("%s[0]@%d is skipped: %s", UPDATES, record.offset, error)
                self.shop.position = record.offset + 1
