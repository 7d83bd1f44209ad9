"""`drift watch`: the alerts as they come."""

import contextlib
from collections.abc import Generator, Iterator, Mapping
from itertools import islice
from pathlib import Path

import click
import msgspec

from stream.cli.alert_rows import COLUMNS, categories, cells, sureness
from stream.cli.category_names import category_names
from stream.cli.options import broker_option
from stream.messages import ALERTS, Alert

POLL_MILLISECONDS = 500
KINDS = ["detected", "predicted", "outcome", "population"]
WIDTH = 160
"""Where there is no terminal to ask."""


@click.command(epilog="Example: drift watch --category strollers --min-score 0.6")
@broker_option
@click.option("--category", help="Only moves from or to this category.")
@click.option(
    "--scope", type=click.Choice(["user", "population"]), help="Of one shopper, or of the shop."
)
@click.option("--kind", type=click.Choice(KINDS), help="Only alerts of this kind.")
@click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Only from this score, or predicted probability, up.",
)
@click.option(
    "--catalog",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Show categories by their names in this catalog.",
)
@click.option("--from-beginning", is_flag=True, help="Begin with the oldest alert, not the next.")
@click.option("--count", type=click.IntRange(1), help="Stop after so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def watch(
    broker: str,
    category: str | None,
    scope: str | None,
    kind: str | None,
    min_score: float,
    catalog: Path | None,
    from_beginning: bool,
    count: int | None,
    as_json: bool,
) -> None:
    """Follow the alerts topic until Ctrl-C."""
    show = _print_json if as_json else _Rows(category_names(catalog)).print
    alerts = follow(broker, from_beginning)
    wanted = (a for a in alerts if _matches(a, category, scope, kind, min_score))
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(alerts):
        for alert in islice(wanted, count):
            show(alert)


def follow(broker: str, from_beginning: bool = False) -> Generator[Alert]:
    """The alerts on the topic, without end: from the oldest, or from now on."""
    from kafka import TopicPartition

    from stream.kafka_clients import consumer
    from stream.topology.topics import partitions_of

    partitions = partitions_of(broker, ALERTS)
    client = consumer(broker, enable_auto_commit=False)
    try:
        client.assign([TopicPartition(ALERTS, number) for number in range(partitions)])
        (client.seek_to_beginning if from_beginning else client.seek_to_end)()
        while True:
            for records in client.poll(timeout_ms=POLL_MILLISECONDS).values():
                for record in records:
                    yield from _decoded(
                        record.value, f"{ALERTS}[{record.partition}]@{record.offset}"
                    )
    finally:
        client.close()


def _decoded(value: bytes | None, address: str) -> Iterator[Alert]:
    """The alert, or nothing and a line on stderr where a newer kind or a stranger wrote it."""
    try:
        alert: Alert = msgspec.json.decode(value or b"", type=Alert)
    except msgspec.DecodeError as error:
        click.echo(f"{address} is no alert known here: {error}", err=True)
        return
    yield alert


def _matches(
    alert: Alert,
    category: str | None,
    scope: str | None,
    kind: str | None,
    min_score: float,
) -> bool:
    return (
        category in (None, *categories(alert))
        and scope in (None, alert.scope)
        and kind in (None, alert.__struct_config__.tag)
        and sureness(alert) >= min_score
    )


def _print_json(alert: Alert) -> None:
    click.echo(msgspec.json.encode(alert))


class _Rows:
    """Prints alerts as rows of one table, each when it comes."""

    def __init__(self, names: Mapping[str, str]) -> None:
        from rich.console import Console

        console = Console(highlight=False)
        self._console = console if console.is_terminal else Console(width=WIDTH)
        self._names = names
        self._begun = False

    def print(self, alert: Alert) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, expand=True, show_header=not self._begun, padding=(0, 2, 0, 0))
        for name, width in COLUMNS:
            table.add_column(name, min_width=width, overflow="fold", header_style="bold")
        table.add_row(*map(Text, cells(alert, self._names)))
        self._console.print(table)
        self._begun = True
