"""What a category sells lately: its most touched items, decayed by its own events."""

import numpy as np

from stream.core.compiled import kernel
from stream.core.rows import Float32s, Int32s, Layout

ITEMS = 32
NEWEST = 16
LEFT = np.float32(0.995)
"""What one more event of the category leaves of the weights of its items."""


class ShelfRow:
    """Row numbers of items, and how much each counts; the first `used` slots count."""

    used: int
    items: Int32s
    weights: Float32s


LAYOUT: Layout = np.dtype(
    [("used", "i4"), ("items", "i4", ITEMS), ("weights", "f4", ITEMS)], align=True
)


class ArrivalsRow:
    """Row numbers of the last items that the catalog brought; `written` came in all."""

    written: int
    items: Int32s


ARRIVALS: Layout = np.dtype([("written", "i4"), ("items", "i4", NEWEST)], align=True)


@kernel
def arrive(row: ArrivalsRow, item: int) -> None:
    """Put a new item in front, in place of the oldest."""
    row.items[row.written % NEWEST] = item
    row.written += 1


@kernel
def slot_of(row: ShelfRow, item: int) -> int:
    """The slot of `item`: its own, a free one, or the one that weighs least, emptied for it."""
    least = 0
    for slot in range(row.used):
        if row.items[slot] == item:
            return slot
        if row.weights[slot] < row.weights[least]:
            least = slot
    if row.used < len(row.items):
        least = int(row.used)
        row.used += 1
    row.items[least] = item
    row.weights[least] = 0.0
    return least


@kernel
def learn(row: ShelfRow, item: int) -> None:
    """Count an event of the category in one of its items."""
    for slot in range(row.used):
        row.weights[slot] *= LEFT
    row.weights[slot_of(row, item)] += np.float32(1.0)


@kernel
def total(row: ShelfRow) -> np.float32:
    """What all items on it count, and one more, so that a few events are no certainty."""
    every = np.float32(1.0)
    for slot in range(row.used):
        every += row.weights[slot]
    return every
