"""SOURCE... as one stored log, and the options that say how: `evaluate` and `calibrate`."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from stream.cli.source_options import OPTIONS, Sources, progress
from stream.errors import WrongUse

if TYPE_CHECKING:
    from stream.evaluation.logs import Log
    from stream.settings import Settings

NO_OPTIONS = ("sort", "dead_letters")
"""In memory a log is put in time order anyway, and dead letters are no log to learn from."""
PARTS = {"completejourney": (2,)}
"""Which parts of the category paths of a preset are taken unless told otherwise."""


class StoredLogs(NamedTuple):
    """What to read: one log, once for each part of the category path that was asked for."""

    sources: Sources
    parts: tuple[int, ...] | None
    """None for the whole path, whatever the preset; empty for what it usually is."""

    @property
    def name(self) -> str:
        return self.sources.preset or Path(self.sources.names[0]).name.partition(".")[0]

    def read(self, settings: "Settings") -> "list[Log]":
        """The log as each of its parts, whole where none is named; none if there is no SOURCE."""
        from stream.evaluation.logs import at_part

        if not self.sources.names:
            return []
        log = self._cut(self._whole(settings))
        usual = PARTS.get(self.sources.preset or "", ()) if self.parts is not None else ()
        return [at_part(log, part) for part in self.parts or usual] or [log]

    def _whole(self, settings: "Settings") -> "Log":
        from stream.evaluation.logs import read_log
        from stream.storage.event_log import Meter

        of_files = not self.sources.names[0].startswith("kafka://")
        # A log in memory is cut by time afterwards; only a topic is cut as it is read.
        read = self.sources._replace(start=None, end=None) if of_files else self.sources
        meter = Meter()
        with progress("reading", meter):
            return read_log(self.name, read.read(settings, meter, any_order=True), settings)

    def _cut(self, log: "Log") -> "Log":
        from stream.evaluation.logs import between

        if not (self.sources.start or self.sources.end):
            return log
        start = _time(self.sources.start, "--from", float("-inf"))
        end = _time(self.sources.end, "--to", float("inf"))
        cut = between(log, start, end)
        if not len(cut.at):
            raise WrongUse(f"{log.name}: no event lies in the range of --from and --to")
        return cut


def _time(said: str | None, option: str, default: float) -> float:
    from stream.storage.event_log.ranges import bound

    if said is None:
        return default
    found = bound(said, option)
    return found.value / 1000.0 if found.by == "time" else default


PART_OPTION = click.option(
    "--category-part",
    "parts",
    metavar="N",
    multiple=True,
    type=click.IntRange(1, 10),
    help="Take the N-th part of category paths alone; give it twice for two.  "
    "[default: 2 for completejourney, else the whole path]",
)


def log_options(
    *, required: bool, by_part: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command SOURCE... and its options; it gets them as `logs`.

    With `by_part`, also the option to take parts of category paths.
    """
    shown = "SOURCE..." if required else "[SOURCE]..."
    source = click.argument("names", metavar=shown, nargs=-1, required=required)
    options = [source, *OPTIONS, *([PART_OPTION] if by_part else [])]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def collected(*args: Any, **kwargs: Any) -> Any:
            named = {name: kwargs.pop(name) for name in Sources._fields if name not in NO_OPTIONS}
            sources = Sources(**named, sort=False)
            parts = kwargs.pop("parts") if by_part else None
            return command(*args, logs=StoredLogs(sources, parts), **kwargs)

        for option in reversed(options):
            collected = option(collected)
        return collected

    return decorate
