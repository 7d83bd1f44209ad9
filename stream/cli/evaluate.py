"""`drift evaluate`: how good the models are, on your log, beside simple methods."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stream.cli.log_options import StoredLogs, log_options
from stream.cli.options import json_option, settings_option
from stream.cli.zones import loaded
from stream.errors import WrongUse

if TYPE_CHECKING:
    from rich.console import Console

    from stream.evaluation.ranking import Plan
    from stream.evaluation.report import Report
    from stream.settings import Settings

MODULES = {
    "drift": ("stream.evaluation.drift",),
    "migration": ("stream.evaluation.next_category", "stream.evaluation.horizon_tables"),
    "demand": ("stream.evaluation.demand",),
    "ranking": ("stream.evaluation.ranking",),
    "ratings": ("stream.evaluation.ratings",),
}
TITLES = {
    "drift": "Detecting that an interest moved",
    "migration": "Predicting the next interest",
    "demand": "Forecasting demand",
    "ranking": "Recommending the next items",
    "ratings": "Foretelling ratings",
}
PREQUENTIAL, FROZEN = "prequential", "frozen"
PROTOCOLS = (PREQUENTIAL, FROZEN)
MOST_PARTITIONS = 256


@click.command(
    epilog="Example: drift evaluate drift UserBehavior.csv.gz --preset taobao --out results "
    "--from 2017-11-25T00:00:00+08:00 --to 2017-12-04T00:00:00+08:00"
)
@click.argument("what", type=click.Choice(list(MODULES)))
@log_options(required=False, by_part=True)
@click.option(
    "--out",
    metavar="DIR",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where report.html and report.json go.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of all that is drawn.")
@click.option(
    "--protocol",
    type=click.Choice(PROTOCOLS),
    help="Of ranking: lists published before each event (prequential), or made with what was known "
    "at the start of its week or day (frozen).  [default: both]",
)
@click.option(
    "--partitions",
    metavar="N,...",
    help="Of ranking, prequential: in how many partitions the log is measured once more, from 2 on "
    "with one shop model for all and with one each.  [default: 1,4,16]",
)
@settings_option
@json_option
def evaluate(
    what: str,
    logs: StoredLogs,
    out: Path,
    seed: int,
    protocol: str | None,
    partitions: str | None,
    settings: Path | None,
    as_json: bool,
) -> None:
    """Measure detection, prediction, demand, lists or ratings, beside simple methods.

    SOURCE is a stored log; what is tuned is tuned on one part of it and reported on
    another, and the report names both. `drift` and `ranking` need none: they have simulated
    shoppers, whose moves are known. The same SOURCE, settings and seed give the same numbers.
    """
    from stream.evaluation.report import Report

    _check(what, bool(logs.sources.names), protocol, partitions)
    counts = _counts(partitions) if partitions is not None else None
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUse(f"--out: can't make {out}: {error.strerror}") from None
    chosen = loaded(settings, logs.sources.preset)
    read = logs.read(chosen)
    report = Report(TITLES[what], _about(logs, seed))
    more = {}
    if what == "ranking":
        more["plan"] = _plan(chosen, protocol, counts, logs.sources.catalog)
    for module in MODULES[what]:
        importlib.import_module(module).tables(read, seed, report, _say, **more)
    report.write(out)
    print_report(report, out, as_json)


def _check(what: str, sourced: bool, protocol: str | None, partitions: str | None) -> None:
    """Refuse what can't be measured, or options that would change nothing."""
    for option, value in (("--protocol", protocol), ("--partitions", partitions)):
        if value is not None and what != "ranking":
            raise WrongUse(f"{option} {value} is for ranking: leave it out for {what}")
        if value is not None and not sourced:
            raise WrongUse(f"{option} {value} needs a SOURCE: a stored log")
    if protocol == FROZEN and partitions is not None:
        raise WrongUse(
            f"--partitions {partitions} is of published lists: give --protocol prequential"
        )
    if not sourced and what not in ("drift", "ranking"):
        raise WrongUse(f"drift evaluate {what} needs a SOURCE: a stored log")


def _counts(said: str) -> tuple[int, ...]:
    """Numbers of partitions, each once.

    >>> _counts("1,4,16")
    (1, 4, 16)
    """
    parts = [part.strip() for part in said.split(",")]
    for part in parts:
        if not (part.isascii() and part.isdigit() and 1 <= int(part) <= MOST_PARTITIONS):
            raise WrongUse(
                f"--partitions: {part!r} is no number from 1 to {MOST_PARTITIONS}: "
                "give some with commas between, like 1,4,16"
            )
    return tuple(dict.fromkeys(map(int, parts)))


def _plan(
    settings: "Settings",
    protocol: str | None,
    counts: tuple[int, ...] | None,
    catalog: Path | None,
) -> "Plan":
    from stream.evaluation.ranking import Plan
    from stream.storage.event_log import entries

    plan = Plan(
        settings=settings,
        catalog=tuple(entries(catalog)) if catalog else (),
        prequential=protocol in (None, PREQUENTIAL),
        frozen=protocol in (None, FROZEN),
    )
    return plan if counts is None else plan._replace(partitions=counts)


def _say(line: str) -> None:
    click.echo(f"drift: {line}", err=True)


def _about(logs: StoredLogs, seed: int) -> dict[str, str]:
    import platform
    from importlib.metadata import version

    named = [f"{name} {version(name)}" for name in ("interest-drift", "numba", "numpy", "river")]
    about = {"source": " ".join(logs.sources.names) or "simulated streams only"}
    for option in ("preset", "mapping", "catalog", "start", "end"):
        value = getattr(logs.sources, option)
        if value:
            about[option] = str(value)
    about["seed"] = str(seed)
    about["made with"] = ", ".join([*named, f"Python {platform.python_version()}"])
    return about


def print_report(report: "Report", out: Path, as_json: bool) -> None:
    """Its tables and notes for people, or what is in report.json."""
    if as_json:
        click.echo((out / "report.json").read_bytes(), nl=False)
        return
    from rich.console import Console

    console = Console()
    for name in report.tables():
        _print_table(report, name, console)
    for table, text in report.notes:
        console.print(f"{table}: {text}" if table else text, style="dim", highlight=False)
    console.print(f"report.html and report.json in {out}", highlight=False)


def _print_table(report: "Report", name: str, console: "Console") -> None:
    from rich.markup import escape
    from rich.table import Table

    from stream.evaluation.report import metric_of, shown

    table = report.table(name)
    metrics = [metric_of(report, metric) for metric in table.metrics]
    drawn = Table(title=escape(name), title_justify="left")
    for head in ("setting", "method"):
        drawn.add_column(head)
    for metric in metrics:
        drawn.add_column(escape(metric.label), justify="right")
    for setting, method, cells in table.lines():
        numbers = [shown(cell, metric) for cell, metric in zip(cells, metrics, strict=True)]
        texts = [
            f"{value} [dim]{interval}[/]" if interval else value for value, interval in numbers
        ]
        drawn.add_row(escape(setting), escape(method), *texts)
    console.print(drawn)
