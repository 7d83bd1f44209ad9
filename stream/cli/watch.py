"""`drift watch`: the alerts as they come."""

import contextlib
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from itertools import islice

import click
import msgspec

from stream.cli.options import broker_option
from stream.messages import ALERTS, MigrationAlert, ShareChange

POLL_MILLISECONDS = 500
WHY = 3
"""So many of the largest share changes are told."""
# Column and width; the last takes what is left.
COLUMNS = (
    ("time (UTC)", 19), ("user", 12), ("from", 18), ("to", 18), ("pattern", 7), ("strength", 8),
    ("score", 6), ("why", None),
)  # fmt: skip
WIDTH = 160
"""Where there is no terminal to ask."""


@click.command(epilog="Example: drift watch --category strollers --min-score 0.6")
@broker_option
@click.option("--category", help="Only moves from or to this category.")
@click.option("--scope", type=click.Choice(["user"]), help="Only alerts of this scope.")
@click.option("--kind", type=click.Choice(["detected"]), help="Only alerts of this kind.")
@click.option(
    "--min-score", type=click.FloatRange(0, 1), default=0.0, help="Only from this score up."
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
    from_beginning: bool,
    count: int | None,
    as_json: bool,
) -> None:
    """Follow the alerts topic until Ctrl-C."""
    show = _print_json if as_json else _Rows().print
    alerts = follow(broker, from_beginning)
    wanted = (a for a in alerts if _matches(a, category, scope, kind, min_score))
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(alerts):
        for alert in islice(wanted, count):
            show(alert)


def follow(broker: str, from_beginning: bool = False) -> Generator[MigrationAlert]:
    """The alerts on the topic, without end: from the oldest, or from now on."""
    from kafka import KafkaConsumer, TopicPartition

    from stream.topology.topics import partitions_of

    partitions = partitions_of(broker, ALERTS)
    consumer = KafkaConsumer(bootstrap_servers=broker.split(","), enable_auto_commit=False)
    try:
        consumer.assign([TopicPartition(ALERTS, number) for number in range(partitions)])
        (consumer.seek_to_beginning if from_beginning else consumer.seek_to_end)()
        while True:
            for records in consumer.poll(timeout_ms=POLL_MILLISECONDS).values():
                for record in records:
                    yield from _decoded(
                        record.value, f"{ALERTS}[{record.partition}]@{record.offset}"
                    )
    finally:
        consumer.close()


def _decoded(value: bytes | None, address: str) -> Iterator[MigrationAlert]:
    """The alert, or nothing and a line on stderr where a newer kind or a stranger wrote it."""
    try:
        yield msgspec.json.decode(value or b"", type=MigrationAlert)
    except msgspec.DecodeError as error:
        click.echo(f"{address} is no alert known here: {error}", err=True)


def _matches(
    alert: MigrationAlert,
    category: str | None,
    scope: str | None,
    kind: str | None,
    min_score: float,
) -> bool:
    return (
        category in (None, alert.from_category, alert.to_category)
        and scope in (None, alert.scope)
        and kind in (None, alert.__struct_config__.tag)
        and alert.score >= min_score
    )


def _print_json(alert: MigrationAlert) -> None:
    click.echo(msgspec.json.encode(alert))


class _Rows:
    """Prints alerts as rows of one table, each when it comes."""

    def __init__(self) -> None:
        from rich.console import Console

        console = Console(highlight=False)
        self._console = console if console.is_terminal else Console(width=WIDTH)
        self._begun = False

    def print(self, alert: MigrationAlert) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, expand=True, show_header=not self._begun, padding=(0, 2, 0, 0))
        for name, width in COLUMNS:
            table.add_column(name, min_width=width, overflow="fold", header_style="bold")
        table.add_row(*map(Text, cells(alert)))
        self._console.print(table)
        self._begun = True


def cells(alert: MigrationAlert) -> tuple[str, ...]:
    """An alert as the cells of its row."""
    return (
        f"{datetime.fromtimestamp(alert.occurred_at, UTC):%Y-%m-%d %H:%M:%S}",
        alert.user_id,
        alert.from_category,
        alert.to_category,
        alert.pattern,
        f"{alert.strength:.2f}",
        f"{alert.score:.3f}",
        ", ".join(map(_changed, alert.changes[:WHY])),
    )


def _changed(change: ShareChange) -> str:
    """How a category's share changed.

    >>> _changed(ShareChange("tents", before=0.52, after=0.08))
    'tents 52 % -> 8 %'
    """
    return f"{change.category} {100 * change.before:.0f} % -> {100 * change.after:.0f} %"
