"""What categories will sell in the next day, weeks and quarter: ours beside plain forecasts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.core.calendar import Calendar
from stream.core.forecast_demand import LEAST
from stream.core.rows import Float64s
from stream.evaluation import plots
from stream.evaluation.demand_baselines import damped_trend, drifted, rolled, smoothed
from stream.evaluation.demand_days import Daily, Unit, closed_days, counts, daily
from stream.evaluation.demand_runs import Errors, Run, Said, covered, errors, gauss, poisson, run
from stream.evaluation.logs import Log
from stream.evaluation.report import OURS, Metric, Report
from stream.messages import Series

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SPANS = {"next week": ("week", 1), "next 4 weeks": ("month", 4), "next quarter": ("quarter", 13)}
LEAST_WEEKS = 16
"""Whole weeks that a log must have for weekly tables; spans need as many weeks twice."""
LEAST_DAYS = 8
LEAST_EVENTS = 2000
LEARNED = 4
"""One part in so many of the log is learned before the first forecast that counts."""
HALF_LIVES = {1: "1 week", 2: "2 weeks", 4: "4 weeks", 8: "8 weeks"}
DOMINANT = 0.5
"""A category with more of the whole quantity is left out: the others would not be seen."""
MOST_CELLS = 20_000_000
"""Shoppers times categories up to which the moves between them are counted."""


class Weekly(NamedTuple):
    """Whole weeks of a log, and what we said of them."""

    table: str
    unit: Unit
    truth: Float64s
    run: Run
    learned: int
    large: NDArray[np.bool_]
    moves: Callable[[Float64s, int], Float64s] | None


def tables(logs: Sequence[Log], seed: int, report: Report, say: Callable[[str], None]) -> None:
    """Put the demand tables and plots in the report, for each log and series long enough."""
    report.measure("wape_above_ours", Metric("WAPE above ours, paired", 4))
    report.measure("width", Metric("width / mean", 2, best=-1))
    report.measure("worst_period", Metric("coverage of the worst period, %", 0, 100.0))
    report.measure("poor_categories", Metric("categories covered under 65 %, %", 0, 100.0))
    for log in logs:
        for series in ("purchases", "views"):
            _series(log, series, seed, report, say)


def _series(
    log: Log, series: Series, seed: int, report: Report, say: Callable[[str], None]
) -> None:
    calendar = Calendar(log.time_zone)
    first, last = closed_days(log, calendar)
    days, events = last + 1 - first, int(np.count_nonzero(counts(log, series, "lines")))
    if not events:
        return
    if events < LEAST_EVENTS or days < LEAST_DAYS:
        told = (
            f"{log.name}: {series}: {events:,} events on {max(days, 0)} days, too few to judge "
            f"forecasts; {LEAST_EVENTS:,} on {LEAST_DAYS} days would do"
        )
        say(told)
        report.note(told)
        return
    for unit in _units(log, series):
        say(f"{log.name}: {series}, {unit}")
        table = f"demand, {log.name}, {series}"
        days_of_unit = _without_dominant(daily(log, series, calendar, unit), table, report)
        ours = run(days_of_unit)
        _next_day(days_of_unit, ours, unit, f"{table}, next day", seed, report)
        if days // 7 >= LEAST_WEEKS:
            _weeks(_weekly(log, days_of_unit, ours, unit, table), seed, report)


def _units(log: Log, series: Series) -> list[Unit]:
    """Lines, and quantities where they are something else."""
    own = log.quantities[counts(log, series, "lines") != 0]
    return ["lines"] if np.all(own == 1.0) else ["lines", "quantity"]


def _without_dominant(days: Daily, table: str, report: Report) -> Daily:
    """Leave out a category that would be most of every sum."""
    sold = days.quantities.sum(0)
    place = int(np.argmax(sold))
    if len(sold) < 3 or sold[place] <= DOMINANT * sold.sum():
        return days
    report.note(
        f"{days.names[place]} makes {100 * sold[place] / sold.sum():.0f} % of the quantity and is "
        "left out of the settings that count quantity.",
        f"{table}, next week",
    )
    names = [name for number, name in enumerate(days.names) if number != place]
    return days._replace(names=names, quantities=np.delete(days.quantities, place, axis=1))


def _weekly(log: Log, days: Daily, ours: Run, unit: Unit, table: str) -> Weekly:
    weeks = len(days.quantities) // 7
    truth = days.quantities[: 7 * weeks].reshape(weeks, 7, -1).sum(1)
    return Weekly(
        table, unit, truth, ours, weeks // LEARNED, truth.mean(0) >= 1, _moves(log, days, weeks)
    )


def _moves(log: Log, days: Daily, weeks: int) -> Callable[[Float64s, int], Float64s] | None:
    """The forecast by moves between categories, where the log is small enough for it."""
    if len(log.shopper_names) * len(days.names) > MOST_CELLS:
        return None
    columns = {name: place for place, name in enumerate(days.names)}
    places = np.array([columns.get(name, -1) for name in [*log.category_names, None]], np.int32)
    category = places[log.categories]
    week = (Calendar(log.time_zone).days_of(log.at) - days.first_day) // 7
    kept = (counts(log, days.series, "lines") > 0) & (category >= 0) & (week >= 0) & (week < weeks)
    moved = week[kept], log.shoppers[kept], category[kept]
    return lambda shares, span: drifted(shares, *moved, span)


def _weeks(weekly: Weekly, seed: int, report: Report) -> None:
    """Tables, coverage and plots of all spans."""
    wapes: dict[str, dict[str, float]] = {}
    for name, (horizon, span) in SPANS.items():
        if len(weekly.truth) < weekly.learned + 2 * span:
            continue
        table = f"{weekly.table}, {name}"
        report.describe(table, _about(name, span, weekly.learned))
        for method, wape in _compare(weekly, table, horizon, span, seed, report).items():
            wapes.setdefault(method, {})[name] = wape
        if weekly.large.any():
            _intervals(weekly, name, horizon, span, report)
    if wapes:
        _plot(weekly, wapes, report)


def _compare(
    weekly: Weekly, table: str, horizon: str, span: int, seed: int, report: Report
) -> dict[str, float]:
    """Every method's errors; the WAPE of shares of each."""
    totals = weekly.truth.sum(1, keepdims=True)
    shares, level = weekly.truth / np.maximum(totals, 1e-12), smoothed(totals, 4)
    wapes: dict[str, float] = {}
    own: dict[str, Errors] = {}
    for method, said in _methods(weekly, shares, horizon, span):
        for setting, told, truth in (
            (f"shares of {weekly.unit}", said, shares),
            (weekly.unit, said * level, weekly.truth),
        ):
            found = errors(told, truth, span, weekly.learned)
            wape = found.wape(seed)
            report.put(table, method, setting, "wape", wape)
            report.put(table, method, setting, "mase", found.mase(weekly.large))
            # Ours comes first.
            if method != OURS:
                above = found.above(own[setting], seed)
                report.put(table, method, setting, "wape_above_ours", above)
            own.setdefault(setting, found)
            wapes.setdefault(method, wape.value)
    return wapes


