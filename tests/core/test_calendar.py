"""Days, weeks, months and quarters against zoneinfo, where clocks are put forward and back."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.calendar import Calendar
from stream.messages import Period

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "America/Havana",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
]
TIMES = st.integers(946_684_800, 2_208_988_800)


def at(text: str, zone: str, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def local(time: float, zone: str) -> str:
    return datetime.fromtimestamp(time, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


@given(zone=st.sampled_from(ZONES), times=st.lists(TIMES, max_size=20))
def test_the_day_is_that_of_the_local_date(zone: str, times: list[int]) -> None:
    days = Calendar(zone).days_of(np.array(times, np.float64))

    assert days.dtype == np.int32
    expected = [datetime.fromtimestamp(time, ZoneInfo(zone)).toordinal() for time in times]
    assert days.tolist() == expected


@given(
    zone=st.sampled_from(ZONES),
    time=TIMES,
    period=st.sampled_from(["day", "week", "month", "quarter"]),
)
def test_periods_hold_their_times_and_meet_without_a_gap(
    zone: str, time: int, period: Period
) -> None:
    calendar = Calendar(zone)
    start, end = calendar.start_of(period, time), calendar.end_of(period, time)

    assert start <= time < end
    assert calendar.start_of(period, end) == end
    assert calendar.end_of(period, start) == end
    assert calendar.day_of(start) == calendar.first_day(period, calendar.day_of(time))


@pytest.mark.parametrize(
    ("zone", "noon", "hours"),
    [
        ("Europe/Berlin", "2026-03-29T12:00", 23),
        ("Europe/Berlin", "2026-10-25T12:00", 25),
        ("Europe/Berlin", "2026-07-01T12:00", 24),
        ("Australia/Lord_Howe", "2026-04-05T12:00", 24.5),
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(zone: str, noon: str, hours: float) -> None:
    calendar, time = Calendar(zone), at(noon, zone)

    assert (calendar.end_of("day", time) - calendar.start_of("day", time)) / 3600 == hours


def test_a_day_without_a_midnight_begins_when_clocks_are_put_forward() -> None:
    zone = "America/Sao_Paulo"
    calendar, time = Calendar(zone), at("2018-11-04T12:00", zone)

    assert local(calendar.start_of("day", time), zone) == "2018-11-04 01:00"
    assert calendar.day_of(calendar.start_of("day", time) - 1) == calendar.day_of(time) - 1


def test_a_day_with_two_midnights_begins_at_the_first() -> None:
    zone = "America/Havana"
    calendar, time = Calendar(zone), at("2023-11-05T12:00", zone)

    assert calendar.start_of("day", time) == at("2023-11-05T00:00", zone)
    assert calendar.end_of("day", time) - calendar.start_of("day", time) == 25 * 3600


def test_days_do_not_run_backward_where_clocks_are_put_back_over_midnight() -> None:
    zone = "America/St_Johns"
    # At 00:01 it was 23:01 again.
    midnight = at("2010-11-07T00:00", zone)
    days = Calendar(zone).days_of(midnight + np.array([-60.0, 0.0, 60.0, 120.0, 3660.0]))

    assert np.diff(days).tolist() == [1, 0, 0, 0]


def test_a_day_that_a_zone_skipped_holds_nothing() -> None:
    zone = "Pacific/Apia"
    calendar = Calendar(zone)
    before = calendar.day_of(at("2011-12-29T12:00", zone))

    assert calendar.day_of(at("2011-12-31T12:00", zone)) == before + 2
    assert calendar.begin(before + 1) == calendar.begin(before + 2)
    assert calendar.end_of("day", at("2011-12-29T12:00", zone)) == calendar.begin(before + 2)


def test_a_week_starts_on_the_weekday_that_is_set() -> None:
    tuesday = at("2026-11-24T12:00", "UTC")
    starts = {
        name: Calendar.name(
            Calendar("UTC", name).first_day("week", Calendar("UTC").day_of(tuesday))
        )
        for name in ("monday", "tuesday", "wednesday", "sunday")
    }

    assert starts == {
        "monday": "2026-11-23",
        "tuesday": "2026-11-24",
        "wednesday": "2026-11-18",
        "sunday": "2026-11-22",
    }


def test_months_and_quarters_follow_the_calendar() -> None:
    calendar = Calendar("UTC")
    day = calendar.day_of(at("2024-01-31T23:59", "UTC"))

    assert Calendar.name(calendar.first_day("month", day)) == "2024-01-01"
    assert Calendar.name(calendar.next_first_day("month", day)) == "2024-02-01"
    assert Calendar.name(calendar.next_first_day("quarter", day)) == "2024-04-01"
    december = calendar.day_of(at("2024-12-31T12:00", "UTC"))
    assert Calendar.name(calendar.next_first_day("quarter", december)) == "2025-01-01"


def test_days_keep_the_shape_of_the_times() -> None:
    assert Calendar().days_of(np.zeros((2, 3))).shape == (2, 3)
    assert Calendar().days_of(np.zeros(0)).shape == (0,)
