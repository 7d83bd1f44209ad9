"""State as rows of named fields: the same bytes in memory, in kernels and on disk."""

import hashlib
from collections.abc import Iterator
from typing import Any, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Int8s = NDArray[np.int8]
Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]
UInt8s = NDArray[np.uint8]
UInt16s = NDArray[np.uint16]
UInt32s = NDArray[np.uint32]
Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]
Layout = np.dtype[np.void]
Row_co = TypeVar("Row_co", covariant=True)


class Rows(Protocol[Row_co]):
    """An array of rows. A row is a view: what a kernel writes to it, the array holds."""

    @property
    def dtype(self) -> Layout: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Row_co: ...
    def __iter__(self) -> Iterator[Row_co]: ...
    def tobytes(self) -> bytes: ...


def zeros(count: int, layout: Layout, row: type[Row_co]) -> Rows[Row_co]:
    """`count` empty rows whose fields are those of the class `row`.

    Zeros matter: the padding between fields is hashed and stored too.
    """
    if layout.names != _fields(row):
        raise ValueError(f"{row.__name__} and its layout differ: {layout.names}")
    taken = [name for name in layout.names if hasattr(np.record, name)]
    if taken:
        # Compiled code would not mind, but plain Python finds NumPy's method instead.
        raise ValueError(f"fields can't be named like NumPy's methods: {taken}")
    # A recarray, so that row.field also works when the kernels run uncompiled.
    return cast(Rows[Row_co], np.zeros(count, layout).view(np.recarray))


def _fields(row: type) -> tuple[str, ...]:
    """The names that a class declares, those of the classes it widens first."""
    every = [vars(kind).get("__annotations__", {}) for kind in reversed(row.__mro__)]
    return tuple(name for names in every for name in names)


def copied(source: NDArray[np.void], count: int) -> Rows[Any]:
    """The same rows as the first of `count`, the rest empty; safe to give to kernels.

    `frombuffer` may be unaligned, and kernels write even to read-only rows, through
    to the `bytes` object. `copy()` would leave what is between the fields undefined.
    """
    room = np.zeros(count, source.dtype)
    room[: len(source)] = source
    return cast(Rows[Any], room.view(np.recarray))


def grown(rows: Rows[Row_co], count: int) -> Rows[Row_co]:
    """The same rows with room for `count`: capacity is the next power of two."""
    return copied(np.asarray(rows), 1 << int(count - 1).bit_length())


def fingerprint(layout: Layout) -> bytes:
    """Eight bytes that change when a field is added, renamed, resized or moved."""
    return hashlib.blake2b(repr(layout.descr).encode(), digest_size=8).digest()


def pack(rows: Rows[Row_co]) -> bytes:
    """The rows as stored: their layout's fingerprint, then their bytes."""
    return fingerprint(rows.dtype) + rows.tobytes()


def unpack(stored: bytes, layout: Layout, row: type[Row_co]) -> Rows[Row_co]:
    """The rows that `pack` stored; refuses those of another layout."""
    if stored[:8] != fingerprint(layout):
        raise ValueError(f"stored rows have another layout than {layout.names}; rebuild them")
    stored_rows = np.frombuffer(stored, layout, offset=8)
    return copied(stored_rows, len(stored_rows))
