"""`drift forecast`: what will be sold, and how far the stock goes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stream.cli.log_options import StoredLogs, log_options
from stream.cli.options import broker_option, json_option, settings_option

if TYPE_CHECKING:
    from stream.cli.forecast_sources import Found
    from stream.messages import DemandForecast, Series
    from stream.settings import Settings


@click.command(
    epilog="Example: drift forecast transactions.parquet --preset completejourney "
    "--catalog products.parquet --horizon week --top 10"
)
@log_options(required=False)
@broker_option
@click.option(
    "--horizon",
    "horizons",
    multiple=True,
    type=click.Choice(["day", "week", "month", "quarter"]),
    help="Only this one; give it again for more.",
)
@click.option(
    "--series",
    type=click.Choice(["purchases", "views"]),
    default="purchases",
    show_default=True,
    help="What is sold, or what is looked at.",
)
@click.option(
    "--category", "categories", multiple=True, metavar="NAME", help="Only this; again for more."
)
@click.option("--items", is_flag=True, help="The best-selling items, not whole categories.")
@click.option(
    "--top",
    type=click.IntRange(1),
    help="Only so many of each table, those with most expected.  [default: 20; all with --json]",
)
@click.option(
    "--stock",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What is on hand, CSV or JSONL: category or item_id, on_hand, lead_time_days. Adds days "
    "of cover, the chance of a shortage and what is too much.",
)
@click.option(
    "--plot",
    metavar="FILE.html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw what was sold and what is expected, with intervals.",
)
@settings_option
@json_option
def forecast(
    logs: StoredLogs,
    broker: str,
    horizons: tuple[str, ...],
    series: "Series",
    categories: tuple[str, ...],
    items: bool,
    top: int | None,
    stock: Path | None,
    plot: Path | None,
    settings: Path | None,
    as_json: bool,
) -> None:
    """Print what categories or items will sell in the next day, week, month and quarter.

    Forecasts are those that workers published (--broker), those of a replay (--from, its
    folder or file, without SOURCE), or are made now from the closed days of SOURCE. Tables and
    plot show categories by their names in --catalog; --json has them as events do.
    """
    from stream.cli import forecast_view as view
    from stream.cli.category_names import called, category_names
    from stream.cli.forecast_sources import newest
    from stream.cli.stock import reaches, read_stock
    from stream.settings import load

    stocks = read_stock(stock) if stock is not None else []
    loaded = load(settings)
    found = _found(logs, broker, series, loaded)
    current = [f for f in newest(found.forecasts) if f.series == series]
    reached = reaches(stocks, current) if stock is not None else None
    chosen = [
        f
        for f in current
        if (not horizons or f.horizon in horizons)
        and (not categories or f.category in categories)
        and (f.item_id is not None) == items
    ]
    _refuse_nothing(chosen, found, horizons, categories, series)
    view.warn_of(found.missing, horizons, reached)
    names = category_names(logs.sources.catalog)
    if plot is not None:
        whole = called(found.forecasts, names)
        view.draw(called(chosen, names), whole, top or view.DRAWN, loaded.time_zone, plot)
    if as_json:
        view.print_json(view.largest(chosen, top), reached, found.missing)
    else:
        stocked = None if reached is None else called(reached, names)
        view.print_tables(called(chosen, names), stocked, top or view.SHOWN, loaded.time_zone)


def _found(logs: StoredLogs, broker: str, series: "Series", settings: "Settings") -> "Found":
    """From wherever the command line says."""
    from stream.cli import forecast_sources as sources
    from stream.errors import WrongUse

    if logs.sources.names:
        read = logs.read(settings)
        if len(read) > 1:
            raise WrongUse("--category-part: give one; forecasts are of one kind of category")
        return sources.from_log(read[0], settings, series)
    if logs.sources.start:
        return sources.from_file(Path(logs.sources.start), series)
    return sources.from_topic(broker, series)


def _refuse_nothing(
    chosen: "Sequence[DemandForecast]",
    found: "Found",
    horizons: Sequence[str],
    categories: Sequence[str],
    series: "Series",
) -> None:
    """Say in one line why there is nothing to show."""
    from stream.errors import StreamError

    if chosen:
        return
    known = [f for f in found.forecasts if f.series == series]
    if not known:
        other = next((f.series for f in found.forecasts), None)
        hint = f"; there are {other}: --series {other}" if other else ""
        raise StreamError(f"too little history of {series}: {', '.join(found.missing)}{hint}")
    lacking = [line for line in found.missing if line.partition(":")[0] in horizons]
    if lacking and len(lacking) == len(horizons):
        raise StreamError(f"too little history of {series}: {', '.join(lacking)}")
    named = f" of {', '.join(categories)}" if categories else ""
    raise StreamError(f"no forecast{named}: leave out --category or --items to see what there is")
