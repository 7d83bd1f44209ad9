"""Ratings by factors, as a ranker of River's: a rating is foretold, then learned."""

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Self, TypeVar

import msgspec
import numpy as np
from river.reco.base import Ranker

from stream.core import rated
from stream.core.ids import identify
from stream.core.numbering import Numbering
from stream.core.rated import ITEM, LEVEL, USER, LevelRow, RatedRates, RatedRow, StepRow
from stream.core.rows import Rows, fingerprint, zeros

Id = TypeVar("Id", bound=Hashable)
SETTINGS = ("factors", "lowest", "highest", "drift", "seed")


class RatedFactorization(Ranker):  # type: ignore[misc]  # River's types are not checked here
    """Ratings by biases and factors, each a normal distribution that every rating narrows.

    Asking changes nothing. Who or what is not known yet counts as average. Ids may be
    anything whose `str` is its own.

    Parameters
    ----------
    factors
        Length of the vectors beside the biases; 0 leaves biases alone.
    lowest, highest
        The ends of the scale. A rating beyond counts as the nearer end.
    drift
        By how much the variance of a bias grows at each of its ratings, a scale's length being
        1. 0 holds that biases stay what they are.
    seed
        Decides the vectors that items start from.

    Examples
    --------
    >>> model = RatedFactorization(factors=2)
    >>> for _ in range(20):
    ...     for user in ["ann", "bob"]:
    ...         model.learn_one(user, "good", 5.0)
    ...         model.learn_one(user, "bad", 1.0)
    >>> model.rank("eve", {"bad", "good"})
    ['good', 'bad']
    >>> round(model.predict_one("ann", "good"))
    5

    References
    ----------
    [^1]: Stern, Herbrich and Graepel 2009. Matchbox: large scale online Bayesian
        recommendations. WWW.
    """

    def __init__(
        self,
        factors: int = 8,
        lowest: float = 1.0,
        highest: float = 5.0,
        drift: float = 1e-4,
        seed: int = 7,
    ) -> None:
        if factors < 0:
            raise ValueError(f"factors must be at least 0, got {factors}")
        if not -math.inf < lowest < highest < math.inf:
            raise ValueError(f"highest must be above lowest = {lowest}, got {highest}")
        if not 0.0 <= drift < math.inf:
            raise ValueError(f"drift must be at least 0, got {drift}")
        super().__init__(seed)
        self.factors = factors
        self.lowest = lowest
        self.highest = highest
        self.drift = drift
        layout = rated.layout(factors)
        self._users: Numbering[RatedRow] = Numbering(layout, RatedRow, self._begin_users)
        self._items: Numbering[RatedRow] = Numbering(layout, RatedRow, self._begin_items)
        self._levels = zeros(1, LEVEL, LevelRow)
        self._steps = zeros(1, rated.step_layout(factors), StepRow)
        rated.begin(self._levels[0])

    def learn_one(
        self, user: Hashable, item: Hashable, y: float, x: Mapping[str, Any] | None = None
    ) -> None:
        """Learn that the user gave the item this rating."""
        rates = RatedRates(float(self.drift), self.seed)
        user_row, item_row = self._row(self._users, str(user)), self._row(self._items, str(item))
        nearest = min(max(float(y), self.lowest), self.highest)
        share = (nearest - self.lowest) / (self.highest - self.lowest)
        rated.learn(user_row, item_row, self._levels[0], share, rates, self._steps[0])

    def predict_one(
        self, user: Hashable, item: Hashable, x: Mapping[str, Any] | None = None
    ) -> float:
        """The rating to expect, within the scale."""
        user_row, item_row = self._seen(self._users, user), self._seen(self._items, item)
        share = float(self._levels[0].level)
        if user_row is not None and item_row is not None:
            share += float(rated.fit(user_row, item_row))
        elif user_row is not None:
            share += float(user_row.means[USER])
        elif item_row is not None:
            share += float(item_row.means[ITEM])
        return self.lowest + (self.highest - self.lowest) * min(1.0, max(0.0, share))

    def rank(
        self, user: Hashable, items: Iterable[Id], x: Mapping[str, Any] | None = None
    ) -> list[Id]:
        """The items, those to be rated highest first; the lower id of equals."""
        return sorted(items, key=lambda one: (-self.predict_one(user, one), identify(str(one))))

    def snapshot(self) -> bytes:
        """All of it, as `restore` takes it."""
        sides = [(side.names, side.used_rows().tobytes()) for side in (self._users, self._items)]
        parameters = {name: getattr(self, name) for name in SETTINGS}
        kind = fingerprint(self._users.rows.dtype)
        return msgspec.msgpack.encode((parameters, kind, sides, self._levels.tobytes()))

    @classmethod
    def restore(cls, snapshot: bytes) -> Self:
        """The estimator of which `snapshot` was taken."""
        parameters, kind, sides, levels = msgspec.msgpack.decode(snapshot)
        model = cls(**parameters)
        layout = model._users.rows.dtype
        if kind != fingerprint(layout):
            raise ValueError(f"the snapshot has another layout than {layout.names}; learn anew")
        for side, (names, data) in zip((model._users, model._items), sides, strict=True):
            side.refill(np.frombuffer(data, layout), names)
        np.asarray(model._levels)[:] = np.frombuffer(levels, LEVEL)
        return model

    def _begin_users(self, rows: Rows[RatedRow], first: int, last: int) -> None:
        for number in range(first, last):
            rated.start(rows[number], USER, self.seed)

    def _begin_items(self, rows: Rows[RatedRow], first: int, last: int) -> None:
        for number in range(first, last):
            rated.start(rows[number], ITEM, self.seed)

    @staticmethod
    def _row(side: Numbering[RatedRow], name: str) -> RatedRow:
        numbers = side.numbers(np.array([identify(name)], np.int64), np.zeros(1, np.int32))[:1]
        side.name(numbers, [name])
        return side.rows[int(numbers[0])]

    @staticmethod
    def _seen(side: Numbering[RatedRow], name: Hashable) -> RatedRow | None:
        number = side.number_of(identify(str(name)))
        return side.rows[number] if number >= 0 else None
