"""Which interests a shopper will enter within a period: the horizon model as an estimator."""

import math
from collections.abc import Iterable
from typing import Self

import msgspec
import numpy as np
from river import base

from stream.core import foresight, horizon_watch
from stream.core.decay import DAY
from stream.core.horizon_counts import FEW, HorizonRow, layout
from stream.core.horizon_watch import ADOPT_EVERY, Watch
from stream.core.ids import identify
from stream.core.rows import fingerprint, zeros

FARTHEST = 1_000_000_000
"""Periods from 1970, either way, by which times are still told apart."""


class _Stored(msgspec.Struct, array_like=True):
    """The estimator as bytes."""

    parameters: dict[str, float | int]
    learned: int
    shoppers: list[str]
    categories: list[str]
    tables: list[tuple[bytes, bytes]]


class EnteringInterest(base.Base):  # type: ignore[misc]  # River's types are not checked here
    """Which categories become one of a shopper's three largest in the period that is open.

    A logistic model of the shopper's own decayed counts, of where the shop's transitions lead
    from them, and of popularity. It learns once a period, from how the last one ended (a
    recursive Laplace step), so before a period is over it gives everything the same small
    probability.

    Parameters
    ----------
    period
        Seconds; periods are counted from 1970.
    long_half_life
        Seconds in which a shopper's counts halve; by these the three largest so far are told.
    short_half_life
        The same of a shorter memory.
    least_events
        A shopper with fewer events in a period teaches nothing: its three largest are chance.
    panel
        Candidates of sampled shoppers that are remembered until the period ends.

    Examples
    --------
    >>> model = EnteringInterest(period=86400)
    >>> for category in ["boots", "socks", "tents", "tents", "boots", "socks", "stoves"]:
    ...     model.learn_one("ann", category, at=0)
    >>> model.predict_one("ann", "tents", at=60)
    0.0
    >>> round(model.predict_one("ann", "stoves", at=60), 4)
    0.0025
    """

    def __init__(
        self,
        period: float = DAY,
        long_half_life: float = 4 * DAY,
        short_half_life: float = 0.5 * DAY,
        least_events: int = 5,
        panel: int = 5000,
    ) -> None:
        durations = (period, long_half_life, short_half_life)
        names = ("period", "long_half_life", "short_half_life")
        for name, value in zip(names, durations, strict=True):
            if not 0.0 < value < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {value}")
        if not 1 <= least_events <= FEW:
            raise ValueError(f"least_events must be from 1 to {FEW}, got {least_events}")
        if panel < 100:
            raise ValueError(f"panel must be at least 100, got {panel}")
        self.period = period
        self.long_half_life = long_half_life
        self.short_half_life = short_half_life
        self.least_events = least_events
        self.panel = panel
        self._watch = Watch(float(long_half_life), float(short_half_life), least_events, panel)
        self._nobody = zeros(1, layout(), HorizonRow)
        self._learned = 0

    def learn_one(self, shopper: str, category: str, at: float) -> None:
        """Count one event at Unix seconds `at`. One of an earlier period counts in the open one."""
        if not math.isfinite(at):
            raise ValueError(f"at must be finite, got {at}")
        watch = self._watch
        if at >= watch.own.opens[0].ends_at or not self._learned:
            self._turn(float(at))
        number, code = watch.shopper(shopper), watch.category(category)
        if self._learned % ADOPT_EVERY == 0:
            watch.adopt()
        horizon_watch.learn(watch.world(), number, code, float(at), self._learned)
        self._learned += 1

    def predict_one(self, shopper: str, category: str, at: float) -> float:
        """The probability that the category becomes one of the three largest in this period.

        Given that the shopper has enough events in it; 0 where it is one of them already.
        Unknown shoppers and categories have a probability too, but the model learns only from
        shoppers with ten events or more.
        """
        if not math.isfinite(at):
            raise ValueError(f"at must be finite, got {at}")
        watch, code = self._watch, self._watch.known(category)
        number = watch.shoppers.get(shopper, -1)
        row = watch.rows[number].counts if number >= 0 else self._nobody[0]
        return float(foresight.chance_of(watch.desk(), watch.own, 0, row, code, code, float(at)))

    def rank(self, shopper: str, categories: Iterable[str], at: float) -> list[str]:
        """The categories, the likeliest to enter first; the lower id of equals."""
        return sorted(
            categories, key=lambda one: (-self.predict_one(shopper, one, at), identify(one))
        )

    def snapshot(self) -> bytes:
        """All of it, parameters included."""
        watch = self._watch
        stored = _Stored(
            {name: getattr(self, name) for name in self._get_params()},
            self._learned,
            list(watch.shoppers),
            list(watch.categories.names),
            [(fingerprint(table.dtype), table.tobytes()) for table in watch.tables()],
        )
        return msgspec.msgpack.encode(stored)

    @classmethod
    def restore(cls, snapshot: bytes) -> Self:
        """The estimator of which `snapshot` was taken."""
        stored = msgspec.msgpack.decode(snapshot, type=_Stored)
        model = cls(**stored.parameters)  # type: ignore[arg-type]  # as they were given
        watch, model._learned = model._watch, stored.learned
        for name in stored.shoppers:
            watch.shopper(name)
        for name in stored.categories:
            watch.category(name)
        for table, (kind, data) in zip(watch.tables(), stored.tables, strict=True):
            if kind != fingerprint(table.dtype):
                raise ValueError("the snapshot has another layout; learn anew")
            table[:] = np.frombuffer(data, table.dtype)
        return model

    def _turn(self, at: float) -> None:
        """Open the period that holds `at`."""
        number = min(max(math.floor(at / self.period), -FARTHEST), FARTHEST)
        # Periods are above 0; beyond the farthest, each time has one of its own.
        ends_at = max((number + 1) * self.period, math.nextafter(at, math.inf))
        self._watch.turn(number + FARTHEST + 1, number * self.period, ends_at)
