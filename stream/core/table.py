"""From 64-bit ids to row numbers: an open-addressing table in two arrays' worth of rows.

Linear probing over a power of two of cells, at most half of them taken, never
deleted from. It is derived state: it can be rebuilt from the ids in row order.
"""

import numpy as np

from stream.core.bits import low_of
from stream.core.compiled import kernel
from stream.core.ids import NONE
from stream.core.rows import Int32s, Int64s, Layout, Rows, zeros


class Cell:
    """One place of the table; `id` 0 is free."""

    id: int
    row: int


LAYOUT: Layout = np.dtype([("id", "i8"), ("row", "i4")], align=True)
MISSING = -1


@kernel
def home(low: int, cells: int) -> int:
    """Where the search begins for an id with this low half, whose last bits may be chosen."""
    return (low ^ (low >> 15)) & (cells - 1)


@kernel
def find(table: Rows[Cell], id: int) -> int:
    """The row number of `id`, or -1."""
    place = home(low_of(id), len(table))
    while table[place].id != NONE:
        if table[place].id == id:
            return int(table[place].row)
        place = (place + 1) & (len(table) - 1)
    return MISSING


@kernel
def find_low(table: Rows[Cell], low: int) -> int:
    """The row number of an id with this low half, or -1."""
    place = home(low, len(table))
    while table[place].id != NONE:
        if low_of(table[place].id) == low:
            return int(table[place].row)
        place = (place + 1) & (len(table) - 1)
    return MISSING


@kernel
def insert(table: Rows[Cell], id: int, row: int) -> None:
    """Remember an id that is not there yet; the caller keeps half of the cells free."""
    place = home(low_of(id), len(table))
    while table[place].id != NONE:
        place = (place + 1) & (len(table) - 1)
    table[place].id = id
    table[place].row = row


@kernel
def fill(table: Rows[Cell], ids: np.ndarray, count: int) -> None:
    """Remember the first `count` of `ids` under their positions."""
    for row in range(count):
        insert(table, ids[row], row)


@kernel
def number(table: Rows[Cell], ids: Int64s, first: Int64s, numbers: Int32s) -> int:
    """Number ids in the order in which they appear, NONE apart; how many distinct ones there are.

    They are left in `first`, their numbers in `numbers`; NONE has -1. The table is empty.
    """
    count = 0
    for place in range(len(ids)):
        found = MISSING
        if ids[place] != NONE:
            found = find(table, ids[place])
            if found == MISSING:
                found = count
                insert(table, ids[place], found)
                first[count] = ids[place]
                count += 1
        numbers[place] = found
    return count


def distinct(ids: Int64s) -> tuple[Int64s, Int32s]:
    """The distinct ids as they first appear, and of each id its place there, -1 for NONE.

    >>> first, places = distinct(np.array([7, 0, 5, 7]))
    >>> first.tolist(), places.tolist()
    ([7, 5], [0, -1, 1, 0])
    """
    first, numbers = np.empty(ids.size, np.int64), np.empty(ids.size, np.int32)
    count = number(empty(ids.size), np.array(ids, np.int64).ravel(), first, numbers)
    return first[:count], numbers.reshape(ids.shape)


def empty(room: int) -> Rows[Cell]:
    """A table in which `room` ids take at most half of the cells."""
    return zeros(max(16, 1 << int(2 * room - 1).bit_length()), LAYOUT, Cell)
