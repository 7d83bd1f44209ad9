"""The shop's calendar: which local day, week, month or quarter a time belongs to."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np

from stream.core.rows import Float64s, Int32s, Int64s
from stream.messages import Period

DAY = 86_400.0
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
REMEMBERED = 16_384
"""Days whose beginnings are kept at hand: 45 years."""


class Calendar:
    """Days of a time zone, and the weeks, months and quarters that they make.

    A day is a number: that of its date, counted from the year 1 (`date.toordinal`). It begins
    at local midnight; where clocks are put forward over midnight, when they are, and where they
    strike it twice, at the first. So a day has 23, 24 or 25 hours, or none where a zone skipped
    it, and days never run backward. Times are Unix seconds in the years 1 to 9998.

    Parameters
    ----------
    time_zone
        A name like Europe/Berlin.
    week_starts_on
        A weekday in lower case.

    Examples
    --------
    >>> calendar = Calendar("Europe/Berlin")
    >>> summer = datetime(2026, 3, 29, 12, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    >>> (calendar.end_of("day", summer) - calendar.start_of("day", summer)) / 3600
    23.0
    >>> calendar.name(calendar.first_day("quarter", calendar.day_of(summer)))
    '2026-01-01'
    """

    def __init__(self, time_zone: str = "UTC", week_starts_on: str = "monday") -> None:
        self._zone = ZoneInfo(time_zone)
        self._first_weekday = WEEKDAYS.index(week_starts_on)
        self._starts: dict[int, float] = {}

    def begin(self, day: int) -> float:
        """When the day begins."""
        start = self._starts.get(day)
        if start is None:
            if len(self._starts) >= REMEMBERED:
                self._starts.clear()
            midnight = datetime.fromordinal(day).replace(tzinfo=self._zone)
            start = self._starts[day] = midnight.timestamp()
        return start

    def day_of(self, at: float) -> int:
        """The day that `at` belongs to."""
        return int(self.days_of(np.array([at]))[0])

    def days_of(self, at: Float64s) -> Int32s:
        """The day that each time belongs to, shape as given."""
        universal, place = np.unique(np.floor_divide(at, DAY), return_inverse=True)
        days: Int64s = universal.astype(np.int64) + date(1970, 1, 1).toordinal()
        own = np.array([self.begin(day) for day in days.tolist()], np.float64)
        after = np.array([self.begin(day + 1) for day in days.tolist()], np.float64)
        # No zone is a whole day from Greenwich.
        place = place.reshape(np.shape(at))
        passed = (at >= own[place]).astype(np.int32) + (at >= after[place])
        return np.asarray(days[place] - 1 + passed, np.int32)

    def first_day(self, period: Period, day: int) -> int:
        """The first day of the period that holds `day`."""
        if period == "day":
            return day
        that = date.fromordinal(day)
        if period == "week":
            return day - (that.weekday() - self._first_weekday) % 7
        month = that.month if period == "month" else that.month - (that.month - 1) % 3
        return that.replace(month=month, day=1).toordinal()

    def next_first_day(self, period: Period, day: int) -> int:
        """The first day of the period after the one that holds `day`."""
        first = self.first_day(period, day)
        # From any first day, so many days on is always in the next period.
        longest = {"day": 1, "week": 7, "month": 31, "quarter": 92}[period]
        return self.first_day(period, first + longest)

    def start_of(self, period: Period, at: float) -> float:
        """When the period that holds `at` began."""
        return self.begin(self.first_day(period, self.day_of(at)))

    def end_of(self, period: Period, at: float) -> float:
        """When the period that holds `at` ends, and the next one begins."""
        return self.begin(self.next_first_day(period, self.day_of(at)))

    @staticmethod
    def name(day: int) -> str:
        """The day's date as YYYY-MM-DD."""
        return date.fromordinal(day).isoformat()
