"""Alerts of the shop as a whole: what rises, from where, and what is corrected."""

from itertools import product

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core.shop_counts import Findings, ShopCounts
from stream.core.tallies import Told
from stream.messages import CategoryFlow, PartitionClock, PopulationAlert
from stream.settings import Settings

WEEK = 7 * 86_400.0
SETTINGS = Settings(min_users=10)
NAMES = ["tents", "boats", "lamps", "drums"]
WAYS = [way for way in product(NAMES, NAMES) if way[0] != way[1]]


def flow(
    origin: str, target: str, shoppers: int, week: int = 1, partition: int = 0, offset: int = 1
) -> CategoryFlow:
    return CategoryFlow(
        partition=partition,
        window_started_at=week * WEEK,
        window_ends_at=(week + 1) * WEEK,
        from_category=origin,
        to_category=target,
        shoppers=shoppers,
        source_offset=offset,
    )


def clock(weeks: float, partition: int = 0, partitions: int = 1) -> PartitionClock:
    return PartitionClock(
        partition=partition,
        partitions=partitions,
        clock=weeks * WEEK,
        source_offset=int(weeks * 100),
    )


def steady(week: int) -> list[CategoryFlow]:
    """A hundred shoppers on every way."""
    return [flow(*way, 100, week) for way in WAYS]


def told(shop: ShopCounts, *messages: Told, position: int = 0) -> list[PopulationAlert]:
    """The alerts that these messages bring, looked for after the last."""
    for message in messages:
        shop.learn(message)
    return shop.find(position).alerts


RISE = [flow(name, "boats", 220, offset=2) for name in NAMES if name != "boats"]


def test_a_steady_shop_has_no_alerts() -> None:
    assert told(ShopCounts(SETTINGS), *steady(0), *steady(1), clock(2)) == []


def test_a_first_window_has_nothing_to_be_compared_with() -> None:
    assert told(ShopCounts(SETTINGS), *steady(1), *RISE, clock(2)) == []


def test_what_rises_from_everywhere_is_rising_and_no_flow() -> None:
    alerts = told(ShopCounts(SETTINGS), *steady(0), *steady(1), *RISE, clock(2))

    assert {alert.direction for alert in alerts} == {"rising", "falling"}
    (rising,) = [alert for alert in alerts if alert.direction == "rising"]
    assert (rising.category, rising.revision, rising.complete) == ("boats", 0, True)
    assert (rising.shoppers_before, rising.shoppers) == (300, 660)
    assert [source.category for source in rising.sources] == ["drums", "lamps", "tents"]
    assert [source.share for source in rising.sources] == [0.3333] * 3
    assert (rising.window_started_at, rising.window_ends_at) == (WEEK, 2 * WEEK)


def test_what_falls_says_where_its_shoppers_went() -> None:
    alerts = told(ShopCounts(SETTINGS), *steady(0), *steady(1), *RISE, clock(2))

    falling = {alert.category: alert for alert in alerts if alert.direction == "falling"}
    assert set(falling) == {"tents", "lamps", "drums"}
    largest = falling["tents"].sources[0]
    assert (largest.category, largest.shoppers) == ("boats", 220)


def test_a_way_that_others_do_not_take_is_a_flow() -> None:
    more = flow("tents", "boats", 260, offset=2)
    alerts = told(ShopCounts(SETTINGS), *steady(0), *steady(1), more, clock(2))

    ways = [(a.from_category, a.category) for a in alerts if a.direction == "flow"]
    assert ways == [("tents", "boats")]


def test_nothing_is_told_of_a_handful_of_shoppers() -> None:
    few = [flow("tents", "boats", 1, 0), flow("tents", "boats", 17, 1)]
    rest = [flow("lamps", "drums", 5000, week) for week in (0, 1)]

    open_to_all = told(ShopCounts(SETTINGS), *few, *rest, clock(2))
    assert "boats" in [alert.category for alert in open_to_all]
    private = told(ShopCounts(Settings(min_users=18)), *few, *rest, clock(2))
    assert "boats" not in [alert.category for alert in private]


def test_no_number_is_of_a_handful_of_shoppers() -> None:
    few = [flow("tents", "boats", 1, 0), flow("tents", "boats", 40, 1)]
    rest = [flow("lamps", "drums", 5000, week) for week in (0, 1)]

    alerts = told(ShopCounts(SETTINGS), *few, *rest, clock(2))

    (rising,) = [a for a in alerts if a.direction == "rising" and a.category == "boats"]
    assert (rising.shoppers_before, rising.shoppers) == (None, 40)


def test_no_source_is_a_handful_of_shoppers() -> None:
    more = [flow("tents", "boats", 500, offset=2), flow("lamps", "boats", 9, offset=2)]
    alerts = told(ShopCounts(SETTINGS), *steady(0), *steady(1), *more, clock(2))

    (rising,) = [a for a in alerts if a.direction == "rising" and a.category == "boats"]
    assert [source.category for source in rising.sources] == ["tents", "drums"]


