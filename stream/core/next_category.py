"""What a shopper turns to next, as an estimator: the product's predictor with a shop of its own."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from river import base

from stream.core import codes, knowledge, migration, migration_slots, predictor
from stream.core.codes import CodeRow
from stream.core.compiled import kernel, outlined
from stream.core.decay import DAY
from stream.core.ids import identify
from stream.core.knowledge import CategoryRow, Rates, TotalsRow, Update
from stream.core.migration import Pace
from stream.core.migration_evidence import DEEPEST
from stream.core.migration_slots import MigrationRow
from stream.core.numbering import Numbering
from stream.core.predictor import Predictor
from stream.core.rows import Int32s, Layout, Rows, copied, fingerprint, grown, zeros
from stream.core.updates import RECENT
from stream.settings import Settings


@kernel
def note(update: Update, row: MigrationRow, code: int, at: float) -> None:
    """Write down what an event teaches about the shop, all categories by code."""
    update.occurred_at, update.category_index, update.item_index = at, code, -1
    update.step = migration_slots.step_of(row, code)
    for place in range(RECENT):
        update.recent_categories[place] = row.codes[place] if place < row.used else -1


@outlined
def learn_noted(
    categories: Rows[CategoryRow],
    totals: TotalsRow,
    updates: Rows[Update],
    count: int,
    rates: Rates,
) -> None:
    """Learn the first `count` updates, all categories by the shop's numbers."""
    for place in range(count):
        knowledge.learn_category(categories, totals, updates[place], rates)


class _Stored(msgspec.Struct, array_like=True):
    """The estimator as bytes."""

    parameters: dict[str, float | int]
    noted: int
    shoppers: list[str]
    categories: list[str]
    known: list[str]
    tables: list[tuple[bytes, bytes]]


class Likely(NamedTuple):
    """A category, and the chance that the shopper's next event is about it."""

    category: str
    chance: float


