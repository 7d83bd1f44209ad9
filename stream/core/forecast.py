"""What a shop will sell, or have looked at, in the next day, week, month and quarter.

Give it each local day when it is over; it returns the forecasts of the periods that begin then.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from msgspec import Struct

from stream.core.calendar import Calendar
from stream.core.forecast_book import Book, Name, spelled
from stream.core.forecast_demand import HORIZONS, KNOWN_BY, LEAST, Demand, Shop, ends
from stream.core.forecast_interval import aim
from stream.messages import DemandForecast, Period, Series
from stream.settings import Settings

SERIES: tuple[Series, ...] = ("purchases", "views")
DIGITS = 3
"""Quantities are told to a thousandth, as they are counted."""
Key = tuple[Series, str | None, str | None]
"""A series, a category, and an item of it, or None for all of it."""


class Shortfall(NamedTuple):
    """What a horizon lacks before there is a forecast."""

    series: Series
    horizon: Period
    closed: int
    needed: int
    unit: str

    def __str__(self) -> str:
        return f"{self.horizon}: {self.closed} of {self.needed} {self.unit}s"


class Stored(Struct):
    """One series in a snapshot."""

    shop: Shop
    names: list[Name]
    tables: dict[str, bytes]


class Snapshot(Struct):
    """All that a `Forecaster` knows."""

    first_day: int | None
    last_day: int
    late: int
    series: dict[Series, Stored]


class Forecaster:
    """Demand of categories and items, and forecasts of it, made when a period closes.

    The next week's, four weeks' and quarter's mean week is a share of a smooth total: level
    experts, trusted by their matured errors, say each share. A month or quarter is expected to
    sell as many sevenths of that as it has days. The next day is a slow level times an index of
    the weekday. Intervals widen and narrow until they hold as often as asked. Equal days give
    equal forecasts, in whatever order their keys come.

    Parameters
    ----------
    calendar
        The shop's days, weeks, months and quarters.
    interval
        How often intervals should hold the truth.
    settings
        Fingerprint of the settings, for the messages.

    Examples
    --------
    >>> forecaster = Forecaster(Calendar())
    >>> monday = 738_522  # 2023-01-02
    >>> for day in range(monday, monday + 28):
    ...     made = forecaster.close_day(day, {("purchases", "tents", None): 3.0})
    >>> [(f.horizon, f.category, f.expected) for f in made]
    [('day', 'tents', 3.0), ('week', 'tents', 21.0)]
    >>> [str(shortfall) for shortfall in forecaster.shortfalls()]
    ['month: 4 of 8 weeks', 'quarter: 4 of 13 weeks']
    """

    def __init__(self, calendar: Calendar, interval: float = 0.8, settings: str = "none") -> None:
        if not 0.0 < interval < 1.0:
            raise ValueError(f"interval must be between 0 and 1, got {interval}")
        self._calendar = calendar
        self._interval = interval
        self._aim = aim(interval)
        self._settings = settings
        self._demand: dict[Series, Demand] = {}
        self._first_day: int | None = None
        self._last_day = 0
        self.late = 0
        """Corrections that came when their week had closed, and were not taken up."""

    @classmethod
    def configured(cls, settings: Settings) -> "Forecaster":
        """As the operator's settings say."""
        calendar = Calendar(settings.time_zone, settings.week_starts_on)
        return cls(calendar, settings.forecast_interval, settings.fingerprint())

    @property
    def last_day(self) -> int | None:
        """The last closed day, None before the first."""
        return None if self._first_day is None else self._last_day

    def close_day(self, day: int, totals: Mapping[Key, float]) -> list[DemandForecast]:
        """Learn a closed local day; the forecasts of the periods that begin after it.

        Days come in order. A day that is left out sold nothing; what it closed is forecast too.
        A key with an item counts for that item only: its quantity stands in its category's too.
        """
        if self._first_day is None:
            self._first_day, self._last_day = day, day - 1
        if day <= self._last_day:
            raise ValueError(f"day {self._calendar.name(day)} has closed: correct it instead")
        made: list[DemandForecast] = []
        for missing in range(self._last_day + 1, day):
            made += self._close(missing, {})
        return made + self._close(day, totals)

    def correct(self, day: int, changed: Mapping[Key, float]) -> bool:
        """Take other quantities for a closed day, whether they could be taken.

        The open week's days can be corrected, for all forecasts that are made from then on;
        a correction to an earlier day is counted in `late` and dropped. Keys that are not
        given keep their quantities.
        """
        if self._first_day is None or day > self._last_day:
            raise ValueError(f"day {self._calendar.name(day)} has not closed")
        if day < max(self._calendar.first_day("week", self._last_day + 1), self._first_day):
            self.late += 1
            return False
        for series, own in _by_series(changed).items():
            demand = self._begun(series, day, own)
            if demand is not None:
                demand.correct(day, own)
        return True

    def shortfalls(self) -> list[Shortfall]:
        """What is missing where there are no forecasts yet; of views only if there are any."""
        asked = [series for series in SERIES if series in self._demand or series == SERIES[0]]
        return [
            Shortfall(series, horizon, known, LEAST[horizon], KNOWN_BY[horizon])
            for series in asked
            for horizon in HORIZONS
            if (known := self._known(series, horizon)) < LEAST[horizon]
        ]

    def demand(self, series: Series) -> Demand | None:
        """All that is known of a series; None before it first sold."""
        return self._demand.get(series)

    def snapshot(self) -> bytes:
        """All that is known, in an order that does not depend on how it was learned."""
        series = {
            name: Stored(demand.shop, *demand.book.packed())
            for name in SERIES
            if (demand := self._demand.get(name)) is not None
        }
        return msgspec.msgpack.encode(Snapshot(self._first_day, self._last_day, self.late, series))

    def restore(self, snapshot: bytes) -> None:
        """Become the forecaster, of the same calendar and interval, that made the snapshot."""
        stored = msgspec.msgpack.decode(snapshot, type=Snapshot)
        self._first_day, self._last_day = stored.first_day, stored.last_day
        self.late = stored.late
        self._demand = {}
        for name in SERIES:
            if name in stored.series:
                one = stored.series[name]
                book = Book.unpacked(one.names, one.tables)
                self._demand[name] = Demand(self._calendar, self._aim, one.shop.first_day)
                self._demand[name].resume(one.shop, book)

    def _known(self, series: Series, horizon: Period) -> int:
        return self._demand[series].known(horizon) if series in self._demand else 0

    def _close(self, day: int, totals: Mapping[Key, float]) -> list[DemandForecast]:
        parts = _by_series(totals)
        for series in SERIES:
            demand = self._begun(series, day, parts.get(series, {}))
            if demand is not None:
                demand.close_day(parts.get(series, {}))
        self._last_day = day
        return [
            forecast
            for series in SERIES
            for horizon in HORIZONS
            if series in self._demand and ends(self._calendar, horizon, day)
            for forecast in self._made(series, horizon)
        ]

    def _begun(self, series: Series, day: int, own: Mapping[Name, float]) -> Demand | None:
        """The series' demand; it begins with the first day on which anything sold."""
        before = self._demand.get(series)
        if before is not None and day >= before.shop.first_day:
            return before
        if not any(quantity > 0.0 for quantity in own.values()):
            return None
        demand = self._demand[series] = Demand(self._calendar, self._aim, day)
        for closed in range(day, self._last_day + 1):
            demand.close_day(before.sold(closed) if before is not None else {})
        return demand

    def _made(self, series: Series, horizon: Period) -> list[DemandForecast]:
        """The messages of the period that begins now, by category and item."""
        demand = self._demand[series]
        outlook = demand.outlook(horizon)
        if outlook is None:
            return []
        begins = self._last_day + 1
        started = self._calendar.begin(begins)
        ends_at = self._calendar.begin(self._calendar.next_first_day(horizon, begins))
        wape, coverage = demand.shop.scores[horizon].wape(), demand.shop.scores[horizon].coverage()
        return [
            DemandForecast(
                category=outlook.names[place][0],
                item_id=outlook.names[place][1],
                series=series,
                horizon=horizon,
                period_started_at=started,
                period_ends_at=ends_at,
                expected=round(float(outlook.expected[place]), DIGITS),
                low=round(float(outlook.low[place]), DIGITS),
                high=round(float(outlook.high[place]), DIGITS),
                interval=self._interval,
                method=outlook.methods[place],
                periods=demand.shop.closed[horizon],
                last=_or_none(float(outlook.last[place])),
                wape=wape,
                coverage=coverage,
                made_at=started,
                settings=self._settings,
            )
            for place in sorted(range(len(outlook.names)), key=lambda n: spelled(outlook.names[n]))
        ]


def _or_none(quantity: float) -> float | None:
    return round(quantity, DIGITS) if quantity >= 0.0 else None


def _by_series(totals: Mapping[Key, float]) -> dict[Series, dict[Name, float]]:
    """The quantities of each series, refusing what can't be counted."""
    parts: dict[Series, dict[Name, float]] = {}
    for (series, category, item), quantity in totals.items():
        if not math.isfinite(quantity):
            raise ValueError(f"{series} of {item or category} must be finite, got {quantity}")
        parts.setdefault(series, {})[category, item] = quantity
    return parts
