"""Forecasts of toy shops whose next week anyone can tell, and the laws that hold for all."""

import math
import random
from collections.abc import Mapping
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.calendar import Calendar
from stream.core.forecast import Forecaster, Key
from stream.core.forecast_book import BYTES
from stream.messages import DemandForecast
from stream.settings import Settings
from tests.reference import slow_forecast

MONDAY = date(2023, 1, 2).toordinal()
Days = list[dict[Key, float]]


def sold(category: str, quantity: float, item: str | None = None) -> dict[Key, float]:
    return {("purchases", category, item): quantity}


def close(forecaster: Forecaster, days: Days, first: int = MONDAY) -> list[DemandForecast]:
    return [
        made for place, day in enumerate(days) for made in forecaster.close_day(first + place, day)
    ]


def latest(made: list[DemandForecast], horizon: str, category: str | None = "tents"):
    return [f for f in made if (f.horizon, f.category, f.item_id) == (horizon, category, None)][-1]


def test_what_always_sells_the_same_is_expected_to() -> None:
    made = close(Forecaster(Calendar()), [sold("tents", 3.0)] * 364)

    assert latest(made, "day").expected == 3.0
    assert latest(made, "week").expected == 21.0
    assert latest(made, "month").expected == pytest.approx(31 * 3.0, abs=0.002)
    assert latest(made, "quarter").expected == pytest.approx(91 * 3.0, abs=0.002)
    for horizon in ("day", "week", "month", "quarter"):
        forecast = latest(made, horizon)
        assert forecast.low <= forecast.expected <= forecast.high
        assert forecast.wape == pytest.approx(0.0, abs=1e-6)
        assert forecast.coverage == 1.0


def test_a_forecast_says_of_what_and_when_it_was_made_and_what_the_last_period_sold() -> None:
    calendar = Calendar("Europe/Berlin")
    made = close(Forecaster(calendar, settings="abc"), [sold("tents", 3.0)] * 180)
    april = latest([f for f in made if f.period_started_at <= 1_680_300_000], "month")

    assert april.period_started_at == calendar.begin(date(2023, 4, 1).toordinal())
    assert april.period_ends_at == calendar.begin(date(2023, 5, 1).toordinal())
    assert april.made_at == april.period_started_at
    assert april.last == 31 * 3.0
    # January began on a Sunday, so it was no whole month.
    assert april.periods == 2
    assert (april.settings, april.series, april.interval) == ("abc", "purchases", 0.8)


def test_each_forecast_tells_what_the_period_before_it_sold() -> None:
    days = [sold("tents", float(1 + place % 5)) for place in range(35)]
    made = close(Forecaster(Calendar()), days)

    told = {f.period_started_at: f.last for f in made if f.horizon == "day"}
    assert told == {Calendar().begin(MONDAY + n): 1.0 + (n - 1) % 5 for n in range(14, 36)}
    assert latest(made, "week").last == sum(1 + place % 5 for place in range(28, 35))


def test_a_step_is_followed_within_weeks() -> None:
    days = [{**sold("tents", 2.0), **sold("rugs", 10.0)}] * 140
    days += [{**sold("tents", 8.0), **sold("rugs", 4.0)}] * 56
    forecaster = Forecaster(Calendar())
    made = close(forecaster, days)

    assert latest(made, "week").expected == pytest.approx(56.0, rel=0.03)
    assert latest(made, "week", "rugs").expected == pytest.approx(28.0, rel=0.06)


def test_a_weekday_that_sells_more_is_expected_to() -> None:
    week = [1.0, 1.0, 1.0, 1.0, 1.0, 6.0, 3.0]
    forecaster = Forecaster(Calendar())
    made = close(forecaster, [sold("tents", 10 * quantity) for quantity in week * 30])
    saturday = made[-1].period_started_at - 2 * 86400
    expected = {f.period_started_at: f.expected for f in made if f.horizon == "day"}

    assert made[-1].period_started_at == Calendar().begin(MONDAY + 210)
    assert expected[saturday] == pytest.approx(60.0, rel=0.03)
    assert expected[saturday + 86400] == pytest.approx(30.0, rel=0.03)
    assert expected[saturday - 86400] == pytest.approx(10.0, rel=0.03)


