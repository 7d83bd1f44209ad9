"""The next category as exp(h' Q e): an embedding for each category, and one matrix between."""

import math
from collections.abc import Iterable
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from river import base

from stream.core import bilinear_step, factorization, migration_slots
from stream.core.bilinear_step import BilinearRates, BridgeRow, EmbeddingRow, StepRow
from stream.core.factorization import RingRow
from stream.core.ids import identify
from stream.core.migration_slots import MigrationRow
from stream.core.numbering import Numbering
from stream.core.rows import Float64s, Layout, Rows, copied, fingerprint, grown, zeros

SLOTS = 16
"""Categories of a shopper that make its mean."""
RING = 8192


class _Stored(msgspec.Struct, array_like=True):
    """The estimator as bytes."""

    parameters: dict[str, float | int]
    shoppers: list[str]
    categories: list[str]
    tables: list[tuple[bytes, bytes]]


class BilinearMigration(base.Base):  # type: ignore[misc]  # River's types are not checked here
    """The category of a shopper's next event by exp(h' Q e), learned online.

    Taste as a point, and one matrix for how points move. `NextCategory` predicts better: this
    model can hardly tell a category that the shopper had from one that is like it.

    Parameters
    ----------
    factors
        Length of the vectors.
    negatives
        Categories of recent events that each event is told from.
    rate
        Step size, divided by the root of the squared gradients so far (Adagrad). Positive.
    seed
        Decides the vectors that categories start from, and which negatives are drawn.

    Examples
    --------
    >>> model = BilinearMigration(factors=8, negatives=4)
    >>> for _ in range(50):
    ...     for shopper, pair in [("ann", ("tents", "stoves")), ("bob", ("drums", "horns"))]:
    ...         for category in pair:
    ...             model.learn_one(shopper, category)
    >>> model.rank("ann", {"tents", "drums"})
    ['tents', 'drums']
    >>> categories = ["tents", "stoves", "drums", "horns"]
    >>> round(sum(model.predict_one("bob", one) for one in categories), 9)
    1.0

    References
    ----------
    [^1]: Bengio and Senécal 2003. Quick training of probabilistic neural nets by importance
        sampling. AISTATS.
    """

    def __init__(
        self, factors: int = 32, negatives: int = 64, rate: float = 0.3, seed: int = 7
    ) -> None:
        for name, size in [("factors", factors), ("negatives", negatives)]:
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        if not 0.0 < rate < math.inf:
            raise ValueError(f"rate must be positive and finite, got {rate}")
        self.factors = factors
        self.negatives = negatives
        self.rate = rate
        self.seed = seed
        self._numbers: dict[str, int] = {}
        self._rows = zeros(1, migration_slots.layout(SLOTS), MigrationRow)
        self._categories = Numbering(bilinear_step.layout(factors), EmbeddingRow, self._start)
        self._bridges = zeros(1, bilinear_step.bridge_layout(factors), BridgeRow)
        self._rings = zeros(1, factorization.ring_layout(RING), RingRow)
        self._steps = zeros(1, bilinear_step.step_layout(factors, negatives), StepRow)
        bilinear_step.begin(self._bridges[0])

    def learn_one(self, shopper: str, category: str) -> None:
        """Learn that the shopper's next event was in this category."""
        number = self._numbers.setdefault(shopper, len(self._numbers))
        if number >= len(self._rows):
            self._rows = grown(self._rows, number + 1)
        ids, first = np.array([identify(category)], np.int64), np.zeros(1, np.int32)
        numbers = self._categories.numbers(ids, first)[:1]
        self._categories.name(numbers, [category])
        row, code = self._rows[number], int(numbers[0])
        rates = BilinearRates(float(self.rate), self.negatives, self.seed)
        bilinear_step.learn(
            self._categories.rows, row, self._bridges[0], self._rings[0], self._steps[0], code,
            rates,
        )  # fmt: skip
        migration_slots.push(row, code, 0.0)

    def predict_one(self, shopper: str, category: str) -> float:
        """The chance that the shopper's next event is in this category, 0 for an unknown one."""
        code = self._categories.number_of(identify(category))
        return float(self._chances(shopper)[code]) if code >= 0 else 0.0

    def rank(self, shopper: str, categories: Iterable[str]) -> list[str]:
        """The categories, the likeliest next one first; the lower id of equals."""
        return sorted(categories, key=lambda one: (-self.predict_one(shopper, one), identify(one)))

    def snapshot(self) -> bytes:
        """All of it, parameters included."""
        parameters: dict[str, float | int] = {
            "factors": self.factors,
            "negatives": self.negatives,
            "rate": self.rate,
            "seed": self.seed,
        }
        tables = [(fingerprint(table.dtype), table.tobytes()) for table in self._tables()]
        names = self._categories.names
        return msgspec.msgpack.encode(_Stored(parameters, list(self._numbers), names, tables))

    @classmethod
    def restore(cls, snapshot: bytes) -> Self:
        """The estimator of which `snapshot` was taken."""
        stored = msgspec.msgpack.decode(snapshot, type=_Stored)
        model = cls(**stored.parameters)  # type: ignore[arg-type]  # each has its own type
        pairs = zip(stored.tables, model._tables(), strict=True)
        rows, categories, bridges, rings = (_unpacked(table, mine.dtype) for table, mine in pairs)
        model._numbers = {name: number for number, name in enumerate(stored.shoppers)}
        model._rows = copied(rows, max(1, len(rows)))
        model._categories.refill(categories, stored.categories)
        model._bridges, model._rings = copied(bridges, 1), copied(rings, 1)
        return model

    def _start(self, rows: Rows[EmbeddingRow], first: int, last: int) -> None:
        for number in range(first, last):
            bilinear_step.start(rows[number], self.seed)

    def _tables(self) -> list[NDArray[np.void]]:
        """All rows that count."""
        return [
            np.asarray(self._rows)[: len(self._numbers)],
            self._categories.used_rows(),
            np.asarray(self._bridges),
            np.asarray(self._rings),
        ]

    def _chances(self, shopper: str) -> Float64s:
        """Of all categories; alike for a shopper without events."""
        known, number = self._categories.used, self._numbers.get(shopper, -1)
        if number < 0:
            return np.full(known, 1.0 / max(1, known))
        chances = np.zeros(known)
        bilinear_step.spread(
            chances, self._categories.rows, self._rows[number], self._bridges[0], self._steps[0]
        )
        return chances


def _unpacked(stored: tuple[bytes, bytes], layout: Layout) -> NDArray[Any]:
    kind, data = stored
    if kind != fingerprint(layout):
        raise ValueError(f"the snapshot has another layout than {layout.names}; learn anew")
    return np.frombuffer(data, layout)
