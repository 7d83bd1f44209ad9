"""The demand tables on toy logs, and their parts against what can be worked out by hand."""

import numpy as np
import pytest

from stream.core.calendar import Calendar
from stream.core.rows import Float64s
from stream.evaluation import demand
from stream.evaluation.demand_baselines import damped_trend, drifted, rolled, smoothed
from stream.evaluation.demand_days import Daily, closed_days, daily, item_days
from stream.evaluation.demand_runs import Said, ahead, covered, errors, gauss, poisson, run
from stream.evaluation.logs import Log
from stream.evaluation.report import OURS, Report

MONDAY = 738_522  # 2023-01-02
START = 1_672_617_600.0
BUY, VIEW, RETURNED = 2, 0, 3
Event = tuple[float, int, int, int, float]


def log(events: list[Event], names: tuple[str, ...] = ("tents", "rugs")) -> Log:
    """Events of (days from the start, shopper, category, action, quantity)."""
    ordered = sorted(events, key=lambda event: event[0])
    days, shoppers, categories, actions, quantities = zip(*ordered, strict=True)
    numbers = np.array(categories, np.int32)
    return Log(
        name="toy",
        shoppers=np.array(shoppers, np.int32),
        categories=numbers,
        items=numbers,
        at=START + 86_400.0 * np.array(days, np.float64),
        sessions=np.zeros(len(ordered), np.int64),
        actions=np.array(actions, np.int8),
        quantities=np.array(quantities, np.float64),
        shopper_names=[f"u{number}" for number in range(max(shoppers) + 1)],
        category_names=list(names),
        item_names=[f"{name}-1" for name in names],
    )


