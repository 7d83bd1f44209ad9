"""SOURCE... and the options that say how to read it, the same in `replay` and `publish`."""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from stream.errors import WrongUse

if TYPE_CHECKING:
    from stream.settings import Settings
    from stream.storage.event_log import Meter, Record

PROGRESS_AFTER_SECONDS = 2.0
REFRESH_SECONDS = 0.2


class Sources(NamedTuple):
    """What to read, and how."""

    names: tuple[str, ...]
    preset: str | None
    mapping: str | None
    catalog: Path | None
    sort: bool
    start: str | None
    end: str | None
    dead_letters: bool = False

    def read(
        self, settings: "Settings", meter: "Meter | None" = None, any_order: bool = False
    ) -> "Iterator[Record]":
        """Every line: accepted, rejected or ignored. What to know on the way goes to stderr."""
        from stream.storage import event_log

        return event_log.read(
            self.names,
            settings=settings,
            preset=self.preset,
            mapping=self.mapping,
            catalog=self.catalog,
            sort=self.sort,
            any_order=any_order,
            start=self.start,
            end=self.end,
            dead_letters=self.dead_letters,
            say=lambda line: click.echo(f"drift: {line}", err=True),
            meter=meter,
        )

    def partitions(self, asked: int | None) -> int:
        """How many partitions the records have: a topic's own; those of files as asked, or 1."""
        from stream.storage.event_log import ranges

        if not self.names[0].startswith(ranges.SCHEME):
            return asked or 1
        from stream.topology.topics import partitions_of

        where = ranges.address(self.names[0])
        found = partitions_of(where.broker, where.topic)
        if asked not in (None, found):
            raise WrongUse(f"{where.topic} has {found} partitions: leave --partitions {asked} out")
        return found


SORT = click.option("--sort", is_flag=True, help="Put files in time order first, on disk.")
DEAD_LETTERS = click.option(
    "--from-dead-letters",
    "dead_letters",
    is_flag=True,
    help="SOURCE holds dead letters, as files or as their topic: take the records that were "
    "refused. Those that still are go to the dead letters again, under the same address.",
)
OPTIONS = [
    click.option(
        "--preset",
        metavar="NAME",
        help="The layout of a well-known log: taobao, rees46, retailrocket, ga4, segment, "
        "movielens, completejourney or session-item.",
    ),
    click.option(
        "--map",
        "mapping",
        metavar="FIELD=COLUMN,...",
        help='Which columns say what: "user_id=uid,item_id=sku,occurred_at=ts,'
        "event_type=='view'\". A constant stands in quotes; columns without names are numbers "
        "from 1.",
    ),
    click.option(
        "--catalog",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="What the shop says of its items: JSONL, CSV or Parquet. Events that name no "
        "category get their item's; publish and replay also show all of it to the shop model.",
    ),
    click.option(
        "--from",
        "start",
        metavar="WHEN",
        help="Of a kafka:// source: the first offset (in each partition), or a time as Unix "
        "seconds or like 2017-11-25T00:00:00Z.",
    ),
    click.option("--to", "end", metavar="WHEN", help="The same for the end, which is left out."),
]


def source_options(*, required: bool = True) -> Callable[[Callable[..., Any]], Any]:
    """Give a command SOURCE... and its options; it gets them as `sources`."""
    source = click.argument("names", metavar="SOURCE...", nargs=-1, required=required)

    def given(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def collected(*args: Any, **kwargs: Any) -> Any:
            sources = Sources(**{name: kwargs.pop(name) for name in Sources._fields})
            return command(*args, sources=sources, **kwargs)

        for option in reversed([source, SORT, DEAD_LETTERS, *OPTIONS]):
            collected = option(collected)
        return collected

    return given


@contextmanager
def progress(
    doing: str, meter: "Meter", after: float = PROGRESS_AFTER_SECONDS
) -> "Iterator[Callable[[int], None]]":
    """What to call with the number of lines so far; a bar on stderr if it takes its time.

    The bar moves on a thread of its own, also while a sort reads on and no line comes.
    """
    so_far, ended = [0], threading.Event()
    shown = threading.Thread(target=_show, args=(doing, meter, after, so_far, ended), daemon=True)
    shown.start()

    def tell(lines: int) -> None:
        so_far[0] = lines

    try:
        yield tell
    finally:
        ended.set()
        shown.join()


def _show(
    doing: str, meter: "Meter", after: float, so_far: list[int], ended: threading.Event
) -> None:
    if ended.wait(after):
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(doing), BarColumn(), TextColumn("{task.fields[lines]:,} lines"))
    console = Console(stderr=True)
    if not console.is_terminal:
        return
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(doing, total=None, lines=0)
        while not ended.wait(REFRESH_SECONDS):
            total = meter.total or None
            bar.update(task, completed=meter.done, total=total, lines=so_far[0])