def test_too_little_history_gives_no_forecast_and_says_what_is_missing() -> None:
    forecaster = Forecaster(Calendar())
    assert [str(lack) for lack in forecaster.shortfalls()] == [
        "day: 0 of 14 days", "week: 0 of 4 weeks", "month: 0 of 8 weeks", "quarter: 0 of 13 weeks"
    ]  # fmt: skip

    made = close(forecaster, [sold("tents", 3.0)] * 15)
    assert {f.horizon for f in made} == {"day"}
    assert [str(lack) for lack in forecaster.shortfalls()] == [
        "week: 2 of 4 weeks", "month: 2 of 8 weeks", "quarter: 2 of 13 weeks"
    ]  # fmt: skip

    close(forecaster, [sold("tents", 3.0)] * 90, MONDAY + 15)
    assert forecaster.shortfalls() == []


def test_a_shop_that_opens_on_a_thursday_has_its_first_week_after_the_next_sunday() -> None:
    forecaster = Forecaster(Calendar())
    close(forecaster, [sold("tents", 3.0)] * 10, MONDAY + 3)

    assert "week: 0 of 4 weeks" in map(str, forecaster.shortfalls())
    close(forecaster, [sold("tents", 3.0)], MONDAY + 13)
    assert "week: 1 of 4 weeks" in map(str, forecaster.shortfalls())


def test_weeks_begin_when_the_shop_says() -> None:
    forecaster = Forecaster(Calendar(week_starts_on="thursday"))
    made = close(forecaster, [sold("tents", 3.0)] * 40, MONDAY + 3)
    week = latest(made, "week")

    assert week.period_started_at == Calendar().begin(MONDAY + 3 + 35)


def test_days_that_are_left_out_sold_nothing() -> None:
    days = [sold("tents", 5.0), {}, {}, {}] * 20
    told, silent = Forecaster(Calendar()), Forecaster(Calendar())
    made = close(told, days)
    heard = [
        forecast
        for place, day in enumerate(days)
        if day
        for forecast in silent.close_day(MONDAY + place, day)
    ]

    assert heard == [f for f in made if f.made_at <= heard[-1].made_at]
    silent.close_day(MONDAY + 79, {})
    assert silent.snapshot() == told.snapshot()


def test_a_new_category_starts_when_it_first_sells() -> None:
    days = [sold("tents", 4.0)] * 70 + [{**sold("tents", 4.0), **sold("boats", 1.0)}] * 14
    made = close(Forecaster(Calendar()), days)

    boats = [f for f in made if f.category == "boats" and f.horizon == "week"]
    assert [f.made_at for f in boats] == [Calendar().begin(MONDAY + day) for day in (77, 84)]
    # The silent week before its first sale counts as well, so it is believed step by step.
    assert [f.expected for f in boats] == [pytest.approx(3.8, rel=0.2), pytest.approx(5, rel=0.2)]


def test_what_sells_now_and_then_is_not_taken_for_its_first_day() -> None:
    every = {("purchases", f"c{place}", None): 1.0 for place in range(30)}
    days: Days = [{**sold("tents", 9.0)} for _ in range(60)]
    for place, key in enumerate(every):
        days[20 + place] = {**days[20 + place], key: 1.0}  # type: ignore[dict-item]
    made = close(Forecaster(Calendar()), days)

    first = [f for f in made if f.horizon == "day" and f.last == 1.0 and f.category != "tents"]
    assert {f.expected for f in first} == {0.25}


def test_an_item_is_forecast_beside_its_category_and_not_added_to_it() -> None:
    day = {**sold("tents", 6.0), **sold("tents", 2.0, "iglu"), **sold("rugs", 4.0)}
    made = close(Forecaster(Calendar()), [day] * 56)
    item = [f for f in made if f.horizon == "week" and f.item_id == "iglu"][-1]

    assert (item.category, item.expected) == ("tents", pytest.approx(14.0, abs=0.01))
    assert latest(made, "week").expected == pytest.approx(42.0, abs=0.01)


def test_events_without_a_category_are_one_more() -> None:
    made = close(Forecaster(Calendar()), [{("purchases", None, None): 2.0}] * 28)

    assert latest(made, "week", None).expected == 14.0