def test_a_window_waits_for_every_partition_but_not_for_an_idle_one() -> None:
    shop = ShopCounts(SETTINGS)
    counts = [*steady(0), *steady(1), *RISE]
    assert told(shop, *counts, clock(2.01, 0, 2), clock(1.95, 1, 2)) == []

    alerts = told(shop, clock(2.2, 0, 2))

    assert alerts
    assert not any(alert.complete for alert in alerts)
    assert all(alert.revision == 0 for alert in alerts)
    later = told(shop, clock(2.2, 1, 2), position=7)
    assert [alert.id for alert in later] == [alert.id for alert in alerts]
    assert all(alert.complete and alert.revision == 8 for alert in later)


def test_what_comes_late_corrects_and_can_withdraw() -> None:
    shop = ShopCounts(SETTINGS)
    first = told(shop, *steady(0), *steady(1), *RISE, clock(2))
    (boats,) = [alert for alert in first if alert.direction == "rising"]

    corrected = told(shop, flow("tents", "boats", 221, offset=3), position=5)
    (again,) = [alert for alert in corrected if alert.id == boats.id]
    assert (again.revision, again.shoppers, again.withdrawn) == (6, 661, False)

    back = [flow(name, "boats", 100, offset=4) for name in NAMES if name != "boats"]
    taken_back = told(shop, *back, position=9)
    assert {alert.id for alert in taken_back} == {alert.id for alert in first}
    assert all(alert.withdrawn and alert.revision == 10 for alert in taken_back)
    assert told(shop, position=10) == []


def test_the_window_after_is_corrected_too() -> None:
    shop = ShopCounts(SETTINGS)
    told(shop, *steady(0), *steady(1), *steady(2), clock(3))

    alerts = told(shop, *RISE, position=1)

    assert {alert.window_started_at for alert in alerts} == {WEEK, 2 * WEEK}


def test_windows_of_another_length_are_those_of_another_group() -> None:
    long = [
        msgspec.structs.replace(one, window_ends_at=one.window_started_at + 2 * WEEK)
        for one in RISE
    ]
    assert told(ShopCounts(SETTINGS), *steady(0), *steady(1), *long, clock(2)) == []


def test_of_one_count_the_highest_source_offset_wins() -> None:
    old = [flow(*way, 7, 1, offset=0) for way in WAYS]
    assert told(ShopCounts(SETTINGS), *steady(0), *steady(1), *old, clock(2)) == []


def test_windows_that_are_long_over_are_forgotten_and_their_keys_named() -> None:
    shop = ShopCounts(SETTINGS)
    told(shop, *steady(0), *steady(1), clock(2))
    for message in (*steady(20), clock(5.9)):
        shop.learn(message)
    assert shop.find(1).ended == []
    shop.learn(clock(7))
    ended = shop.find(2).ended
    assert len(ended) == 2 * len(WAYS)
    shop.learn(flow("tents", "boats", 5, 1, offset=9))
    assert shop.find(3).ended == ['["flow",0,604800.0,"tents","boats"]']


Step = tuple[int, int, int, float]
"""Way, further shoppers, weeks back, and how far the clock goes."""
STEPS = st.lists(
    st.tuples(
        st.integers(0, len(WAYS) - 1),
        st.integers(1, 150),
        st.integers(0, 2),
        st.sampled_from([0.0, 0.3, 1.0]),
    ),
    max_size=25,
)


def as_told(partition: int, steps: list[Step]) -> list[list[Told]]:
    """What a partition tells step by step: counts first, then its clock."""
    counts: dict[tuple[int, int], int] = {}
    at, told_so_far = 1.0, list[list[Told]]()
    for offset, (way, more, back, further) in enumerate(steps):
        week = max(0, int(at) - back)
        counts[week, way] = counts.get((week, way), 0) + more
        at += further
        told_so_far.append(
            [
                flow(*WAYS[way], counts[week, way], week, partition, offset),
                PartitionClock(
                    partition=partition, partitions=2, clock=at * WEEK, source_offset=offset
                ),
            ]
        )
    end = PartitionClock(partition=partition, partitions=2, clock=25 * WEEK, source_offset=999)
    return [*told_so_far, [end]]


def standing(findings: list[Findings]) -> dict[str, PopulationAlert]:
    """Of each alert the highest revision, without the number, if it is not withdrawn."""
    newest: dict[str, PopulationAlert] = {}
    for alert in (alert for found in findings for alert in found.alerts):
        if alert.id not in newest or alert.revision >= newest[alert.id].revision:
            newest[alert.id] = alert
    return {id: without_revision(a) for id, a in newest.items() if not a.withdrawn}


def without_revision(alert: PopulationAlert) -> PopulationAlert:
    return msgspec.structs.replace(alert, revision=0)


@settings(max_examples=60)
@given(STEPS, STEPS, st.lists(st.booleans(), max_size=50))
def test_how_partitions_interleave_changes_no_alert_that_stands(
    first: list[Step], second: list[Step], turns: list[bool]
) -> None:
    sides = as_told(0, first), as_told(1, second)
    once = ShopCounts(SETTINGS)
    for batch in sides[0] + sides[1]:
        for message in batch:
            once.learn(message)
    final = once.find(0)

    live, found, queues = ShopCounts(SETTINGS), list[Findings](), [list(side) for side in sides]
    for position, turn in enumerate([*turns, *([False] * 60), *([True] * 60)]):
        if queues[turn]:
            for message in queues[turn].pop(0):
                if live.learn(message):
                    found.append(live.find(position))

    assert standing(found) == standing([final])
