"""Records in time order: noticed where they are not, and sorted on disk."""

import heapq
import tempfile
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import IO, NamedTuple

import msgspec

from stream.storage.event_log.records import Accepted, Record

RUN_BYTES = 64 << 20
BLOCK = 256
"""Records read from a run at once."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Accepted]).decode
_timestamp = attrgetter("timestamp")


def watched(records: Iterator[Record], say: Callable[[str], None]) -> Iterator[Record]:
    """The same records; the first one that is earlier than one before it is said."""
    latest, in_order = -(1 << 63), True
    for record in records:
        if in_order and type(record) is Accepted:
            if record.timestamp < latest:
                in_order = False
                say(
                    f"{record.source}, line {record.line}: earlier than an event before it; "
                    "events are taken as they come (--sort puts them in time order)"
                )
            latest = record.timestamp
        yield record


def by_time(records: Iterator[Record], run_bytes: int = RUN_BYTES) -> Iterator[Record]:
    """The accepted records in time order, those of the same time as they came.

    Others are passed on as they are met, so before all accepted ones. Memory holds
    one run of about `run_bytes`; the rest is in a temporary file.
    """
    with tempfile.TemporaryFile() as file:
        runs: list[_Run] = []
        pending: list[Accepted] = []
        size = 0
        for record in records:
            if type(record) is not Accepted:
                yield record
                continue
            # Decoding again is cheaper than writing what was decoded.
            pending.append(record._replace(touches=None))
            # What Python itself needs for a record, by and large, beside its bytes.
            size += len(record.value) + 400
            if size >= run_bytes:
                runs.append(_written(pending, file))
                pending, size = [], 0
        pending.sort(key=_timestamp)
        # Runs hold what came earlier, and merge prefers the first of equals: the order is stable.
        yield from heapq.merge(*(run.records(file) for run in runs), pending, key=_timestamp)


class _Run(NamedTuple):
    """A sorted stretch of the file."""

    start: int
    end: int

    def records(self, file: IO[bytes]) -> Iterator[Accepted]:
        at = self.start
        while at < self.end:
            file.seek(at)
            length = int.from_bytes(file.read(4), "big")
            yield from _decode(file.read(length))
            at += 4 + length


def _written(pending: list[Accepted], file: IO[bytes]) -> _Run:
    pending.sort(key=_timestamp)
    start = file.seek(0, 2)
    for place in range(0, len(pending), BLOCK):
        block = _encode(pending[place : place + BLOCK])
        file.write(len(block).to_bytes(4, "big"))
        file.write(block)
    return _Run(start, file.tell())
