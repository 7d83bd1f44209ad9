"""Forecasts as a person sees them: tables, a page of plots, or JSON."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from stream.cli.stock import Reach
from stream.core.calendar import Calendar
from stream.core.forecast_demand import HORIZONS
from stream.errors import WrongUse
from stream.messages import DemandForecast

if TYPE_CHECKING:
    from plotly.graph_objects import Figure
    from rich.table import Table

SHOWN = 20
"""Lines of a table."""
DRAWN = 8
"""Curves of a plot."""
NO_CATEGORY = "(no category)"
UNKNOWN = "-"


def largest(forecasts: Sequence[DemandForecast], top: int | None) -> list[DemandForecast]:
    """By horizon, and the most expected first; `top` of each horizon."""
    found: list[DemandForecast] = []
    for horizon in HORIZONS:
        own = [f for f in forecasts if f.horizon == horizon]
        found += sorted(own, key=lambda f: (-f.expected, name_of(f)))[:top]
    return found


def name_of(forecast: DemandForecast | Reach) -> str:
    """What is forecast."""
    return forecast.item_id or forecast.category or NO_CATEGORY


def print_json(
    forecasts: Sequence[DemandForecast], reached: Sequence[Reach] | None, missing: Sequence[str]
) -> None:
    import msgspec

    result: dict[str, Any] = {"forecasts": forecasts, "missing": missing}
    if reached is not None:
        result["stock"] = reached
    click.echo(msgspec.json.encode(result))


def warn_of(
    missing: Sequence[str], horizons: Sequence[str], reached: Sequence[Reach] | None
) -> None:
    """Say on stderr which horizons, and what of the stock, have no forecast."""
    lacking = [line for line in missing if not horizons or line.partition(":")[0] in horizons]
    if lacking:
        click.echo(f"drift: too little history: {', '.join(lacking)}", err=True)
    unknown = [name_of(reach) for reach in reached or () if reach.demand is None]
    if unknown:
        click.echo(f"drift: --stock: no forecast of {', '.join(unknown)}", err=True)


def print_tables(
    forecasts: Sequence[DemandForecast],
    reached: Sequence[Reach] | None,
    top: int,
    time_zone: str,
) -> None:
    """A table a horizon, and one of the stock."""
    from rich.console import Console

    console = Console(highlight=False)
    for horizon in HORIZONS:
        own = [f for f in forecasts if f.horizon == horizon]
        if own:
            console.print(title(own[0], time_zone), style="bold")
            console.print(_table(largest(own, top)))
            if len(own) > top:
                console.print(f"and {len(own) - top:,} more; --top {len(own)} shows all")
            console.print()
    if reached:
        console.print(
            "stock: the chance of a shortage within the lead time is that of a gamma distribution "
            "with the forecast's mean and interval; too much is what lies beyond the upper end of "
            "the quarter's interval",
            style="bold",
        )
        console.print(_stock_table(reached))


def _table(forecasts: Sequence[DemandForecast]) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None)
    table.add_column("category" if forecasts[0].item_id is None else "item")
    for head in ("expected", f"{100 * forecasts[0].interval:g} % interval", "last", "change"):
        table.add_column(head, justify="right")
    for forecast in forecasts:
        table.add_row(escape(name_of(forecast)), *cells(forecast))
    return table


def title(forecast: DemandForecast, time_zone: str) -> str:
    """The period, and how good forecasts of its kind were so far.

    >>> from stream.core.calendar import Calendar
    >>> from stream.core.forecast import Forecaster
    >>> forecaster = Forecaster(Calendar())
    >>> for day in range(738_522, 738_557):
    ...     made = forecaster.close_day(day, {("purchases", "tents", None): 3.0})
    >>> title(made[-1], "UTC")
    'purchases, week 2023-02-06 to 2023-02-12; so far WAPE 0.0 %, intervals held 100 %'
    """
    zone = ZoneInfo(time_zone)
    first = datetime.fromtimestamp(forecast.period_started_at, zone).date()
    last = datetime.fromtimestamp(forecast.period_ends_at - 1, zone).date()
    days = f"{first}" if first >= last else f"{first} to {last}"
    said = f"{forecast.series}, {forecast.horizon} {days}"
    if forecast.wape is not None and forecast.coverage is not None:
        said += (
            f"; so far WAPE {100 * forecast.wape:.1f} %, "
            f"intervals held {100 * forecast.coverage:.0f} %"
        )
    return said


def cells(forecast: DemandForecast) -> tuple[str, str, str, str]:
    """Expected, interval, what the last period sold, and the change from it."""
    change = UNKNOWN
    if forecast.last:
        change = f"{100 * (forecast.expected / forecast.last - 1):+.0f} %"
    return (
        _amount(forecast.expected),
        f"{_amount(forecast.low)} to {_amount(forecast.high)}",
        UNKNOWN if forecast.last is None else _amount(forecast.last),
        change,
    )


def _amount(quantity: float) -> str:
    """A quantity with as many digits as tell something.

    >>> _amount(12345.6), _amount(3.14159)
    ('12,346', '3.1')
    """
    return f"{quantity:,.0f}" if quantity >= 100 else f"{quantity:.1f}"


def _stock_table(reached: Sequence[Reach]) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None)
    table.add_column("category or item")
    for head in (
        "on hand", "lead time, days", "demand in it", "days of cover", "shortage", "too much"
    ):  # fmt: skip
        table.add_column(head, justify="right")
    for reach in reached:
        table.add_row(escape(name_of(reach)), *stock_cells(reach))
    return table


def stock_cells(reach: Reach) -> tuple[str, ...]:
    """What is on hand, and how far it goes."""
    return (
        _amount(reach.on_hand),
        f"{reach.lead_time_days:g}",
        UNKNOWN if reach.demand is None else _amount(reach.demand),
        UNKNOWN if reach.days_of_cover is None else _amount(reach.days_of_cover),
        UNKNOWN if reach.shortage is None else f"{100 * reach.shortage:.0f} %",
        UNKNOWN if reach.overstock is None else _amount(reach.overstock),
    )


def draw(
    chosen: Sequence[DemandForecast],
    all_there_are: Sequence[DemandForecast],
    top: int,
    time_zone: str,
    out: Path,
) -> None:
    """Write a page with a plot a horizon: what was sold, and the forecast with its interval."""
    from stream.evaluation.page import page
    from stream.evaluation.report import Report

    report = Report("Demand forecasts", {"time zone": time_zone})
    for horizon in HORIZONS:
        own = [f for f in chosen if f.horizon == horizon]
        if own:
            report.plot(
                title(own[0], time_zone), _figure(largest(own, top), all_there_are, time_zone)
            )
    try:
        out.write_text(page(report), encoding="utf-8")
    except OSError as error:
        raise WrongUse(f"--plot: can't write {out}: {error.strerror}") from None


def _figure(
    chosen: Sequence[DemandForecast], all_there_are: Sequence[DemandForecast], time_zone: str
) -> "Figure":
    from stream.evaluation import plots

    made = plots.figure(f"{chosen[0].horizon} that begins", chosen[0].series, height=460)
    for place, forecast in enumerate(chosen):
        color = plots.COLORS[place % len(plots.COLORS)]
        days, sold = history(forecast, all_there_are, time_zone)
        made.add_scatter(
            x=days, y=sold, name=name_of(forecast), legendgroup=place, mode="lines",
            line={"color": color},
        )  # fmt: skip
        made.add_scatter(
            x=[_date(forecast.period_started_at, time_zone)],
            y=[forecast.expected],
            error_y={
                "array": [forecast.high - forecast.expected],
                "arrayminus": [forecast.expected - forecast.low],
            },
            name=f"{name_of(forecast)}, expected",
            legendgroup=place,
            showlegend=False,
            mode="markers",
            marker={"color": color, "size": 9},
        )
    return made


def history(
    forecast: DemandForecast, all_there_are: Sequence[DemandForecast], time_zone: str
) -> tuple[list[str], list[float]]:
    """When earlier periods began, and what they sold: each forecast tells it of the one before."""
    calendar = Calendar(time_zone)
    sold = dict(_lasts(forecast, all_there_are))
    starts = sorted(sold)
    # A week's length does not hang on which weekday it begins with.
    before = {
        start: start - 7 * 86_400.0
        if forecast.horizon == "week"
        else calendar.start_of(forecast.horizon, start - 1)
        for start in starts
    }
    return [_date(before[start], time_zone) for start in starts], [sold[start] for start in starts]


def _lasts(
    forecast: DemandForecast, all_there_are: Sequence[DemandForecast]
) -> Iterator[tuple[float, float]]:
    kind = forecast.horizon, forecast.series, forecast.category, forecast.item_id
    for other in all_there_are:
        same = (other.horizon, other.series, other.category, other.item_id) == kind
        if same and other.last is not None:
            yield other.period_started_at, other.last


def _date(at: float, time_zone: str) -> str:
    return datetime.fromtimestamp(at, ZoneInfo(time_zone)).date().isoformat()
