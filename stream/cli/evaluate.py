"""`drift evaluate`: how good the models are, on your log, beside simple methods."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stream.cli.log_options import StoredLogs, log_options
from stream.cli.options import json_option, settings_option
from stream.cli.zones import loaded

if TYPE_CHECKING:
    from rich.console import Console

    from stream.evaluation.report import Report

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
@settings_option
@json_option
def evaluate(
    what: str, logs: StoredLogs, out: Path, seed: int, settings: Path | None, as_json: bool
) -> None:
    """Measure detection, prediction, demand, lists or ratings, beside simple methods.

    SOURCE is a stored log; what is tuned is tuned on one part of it and reported on
    another, and the report names both. `drift` needs none: it has simulated streams.
    The same SOURCE and seed give the same numbers.
    """
    from stream.errors import WrongUse
    from stream.evaluation.report import Report

    if not logs.sources.names and what != "drift":
        raise WrongUse(f"drift evaluate {what} needs a SOURCE: a stored log")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUse(f"--out: can't make {out}: {error.strerror}") from None
    read = logs.read(loaded(settings, logs.sources.preset))
    report = Report(TITLES[what], _about(logs, seed))
    for module in MODULES[what]:
        importlib.import_module(module).tables(read, seed, report, _say)
    report.write(out)
    print_report(report, out, as_json)


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