def test_a_day_sells_what_was_bought_less_what_came_back() -> None:
    events: list[Event] = [
        (0.1, 0, 0, BUY, 2.0), (0.2, 1, 0, RETURNED, 0.5), (0.3, 2, 1, VIEW, 1.0),
        (1.5, 0, 1, BUY, 3.0), (1.6, 0, -1, BUY, 1.0),
        (2.1, 0, 0, BUY, 9.0), (2.2, 1, 0, VIEW, 1.0), (2.3, 2, 0, VIEW, 1.0),
    ]  # fmt: skip
    found = daily(log(events), "purchases", Calendar())

    assert (found.first_day, found.names) == (MONDAY, ["tents", "rugs", None])
    # The third day is not over.
    assert found.quantities.tolist() == [[1.5, 0.0, 0.0], [0.0, 3.0, 1.0]]
    assert list(found.totals())[1] == (
        MONDAY + 1, {("purchases", "rugs", None): 3.0, ("purchases", None, None): 1.0}
    )  # fmt: skip
    lines = daily(log(events), "purchases", Calendar(), "lines")
    assert lines.quantities.tolist() == [[0.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
    views = daily(log(events), "views", Calendar())
    assert views.quantities.tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_one_shoppers_wild_times_do_not_stretch_the_log() -> None:
    events: list[Event] = [(day + 0.1 * n, n, 0, BUY, 1.0) for day in range(4) for n in range(4)]
    events += [(-900.0, 0, 0, BUY, 1.0), (4000.0, 1, 0, BUY, 1.0)]

    assert closed_days(log(events), Calendar()) == (MONDAY, MONDAY + 2)
    assert daily(log(events), "purchases", Calendar()).quantities.tolist() == [[4.0, 0.0]] * 3


def test_the_items_that_sold_most_of_late_are_counted() -> None:
    events: list[Event] = [(day + 0.1 * n, n, 0, BUY, 1.0) for day in range(40) for n in range(3)]
    events += [(day + 0.5, 0, 1, BUY, 2.0) for day in range(5)]

    found = item_days(log(events), "purchases", Calendar(), 1)
    assert found == {MONDAY + n: {("purchases", "tents", "tents-1"): 3.0} for n in range(39)}
    assert item_days(log(events), "purchases", Calendar(), 0) == {}


def weeks(*rows: tuple[float, ...]) -> Float64s:
    return np.array(rows, np.float64)


def test_plain_forecasts_say_what_can_be_worked_out() -> None:
    rising = weeks((1.0,), (2.0,), (3.0,), (4.0,))

    assert rolled(rising, 2).ravel().tolist() == [1.0, 1.5, 2.5, 3.5]
    # Half-life 1: half of the way each week, and all of it in the first.
    assert smoothed(rising, 1).ravel().tolist() == [1.0, 1.5, 2.25, 3.125]
    assert damped_trend(weeks(*[(5.0,)] * 6), 4).ravel().tolist() == pytest.approx([5.0] * 6)
    assert ahead(rising, 2).ravel().tolist() == [2.5, 3.5]


def test_moves_carry_shares_on() -> None:
    # Of two categories all shoppers of the first go to the second, and stay there.
    week = np.repeat(np.arange(3, dtype=np.int32), 10)
    shoppers = np.tile(np.repeat(np.arange(2, dtype=np.int32), 5), 3)
    categories = np.array([0] * 5 + [1] * 5 + [1] * 10 + [1] * 10, np.int32)
    shares = weeks((0.5, 0.5), (0.0, 1.0), (0.0, 1.0))

    said = drifted(shares, week, shoppers, categories, 1)
    assert said.tolist() == [[0.5, 0.5], [0.0, 1.0], [0.0, 1.0]]


def test_errors_begin_after_what_is_only_learned() -> None:
    truth = weeks((9.0, 1.0), (9.0, 1.0), (8.0, 2.0), (6.0, 4.0))
    found = errors(truth, truth, 1, learned=2)

    assert found.errors.tolist() == [3.0, 3.0]
    assert found.wape(1).value == pytest.approx(6 / 20)
    assert found.origins == 2
    worse = errors(truth + 2.0, truth, 1, learned=2)
    assert worse.errors.tolist() == [7.0, 1.0]
    assert worse.above(found, 1).value == pytest.approx((8 - 6) / 20)
    # In the weeks that were only learned, nothing changed to measure errors by.
    assert np.isnan(found.mase(np.array([True, True])))
    assert errors(truth, truth, 1, learned=3).mase(np.array([True, True])) == 4.0


def test_intervals_are_covered_as_often_as_they_hold() -> None:
    truth = weeks((10.0,), (12.0,), (20.0,))
    said = Said(truth, truth - 3.0, truth + 3.0)
    found = covered(said, truth, 1, 1, np.array([True]))

    assert (found.coverage, found.worst, found.origins) == (0.5, 0.0, 2)
    assert found.width == pytest.approx(6 / 14)


def test_a_bell_and_counts_cover_their_own_kind() -> None:
    rng = np.random.default_rng(3)
    truth = rng.poisson(20.0, (200, 30)).astype(np.float64)
    expected = np.full_like(truth, 20.0)
    large = np.ones(30, np.bool_)

    for said in (poisson(expected, 1), gauss(expected, truth, 1)):
        assert covered(said, truth, 1, 20, large).coverage == pytest.approx(0.8, abs=0.04)


def test_a_run_notes_what_was_said_at_the_end_of_each_week() -> None:
    days = Daily("purchases", MONDAY + 2, ["tents", None], np.tile([3.0, 1.0], (70, 1)))
    found = run(days)

    # Weeks begin as the log does.
    assert found.weekly["month"].expected[5].tolist() == pytest.approx([21.0, 7.0], abs=0.01)
    assert found.totals[5] == 28.0
    assert found.next_day.expected[30].tolist() == pytest.approx([3.0, 1.0])


def shop(days: int, seed: int = 4) -> Log:
    """A shop whose second half of the year sells twice the rugs."""
    rng = np.random.default_rng(seed)
    events: list[Event] = []
    for day in range(days):
        for category, rate in enumerate((30.0, 10.0 if day < days / 2 else 20.0, 5.0)):
            for _ in range(rng.poisson(rate)):
                events.append((day + rng.random(), int(rng.integers(9)), category, BUY, 2.0))
    return log(events, ("tents", "rugs", "boats"))


@pytest.fixture(scope="module")
def report() -> Report:
    made, said = Report("demand"), list[str]()
    demand.tables([shop(7 * 44)], 1, made, said.append)
    return made


def test_every_span_has_ours_beside_the_others(report: Report) -> None:
    names = report.tables()
    assert names == [
        f"demand, toy, purchases, {table}"
        for table in ("next day", "next week", "80 % intervals", "next 4 weeks", "next quarter")
    ]
    week = report.table("demand, toy, purchases, next week")
    assert week.methods == [
        OURS, "last week", "level, half-life 1 week", "level, half-life 2 weeks",
        "level, half-life 4 weeks", "level, half-life 8 weeks", "mean of all weeks",
        "damped trend (Holt)", "moves between categories (s T)",
    ]  # fmt: skip
    assert week.settings == ["shares of lines", "lines", "shares of quantity", "quantity"]
    assert set(week.metrics) == {"wape", "mase", "wape_above_ours"}


def test_ours_leaves_slow_levels_behind_after_a_step(report: Report) -> None:
    for span in ("next week", "next 4 weeks"):
        table = f"demand, toy, purchases, {span}"
        wapes = {
            row.method: row.value
            for row in report.rows
            if (row.table, row.setting, row.metric) == (table, "shares of lines", "wape")
        }
        ours, level = wapes[OURS], wapes["level, half-life 4 weeks"]
        assert ours is not None
        assert level is not None
        assert ours < level


def test_quantities_scale_with_lines(report: Report) -> None:
    values = {
        row.setting: row.value
        for row in report.rows
        if (row.table, row.method, row.metric)
        == ("demand, toy, purchases, next week", "last week", "wape")
    }
    assert values["shares of lines"] == pytest.approx(values["shares of quantity"])


def test_the_same_log_and_seed_give_the_same_rows(report: Report) -> None:
    again = Report("demand")
    demand.tables([shop(7 * 44)], 1, again, lambda line: None)

    assert again.rows == report.rows


def test_a_category_that_is_most_of_the_quantity_is_left_out_and_named() -> None:
    toy = shop(7 * 20)
    heavy = toy._replace(quantities=np.where(toy.categories == 2, 1000.0, toy.quantities))
    made = Report("demand")
    demand.tables([heavy], 1, made, lambda line: None)

    assert any(text.startswith("boats makes 9") for _, text in made.notes)


def test_a_short_log_is_told_and_gives_no_table() -> None:
    made, said = Report("demand"), list[str]()
    demand.tables([shop(8)], 1, made, said.append)

    assert made.tables() == []
    assert said[0].startswith("toy: purchases: ")
    assert "too few" in said[0]
    assert [text for _, text in made.notes] == said