def _about(name: str, span: int, learned: int) -> str:
    what = "the next week" if span == 1 else f"a mean week of the next {span}"
    return (
        f"{name.capitalize()}: at the end of each week, what {what} will sell of each category: "
        "its share of all, and its quantity, which is that share of one smooth total. The first "
        f"{learned} weeks are only learned. WAPE: sum of |error| / sum of the truth; it, and how "
        "far it is above ours, with intervals of categories drawn again and again. MASE: error "
        "in units of a usual weekly change, over categories that sell one or more a week."
    )


def _methods(
    weekly: Weekly, shares: Float64s, horizon: str, span: int
) -> Iterator[tuple[str, Float64s]]:
    """Each method's shares, which add up to 1."""
    last = {"last week": shares}
    if span > 1:
        last[f"mean of the last {span} weeks"] = rolled(shares, span)
    levels = {f"level, half-life {name}": smoothed(shares, n) for n, name in HALF_LIVES.items()}
    others = {
        "mean of all weeks": rolled(shares, len(shares)),
        "damped trend (Holt)": damped_trend(shares, span),
    }
    if weekly.moves is not None:
        others["moves between categories (s T)"] = weekly.moves(shares, span)
    said = {OURS: weekly.run.weekly[horizon].expected} | last | levels | others
    for method, told in said.items():
        yield method, told / np.maximum(told.sum(1, keepdims=True), 1e-12)