def test_views_are_a_series_of_their_own() -> None:
    day: dict[Key, float] = {**sold("tents", 1.0), ("views", "tents", None): 9.0}
    made = close(Forecaster(Calendar()), [day] * 28)

    week = [(f.series, f.expected) for f in made if f.horizon == "week"]
    assert week == [("purchases", 7.0), ("views", 63.0)]


def test_a_day_on_which_more_came_back_than_was_sold_counts_as_none() -> None:
    made = close(Forecaster(Calendar()), [sold("tents", 3.0), sold("tents", -1.0)] * 28)

    assert latest(made, "week").expected == pytest.approx(10.5, rel=0.05)
    assert all(f.expected >= 0 and f.low >= 0 for f in made)


def test_what_no_longer_sells_is_forgotten_after_a_year_and_a_week() -> None:
    forecaster = Forecaster(Calendar())
    close(forecaster, [{**sold("tents", 3.0), **sold("sleds", 1.0)}] * 28)
    made = close(forecaster, [sold("tents", 3.0)] * 7 * 54, MONDAY + 28)

    demand = forecaster.demand("purchases")
    assert demand is not None
    assert list(demand.book.numbers) == [("tents", None)]
    assert latest(made, "week", "sleds").expected == pytest.approx(0.0, abs=0.01)


def test_a_category_takes_at_most_1600_bytes() -> None:
    assert BYTES <= 1600


@pytest.mark.parametrize("interval", [0.5, 0.8, 0.95])
def test_intervals_hold_as_often_as_asked(interval: float) -> None:
    rng = random.Random(5)
    forecaster = Forecaster(Calendar(), interval)
    rates = {f"c{number}": rng.choice([1, 3, 10]) for number in range(40)}
    days = [
        {("purchases", c, None): float(poisson(rng, rate)) for c, rate in rates.items()}
        for _ in range(400)
    ]
    made = close(forecaster, days)

    assert latest(made, "day", "c0").coverage == pytest.approx(interval, abs=0.05)
    assert latest(made, "week", "c0").coverage == pytest.approx(interval, abs=0.04)


def poisson(rng: random.Random, rate: float) -> int:
    count, product, least = 0, rng.random(), math.exp(-rate)
    while product > least:
        product *= rng.random()
        count += 1
    return count


def test_a_week_that_went_otherwise_is_in_the_score() -> None:
    days = [sold("tents", 2.0)] * 35 + [sold("tents", 4.0)] * 7
    made = close(Forecaster(Calendar()), days)
    week = latest(made, "week")

    # Two forecasts of 14 matured: 14 were sold, then 28.
    assert week.wape == pytest.approx(14 / 42)
    assert week.coverage == 0.5


QUANTITIES = st.sampled_from([0.0, 0.0, 1.0, 2.0, 5.0, 0.125, -1.0])
NAMES: list[Key] = [
    ("purchases", "tents", None), ("purchases", "rugs", None), ("purchases", None, None),
    ("purchases", "tents", "iglu"), ("views", "tents", None),
]  # fmt: skip
DAYS = st.lists(st.dictionaries(st.sampled_from(NAMES), QUANTITIES), min_size=1, max_size=70)


@given(days=DAYS, cut=st.integers(0, 70))
def test_a_restart_after_any_day_changes_nothing(days: Days, cut: int) -> None:
    whole, first, resumed = (Forecaster(Calendar()) for _ in range(3))
    made = close(whole, days)
    before = close(first, days[:cut])
    resumed.restore(first.snapshot())

    assert resumed.snapshot() == first.snapshot()
    assert before + close(resumed, days[cut:], MONDAY + cut) == made
    assert resumed.snapshot() == whole.snapshot()


@given(days=DAYS, seed=st.integers(0, 99))
def test_the_order_of_keys_changes_nothing(days: Days, seed: int) -> None:
    def shuffled(day: Mapping[Key, float]) -> dict[Key, float]:
        keys = list(day)
        rng.shuffle(keys)
        return {key: day[key] for key in keys}

    rng = random.Random(seed)
    one, other = Forecaster(Calendar()), Forecaster(Calendar())

    assert close(one, days) == close(other, [shuffled(day) for day in days])
    assert one.snapshot() == other.snapshot()


