"""What one partition counts for the shop as a whole: moves by window, demand by day."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from stream.core.calendar import Calendar
from stream.core.engine_rows import Event
from stream.core.events import BUY, RETURNED, VIEW
from stream.core.flows import KEPT_WINDOWS
from stream.core.ids import NONE
from stream.core.rows import Float64s, Rows
from stream.messages import CategoryFlow, DemandCount, PartitionClock, Series
from stream.settings import Settings

PURCHASES, VIEWS = 0, 1
SERIES: tuple[Series, Series] = ("purchases", "views")
THOUSAND = 1000
MOST_ITEMS_A_DAY = 20_000
"""Further items that are bought on a day count for their categories alone."""

Told = CategoryFlow | DemandCount | PartitionClock


def key_of(message: Told) -> str:
    """The key under which a message is told; of one key the highest source offset counts.

    >>> key_of(PartitionClock(partition=2, partitions=4, clock=0.0, source_offset=7))
    '["clock",2]'
    """
    if isinstance(message, CategoryFlow):
        started, ways = message.window_started_at, (message.from_category, message.to_category)
        return flow_key(message.partition, started, *ways)
    if isinstance(message, DemandCount):
        what = (message.series, message.category, message.item_id)
        return _key("demand", message.partition, message.day, *what)
    return _key("clock", message.partition)


def flow_key(partition: int, window_started_at: float, origin: str, target: str) -> str:
    """The key of what a partition counts of one flow in one window."""
    return _key("flow", partition, window_started_at, origin, target)


def _key(*parts: object) -> str:
    return msgspec.json.encode(parts).decode()


class Move(NamedTuple):
    """A cell of moves: the window's number, and codes of categories."""

    window: int
    origin: int
    target: int


class Demand(NamedTuple):
    """A cell of demand: the local day, the series, the category's code (or -1), the item (or 0)."""

    day: int
    series: int
    category: int
    item: int


Cell = TypeVar("Cell", Move, Demand)


class Count(Struct, gc=False):
    """What a cell holds, and that as it was told; thousandths where it is demand.

    `told` is None from a change on until it is told again: also of a cell that is back where
    it was, for an owner who came to nothing may have told of it in between. `name` is that
    of the item, if the cell is an item's.
    """

    now: int
    told: int | None = None
    name: str | None = None