class NextCategory(base.Base):  # type: ignore[misc]  # River's types are not checked here
    """The category of a shopper's next event: chances of all categories, which sum to 1.

    A shopper stays, returns to an own category or enters another; how likely each is, is
    learned from all. Where to, is told by what the shopper had, by what followed the recent
    categories with others, and by what others entered.

    Parameters
    ----------
    slots
        Categories of one shopper that are remembered, 2 to 512.
    neighbors
        Categories remembered around each category, 2 to 512.
    depth
        Recent categories whose neighbors speak for a category, 1 to 5.
    adopt_every
        What events tell of the shop is learned in steps of so many, as a worker does that
        reads it from a log. A category is unknown to the shop until then.
    transition_half_life
        Seconds of event time in which a transition between categories weighs half.
    popularity_half_life
        The same for an event in a category. Both must be positive.

    Examples
    --------
    >>> model = NextCategory()
    >>> for number in range(40):
    ...     model.learn_one("ann", ["boots", "socks"][number % 2], at=60 * number)
    ...     model.learn_one("bob", "tents", at=60 * number)
    >>> [one.category for one in model.likely("ann", at=2400, count=2)]
    ['boots', 'socks']
    >>> model.predict_one("bob", "tents", at=2400) > 0.8
    True
    >>> round(sum(model.predict_one("bob", one, 2400) for one in ["boots", "socks", "tents"]), 9)
    1.0
    """

    def __init__(
        self,
        slots: int = 28,
        neighbors: int = 48,
        depth: int = 4,
        adopt_every: int = 1,
        transition_half_life: float = 35 * DAY,
        popularity_half_life: float = 120 * DAY,
    ) -> None:
        for name, size in [("slots", slots), ("neighbors", neighbors)]:
            if not 2 <= size <= 512:
                raise ValueError(f"{name} must be from 2 to 512, got {size}")
        if not 1 <= depth <= DEEPEST:
            raise ValueError(f"depth must be from 1 to {DEEPEST}, got {depth}")
        if adopt_every < 1:
            raise ValueError(f"adopt_every must be at least 1, got {adopt_every}")
        halves = [("transition", transition_half_life), ("popularity", popularity_half_life)]
        for name, value in halves:
            if not 0.0 < value < math.inf:
                raise ValueError(f"{name}_half_life must be positive and finite, got {value}")
        self.slots = slots
        self.neighbors = neighbors
        self.depth = depth
        self.adopt_every = adopt_every
        self.transition_half_life = transition_half_life
        self.popularity_half_life = popularity_half_life
        self._empty()

    def learn_one(self, shopper: str, category: str, at: float) -> None:
        """Learn that the shopper's next event was in this category, at Unix seconds `at`."""
        number, code = self._number(shopper), self._code(category)
        row = self._rows[number]
        predictor.follow(
            self._own, row, self._codes.rows, self._shop.rows, self._totals[0], code, _finite(at)
        )
        note(self._updates[self._noted], row, code, float(at))
        self._noted += 1
        migration_slots.push(row, code, float(at))
        if self._noted == self.adopt_every:
            self._adopt()

    def predict_one(self, shopper: str, category: str, at: float) -> float:
        """The chance that the shopper's next event, at Unix seconds `at`, is in this category.

        0 for a category that the shop does not know and the shopper never had. Who had no
        event yet enters a category as all others do.
        """
        code, row = self._codes.number_of(identify(category)), self._row(shopper)
        if code < 0:
            _finite(at)
            return 0.0
        rows, totals = self._shop.rows, self._totals[0]
        if not self._look(row, _finite(at)):
            shop = int(self._codes.rows[code].shop)
            return float(knowledge.entry_share(rows[shop], totals)) if shop >= 0 else 0.0
        outlook, marks = self._own.outlooks[0], self._own.marks
        return float(migration.chance(outlook, row, self._codes.rows, rows, totals, marks, code))

    def rank(self, shopper: str, categories: Iterable[str], at: float) -> list[str]:
        """The categories, the likeliest next one first; the lower id of equals."""
        return sorted(
            categories, key=lambda one: (-self.predict_one(shopper, one, at), identify(one))
        )

    def likely(self, shopper: str, at: float, count: int = 10) -> list[Likely]:
        """The `count` likeliest of all categories, the lower id of equals first.

        None for a shopper without events.
        """
        found = predictor.likely(
            self._own, self._row(shopper), self._codes.rows, self._shop.rows, self._totals[0],
            _finite(at), count,
        )  # fmt: skip
        names, known = self._codes.names, self._shop.names
        return [
            Likely(names[code] if code >= 0 else known[number], chance)
            for code, number, chance in found
        ]

    def explain(self, shopper: str, category: str, at: float) -> str | None:
        """The recent category of the shopper that speaks most for this one, None for none."""
        code, row = self._codes.number_of(identify(category)), self._row(shopper)
        if code < 0 or not self._look(row, _finite(at)):
            return None
        shop = int(self._codes.rows[code].shop)
        slot = int(migration.explain(self._own.outlooks[0], self._shop.rows, shop))
        return self._codes.names[row.codes[slot]] if slot >= 0 else None

    def snapshot(self) -> bytes:
        """All of it, parameters included."""
        stored = _Stored(
            parameters=self._parameters(),
            noted=self._noted,
            shoppers=list(self._numbers),
            categories=self._codes.names,
            known=self._shop.names,
            tables=[(fingerprint(table.dtype), table.tobytes()) for table in self._tables()],
        )
        return msgspec.msgpack.encode(stored)

    @classmethod
    def restore(cls, snapshot: bytes) -> Self:
        """The estimator of which `snapshot` was taken."""
        stored = msgspec.msgpack.decode(snapshot, type=_Stored)
        model = cls(**stored.parameters)  # type: ignore[arg-type]  # each has its own type
        pairs = zip(stored.tables, model._tables(), strict=True)
        rows, coded, known, totals, mixtures, updates = (
            _unpacked(table, mine.dtype) for table, mine in pairs
        )
        model._noted = stored.noted
        model._numbers = {name: number for number, name in enumerate(stored.shoppers)}
        model._rows = copied(rows, max(1, len(rows)))
        model._codes.refill(coded, stored.categories)
        model._shop.refill(known, stored.known)
        model._totals = copied(totals, 1)
        model._own = model._own.marking(len(model._shop.rows))._replace(
            mixtures=copied(mixtures, 1)
        )
        model._updates = copied(updates, model.adopt_every)
        return model

    def _empty(self) -> None:
        settings = Settings(
            prediction_slots=self.slots,
            prediction_depth=self.depth,
            category_neighbors=self.neighbors,
        )
        rates = knowledge.rates(settings)
        halves = float(self.transition_half_life), float(self.popularity_half_life)
        self._rates = rates._replace(transition_half_life=halves[0], popularity_half_life=halves[1])
        self._numbers: dict[str, int] = {}
        self._rows = zeros(1, migration_slots.layout(self.slots), MigrationRow)
        self._nobody = zeros(1, migration_slots.layout(self.slots), MigrationRow)
        self._codes = Numbering(codes.LAYOUT, CodeRow, _unknown)
        self._shop = Numbering(knowledge.category_layout(settings), CategoryRow, self._welcome)
        self._totals = zeros(1, knowledge.TOTALS, TotalsRow)
        own = Predictor.of(settings).marking(len(self._shop.rows))
        self._own = own._replace(pace=Pace(*halves, int(self.depth)))
        self._updates = zeros(self.adopt_every, knowledge.UPDATE, Update)
        self._noted = 0

    def _parameters(self) -> dict[str, float | int]:
        return {
            "slots": self.slots,
            "neighbors": self.neighbors,
            "depth": self.depth,
            "adopt_every": self.adopt_every,
            "transition_half_life": self.transition_half_life,
            "popularity_half_life": self.popularity_half_life,
        }

    def _tables(self) -> list[NDArray[np.void]]:
        """All rows that count."""
        return [
            np.asarray(self._rows)[: len(self._numbers)],
            self._codes.used_rows(),
            self._shop.used_rows(),
            np.asarray(self._totals),
            np.asarray(self._own.mixtures),
            np.asarray(self._updates)[: self._noted],
        ]

    def _welcome(self, rows: Rows[CategoryRow], first: int, last: int) -> None:
        knowledge.welcome(self._totals[0], last - first)

    def _number(self, shopper: str) -> int:
        number = self._numbers.setdefault(shopper, len(self._numbers))
        if number >= len(self._rows):
            self._rows = grown(self._rows, number + 1)
        return number

    def _code(self, category: str) -> int:
        numbers = self._codes.numbers(
            np.array([identify(category)], np.int64), np.zeros(1, np.int32)
        )[:1]
        self._codes.name(numbers, [category])
        return int(numbers[0])

    def _row(self, shopper: str) -> MigrationRow:
        number = self._numbers.get(shopper, -1)
        return self._rows[number] if number >= 0 else self._nobody[0]

    def _look(self, row: MigrationRow, at: float) -> bool:
        """Predict for a shopper's row; whether there was anything to predict from."""
        return bool(
            predictor.predict(
                self._own, row, self._codes.rows, self._shop.rows, self._totals[0], at
            )
        )

    def _adopt(self) -> None:
        """Let the shop learn what was noted."""
        noted = np.asarray(self._updates)[: self._noted]
        own, recent = noted["category_index"], noted["recent_categories"]
        order = np.concatenate([own[:, np.newaxis], recent], axis=1).ravel()
        coded = self._codes.used_rows()
        number_of = self._shop.numbers(np.ascontiguousarray(coded["id"]), order)
        self._shop.name(number_of[:-1][number_of[:-1] >= 0], self._names(number_of))
        self._own = self._own.marking(len(self._shop.rows))
        coded["shop"] = number_of[:-1]
        noted["category_index"], noted["recent_categories"] = number_of[own], number_of[recent]
        learn_noted(self._shop.rows, self._totals[0], self._updates, self._noted, self._rates)
        # What is left in the rows would go into snapshots.
        noted[:] = np.zeros((), noted.dtype)
        self._noted = 0

    def _names(self, number_of: Int32s) -> list[str]:
        """The names of those codes that have a number."""
        named = zip(self._codes.names, number_of.tolist(), strict=False)
        return [name for name, number in named if number >= 0]


def _unknown(rows: Rows[CodeRow], first: int, last: int) -> None:
    """New codes stand for nothing in the shop so far."""
    np.asarray(rows)["shop"][first:last] = -1


def _finite(at: float) -> float:
    if not math.isfinite(at):
        raise ValueError(f"at must be finite, got {at}")
    return float(at)


def _unpacked(stored: tuple[bytes, bytes], layout: Layout) -> NDArray[Any]:
    kind, data = stored
    if kind != fingerprint(layout):
        raise ValueError(f"the snapshot has another layout than {layout.names}; learn anew")
    return np.frombuffer(data, layout)
