"""Demand of one series: learned day by day, forecast whenever a period closes."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from stream.core import forecast_days, forecast_levels, forecast_outlook
from stream.core import forecast_interval as intervals
from stream.core.calendar import Calendar
from stream.core.forecast_book import NOTHING, SPANS, Book, Name
from stream.core.forecast_interval import Aim
from stream.core.forecast_score import Score
from stream.core.rows import Float64s, Int32s
from stream.messages import Period

HORIZONS: tuple[Period, ...] = ("day", "week", "month", "quarter")
LONG: tuple[Period, ...] = ("month", "quarter")
LEAST: dict[str, int] = {"day": 14, "week": 4, "month": 8, "quarter": 13}
"""So many days, and for the other horizons weeks, must have closed before there is a forecast."""
KNOWN_BY: dict[str, str] = {"day": "day", "week": "week", "month": "week", "quarter": "week"}
SHORTER = {"week": "week", "month": "week", "quarter": "month"}
FORGOTTEN = 53
"""Weeks without a sale after which a category or item is forgotten."""
TOTAL_RATE = 1.0 - 0.5 ** (1 / 4)


class Outlook(NamedTuple):
    """What is expected of each category and item, in a period. Names are in no order."""

    names: list[Name]
    expected: Float64s
    low: Float64s
    high: Float64s
    methods: list[str]
    last: Float64s
    """What the last closed period sold; below 0 where that is not known."""


class Shop(Struct):
    """What the categories of a series share. `totals` is a ring of 13 weeks.

    `closed` counts whole periods since `first_day`, the first on which anything sold. Of days,
    `pull` and `score` are also kept as they were when the open week began.
    """

    first_day: int
    last_day: int
    pulls: dict[str, float]
    day_pull_before: float = 0.0
    day_score_before: Score = field(default_factory=Score)
    closed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HORIZONS, 0))
    scores: dict[str, Score] = field(default_factory=lambda: {h: Score() for h in HORIZONS})
    total: float = 0.0
    totals: list[float] = field(default_factory=lambda: [0.0] * forecast_levels.KEPT_WEEKS)


class Demand:
    """One series of a shop, by category and item.

    Quantities are those of whole days; where more came back than was sold, that counts as 0.
    """

    def __init__(self, calendar: Calendar, aim: Aim, first_day: int) -> None:
        self._calendar = calendar
        self._aim = aim
        self.book = Book()
        self.shop = Shop(first_day, first_day - 1, dict.fromkeys(HORIZONS, aim.usual))
        self._begin_week()

    def close_day(self, totals: Mapping[Name, float]) -> None:
        """Learn the day after the last one, and the periods that it ends."""
        day = self.shop.last_day = self.shop.last_day + 1
        quantities = self.book.quantities(totals)
        pages = self.book.pages
        pages["week"][:, self._place(day)] = quantities
        for period in LONG:
            pages[period]["so_far"] = np.round(pages[period]["so_far"] + quantities, 3)
        self._learn_day(day)
        self.shop.closed["day"] += 1
        if ends(self._calendar, "week", day):
            self._close_week()
        for period in LONG:
            if ends(self._calendar, period, day):
                self._close_long(period)

    def correct(self, day: int, changed: Mapping[Name, float]) -> None:
        """Take other quantities for a closed day of the open week.

        Months and quarters that have closed stay as they are.
        """
        place = self._place(day)
        quantities = self.book.quantities(self.sold(day) | dict(changed))
        pages = self.book.pages
        more = quantities - pages["week"][:, place]
        pages["week"][:, place] = quantities
        for period in LONG:
            if day >= self._calendar.first_day(period, self.shop.last_day + 1):
                pages[period]["so_far"] = np.round(pages[period]["so_far"] + more, 3)
        self._relearn_week()

    def sold(self, day: int) -> dict[Name, float]:
        """Quantities of a closed day of the open week."""
        column = self.book.pages["week"][:, self._place(day)]
        return dict(zip(self.book.numbers, column.tolist(), strict=True))

    def resume(self, shop: Shop, book: Book) -> None:
        """Go on from what was stored."""
        self.shop, self.book = shop, book

    def known(self, horizon: str) -> int:
        """How many of the periods have closed that a horizon needs, as in `LEAST`."""
        return self.shop.closed[KNOWN_BY[horizon]]

    def outlook(self, horizon: Period) -> Outlook | None:
        """What is expected of the period that begins with the next day; None: too little known."""
        if self.known(horizon) < LEAST[horizon]:
            return None
        if horizon == "day":
            return self.next_day()
        return self._next_long(horizon) if horizon in LONG else self.weekly(horizon)

    def weekly(self, horizon: str) -> Outlook:
        """What is expected of a mean week of the 1, 4 or 13 that follow the last closed one."""
        book, week = self.book, self.shop.closed["week"] - 1
        place = week % SPANS[horizon]
        expected = book.column(horizon, "expected")[:, place].astype(np.float64)
        reach = book.column(horizon, "reach")[:, place].astype(np.float64)
        last = book.column("levels", "quantities")[:, week % forecast_levels.KEPT_WEEKS]
        favorites: Int32s = np.zeros(len(book), np.int32)
        forecast_outlook.favorites(book.outlooks(horizon), len(book), favorites)
        methods = [forecast_levels.METHODS[place] for place in favorites.tolist()]
        return _chosen(book, expected, reach, methods, last, book.column("levels", "weeks") > 0)

    def next_day(self) -> Outlook:
        """What is expected of the day after the last closed one, be ever so little known."""
        book = self.book
        expected, reach = book.column("days", "expected"), book.column("days", "reach")
        last = book.column("days", "last")
        methods = [forecast_days.METHOD] * len(book)
        return _chosen(book, expected, reach, methods, last, book.column("days", "days") > 0)

    def _next_long(self, period: Period) -> Outlook:
        """A month or quarter sells as many sevenths of a mean week as it has days."""
        weekly, pages = self.weekly(period), self.book.pages[period]
        numbers = [self.book.numbers[name] for name in weekly.names]
        chosen = pages[numbers]
        return weekly._replace(
            expected=chosen["expected"], low=chosen["low"], high=chosen["high"], last=chosen["last"]
        )

    def _learn_day(self, day: int) -> None:
        """Learn a day of the open week, and forecast the one after it."""
        book, shop, weekday = self.book, self.shop, self._place(day)
        quantities = np.ascontiguousarray(book.pages["week"][:, weekday])
        before = day - shop.first_day
        forecast_days.close_day(
            book.days, book.outcomes, len(book), quantities, weekday, before, shop.pulls["day"],
            self._aim,
        )  # fmt: skip
        self._judge("day", book.column("days", "level") * 7 >= 1)
        if before >= LEAST["day"]:
            self._score("day")
        forecast_days.look_ahead(
            book.days, len(book), (weekday + 1) % 7, shop.pulls["day"], self._aim
        )

    def _relearn_week(self) -> None:
        """Learn the closed days of the open week anew, with their quantities as they are now."""
        shop = self.shop
        self.book.rewind_days()
        shop.pulls["day"] = shop.day_pull_before
        shop.scores["day"] = msgspec.structs.replace(shop.day_score_before)
        begun = self._calendar.first_day("week", shop.last_day)
        for day in range(max(begun, shop.first_day), shop.last_day + 1):
            self._learn_day(day)

    def _close_week(self) -> None:
        """Learn a whole week; one that was open when the shop began is no whole one."""
        begun = self._calendar.first_day("week", self.shop.last_day)
        if begun >= self.shop.first_day:
            self._learn_week(self.book.pages["week"].sum(axis=1))
        self._begin_week()

    def _learn_week(self, quantities: Float64s) -> None:
        book, shop = self.book, self.shop
        week = shop.closed["week"]
        total = math.fsum(quantities[book.categories()].tolist())
        shop.totals[week % forecast_levels.KEPT_WEEKS] = total
        shop.total += max(TOTAL_RATE, 1.0 / (week + 1)) * (total - shop.total)
        totals = np.array(shop.totals)
        forecast_levels.close_week(book.levels, len(book), quantities, week, totals)
        for horizon in SPANS:
            self._mature(horizon, week, totals)
            self._look_ahead(horizon, week, totals)
        shop.closed["week"] += 1
        book.keep(book.column("levels", "unsold") < FORGOTTEN)

    def _mature(self, horizon: str, week: int, totals: Float64s) -> None:
        """Learn from what was said of the weeks that have ended now."""
        book, shop = self.book, self.shop
        forecast_outlook.mature(
            book.levels, book.outlooks(horizon), book.outcomes, len(book), week, totals,
            shop.pulls[horizon], self._aim,
        )  # fmt: skip
        self._judge(horizon, book.column("levels", "average") * shop.total >= 1)
        if horizon == "week" and week >= LEAST["week"]:
            self._score("week")

    def _look_ahead(self, horizon: str, week: int, totals: Float64s) -> None:
        """Forecast the weeks that follow `week`. Shares of all categories add up to 1."""
        book, shop = self.book, self.shop
        outlooks, shares = book.outlooks(horizon), np.zeros(len(book))
        forecast_outlook.agree(book.levels, outlooks, len(book), week, totals, shares)
        whole = math.fsum(shares[book.categories()].tolist())
        scale = shop.total / whole if whole > 0.0 else 0.0
        forecast_outlook.promise(
            book.levels, outlooks, book.outlooks(SHORTER[horizon]), len(book), week, shares, scale,
            shop.pulls[horizon], self._aim,
        )  # fmt: skip

    def _close_long(self, period: Period) -> None:
        """A calendar month or quarter is over: score its forecast and make the next."""
        shop, pages, ended = self.shop, self.book.pages[period], self.shop.last_day
        if self._calendar.first_day(period, ended) >= shop.first_day:
            shop.closed[period] += 1
            pages["last"] = pages["so_far"]
        told = (pages["expected"] >= 0.0) & self.book.categories()
        sold, expected = pages["so_far"][told], pages["expected"][told]
        held = (pages["low"][told] - 1e-9 <= sold) & (sold <= pages["high"][told] + 1e-9)
        shop.scores[period].add(np.abs(sold - expected), sold, int(held.sum()))
        pages["so_far"] = 0.0
        for name in ("expected", "low", "high"):
            pages[name] = NOTHING
        if self.known(period) >= LEAST[period]:
            self._promise_long(period)

    def _promise_long(self, period: Period) -> None:
        book, weekly = self.book, self.weekly(period)
        begins = self.shop.last_day + 1
        weeks = (self._calendar.next_first_day(period, begins) - begins) / 7
        numbers, pages = [book.numbers[name] for name in weekly.names], book.pages[period]
        pages["expected"][numbers] = weekly.expected * weeks
        pages["low"][numbers] = weekly.low * weeks
        pages["high"][numbers] = weekly.high * weeks

    def _judge(self, horizon: str, large: NDArray[np.bool_]) -> None:
        """Let the pull learn from the outcomes of categories that sell one in a week or more."""
        counted = (self.book.result("matured") == 1) & self.book.categories() & large
        missed, matured = int(self.book.result("missed")[counted].sum()), int(counted.sum())
        pull = self.shop.pulls[horizon]
        self.shop.pulls[horizon] = intervals.pulled(pull, missed, matured, self._aim)

    def _score(self, horizon: str) -> None:
        """Count the outcomes of forecasts that were published."""
        book = self.book
        told = (book.result("matured") == 1) & book.categories()
        held = int(book.result("held")[told].sum())
        self.shop.scores[horizon].add(book.result("error")[told], book.result("sold")[told], held)

    def _begin_week(self) -> None:
        self.book.pages["week"] = 0.0
        self.book.remember_days()
        self.shop.day_pull_before = self.shop.pulls["day"]
        self.shop.day_score_before = msgspec.structs.replace(self.shop.scores["day"])

    def _place(self, day: int) -> int:
        """Of a day in its week, from 0."""
        return day - self._calendar.first_day("week", day)


def ends(calendar: Calendar, period: Period, day: int) -> bool:
    """Whether a period ends with `day`."""
    return calendar.first_day(period, day + 1) == day + 1


def _chosen(
    book: Book,
    expected: Float64s,
    reach: Float64s,
    methods: list[str],
    last: Float64s,
    which: NDArray[np.bool_],
) -> Outlook:
    """The outlook of those that have one."""
    names = [name for name, told in zip(book.numbers, which.tolist(), strict=True) if told]
    methods = [method for method, told in zip(methods, which.tolist(), strict=True) if told]
    expected, reach = expected[which], reach[which]
    low = np.maximum(expected - reach, 0.0)
    return Outlook(names, expected, low, expected + reach, methods, last[which])
