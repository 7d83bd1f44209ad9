"""The last distinct items of one shopper, newest first, and how often and how far each went.

A row takes the low half of an item's id for the item, and has the high half of the newest
alone, which are told to other shards: of a million items, a given one shares its half with
another with a chance of 1 in 4,300, and two of a shopper's with 1 in 9 million. An older one
has its row in the shop by then, or is among what the partition touched lately.
"""

import numpy as np

from stream.core.bits import joined, low_of, signed
from stream.core.compiled import kernel
from stream.core.lately import whole
from stream.core.rows import Int32s, Int64s, Layout, UInt8s, UInt32s
from stream.core.updates import RECENT

MOST_COUNTED = 63


class RecentsRow:
    """One shopper's recent items; the first `used` slots count, newest first.

    `lows` and `highs` are the halves of their ids. A mark is how often the item was touched,
    and in its two top bits the strongest action so far: 0 viewed, 1 carted or wished for,
    2 bought.
    """

    highs: Int32s
    lows: UInt32s
    marks: UInt8s
    used: int


def layout(slots: int) -> Layout:
    """A row that remembers `slots` items."""
    return np.dtype(
        [
            ("highs", "i4", min(slots, RECENT)),
            ("lows", "u4", slots),
            ("marks", "u1", slots),
            ("used", "u2"),
        ],
        align=True,
    )


@kernel
def length(row: RecentsRow) -> int:
    """How many items it has."""
    return signed(row.used)


@kernel
def low_at(row: RecentsRow, place: int) -> int:
    """The low half of an item's id."""
    return signed(row.lows[place])


@kernel
def item_at(row: RecentsRow, place: int) -> int:
    """The id of one of the newest items."""
    return joined(signed(row.highs[place]), low_at(row, place))


@kernel
def whole_at(row: RecentsRow, place: int, lately: Int64s) -> int:
    """An item's id, NONE where it is known no more."""
    return item_at(row, place) if place < len(row.highs) else whole(lately, low_at(row, place))


@kernel
def count_at(row: RecentsRow, place: int) -> int:
    """How often an item was touched, at most MOST_COUNTED times."""
    return signed(row.marks[place]) & MOST_COUNTED


@kernel
def action_at(row: RecentsRow, place: int) -> int:
    """How far an item went at most."""
    return signed(row.marks[place]) >> 6


@kernel
def place_of(row: RecentsRow, item: int) -> int:
    """Where `item` stands, or the place that it would take: the next, or the oldest."""
    low, used = low_of(item), length(row)
    for place in range(used):
        if low_at(row, place) == low:
            return place
    if used < len(row.lows):
        used += 1
    row.used = used
    row.marks[used - 1] = 0
    return used - 1


@kernel
def push(row: RecentsRow, item: int, action: int) -> None:
    """Put `item` in front; it stands there once, however often it is pushed."""
    place = place_of(row, item)
    count = min(count_at(row, place) + 1, MOST_COUNTED)
    strongest = max(action_at(row, place), action)
    while place > 0:
        row.lows[place] = row.lows[place - 1]
        row.marks[place] = row.marks[place - 1]
        if place < len(row.highs):
            row.highs[place] = row.highs[place - 1]
        place -= 1
    row.lows[0] = low_of(item)
    row.highs[0] = item >> 32
    row.marks[0] = count | strongest << 6