@given(data=st.data())
def test_a_correction_to_the_open_week_is_as_if_it_had_been_so(data: st.DataObject) -> None:
    # No month ends in these four weeks, and every series begins before.
    every = dict.fromkeys(NAMES, 1.0)
    week = st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, QUANTITIES)), min_size=6, max_size=6)
    days = [every] * 21 + data.draw(week)
    place = data.draw(st.integers(21, 26))
    right = data.draw(st.fixed_dictionaries(dict.fromkeys(NAMES, QUANTITIES)))
    wrong, clean = Forecaster(Calendar()), Forecaster(Calendar())
    close(wrong, days)
    assert wrong.correct(MONDAY + place, right)
    close(clean, [*days[:place], right, *days[place + 1 :]])

    assert wrong.close_day(MONDAY + 27, every) == clean.close_day(MONDAY + 27, every)
    assert wrong.snapshot() == clean.snapshot()


def test_a_correction_may_begin_a_series_earlier_or_name_a_new_category() -> None:
    wrong, clean = Forecaster(Calendar()), Forecaster(Calendar())
    close(wrong, [{}, {}, sold("tents", 1.0), {}])
    assert wrong.correct(MONDAY + 1, sold("boats", 2.0))
    close(clean, [{}, sold("boats", 2.0), sold("tents", 1.0), {}])

    days = [{**sold("tents", 1.0), **sold("boats", 1.0)}] * 40
    assert close(wrong, days, MONDAY + 4) == close(clean, days, MONDAY + 4)
    assert wrong.late == 0


def test_a_correction_to_a_closed_week_is_counted_and_dropped() -> None:
    forecaster = Forecaster(Calendar())
    close(forecaster, [sold("tents", 3.0)] * 9)
    before = forecaster.snapshot()

    assert not forecaster.correct(MONDAY + 6, sold("tents", 4.0))
    assert forecaster.late == 1
    forecaster.late = 0
    assert forecaster.snapshot() == before


def test_days_close_in_order_and_once() -> None:
    forecaster = Forecaster(Calendar())
    forecaster.close_day(MONDAY, {})

    with pytest.raises(ValueError, match="2023-01-02 has closed"):
        forecaster.close_day(MONDAY, {})
    with pytest.raises(ValueError, match="2023-01-03 has not closed"):
        forecaster.correct(MONDAY + 1, {})
    with pytest.raises(ValueError, match="purchases of tents must be finite, got nan"):
        forecaster.close_day(MONDAY + 1, sold("tents", math.nan))


def test_the_settings_say_calendar_and_interval() -> None:
    settings = Settings(time_zone="Asia/Tokyo", week_starts_on="sunday", forecast_interval=0.9)
    forecaster = Forecaster.configured(settings)
    made = close(forecaster, [sold("tents", 3.0)] * 34)
    week = latest(made, "week")

    assert week.interval == 0.9
    assert week.period_started_at == Calendar("Asia/Tokyo").begin(MONDAY + 34)
    assert week.settings == settings.fingerprint()


@given(
    weeks=st.lists(
        st.tuples(*[st.sampled_from([0.0, 1.0, 3.0, 10.0, 25.0])] * 3), min_size=2, max_size=24
    )
)
def test_weekly_forecasts_equal_a_slow_reference(weeks: list[tuple[float, ...]]) -> None:
    weeks = [(1.0, 1.0, 0.0), *weeks]
    names = ["tents", "rugs", "boats"]
    forecaster = Forecaster(Calendar())
    for number, week in enumerate(weeks):
        monday = MONDAY + 7 * number
        day = {("purchases", n, None): q for n, q in zip(names, week, strict=True)}
        forecaster.close_day(monday, day)  # type: ignore[arg-type]
        forecaster.close_day(monday + 6, {})
    demand = forecaster.demand("purchases")
    assert demand is not None
    history = {n: [week[place] for week in weeks] for place, n in enumerate(names)}
    for horizon, span in (("week", 1), ("month", 4), ("quarter", 13)):
        outlook = demand.weekly(horizon)
        told = {name[0]: e for name, e in zip(outlook.names, outlook.expected, strict=True)}
        assert told == pytest.approx(slow_forecast.expected(history, span), rel=1e-4, abs=1e-5)
