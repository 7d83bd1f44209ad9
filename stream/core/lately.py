"""Whole ids of what a partition's shoppers touched and the shop has yet to learn.

A shopper's row has no more than half of the id of an older item. Once the shop has learned the
item, its row there says the rest; until then this table does.
"""

from collections.abc import Iterable

import numpy as np

from stream.core import table
from stream.core.bits import low_of
from stream.core.compiled import kernel
from stream.core.ids import NONE
from stream.core.rows import Int64s, Rows
from stream.core.table import Cell

ROOM = 1 << 13
PROBES = 16
"""Places that an id may stand at, from where its low half says on; beyond, it is not kept."""


@kernel
def note(ids: Int64s, item: int) -> None:
    """Keep the id of an item that is touched."""
    place = table.home(low_of(item), len(ids))
    for _ in range(PROBES):
        if ids[place] == NONE or ids[place] == item:
            ids[place] = item
            return
        place = (place + 1) & (len(ids) - 1)


@kernel
def whole(ids: Int64s, low: int) -> int:
    """The id with this low half if it is kept, else NONE."""
    place = table.home(low, len(ids))
    for _ in range(PROBES):
        if ids[place] == NONE or low_of(ids[place]) == low:
            return int(ids[place])
        place = (place + 1) & (len(ids) - 1)
    return NONE


@kernel
def keep_unlearned(ids: Int64s, cells: Rows[Cell], room: Int64s) -> None:
    """Drop the ids that the shop has rows of."""
    count = 0
    for place in range(len(ids)):
        if ids[place] != NONE:
            if table.find(cells, ids[place]) < 0:
                room[count] = ids[place]
                count += 1
            ids[place] = NONE
    for number in range(count):
        note(ids, room[number])


class Lately:
    """The table of one partition; `ids` is what kernels read and write."""

    def __init__(self) -> None:
        self.ids: Int64s = np.zeros(ROOM, np.int64)
        self._room: Int64s = np.zeros(ROOM, np.int64)
        self._position = 0

    def note(self, items: Iterable[int]) -> None:
        """Keep the ids of items that were touched."""
        for item in items:
            note(self.ids, item)

    def meet(self, cells: Rows[Cell], position: int) -> None:
        """Drop what the shop has learned, where it has learned anything since the last time."""
        if position != self._position:
            keep_unlearned(self.ids, cells, self._room)
            self._position = position
