"""Batches of one partition on their way from Faust to their lane, and whether they still count."""

import asyncio
from typing import Any

from stream.topology.around import Around

CROWDED, CLEARED = 10_000, 2_500
"""Records that wait, from which a partition is held, and down to which it is released."""


class Stale(Exception):
    """What is in memory must be forgotten: the group counts on others now."""


class Inbox:
    """What waits for a lane; where that is much, the partition is held."""

    def __init__(self, around: Around, partition: int) -> None:
        self.stopping = False
        self._around = around
        self._partition = partition
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._waiting = 0
        self._closed = False

    def put(self, event: Any) -> None:
        """Take a batch as it comes from Faust; where many records wait, ask for no more."""
        if self._closed:
            return
        self._queue.put_nowait(event)
        self._waiting += len(event.message.value)
        if self._waiting >= CROWDED:
            self._around.hold(self._partition)

    def ask_to_stop(self) -> None:
        """Let the lane finish what is at hand and end; what waits is read again later."""
        self.stopping = True
        self._queue.put_nowait(None)

    def open(self) -> None:
        """Ask for records again, whatever the lane before left."""
        self._around.release(self._partition)

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True

    async def next(self, patience: float | None = None) -> list[Any]:
        """All batches that wait; none after `patience` seconds, or when the end has come.

        Taken one by one, small batches would each wait for a delivery, and lag behind.
        """
        try:
            async with asyncio.timeout(patience):
                events = [await self._queue.get()]
        except TimeoutError:
            return []
        while not self._queue.empty():
            events.append(self._queue.get_nowait())
        events = [event for event in events if event is not None]
        self._waiting -= sum(len(event.message.value) for event in events)
        if self._waiting <= CLEARED:
            self._around.release(self._partition)
        return events


async def fence(around: Around, generation: int) -> None:
    """Go on only while the group still counts on this worker.

    A worker that was frozen wakes up here: it waits until the group has answered
    again, and then either nothing has changed or its generation is over.

    Raises
    ------
    Stale
        If the group's generation is another one now.
    """
    while True:
        if around.generation() != generation:
            raise Stale
        if around.silence() < around.settings.session_timeout:
            return
        await asyncio.sleep(0.05)
