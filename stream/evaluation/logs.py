"""A stored log as columns: what the evaluations of models run on."""

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.core import events
from stream.core.events import Decoder, Touch
from stream.core.rows import Float64s, Int32s, Int64s
from stream.errors import BadRecord, StreamError
from stream.settings import Settings
from stream.storage.event_log import Accepted, Record

RETURNED = getattr(events, "RETURNED", 3)
"""The action of a refund. It weighs nothing, but demand counts it."""


class Log(NamedTuple):
    """Events in time order, those of one time as they stood; one entry an event in each column.

    Shoppers, categories and items are numbers in order of first appearance, which index
    their names; -1 where the event has none. `at` is in Unix seconds, `sessions` are
    64-bit ids, 0 where none is given, `actions` those of `stream.core.events`. Impressions
    and the like, which weigh nothing, are left out; refunds are there.
    """

    name: str
    shoppers: Int32s
    categories: Int32s
    items: Int32s
    at: Float64s
    sessions: Int64s
    actions: NDArray[np.int8]
    quantities: Float64s
    shopper_names: Sequence[str]
    category_names: Sequence[str]
    item_names: Sequence[str]
    time_zone: str = "UTC"
    """Where the shop's days begin at midnight."""
    ratings: Float64s = np.zeros(0)
    """NaN where an event has none; may be empty if no event has one."""


class _Names:
    """Numbers for names, in order of first appearance."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, name: str | None) -> int:
        return -1 if name is None else self._numbers.setdefault(name, len(self._numbers))

    def ordered(self, numbers: Int32s) -> tuple[Int32s, list[str]]:
        """The column and its names, numbered anew by where the column has each first."""
        found, first = np.unique(numbers[numbers >= 0], return_index=True)
        order = found[np.argsort(first, kind="stable")]
        anew = np.full(len(self._numbers) + 1, -1, np.int32)
        anew[order] = np.arange(len(order), dtype=np.int32)
        names = list(self._numbers)
        # The last entry stands for -1, which stays what it is.
        return anew[numbers], [names[number] for number in order]


class _Columns:
    """What was read so far."""

    def __init__(self) -> None:
        self.shoppers, self.categories, self.items = _Names(), _Names(), _Names()
        self._numbers = array("i"), array("i"), array("i")
        self._at, self._quantities, self._ratings = array("d"), array("d"), array("d")
        self._sessions, self._actions = array("q"), array("b")

    def __len__(self) -> int:
        return len(self._at)

    def add(self, touch: Touch) -> None:
        shoppers, categories, items = self._numbers
        shoppers.append(self.shoppers.number(touch.user_id))
        categories.append(self.categories.number(touch.category))
        items.append(self.items.number(touch.item_id))
        self._at.append(touch.occurred_at)
        self._sessions.append(touch.session)
        self._actions.append(touch.action)
        self._quantities.append(getattr(touch, "quantity", 1.0))
        self._ratings.append(math.nan if touch.rating is None else touch.rating)

    def log(self, name: str) -> Log:
        """The columns in time order."""
        at = np.frombuffer(self._at, np.float64)
        order = np.argsort(at, kind="stable")
        numbers = [np.frombuffer(column, np.int32)[order] for column in self._numbers]
        shoppers, shopper_names = self.shoppers.ordered(numbers[0])
        categories, category_names = self.categories.ordered(numbers[1])
        items, item_names = self.items.ordered(numbers[2])
        ratings = np.frombuffer(self._ratings, np.float64)[order]
        return Log(
            name=name,
            shoppers=shoppers,
            categories=categories,
            items=items,
            at=at[order],
            sessions=np.frombuffer(self._sessions, np.int64)[order],
            actions=np.frombuffer(self._actions, np.int8)[order],
            quantities=np.frombuffer(self._quantities, np.float64)[order],
            shopper_names=shopper_names,
            category_names=category_names,
            item_names=item_names,
            ratings=ratings,
        )


def read_log(name: str, source: Iterable[Record], settings: Settings) -> Log:
    """The events of what `event_log.read` yields.

    Raises
    ------
    StreamError
        If no line is an event of a shopper's own.
    """
    columns, decode, lines = _Columns(), Decoder(settings), 0
    for record in source:
        lines += 1
        if type(record) is Accepted:
            for touch in _touches(record, decode):
                if touch.weight > 0 or touch.action == RETURNED:
                    columns.add(touch)
    if not len(columns):
        raise StreamError(
            f"none of the {lines:,} lines of {name} is a behavior event that counts: "
            "is a --preset or --map missing?"
        )
    return columns.log(name)._replace(time_zone=settings.time_zone)


def _touches(record: Accepted, decode: Decoder) -> Sequence[Touch]:
    if record.touches is not None:
        return record.touches
    try:
        touches = decode(record.value)
    except BadRecord:
        return ()
    return touches if isinstance(touches, list) else ()


def between(log: Log, start: float, end: float) -> Log:
    """The events from `start` up to but not at `end`, in Unix seconds; names are kept."""
    first, last = np.searchsorted(log.at, [start, end])
    return log._replace(**{name: getattr(log, name)[first:last] for name in COLUMNS})


COLUMNS = (
    "shoppers", "categories", "items", "at", "sessions", "actions", "quantities", "ratings"
)  # fmt: skip


def at_part(log: Log, part: int) -> Log:
    """The same events with one part of their category's path, counted from 1, as category.

    Events whose path has fewer parts have none.
    """
    names, numbers = _Names(), np.full(len(log.category_names) + 1, -1, np.int32)
    for number, name in enumerate(log.category_names):
        numbers[number] = names.number(part_of(name, part))
    categories, category_names = names.ordered(numbers[log.categories])
    name = f"{log.name}, category part {part}"
    return log._replace(name=name, categories=categories, category_names=category_names)


def part_of(category: str, part: int) -> str | None:
    """One part of a path, None if it has fewer.

    >>> part_of("GROCERY > BAG SNACKS", 2), part_of("GROCERY", 2)
    ('BAG SNACKS', None)
    """
    parts = category.split(" > ")
    return parts[part - 1] if part <= len(parts) else None
