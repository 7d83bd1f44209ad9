"""Who makes too many records in an hour, against counting them all."""

import math

from hypothesis import given
from hypothesis import strategies as st

from stream.core import pace
from stream.core.pace import HOUR, LAYOUT, PaceRow
from stream.core.rows import zeros

MOST = 3


def bots(ats: list[float], clock: float = -math.inf, most: int = MOST) -> list[bool]:
    """Of each record whether it is believed to be a bot's."""
    row, found = zeros(1, LAYOUT, PaceRow)[0], []
    for at in ats:
        pace.begin_hour(row, at, clock)
        found.append(bool(pace.is_bot(row)))
        pace.count(row, most)
    return found


def slow_bots(ats: list[float]) -> list[bool]:
    """In time order: more than `MOST` before it in its hour, or in the whole hour before."""
    hours = [int(at // HOUR) for at in ats]
    return [
        hours[:place].count(hour) > MOST or hours.count(hour - 1) > MOST
        for place, hour in enumerate(hours)
    ]


@given(st.lists(st.integers(0, 10).map(lambda half: half * HOUR / 2), max_size=40).map(sorted))
def test_too_many_in_this_hour_or_in_the_one_before_are_a_bots(ats: list[float]) -> None:
    assert bots(ats) == slow_bots(ats)


def test_a_record_from_the_future_holds_no_count() -> None:
    day = 24 * HOUR
    later = [HOUR * hour for hour in range(1, 9)]
    row, found = zeros(1, LAYOUT, PaceRow)[0], []
    for clock, at in enumerate([day, *later]):
        pace.begin_hour(row, at, clock * HOUR)
        found.append(bool(pace.is_bot(row)))
        pace.count(row, MOST)
    assert not any(found)
    assert bots([day, *later])[-1], "without a clock it is taken at its word"


def test_late_records_count_in_the_hour_at_hand() -> None:
    assert bots([10 * HOUR, HOUR, HOUR, HOUR, HOUR])[-1]


def test_it_is_told_once_when_a_shopper_becomes_a_bot() -> None:
    row = zeros(1, LAYOUT, PaceRow)[0]
    pace.begin_hour(row, HOUR, HOUR)
    assert [bool(pace.count(row, MOST)) for _ in range(6)] == [False] * 3 + [True] + [False] * 2
