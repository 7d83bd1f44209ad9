"""What is sold and viewed on each day, over all partitions, and forecasts as the days close."""

import math
from collections import Counter
from datetime import date

from stream.core.calendar import Calendar
from stream.core.clocks import Clocks
from stream.core.forecast import Forecaster, Key
from stream.core.tallies import THOUSAND
from stream.messages import DemandCount, DemandForecast
from stream.settings import Settings

FORGOTTEN_AFTER = 224 * 86_400.0
"""Seconds behind the furthest clock, at which a day waits for no partition any more."""


class Day:
    """The sums of one day, in thousandths, what each partition says, and what changed lately."""

    def __init__(self) -> None:
        self.totals: Counter[Key] = Counter()
        self.changed: set[Key] = set()
        self._said: dict[tuple[int, Key], tuple[int, int]] = {}

    def learn(self, count: DemandCount) -> None:
        """Of one key the highest source offset counts."""
        key = count.series, count.category, count.item_id
        offset, before = self._said.get((count.partition, key), (-1, 0))
        if count.source_offset <= offset:
            return
        thousandths = round(THOUSAND * count.quantity)
        self._said[count.partition, key] = count.source_offset, thousandths
        self.totals[key] += thousandths - before
        if thousandths != before:
            self.changed.add(key)

    def quantities(self, changed: bool = False) -> dict[Key, float]:
        """The sums in the order of their keys: all, or those that changed."""
        chosen = self.changed if changed else self.totals.keys()
        return {key: self.totals[key] / THOUSAND for key in sorted(chosen, key=_spelled)}


class DemandDays:
    """Hands days to a forecaster as they close.

    Its forecasts know the newest counts of every day on which partitions may still say
    something. Where the forecaster can't correct one, it goes back to the last day that nothing
    changes any more, and learns those since anew; forecasts of periods that are still open are
    then made again.
    """

    def __init__(self, settings: Settings) -> None:
        self.forecaster = Forecaster.configured(settings)
        self._settled = Forecaster.configured(settings)
        self._settled_at = -math.inf
        self._calendar = Calendar(settings.time_zone, settings.week_starts_on)
        self._days: dict[int, Day] = {}
        self._told: dict[tuple[str | None, ...], DemandForecast] = {}

    def learn(self, count: DemandCount) -> None:
        """Take a count, unless its day is long over."""
        number = date.fromisoformat(count.day).toordinal()
        if self._calendar.begin(number + 1) > self._settled_at:
            self._days.setdefault(number, Day()).learn(count)

    def advance(self, clocks: Clocks) -> list[DemandForecast]:
        """Close days, and return the forecasts of periods that begin after them, or changed."""
        open_day, last = self._day_of(clocks.closed), self.forecaster.last_day
        if open_day is None or open_day <= (last or 0) + 1:
            return []
        if last is not None and not self._correct(last):
            self.forecaster.restore(self._settled.snapshot())
        made = self._close(self.forecaster, open_day)
        for day in (day for number, day in self._days.items() if number < open_day):
            day.changed.clear()
        begun = -math.inf if last is None else self._calendar.begin(last + 1)
        return [one for one in made if self._is_news(one, begun, self._calendar.begin(open_day))]

    def settle(self, clocks: Clocks) -> None:
        """Forget days of which no partition says anything any more."""
        self._settled_at = max(self._settled_at, clocks.settled(FORGOTTEN_AFTER))
        first_kept = self._day_of(self._settled_at)
        if first_kept is not None:
            self._close(self._settled, first_kept)
            self._days = {n: day for n, day in self._days.items() if n >= first_kept}

    def _correct(self, last: int) -> bool:
        """Whether the forecaster could take what changed on days that have closed."""
        return all(
            self.forecaster.correct(number, self._days[number].quantities(changed=True))
            for number in sorted(self._days)
            if number <= last and self._days[number].changed
        )

    def _is_news(self, forecast: DemandForecast, begun: float, now: float) -> bool:
        """Whether it is of a period that begins now, or of an open one and not told yet."""
        what = forecast.horizon, forecast.series, forecast.category, forecast.item_id
        told, self._told[what] = self._told.get(what), forecast
        return forecast.made_at > begun or (forecast.period_ends_at > now and forecast != told)

    def _day_of(self, at: float) -> int | None:
        return None if at == -math.inf else self._calendar.day_of(at)

    def _close(self, forecaster: Forecaster, until: int) -> list[DemandForecast]:
        """Close the days before `until` that are not closed yet."""
        last, made = forecaster.last_day, list[DemandForecast]()
        first = min(self._days, default=until) if last is None else last + 1
        for number in range(first, until):
            day = self._days.get(number)
            made += forecaster.close_day(number, {} if day is None else day.quantities())
        return made


def _spelled(key: Key) -> tuple[str, str, str]:
    series, category, item = key
    return series, category or "", item or ""
