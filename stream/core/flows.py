"""Moves between categories, each counted once for a shopper and a window of event time."""

import math

import numpy as np

from stream.core.compiled import kernel
from stream.core.rows import Int32s, Layout

REMEMBERED = 16
KEPT_WINDOWS = 4
"""An event counts in flows and demand if it is no more windows behind the partition's clock."""


class FlowRow:
    """The last moves of a shopper that were counted: a ring; a free place has no window.

    Past 16 distinct moves within a window one may count again. `windows` are numbers
    plus 1, 0 where a place is free.
    """

    windows: Int32s
    origins: Int32s
    targets: Int32s
    next: int


LAYOUT: Layout = np.dtype(
    [
        ("windows", "i4", REMEMBERED),
        ("origins", "i4", REMEMBERED),
        ("targets", "i4", REMEMBERED),
        ("next", "i4"),
    ],
    align=True,
)


@kernel
def window_of(at: float, length: float) -> int:
    """The number of the window that holds a time: window n begins n times `length` after 1970."""
    return math.floor(at / length)


@kernel
def note(row: FlowRow, window: int, origin: int, target: int) -> bool:
    """Whether this move of the shopper is the first of its kind in the window; it is noted."""
    for place in range(REMEMBERED):
        if (
            row.windows[place] == window + 1
            and row.origins[place] == origin
            and row.targets[place] == target
        ):
            return False
    row.windows[row.next] = window + 1
    row.origins[row.next] = origin
    row.targets[row.next] = target
    row.next = (row.next + 1) % REMEMBERED
    return True
