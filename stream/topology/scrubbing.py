"""Takes forgotten shoppers' rows off a partition's disk, beside its work."""

import asyncio
import logging
import time

from stream.shard import Shard
from stream.topology.compute import Compute

log = logging.getLogger(__name__)

EVERY = 60.0
"""Seconds: the requests of so long are scrubbed together, for each time rewrites whole files."""
LOOK = 1.0
"""Seconds after which it is seen that one went wrong."""


class Scrubbing:
    """Scrubs what is due, the first time at once, then at most once in `EVERY` seconds."""

    def __init__(self, shard: Shard, compute: Compute) -> None:
        self._shard = shard
        self._compute = compute
        self._task: asyncio.Task[None] | None = None
        self._not_before = 0.0

    async def tend(self) -> None:
        """Begin if something is due; what went wrong in the last one is raised here."""
        if self._task is not None and self._task.done():
            await self.wait()
        if self._task is None and self.patience() == 0:
            self._task = asyncio.ensure_future(self._scrub())

    def patience(self) -> float | None:
        """Seconds until it should be tended; None while there is nothing to do."""
        if self._task is not None:
            return LOOK
        if not self._shard.erasures.due():
            return None
        return max(0.0, self._not_before - time.monotonic())

    async def finish(self) -> None:
        """Scrub all that is due, now."""
        await self.wait()
        if self._shard.erasures.due():
            await self._scrub()

    async def wait(self) -> None:
        """Return when nothing is being scrubbed."""
        if self._task is not None:
            task, self._task = self._task, None
            await task

    async def _scrub(self) -> None:
        shard, erasures = self._shard, self._shard.erasures
        self._not_before = time.monotonic() + EVERY
        scrub = await self._compute(erasures.begin)
        # Not in the thread that computes: rewriting files is the disk's work and takes a while.
        await asyncio.to_thread(erasures.scrub, scrub)
        await self._compute(erasures.end, scrub)
        where = {"partition": shard.partition}
        log.info("partition %d: erased up to offset %d", shard.partition, scrub.offset, extra=where)