class Tallies:
    """Counts that differ from nobody's, whatever the order in which parts of them were added.

    Cells are kept for four flow windows behind the partition's clock; the loop says of each
    event whether it comes later than that.
    """

    def __init__(self, settings: Settings) -> None:
        self._calendar = Calendar(settings.time_zone, settings.week_starts_on)
        self._window = float(settings.flow_window)
        self._step = float(settings.flow_step)
        self._top = settings.forecast_items
        self.moves: dict[Move, Count] = {}
        self.demand: dict[Demand, Count] = {}
        self.told_at = -math.inf
        """The clock when counts were last told."""
        self._items_of: Counter[int] = Counter()
        self._sold: Counter[int] = Counter()
        self._best: list[int] = []
        self._best_on = 0
        self._moves_of: dict[int, list[Move]] = {}
        self._demand_of: dict[int, list[Demand]] = {}
        self._touched: dict[Move | Demand, None] = {}
        self._untold: dict[Move | Demand, None] = {}
        self._untold_items: dict[int, dict[Demand, None]] = {}

    def add_moves(self, changes: np.ndarray) -> None:
        """Count what events changed of their shoppers' moves: rows as `ChangeRow`."""
        moves = Counter[Move]()
        for window, origin, target, by in changes.tolist():
            moves[Move(window, origin, target)] += by
        for move, by in moves.items():
            self._change(self.moves, move, by)

    def add(self, events: Rows[Event], quantities: Float64s, names: Mapping[int, str]) -> int:
        """Count the demand of events that the loop has seen; return how many came too late.

        `names` has those of the items.
        """
        table = np.asarray(events)
        fresh = (table["repeated"] == 0) & (table["late"] == 0) & (table["bot"] == 0)
        days = self._calendar.days_of(table["occurred_at"])
        viewed = fresh & (table["action"] == VIEW) & (table["weight"] > 0)
        viewed &= table["category"] >= 0
        views = Counter(zip(days[viewed].tolist(), table["category"][viewed].tolist(), strict=True))
        for (day, category), count in views.items():
            self._change(self.demand, Demand(day, VIEWS, category, NONE), THOUSAND * count)
        traded = fresh & ((table["action"] == BUY) | (table["action"] == RETURNED))
        if traded.any():
            self._add_trades(table[traded], days[traded], quantities[traded], names)
        return int(np.count_nonzero(table["late"]))

    def tell(
        self, clock: float, partition: int, partitions: int, offset: int,
        categories: Sequence[str], whole: bool = False,
    ) -> list[Told]:  # fmt: skip
        """What changed since it was last told; nothing before the clock went a step further.

        With `whole`, whatever is not told yet. What no event can change any more is told for
        the last time, and forgotten. The clock comes last.
        """
        if clock == -math.inf or not (whole or clock >= self.told_at + self._step):
            return []
        self.told_at = clock
        if whole:
            self._best_on = 0
        told: list[Told] = []
        for cell in self._take_untold(clock):
            count = self._count(cell)
            told.append(self._message(cell, count, partition, offset, categories))
            count.told = count.now
            self._touched[cell] = None
        told.append(
            PartitionClock(
                partition=partition, partitions=partitions, clock=clock, source_offset=offset
            )
        )
        self._drop(clock)
        return told

    def _drop(self, clock: float) -> None:
        """Forget what no event can change any more."""
        oldest = clock - KEPT_WINDOWS * self._window
        first_window = math.floor(oldest / self._window)
        first_day = self._calendar.day_of(oldest)
        for window in [window for window in self._moves_of if window < first_window]:
            for move in self._moves_of.pop(window):
                del self.moves[move]
                self._touched[move] = None
        days = [day for day in self._demand_of if day < first_day]
        for day in days:
            self._items_of.pop(day, None)
            for cell in self._demand_of.pop(day):
                count = self.demand.pop(cell)
                self._touched[cell] = None
                if cell.item:
                    self._sold[cell.item] -= count.now
                    self._untold_items.get(cell.item, {}).pop(cell, None)
        if days:
            self._sold = Counter({item: sold for item, sold in self._sold.items() if sold})
            untold = self._untold_items.items()
            self._untold_items = {item: cells for item, cells in untold if cells}

    def bounds(self, move: Move) -> tuple[float, float]:
        """When a move's window begins and ends, Unix seconds."""
        return move.window * self._window, (move.window + 1) * self._window

    def take_changed(self) -> list[tuple[bytes, bytes | None]]:
        """Keys and values of the cells changed since the last call, None for dropped ones."""
        changed: list[tuple[bytes, bytes | None]] = []
        for cell in self._touched:
            count = self.moves.get(cell) if isinstance(cell, Move) else self.demand.get(cell)
            value = None if count is None else msgspec.msgpack.encode(count)
            changed.append((msgspec.msgpack.encode(cell), value))
        self._touched = {}
        return changed

    def restore(self, cells: Iterable[tuple[bytes, bytes]]) -> None:
        """Take over the cells that `take_changed` gave, of which the last value counts."""
        for key, value in cells:
            numbers = msgspec.msgpack.decode(key, type=tuple[int, ...])
            count = msgspec.msgpack.decode(value, type=Count)
            if len(numbers) == len(Move._fields):
                self._new(self.moves, Move(*numbers), count)
            else:
                self._new(self.demand, Demand(*numbers), count)
        for cell, count in self.demand.items():
            if cell.item:
                self._items_of[cell.day] += 1
                self._sold[cell.item] += count.now
        every: list[Move | Demand] = [*self.moves, *self.demand]
        for one in every:
            if self._count(one).told is None:
                self._note_untold(one)

    def _add_trades(
        self, table: np.ndarray, days: np.ndarray, quantities: Float64s, names: Mapping[int, str]
    ) -> None:
        signs = np.where(table["action"] == BUY, THOUSAND, -THOUSAND)
        amounts = np.rint(quantities * signs).astype(np.int64)
        rows = zip(
            days.tolist(), table["category"].tolist(), table["item_id"].tolist(), amounts.tolist(),
            strict=True,
        )  # fmt: skip
        for day, category, item, amount in rows:
            self._change(self.demand, Demand(day, PURCHASES, category, NONE), amount)
            if item != NONE:
                self._add_item(Demand(day, PURCHASES, category, item), amount, names[item])

    def _add_item(self, cell: Demand, amount: int, name: str) -> None:
        if cell not in self.demand:
            if self._items_of[cell.day] >= MOST_ITEMS_A_DAY:
                return
            self._items_of[cell.day] += 1
        self._change(self.demand, cell, amount, name)
        self._sold[cell.item] += amount

    def _change(
        self, cells: dict[Cell, Count], cell: Cell, amount: int, name: str | None = None
    ) -> None:
        count = cells.get(cell)
        if count is None:
            count = self._new(cells, cell, Count(0, name=name))
        count.now += amount
        count.told = None
        self._touched[cell] = None
        self._note_untold(cell)

    def _new(self, cells: dict[Cell, Count], cell: Cell, count: Count) -> Count:
        cells[cell] = count
        if isinstance(cell, Move):
            self._moves_of.setdefault(cell.window, []).append(cell)
        else:
            self._demand_of.setdefault(cell.day, []).append(cell)
        return count

    def _note_untold(self, cell: Move | Demand) -> None:
        if isinstance(cell, Demand) and cell.item:
            self._untold_items.setdefault(cell.item, {})[cell] = None
        else:
            self._untold[cell] = None

    def _take_untold(self, clock: float) -> list[Move | Demand]:
        """What changed since it was told, but for items that do not sell best."""
        taken = list(self._untold)
        self._untold = {}
        for item in self._best_sellers(clock):
            taken += self._untold_items.pop(item, ())
        return taken

    def _best_sellers(self, clock: float) -> list[int]:
        """The items that sold most over the days kept, chosen anew each day of the clock.

        Of equals those with the lower id.
        """
        day = self._calendar.day_of(clock)
        if day != self._best_on:
            self._best_on = day
            order = ((-sold, item) for item, sold in self._sold.items() if sold > 0)
            self._best = [item for _, item in nsmallest(self._top, order)]
        return self._best

    def _count(self, cell: Move | Demand) -> Count:
        return self.moves[cell] if isinstance(cell, Move) else self.demand[cell]

    def _message(
        self, cell: Move | Demand, count: Count, partition: int, offset: int,
        categories: Sequence[str],
    ) -> Told:  # fmt: skip
        if isinstance(cell, Move):
            return self._flow(cell, count, partition, offset, categories)
        return self._demand(cell, count, partition, offset, categories)

    def _flow(
        self, move: Move, count: Count, partition: int, offset: int, categories: Sequence[str]
    ) -> CategoryFlow:
        begins, ends = self.bounds(move)
        return CategoryFlow(
            partition=partition,
            window_started_at=begins,
            window_ends_at=ends,
            from_category=categories[move.origin],
            to_category=categories[move.target],
            shoppers=count.now,
            source_offset=offset,
        )

    def _demand(
        self, cell: Demand, count: Count, partition: int, offset: int, categories: Sequence[str]
    ) -> DemandCount:
        return DemandCount(
            partition=partition,
            day=self._calendar.name(cell.day),
            series=SERIES[cell.series],
            category=categories[cell.category] if cell.category >= 0 else None,
            item_id=count.name,
            quantity=count.now / THOUSAND,
            source_offset=offset,
        )
