"""Whole numbers in as few bits as they need: unsigned fields, halves of ids, half bytes."""

from typing import Any

import numpy as np

from stream.core.compiled import kernel
from stream.core.rows import UInt8s

LOW = (1 << 32) - 1
NIBBLE = 15


@kernel
def signed(number: np.unsignedinteger[Any] | int) -> int:
    """What an unsigned field holds. `int` would keep it unsigned, and differences wrap."""
    return int(np.int64(number))


@kernel
def low_of(id: int) -> int:
    """The low 32 bits of an id, from 0 up."""
    return id & LOW


@kernel
def joined(high: int, low: int) -> int:
    """The id with these halves: `id >> 32` and `low_of(id)`."""
    return high << 32 | low


@kernel
def nibble_at(packed: UInt8s, place: int) -> int:
    """The number from 0 to 15 at this place, two a byte."""
    return signed(packed[place >> 1]) >> 4 * (place & 1) & NIBBLE


@kernel
def put_nibble(packed: UInt8s, place: int, number: int) -> None:
    """Write the number from 0 to 15 to this place, two a byte."""
    shift = 4 * (place & 1)
    others = signed(packed[place >> 1]) & ~(NIBBLE << shift)
    packed[place >> 1] = others | number << shift
