"""Rows that are found by 64-bit ids and numbered in the order in which the ids came."""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from stream.core import table
from stream.core.compiled import kernel
from stream.core.rows import Int32s, Int64s, Layout, Rows, copied, grown, zeros
from stream.core.table import MISSING, Cell

SMALLEST = 16


class Identified(Protocol):
    """Any row that holds its own id."""

    id: int


Row = TypeVar("Row", bound=Identified)


@kernel
def find_all(cells: Rows[Cell], ids: Int64s, numbers: Int32s) -> None:
    """The row number of each id, or -1."""
    for place in range(len(ids)):
        numbers[place] = table.find(cells, ids[place])


@kernel
def number_new(numbers: Int32s, order: Int32s, first: int, new: Int32s) -> int:
    """Number what has no number yet in the order of `order`, from `first` on; how many there are.

    Their indexes are left in `new`.
    """
    count = 0
    for place in range(len(order)):
        index = order[place]
        if index >= 0 and numbers[index] < 0:
            numbers[index] = first + count
            new[count] = index
            count += 1
    return count


@kernel
def add_all(cells: Rows[Cell], rows: Rows[Row], first: int, ids: Int64s) -> None:
    """Give the rows from `first` on these ids; there is room for them in both."""
    for place in range(len(ids)):
        rows[first + place].id = ids[place]
        table.insert(cells, ids[place], first + place)


class Numbering(Generic[Row]):
    """All rows of one kind, with their names.

    `rows[:used]` count; `names[number]` is "" until a name came. `begin` is given all
    rows and the numbers from and up to which they are new, once these have their ids.
    """

    def __init__(
        self, layout: Layout, row: type[Row], begin: Callable[[Rows[Row], int, int], None]
    ) -> None:
        self.rows: Rows[Row] = zeros(SMALLEST, layout, row)
        self.cells = table.empty(SMALLEST)
        self.names: list[str] = []
        self._unnamed = np.ones(SMALLEST, np.bool_)
        self._begin = begin

    @property
    def used(self) -> int:
        return len(self.names)

    def number_of(self, id: int) -> int:
        """The row number of an id, or -1."""
        return int(table.find(self.cells, id))

    def numbers(self, ids: Int64s, order: Int32s) -> Int32s:
        """The row number of each id, and -1 in one more place, which an index of -1 finds.

        Ids that are new get the next numbers, if `order` names them, in its order: it
        holds indexes into `ids`, -1 for none. The others stay without: -1.
        """
        numbers = np.full(len(ids) + 1, MISSING, np.int32)
        find_all(self.cells, np.array(ids), numbers)
        new = np.empty(len(ids), np.int32)
        count = number_new(numbers, order, self.used, new)
        if count:
            self._add(ids[new[:count]])
        return numbers

    def name(self, numbers: Int32s, names: Sequence[str], indexes: Int32s | None = None) -> None:
        """Give rows their names; the first one that a row got stays.

        `indexes` say where in `names` each row's name stands, unless they stand in step.
        """
        lacking = np.flatnonzero(self._unnamed[numbers])
        chosen = lacking if indexes is None else indexes[lacking]
        for number, place in zip(numbers[lacking].tolist(), chosen.tolist(), strict=True):
            if names[place]:
                self.names[number] = names[place]
                self._unnamed[number] = False

    def used_rows(self) -> NDArray[np.void]:
        """The rows that count, as a view."""
        return np.asarray(self.rows)[: self.used]

    def refill(self, stored: NDArray[np.void], names: list[str]) -> None:
        """Take over rows and names stored earlier."""
        self.rows = copied(stored, 1 << max(4, int(len(stored) - 1).bit_length()))
        self.names = list(names)
        self._unnamed = np.ones(len(self.rows), np.bool_)
        self._unnamed[: len(names)] = [not name for name in names]
        self._index()

    def _add(self, ids: Int64s) -> None:
        first, used = self.used, self.used + len(ids)
        if used > len(self.rows):
            self.rows = grown(self.rows, used)
            more = np.ones(len(self.rows) - len(self._unnamed), np.bool_)
            self._unnamed = np.concatenate([self._unnamed, more])
        self.names += [""] * len(ids)
        if 2 * used > len(self.cells):
            self._index(first)
        add_all(self.cells, self.rows, first, ids)
        self._begin(self.rows, first, used)

    def _index(self, count: int | None = None) -> None:
        """Make a table with room for all rows that holds the first `count`."""
        self.cells = table.empty(max(SMALLEST, self.used))
        ids = np.ascontiguousarray(self.used_rows()["id"])
        table.fill(self.cells, ids, len(ids) if count is None else count)