def _intervals(weekly: Weekly, name: str, horizon: str, span: int, report: Report) -> None:
    """How often 80 % intervals around our forecast hold, made in three ways."""
    table, said = f"{weekly.table}, 80 % intervals", weekly.run.weekly[horizon]
    report.describe(
        table,
        "Around our forecast of quantities: our intervals, those of counts without any other "
        "spread, and a bell as wide as past errors. They should hold 80 %, in categories that "
        "sell one or more a week.",
    )
    made: Mapping[str, Said] = {
        OURS: said,
        "Poisson": poisson(said.expected, span),
        "Gauss, decayed error": gauss(said.expected, weekly.truth, span),
    }
    for method, intervals in made.items():
        found = covered(intervals, weekly.truth, span, weekly.learned, weekly.large)
        setting = f"{weekly.unit}, {name}"
        report.put(table, method, setting, "coverage", found.coverage)
        report.put(table, method, setting, "width", found.width)
        report.put(table, method, setting, "worst_period", found.worst)
        report.put(table, method, setting, "poor_categories", found.poor)


def _plot(weekly: Weekly, wapes: Mapping[str, Mapping[str, float]], report: Report) -> None:
    report.plot(
        f"How far off shares of {weekly.unit} are; less is better.",
        plots.bars(wapes, "", "WAPE of shares"),
        f"{weekly.table}, next week",
    )
    report.plot(
        f"The category that sells most {weekly.unit}: each week, and what was expected of it a "
        "week before, with the 80 % interval.",
        _band(weekly),
        f"{weekly.table}, 80 % intervals",
    )


def _band(weekly: Weekly) -> "Figure":
    """One category's weeks beside the forecasts of them."""
    place, said = int(np.argmax(weekly.truth.sum(0))), weekly.run.weekly["week"]
    weeks = list(range(weekly.learned, len(weekly.truth)))
    low, high = (part[weekly.learned - 1 : -1, place] for part in (said.low, said.high))
    made = plots.lines(
        {
            "sold": (weeks, weekly.truth[weekly.learned :, place].tolist()),
            OURS: (weeks, said.expected[weekly.learned - 1 : -1, place].tolist()),
        },
        "week of the log",
        weekly.unit,
    )
    made.add_scatter(
        x=[*weeks, *weeks[::-1]],
        y=[*high.tolist(), *low[::-1].tolist()],
        fill="toself",
        mode="none",
        name="80 % interval",
        opacity=0.3,
    )
    return made


def _next_day(days: Daily, ours: Run, unit: Unit, table: str, seed: int, report: Report) -> None:
    """The next day's quantities, at the end of each day."""
    truth, learned = days.quantities, len(days.quantities) // LEARNED
    report.describe(
        table,
        f"Each day, the quantity of the next, for each category. The first {learned} days are "
        "only learned.",
    )
    if len(truth) < LEAST["day"]:
        report.note(f"Live, there is no forecast before {LEAST['day']} days have closed.", table)
    week_ago = np.array([truth[max(0, day - 6)] for day in range(len(truth))])
    said = {
        OURS: ours.next_day.expected,
        "yesterday": truth,
        "same weekday of last week": week_ago,
        "level, half-life 7 days": smoothed(truth, 7),
        "level, half-life 28 days": smoothed(truth, 28),
        "mean of all days": rolled(truth, len(truth)),
    }
    for method, told in said.items():
        found = errors(told, truth, 1, learned)
        report.put(table, method, unit, "wape", found.wape(seed))
    large = truth.mean(0) * 7 >= 1
    if large.any():
        report.put(
            table, OURS, unit, "coverage", covered(ours.next_day, truth, 1, learned, large)[0]
        )
