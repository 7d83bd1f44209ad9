"""Days close for all partitions together, and are corrected while their week is open."""

from datetime import date

import msgspec
import pytest

from stream.core.shop_counts import ShopCounts
from stream.core.tallies import Told
from stream.messages import DemandCount, DemandForecast, PartitionClock
from stream.settings import Settings

MONDAY = date(2026, 1, 5).toordinal()
DAY = 86_400.0
SETTINGS = Settings()


def count(day: int, quantity: float, partition: int = 0, offset: int = 0) -> DemandCount:
    return DemandCount(
        partition=partition,
        day=date.fromordinal(MONDAY + day).isoformat(),
        series="purchases",
        category="tents",
        item_id=None,
        quantity=quantity,
        source_offset=offset,
    )


def clock(day: float, partition: int = 0, partitions: int = 1) -> PartitionClock:
    at = (MONDAY - date(1970, 1, 1).toordinal() + day) * DAY
    return PartitionClock(
        partition=partition, partitions=partitions, clock=at, source_offset=round(day * 100)
    )


def made(shop: ShopCounts, *messages: Told) -> list[DemandForecast]:
    for message in messages:
        shop.learn(message)
    return shop.find(0).forecasts


def test_a_day_closes_when_every_partition_has_passed_it() -> None:
    shop = ShopCounts(SETTINGS)
    counts = [count(day, 2.0, partition) for day in range(29) for partition in (0, 1)]
    early = made(shop, *counts, clock(27.9, 0, 2), clock(27.0, 1, 2))
    assert shop._demand.forecaster.last_day == MONDAY + 26

    weeks = [f for f in made(shop, clock(28.1, 1, 2), clock(28.1, 0, 2)) if f.horizon == "week"]

    assert early
    assert [(f.expected, f.period_started_at) for f in weeks] == [(28.0, clock(28).clock)]


def test_an_idle_partition_holds_no_day() -> None:
    shop = ShopCounts(SETTINGS)
    made(shop, *[count(day, 2.0) for day in range(10)], clock(9.5, 0, 2), clock(3.0, 1, 2))
    assert shop._demand.forecaster.last_day == MONDAY + 7


def test_days_on_which_nothing_sold_close_too() -> None:
    shop = ShopCounts(SETTINGS)
    made(shop, count(0, 3.0), clock(4.0))
    assert shop._demand.forecaster.last_day == MONDAY + 3


@pytest.mark.parametrize("late_day", [8, 5, 0, -2])
def test_what_comes_late_is_as_if_it_had_come_in_time(late_day: int) -> None:
    in_time, late = ShopCounts(SETTINGS), ShopCounts(SETTINGS)
    days, after = [count(day, 2.0 + day % 2) for day in range(9)], count(late_day, 5.0, offset=1)
    made(in_time, *days, after, clock(9.5))
    made(late, *days, clock(9.5))
    made(late, after, clock(9.6))

    assert made(late, clock(29.0)) == made(in_time, clock(29.0))


def test_days_that_are_long_over_are_forgotten() -> None:
    shop = ShopCounts(SETTINGS)
    made(shop, count(0, 3.0), clock(4.0))
    made(shop, count(0, 9.0, offset=5), clock(60.0))
    assert shop._demand._days == {}
    before = shop._demand.forecaster.snapshot()
    made(shop, count(0, 90.0, offset=6))
    assert shop._demand._days == {}
    assert shop._demand.forecaster.snapshot() == before


def test_long_after_days_settled_a_correction_still_counts() -> None:
    in_time, late = ShopCounts(SETTINGS), ShopCounts(SETTINGS)
    days = [count(day, 2.0 + day % 3) for day in range(100)]
    after = count(80, 50.0, offset=1)
    made(in_time, *days, after)
    made(late, *days)
    for day in range(1, 99):
        made(in_time, clock(day))
        made(late, clock(day))

    made(late, after)
    again = made(late, clock(101.0))

    assert [f for f in again if f.made_at > clock(98).clock] == made(in_time, clock(101.0))


def test_a_forecast_whose_period_is_open_is_made_again_when_its_days_change() -> None:
    in_time, late = ShopCounts(SETTINGS), ShopCounts(SETTINGS)
    days, after = [count(day, 2.0) for day in range(29)], count(27, 9.0, offset=1)
    weeks = [f for f in made(in_time, *days, after, clock(28.5)) if f.horizon == "week"]
    made(late, *days, clock(28.5))
    made(late, after)

    again = [f for f in made(late, clock(29.5)) if f.horizon == "week"]

    assert again == weeks[-1:]
    assert [f for f in made(late, clock(30.5)) if f.horizon == "week"] == []


def test_the_order_of_partitions_changes_no_forecast() -> None:
    one, other = ShopCounts(SETTINGS), ShopCounts(SETTINGS)
    sides = [[count(day, 1.25 * p + day % 3, p) for day in range(40)] for p in (0, 1, 2)]
    clocks = [clock(40.0, p, 3) for p in (0, 1, 2)]
    made_once = made(one, *sides[0], *sides[1], *sides[2], *clocks)

    assert made(other, *sides[2], *sides[0], *reversed(clocks), *sides[1]) == made_once
    assert msgspec.json.encode(made_once[0])
