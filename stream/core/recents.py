"""The last distinct items of one shopper, newest first, and how often and how far each went."""

import numpy as np

from stream.core.compiled import kernel
from stream.core.rows import Int64s, Layout, UInt8s

MOST_COUNTED = 250


class RecentsRow:
    """One shopper's recent items; the first `used` slots count, newest first.

    `actions` is the strongest so far: 0 viewed, 1 carted or wished for, 2 bought.
    """

    items: Int64s
    used: int
    counts: UInt8s
    actions: UInt8s


def layout(slots: int) -> Layout:
    """A row that remembers `slots` items."""
    return np.dtype(
        [("items", "i8", slots), ("used", "i4"), ("counts", "u1", slots), ("actions", "u1", slots)],
        align=True,
    )


@kernel
def place_of(row: RecentsRow, item: int) -> int:
    """Where `item` stands, or the place that it would take: the next, or the oldest."""
    for place in range(row.used):
        if row.items[place] == item:
            return place
    if row.used < len(row.items):
        row.used += 1
    place = int(row.used) - 1
    row.items[place] = item
    row.counts[place] = 0
    row.actions[place] = 0
    return place


@kernel
def push(row: RecentsRow, item: int, action: int) -> None:
    """Put `item` in front; it stands there once, however often it is pushed."""
    place = place_of(row, item)
    count = min(int(row.counts[place]) + 1, MOST_COUNTED)
    strongest = max(int(row.actions[place]), action)
    while place > 0:
        row.items[place] = row.items[place - 1]
        row.counts[place] = row.counts[place - 1]
        row.actions[place] = row.actions[place - 1]
        place -= 1
    row.items[0] = item
    row.counts[0] = count
    row.actions[0] = strongest
