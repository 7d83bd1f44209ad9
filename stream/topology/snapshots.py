"""Snapshots in a running worker: made in the background, and what a new owner begins with."""

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from stream.errors import Damaged, StreamError
from stream.settings import Settings
from stream.shard import Shard
from stream.storage import content
from stream.storage.answers import answered
from stream.storage.aside import restore
from stream.storage.replica import MODEL
from stream.storage.snapshots import Content, Manifest, Snapshots
from stream.stored import partition_folder
from stream.topology.compute import Compute

log = logging.getLogger(__name__)

OFF = "off"
LOOK = 1.0
"""Seconds between looks whether another snapshot is done, of which one is made at a time."""
FROZEN = "frozen"
"""The folder, in the state folder, of copies that are on their way to the shared place."""
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Fits = Callable[[Manifest], Awaitable[bool]]


class Snapshotter:
    """Copies each partition and the shop model to a shared place now and then.

    The compute thread only makes hard links; one thread of its own copies. What goes
    wrong there is logged and tried again later: a worker does not depend on it.
    """

    def __init__(self, state: Path, settings: Settings, compute: Compute) -> None:
        url = settings.snapshot_url or str(state / "snapshots")
        self._snapshots = None if url == OFF else Snapshots(url)
        self._frozen = state / FROZEN
        self._settings = settings
        self._fingerprint = settings.fingerprint()
        self._compute = compute
        self._began = time.monotonic()
        self._made_at: dict[str, float] = {}
        self._newest: dict[str, int] = {}
        self._copier = ThreadPoolExecutor(1, thread_name_prefix="snapshots")
        self._under_way: set[asyncio.Future[None]] = set()
        shutil.rmtree(self._frozen, ignore_errors=True)

    def patience(self, shard: Shard) -> float | None:
        """Seconds until a shard that gets no events is considered; None where all is copied."""
        part = partition_folder(self._frozen, shard.partition).name
        if self._snapshots is None or self._copied(part, shard.offset):
            return None
        return max(self._wait(part), LOOK if self._under_way else 0.0)

    async def consider(self, shard: Shard) -> None:
        """Copy a shard that has written all in its checkpoint, if that is due."""
        part = partition_folder(self._frozen, shard.partition).name
        if self._due(part, shard.offset):
            folder = self._frozen / f"{part}-{shard.offset}"
            # As it is now: the shard goes on writing to its own.
            what = content.of_partition(part, shard.header)
            try:
                self._make_room()
                await self._compute(shard.freeze, folder)
            except Damaged:
                raise
            except StreamError as error:
                log.error("%s; no snapshot is made of %s", error, part)
                return
            self._send(folder, what)

    def consider_model(self, folder: Path, position: int) -> None:
        """Copy the shop model saved in this folder, if that is due. Call it between two saves."""
        if self._due(content.SHOP, position):
            frozen = self._frozen / f"{content.SHOP}-{position}"
            try:
                self._make_room()
                with answered(f"write {frozen}"):
                    frozen.mkdir()
                    # The next save puts another file in its place, and leaves this one.
                    os.link(folder / MODEL, frozen / MODEL)
            except StreamError as error:
                log.error("%s; no snapshot is made of the shop model", error)
                return
            self._send(frozen, content.of_model(self._fingerprint, position))

    def _make_room(self) -> None:
        with answered(f"write {self._frozen}"):
            self._frozen.mkdir(parents=True, exist_ok=True)

    async def newest_first(self, part: str, least: int) -> list[Manifest | Damaged]:
        """The snapshots of a part at this offset or above; none where they can't be had."""
        if self._snapshots is None:
            return []
        found = self._snapshots.newest_first(part, self._fingerprint)
        try:
            every = await self._in_copier(list, found)
        except StreamError as error:
            log.error("%s; going on without snapshots", error)
            return []
        self._note_newest(part, every)
        return [one for one in every if isinstance(one, Damaged) or one.offset >= least]

    def _note_newest(self, part: str, found: Iterable[Manifest | Damaged]) -> None:
        """A restart does not put off the next snapshot."""
        made = [(one.made_at, one.offset) for one in found if isinstance(one, Manifest)]
        if made:
            made_at, self._newest[part] = max(made)
            self._made_at[part] = time.monotonic() - max(0.0, time.time() - made_at)

    async def restored(self, path: Path, found: Iterable[Manifest | Damaged], fits: Fits) -> bool:
        """Put the first good one of these, if it fits, in the place of a folder.

        Why others were not taken is in the log.
        """
        for one in found:
            if isinstance(one, Damaged):
                log.error("%s; trying an older snapshot", one)
            elif await fits(one) and await self._taken(one, path):
                return True
        return False

    def close(self) -> None:
        """Wait for the file that is being copied, and give up the rest."""
        if self._snapshots is not None:
            self._snapshots.closed = True
        self._copier.shutdown(cancel_futures=True)
        shutil.rmtree(self._frozen, ignore_errors=True)

    def _due(self, part: str, offset: int) -> bool:
        for sent in self._under_way:
            if sent.done():
                # A bug: it must not go on unseen.
                sent.result()
        if self._snapshots is None or self._under_way:
            return False
        if self._copied(part, offset) or self._wait(part):
            return False
        self._made_at[part] = time.monotonic()
        return True

    def _copied(self, part: str, offset: int) -> bool:
        """Whether its newest snapshot has all up to this offset."""
        return self._newest.get(part, -1) == offset

    def _wait(self, part: str) -> float:
        """Seconds until it is time for a part's next snapshot."""
        since = self._made_at.get(part, self._began)
        return max(0.0, since + self._settings.snapshot_every - time.monotonic())

    def _send(self, folder: Path, what: Content) -> None:
        sending = asyncio.ensure_future(self._in_copier(self._copy, folder, what))
        self._under_way.add(sending)
        sending.add_done_callback(self._note_sent)

    def _note_sent(self, sent: "asyncio.Future[None]") -> None:
        if sent.cancelled() or sent.exception() is None:
            self._under_way.discard(sent)

    def _copy(self, folder: Path, what: Content) -> None:
        assert self._snapshots is not None
        try:
            made = self._snapshots.save(folder, what)
            self._newest[what.part] = what.offset
            log.info("%s: snapshot at offset %d, %d bytes", what.part, what.offset, made.size)
            self._snapshots.prune(what.part, what.settings, self._settings.snapshots_kept)
            if what.header is not None and what.header.erasure is not None:
                self._withdraw(what.part, what.header.erasure.offset)
        except StreamError as error:
            if not self._snapshots.closed:
                log.error("%s; again in %g s", error, self._settings.snapshot_every)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _withdraw(self, part: str, before: int) -> None:
        assert self._snapshots is not None
        gone = self._snapshots.withdraw(part, before)
        if gone:
            log.info("%s: %d snapshots from before an erasure removed", part, gone)

    async def _taken(self, manifest: Manifest, path: Path) -> bool:
        assert self._snapshots is not None
        try:
            await self._in_copier(restore, self._snapshots, manifest, path)
        except StreamError as error:
            log.error("%s; trying an older snapshot", error)
            return False
        log.info("%s: begins with the snapshot at offset %d", path.name, manifest.offset)
        return True

    async def _in_copier(
        self, call: Callable[Parameters, Result], *args: Parameters.args, **named: Parameters.kwargs
    ) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._copier, lambda: call(*args, **named))
