"""Alerts of the shop as a whole: what rises, from where, and what is corrected."""

import random
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from stream.core.tallies import Told
from stream.core.trends import Population
from stream.messages import CategoryFlow, PartitionClock, PopulationAlert
from stream.settings import Settings

WEEK = 7 * 86_400.0
SETTINGS = Settings(min_users=10)
NAMES = ["tents", "boats", "lamps", "drums"]


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
        partition=partition, partitions=partitions, clock=weeks * WEEK, source_offset=int(weeks * 9)
    )


def steady(week: int, offset: int = 1) -> list[CategoryFlow]:
    """A hundred shoppers on every way."""
    return [flow(a, b, 100, week, offset=offset) for a, b in product(NAMES, NAMES) if a != b]


def closed(*messages: Told) -> list[PopulationAlert]:
    population = Population(SETTINGS)
    for message in messages:
        population.learn(message)
    return population.close()


def test_a_steady_shop_has_no_alerts() -> None:
    assert closed(*steady(0), *steady(1), clock(2)) == []


def test_what_rises_from_everywhere_is_rising_and_no_flow() -> None:
    more = [flow(name, "boats", 220, offset=2) for name in NAMES if name != "boats"]

    alerts = closed(*steady(0), *steady(1), *more, clock(2))

    assert {alert.direction for alert in alerts} == {"rising", "falling"}
    (rising,) = [alert for alert in alerts if alert.direction == "rising"]
    assert rising.category == "boats"
    assert (rising.shoppers_before, rising.shoppers) == (300, 660)
    assert [source.category for source in rising.sources] == ["drums", "lamps", "tents"]
    assert [source.shoppers for source in rising.sources] == [220, 220, 220]


def test_a_way_that_others_do_not_take_is_a_flow() -> None:
    alerts = closed(*steady(0), *steady(1), flow("tents", "boats", 260, offset=2), clock(2))

    ways = [(a.from_category, a.category) for a in alerts if a.direction == "flow"]
    assert ways == [("tents", "boats")]


def test_nothing_is_told_of_a_handful_of_shoppers() -> None:
    few = [flow("tents", "boats", 1, 0), flow("tents", "boats", 17, 1)]
    rest = [flow("lamps", "drums", 5000, week) for week in (0, 1)]

    assert "boats" in [alert.category for alert in closed(*few, *rest, clock(2))]
    population = Population(Settings(min_users=18))
    for message in [*few, *rest, clock(2)]:
        population.learn(message)
    assert "boats" not in [alert.category for alert in population.close()]


def test_a_window_waits_for_every_partition_but_not_for_an_idle_one() -> None:
    population = Population(SETTINGS)
    rise = [flow("tents", "boats", 400, offset=2), flow("lamps", "boats", 400, offset=2)]
    for message in [*steady(0), *steady(1), *rise, clock(2.01, 0, 2), clock(1.95, 1, 2)]:
        population.learn(message)
    assert population.close() == []
    population.learn(clock(2.2, 0, 2))

    alerts = population.close()

    assert alerts
    assert not any(alert.complete for alert in alerts)
    population.learn(flow("tents", "boats", 401, offset=3))
    population.learn(clock(2.2, 1, 2))
    later = population.close()
    assert all(alert.complete and alert.revision == 1 for alert in later)


def test_what_comes_late_corrects_and_can_withdraw() -> None:
    population = Population(SETTINGS)
    for message in [*steady(0), *steady(1), flow("tents", "boats", 260, offset=2), clock(2)]:
        population.learn(message)
    first = population.close()
    population.learn(flow("tents", "boats", 100, offset=3))

    corrected = population.close()

    assert {(a.id, a.revision, a.withdrawn) for a in corrected} == {(a.id, 1, True) for a in first}
    assert population.close() == []


@given(st.integers(0, 10_000))
def test_the_order_of_messages_changes_no_final_alert_but_for_its_revision(seed: int) -> None:
    draw = random.Random(seed)
    rise = [flow("tents", "boats", 130 + 60 * p, 1, p, offset=5) for p in range(2)]
    clocks = [clock(2, p, 2) for p in range(2)]
    messages: list[Told] = [*steady(0), *steady(1), *rise, *clocks]
    ordered, shuffled = Population(SETTINGS), Population(SETTINGS)
    for message in messages:
        ordered.learn(message)
    ordered.close()
    draw.shuffle(messages)
    for message in messages:
        shuffled.learn(message)
        if draw.random() < 0.3:
            shuffled.close()
    shuffled.close()

    def content(population: Population) -> list[tuple[object, ...]]:
        return [
            (a.id, a.shoppers, a.z, a.sources, a.complete)
            for a in population.final()
            if not a.withdrawn
        ]

    assert content(shuffled) == content(ordered)
