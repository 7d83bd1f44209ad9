"""Who was forgotten in the last week, told again by a new owner of the partition."""

import time
from collections.abc import AsyncIterator, Iterable

from stream.erasure import WEEK
from stream.outcome import Forgotten
from stream.shard import Shard
from stream.topology.around import Around
from stream.topology.inbox import fence
from stream.topology.log_reader import LogReader
from stream.topology.outputs import tombstones

NEAR = 1000
"""Requests at most so many records apart are read in one go."""


async def tell_again(around: Around, shard: Shard, generation: int) -> None:
    """Publish the tombstones of a week anew: the owner before may have sent a list after its own.

    The state knows which records asked; the ids are in these alone. Who has come back since is
    left out, for the newer list counts.
    """
    since = time.time() * 1000 - WEEK
    wanted = {one.offset for one in shard.erasures.requests if one.written_at > since}
    if not wanted:
        return
    forgotten = [one async for one in _read(around, shard, wanted)]
    packed = around.publisher.packed(tombstones(forgotten, around.topic, shard.partition))
    await fence(around, generation)
    await around.publisher.deliver(packed)


async def _read(around: Around, shard: Shard, wanted: set[int]) -> AsyncIterator[Forgotten]:
    async with LogReader(around.broker, around.topic, shard.partition) as reader:
        begins = await reader.first_offset()
        for first, last in _stretches(offset for offset in sorted(wanted) if offset >= begins):
            async for records in reader.read(first, last + 1):
                asking = [record for record in records if record.offset in wanted]
                for one in await around.compute(shard.still_forgotten, asking):
                    yield one


def _stretches(offsets: Iterable[int]) -> list[tuple[int, int]]:
    """First and last of those that are near each other.

    >>> _stretches([3, 5, 2000])
    [(3, 5), (2000, 2000)]
    """
    found: list[tuple[int, int]] = []
    for offset in offsets:
        if found and offset - found[-1][1] <= NEAR:
            found[-1] = (found[-1][0], offset)
        else:
            found.append((offset, offset))
    return found
