"""How a shard's horizons are stored: small parts by key, and only those that changed."""

from collections.abc import Iterable

import numpy as np

from stream.core.foresight import Foresight
from stream.core.rows import Rows, fingerprint

CHUNK = 256
"""Rows of a table under one key."""
SMALL = ("opens", "learners", "precisions", "reaches", "stores")
LARGE = (("panel", "used", "panel_stored"), ("predictions", "predictions", "predictions_stored"))
NAMES = (*SMALL, *(name for name, _, _ in LARGE))
Part = tuple[bytes, bytes]


def key_of(horizon: int, name: str, chunk: int = 0) -> bytes:
    """Where a part is: six bytes that sort by horizon, then table, then place."""
    return bytes([horizon, NAMES.index(name)]) + chunk.to_bytes(4, "big")


def changed(own: Foresight) -> list[Part]:
    """Key and value of all that changed since the last call; the keys stay in use for ever."""
    parts: list[Part] = []
    for horizon in range(len(own.stores)):
        store = own.stores[horizon]
        for name, used, stored in LARGE:
            first, last = int(getattr(store, stored)), int(getattr(store, used))
            parts += _chunks(getattr(own, name), len(own.stores), horizon, name, first, last)
            setattr(store, stored, last)
        parts += [
            (key_of(horizon, name), _packed(np.asarray(getattr(own, name))[horizon : horizon + 1]))
            for name in SMALL
        ]
    return parts


def forget(own: Foresight, horizon: int, key: int) -> None:
    """Take a shopper's rows out of the tables; all are changed, and what is past them is empty."""
    store = own.stores[horizon]
    for name, used, stored in LARGE:
        table = np.asarray(getattr(own, name))
        size = len(table) // len(own.stores)
        part = table[horizon * size : (horizon + 1) * size]
        rows = part[: int(getattr(store, used))]
        others = rows[rows["key"] != key]
        part[: len(others)] = others
        part[len(others) :] = np.zeros((), part.dtype)
        setattr(store, used, len(others))
        setattr(store, stored, 0)
    store.taken = store.predictions


def restore(own: Foresight, parts: Iterable[Part]) -> None:
    """Take over what was stored, into tables of the same sizes.

    Raises
    ------
    ValueError
        If a part has another layout.
    """
    for key, value in parts:
        horizon, name, chunk = key[0], NAMES[key[1]], int.from_bytes(key[2:6], "big")
        table = np.asarray(getattr(own, name))
        rows = _unpacked(value, table, name)
        first = horizon * (len(table) // len(own.stores)) + chunk * CHUNK
        table[first : first + len(rows)] = rows


def _chunks(
    rows: Rows[object], horizons: int, horizon: int, name: str, first: int, last: int
) -> list[Part]:
    """The chunks that hold the rows from `first` up to `last` (excluded) of a horizon's part."""
    table, start = np.asarray(rows), horizon * (len(rows) // horizons)
    return [
        (
            key_of(horizon, name, chunk),
            _packed(table[start + chunk * CHUNK : start + min((chunk + 1) * CHUNK, last)]),
        )
        for chunk in range(first // CHUNK, -(-last // CHUNK))
        if first < last
    ]


def _packed(rows: np.ndarray) -> bytes:
    return fingerprint(rows.dtype) + rows.tobytes()


def _unpacked(value: bytes, table: np.ndarray, name: str) -> np.ndarray:
    if value[:8] != fingerprint(table.dtype):
        raise ValueError(f"stored {name} have another layout; rebuild them")
    return np.frombuffer(value, table.dtype, offset=8)
