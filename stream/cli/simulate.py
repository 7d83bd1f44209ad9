"""`drift simulate`: a shop with known migrations, as files."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import Progress

from stream.errors import WrongUse
from stream.evaluation.assortment import MOST_CATEGORIES
from stream.evaluation.scenarios import (
    DAY,
    EVENTS_PER_SESSION,
    SESSIONS,
    STARTS_AT,
    Shop,
    SimulatedEvent,
)

PROGRESS_EVERY = 5000


@click.command(epilog="Example: drift simulate --out shop --users 500 --days 60")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
@click.option("--users", type=click.IntRange(1), default=2000, show_default=True)
@click.option("--items", type=click.IntRange(2), default=2000, show_default=True)
@click.option(
    "--categories", type=click.IntRange(2, MOST_CATEGORIES), default=40, show_default=True
)
@click.option("--events", type=click.IntRange(1), help="Stop after so many events.")
@click.option(
    "--days",
    type=click.FloatRange(0, min_open=True),
    help=f"Days of shop time, a session a shopper and day.  [default: {SESSIONS}]",
)
@click.option(
    "--searches",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of sessions that begin with a search, words mistyped now and then.",
)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def simulate(
    out: Path,
    users: int,
    items: int,
    categories: int,
    events: int | None,
    days: float | None,
    searches: float,
    seed: int,
    as_json: bool,
) -> None:
    """Write a shop with known migrations to files.

    events.jsonl holds its behavior events in time order, catalog.jsonl its items, and
    truth.jsonl each shopper whose interest moved: from where, to where, and when. The
    same options always write the same bytes.
    """
    if events and days:
        raise WrongUse(f"--events {events} and --days {days:g} exclude each other: give one")
    if items < categories:
        raise WrongUse(f"--items {items} is less than --categories {categories}: give more items")
    span = days or (events / users / EVENTS_PER_SESSION if events else float(SESSIONS))
    shop = Shop(
        users=users, items=items, categories=categories, seed=seed, days=span, searches=searches
    )
    _write(shop, out, _cut(shop, events, span), events or users * span * EVENTS_PER_SESSION)
    _tell(shop, out, as_json)


def _cut(shop: Shop, events: int | None, days: float) -> Iterator[SimulatedEvent]:
    """So many events, or those of so many days."""
    return islice(shop, events) if events else shop.before(STARTS_AT + days * DAY)


def _write(shop: Shop, out: Path, events: Iterator[SimulatedEvent], expected: float) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        _lines(out / "catalog.jsonl", map(msgspec.json.encode, shop.assortment.catalog()))
        _lines(out / "events.jsonl", _watched((event.value for event in events), expected))
        _lines(out / "truth.jsonl", map(msgspec.json.encode, shop.moves))
    except OSError as error:
        raise WrongUse(f"can't write to {out}: {error.strerror}; choose another --out") from None


def _lines(path: Path, lines: Iterable[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(line + b"\n" for line in lines)


def _watched(lines: Iterator[bytes], expected: float) -> Iterator[bytes]:
    """The same lines, with a bar on a terminal's stderr."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("simulating", total=expected)
        for number, line in enumerate(lines):
            if number % PROGRESS_EVERY == 0:
                progress.update(task, completed=number)
            yield line


def _tell(shop: Shop, out: Path, as_json: bool) -> None:
    if as_json:
        summary = {"out": str(out), "events": shop.events, "moves": len(shop.moves)}
        click.echo(msgspec.json.encode(summary))
        return
    click.echo(f"{out}: {shop.events:,} events, {len(shop.moves):,} shoppers moved")
    if not shop.moves:
        click.echo("Nobody moved: that takes some 42 days of shop time.", err=True)
