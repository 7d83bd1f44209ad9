"""How a partition's state is stored: keys, the header, rows. Versioned, no pickle."""

import math

import msgspec
import numpy as np
from msgspec import Struct

from stream.core.rows import Layout, fingerprint

FORMAT = 2
REBUILD = "make it anew from the log with `drift state rebuild`"
HEADER = b"h"
CALIBRATION = b"a"
CATEGORY = b"c"
EPOCH = b"e"
FORESIGHT = b"f"
AFTER_FORESIGHT = b"g"
PREDICTOR = b"p"
BLEND = b"b"
CLICKS = b"k"
FORGOTTEN = b"d"
SCRUBBED = b"x"
QUERIES = b"q"
ROW = b"r"
# One above the last row key: bytes sort as unsigned.
AFTER_ROWS = b"s"
TALLY = b"t"
AFTER_TALLIES = b"u"


class Erasure(Struct, frozen=True, array_like=True):
    """A request to forget a shopper: which record it was, and when it was written."""

    offset: int
    written_at: int
    """Unix milliseconds, as the log has it."""


class Header(Struct, kw_only=True):
    """Where a partition's state stands, and what made it. Written with the rows it speaks of."""

    format: int = FORMAT
    settings: str
    meaning: dict[str, object]
    layout: bytes
    topic: str
    partition: int
    partitions: int
    offset: int = -1
    """Of the last record applied, -1 before the first."""
    record_time: int = 0
    record_hash: int = 0
    clock: bytes = b""
    queue: bytes = b""
    categories: int = 0
    told_at: float = -math.inf
    """The clock when flows and demand were last told."""
    erasure: Erasure | None = None
    """The last one: snapshots of what was before it still hold the shopper."""
    counts: dict[str, int]
    epoch: int = 0
    """Of the newest writes; see `epochs`."""


class Version(Struct):
    """What headers of all formats say."""

    format: int
    epoch: int = 0


class OtherFormat(Exception):
    """A header of another format than this, which it names."""


def category_key(code: int) -> bytes:
    return CATEGORY + code.to_bytes(4, "big")


def row_key(key: int) -> bytes:
    """Where the row of a shopper is: the order of keys is that of their bytes.

    >>> row_key(-2).hex()
    '72fffffffffffffffe'
    """
    return ROW + key.to_bytes(8, "big", signed=True)


def key_of(row_key: bytes) -> int:
    """Whose row is under this key."""
    return int.from_bytes(row_key[len(ROW) :], "big", signed=True)


class RowCodec:
    """From rows in memory to stored values and back: the row's bytes, then the user id."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.size = layout.itemsize
        self.fingerprint = fingerprint(layout)
        self._whole = np.dtype((np.void, self.size))

    def values(self, rows: np.ndarray, slots: np.ndarray, users: list[str]) -> list[bytes]:
        """What to store for the rows in these slots; `users` is by slot."""
        parts: list[bytes] = rows.view(np.ndarray).view(self._whole)[slots].tolist()
        return [
            part + users[slot].encode() for part, slot in zip(parts, slots.tolist(), strict=True)
        ]

    def user(self, value: bytes) -> str:
        return value[self.size :].decode()

    def fill(self, rows: np.ndarray, slots: list[int], values: list[bytes]) -> None:
        """Put stored rows into these slots."""
        joined = b"".join(value[: self.size] for value in values)
        rows[slots] = np.frombuffer(joined, self.layout)


def encode(header: Header) -> bytes:
    return msgspec.msgpack.encode(header)


def decode(stored: bytes) -> Header:
    found = msgspec.msgpack.decode(stored, type=Version).format
    if found != FORMAT:
        raise OtherFormat(found)
    return msgspec.msgpack.decode(stored, type=Header)


def epoch_of(stored: bytes) -> int:
    """The epoch in a stored header, 0 where it can't be read."""
    try:
        return msgspec.msgpack.decode(stored, type=Version).epoch
    except msgspec.DecodeError:
        return 0
