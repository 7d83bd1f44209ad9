"""What each category and item sold in the periods that are open, and what was said of those."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.core import forecast_outlook
from stream.core.forecast_days import DAY_ROW, DayRow
from stream.core.forecast_levels import LEVEL, LevelRow
from stream.core.forecast_outlook import OUTCOME, OutcomeRow, OutlookRow
from stream.core.rows import Float64s, Int64s, Layout, Rows, copied, grown, pack, unpack, zeros

Name = tuple[str | None, str | None]
"""A category, and an item of it, or None for all of it."""
SPANS = {"week": 1, "month": 4, "quarter": 13}
"""Weeks ahead that stand for a horizon."""
NOTHING = -1.0
"""Where a quantity is not known."""
ROOM = 16


class PeriodRow:
    """Of a calendar month or quarter: sold so far, in the last whole one, and its forecast."""

    so_far: float
    last: float
    expected: float
    low: float
    high: float


class PageRow:
    """Quantities of a category or item: of each day of the open week, and of longer periods."""

    week: Float64s
    month: PeriodRow
    quarter: PeriodRow


PERIOD: Layout = np.dtype([(name, "f8") for name in PeriodRow.__annotations__])
PAGE: Layout = np.dtype([("week", "f8", 7), ("month", PERIOD), ("quarter", PERIOD)])
TABLES: dict[str, tuple[Layout, type[Any]]] = {
    "pages": (PAGE, PageRow),
    "levels": (LEVEL, LevelRow),
    "days": (DAY_ROW, DayRow),
    # As they were when the open week began, so that a corrected day can be learned anew.
    "days_before": (DAY_ROW, DayRow),
    **{horizon: (forecast_outlook.layout(span), OutlookRow) for horizon, span in SPANS.items()},
}
BYTES = sum(layout.itemsize for layout, _ in TABLES.values())
"""Of a category or item."""


class Book:
    """All rows of a series: those with the same number are of one category or item.

    Their order is that in which names came, and nothing may depend on it.
    """

    def __init__(self) -> None:
        self.numbers: dict[Name, int] = {}
        self._tables = {name: zeros(ROOM, *table) for name, table in TABLES.items()}
        self.outcomes = zeros(ROOM, OUTCOME, OutcomeRow)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def levels(self) -> Rows[LevelRow]:
        return self._tables["levels"]

    @property
    def days(self) -> Rows[DayRow]:
        return self._tables["days"]

    def outlooks(self, horizon: str) -> Rows[OutlookRow]:
        """What was said of the weeks that stand for a horizon."""
        return self._tables[horizon]

    @property
    def pages(self) -> NDArray[np.void]:
        """Every page, as an array whose fields are columns."""
        return np.asarray(self._tables["pages"])[: len(self)]

    def column(self, table: str, field: str) -> NDArray[Any]:
        """A field of every row of a table."""
        return np.asarray(self._tables[table])[field][: len(self)]

    def result(self, field: str) -> NDArray[Any]:
        """A field of every outcome."""
        return np.asarray(self.outcomes)[field][: len(self)]

    def categories(self) -> NDArray[np.bool_]:
        """Whether each number is that of a whole category."""
        return np.array([item is None for _, item in self.numbers], np.bool_)

    def quantities(self, totals: Mapping[Name, float]) -> Float64s:
        """A quantity for every number, 0 where `totals` has none; new names get their rows."""
        # Rows would not mind another order, but it is easier to look at.
        for name in sorted(totals.keys() - self.numbers.keys(), key=spelled):
            if totals[name] != 0.0:
                self._add(name)
        return np.array([max(totals.get(name, 0.0), 0.0) for name in self.numbers], np.float64)

    def remember_days(self) -> None:
        """A week begins: its days start from what is known now."""
        self._tables["days_before"] = copied(np.asarray(self.days), len(self.days))

    def rewind_days(self) -> None:
        """Back to when the open week began."""
        before = self._tables["days_before"]
        self._tables["days"] = copied(np.asarray(before), len(before))

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Drop all names but these."""
        if kept.all():
            return
        names = [name for name, stays in zip(self.numbers, kept, strict=True) if stays]
        self._rearrange(names, np.flatnonzero(kept))

    def packed(self) -> tuple[list[Name], dict[str, bytes]]:
        """The names in their order by spelling, and each table's rows in that order."""
        names = sorted(self.numbers, key=spelled)
        order = [self.numbers[name] for name in names]
        return names, {
            name: pack(copied(np.asarray(rows)[order], len(order)))
            for name, rows in self._tables.items()
        }

    @classmethod
    def unpacked(cls, names: list[Name], tables: dict[str, bytes]) -> "Book":
        """The book that was packed so."""
        book = cls()
        for name, table in TABLES.items():
            book._tables[name] = unpack(tables[name], *table)
        book._rearrange(names, np.arange(len(names)))
        return book

    def _rearrange(self, names: list[Name], order: Int64s) -> None:
        self.numbers = {name: number for number, name in enumerate(names)}
        room = max(ROOM, 1 << len(names).bit_length())
        for name, rows in self._tables.items():
            self._tables[name] = copied(np.asarray(rows)[order], room)
        self.outcomes = zeros(room, OUTCOME, OutcomeRow)

    def _add(self, name: Name) -> None:
        number = self.numbers[name] = len(self)
        if number >= len(self.outcomes):
            self._tables = {n: grown(rows, number + 1) for n, rows in self._tables.items()}
            self.outcomes = zeros(len(self.days), OUTCOME, OutcomeRow)
        page = np.asarray(self._tables["pages"])[number : number + 1]
        for period in ("month", "quarter"):
            for field in ("last", "expected", "low", "high"):
                page[period][field] = NOTHING


def spelled(name: Name) -> tuple[str, str]:
    """What names are put in order by."""
    return name[0] or "", name[1] or ""
