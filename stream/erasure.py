"""Forgetting shoppers: from memory at once, from the disk soon, and told again for a week."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from stream.core.ids import NONE
from stream.core.rows import Rows
from stream.core.sessions import ClockRow, Deadline
from stream.storage import codec
from stream.storage.checkpoint import Checkpoint
from stream.storage.codec import Erasure, Header

WEEK = 7 * 86_400_000
"""Milliseconds for which a new owner of the partition tells again who was forgotten."""
_decode = msgspec.msgpack.Decoder(list[Erasure]).decode


class Scrub(NamedTuple):
    """Rows to take off the disk, None for whatever is deleted, and the last request for it."""

    keys: list[int] | None
    offset: int


class Erasures:
    """What a partition was asked to forget, and what of it is still on its disk.

    The checkpoint of a request deletes the row, but the bytes stay in files until these are
    written anew. That takes a while, so it is done for several at once: `begin` it, `scrub`
    it in any thread, then `end` it. What was not ended is due again after
    the next start. Of the ids no list is kept: `requests` are the records that asked, and the
    log holds these for a week.
    """

    def __init__(self, checkpoint: Checkpoint, header: Header) -> None:
        stored = checkpoint.learned(codec.FORGOTTEN)
        self.requests: list[Erasure] = _decode(stored) if stored else []
        self._checkpoint = checkpoint
        self._header = header
        self._keys: list[int] = []
        self._stored_up_to = header.erasure.offset if header.erasure else -1
        self._all = self._stored_up_to > checkpoint.scrubbed()
        self._muted: dict[int, int] = {}

    def note(self, request: Erasure, key: int, known: bool, muted: bool) -> None:
        """Remember a request; with nothing `known` of the shopper there is nothing on the disk."""
        since = request.written_at - WEEK
        self.requests = [one for one in self.requests if one.written_at > since] + [request]
        if known:
            self._header.erasure = request
        if muted:
            self._muted[key] = request.offset

    def packed(self) -> bytes:
        """The requests, to be stored with the rows."""
        return msgspec.msgpack.encode(self.requests)

    def stored(self, removed: Sequence[int]) -> None:
        """A checkpoint deleted these rows."""
        self._keys += removed
        self._stored_up_to = self._header.erasure.offset if self._header.erasure else -1

    def due(self) -> bool:
        """Whether the disk still holds what a checkpoint deleted."""
        return self._all or bool(self._keys)

    def begin(self) -> Scrub:
        """What is to be scrubbed now; what is deleted meanwhile is due later."""
        self._checkpoint.begin_scrub()
        scrub = Scrub(None if self._all else self._keys, self._stored_up_to)
        self._keys, self._all = [], False
        return scrub

    def scrub(self, scrub: Scrub) -> None:
        """Take it off the disk, in any thread."""
        self._checkpoint.scrub(scrub.keys)

    def end(self, scrub: Scrub) -> None:
        """It is scrubbed: let the database name nothing of it either."""
        self._checkpoint.end_scrub(scrub.offset)

    def finish(self) -> None:
        """All of it here and now."""
        if self.due():
            scrub = self.begin()
            self.scrub(scrub)
            self.end(scrub)

    def came_later(self, key: int, offset: int) -> bool:
        """Whether a request that was applied in silence came after this record of the shopper."""
        return self._muted.get(key, -1) > offset


def without_deadlines(queue: Rows[Deadline], used: int, keys: Sequence[int]) -> int:
    """Take shoppers' deadlines out of the first `used`; how many are left."""
    rows = np.asarray(queue)[:used]
    others = rows[~np.isin(rows["key"], keys)]
    if len(others) < used:
        # Sorted, it is a heap again; which one makes no difference, for no two are equal.
        rows[: len(others)] = np.sort(others, order=["at", "key"])
    return len(others)


def without_witness(clock: ClockRow, key: int) -> None:
    """Keep the time that a shopper showed, but not who it was."""
    witnesses = clock.shoppers
    witnesses[witnesses == key] = NONE
