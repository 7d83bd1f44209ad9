"""Behavior events from files and from ranges of a Kafka topic, as one stream of records.

A file may be JSONL, CSV or Parquet, each plain, .gz or .zst, in our own layout, a well-known
one (`--preset`) or one described by `--map`. Memory stays flat whatever the file's size.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from stream.errors import WrongUse
from stream.settings import Settings
from stream.storage.event_log import files, letters, mapping, presets, ranges, sorting, timing
from stream.storage.event_log.catalog import Catalog
from stream.storage.event_log.catalog_entries import entries
from stream.storage.event_log.files import Meter
from stream.storage.event_log.presets import PRESETS
from stream.storage.event_log.reading import Reading, read_file
from stream.storage.event_log.records import (
    Accepted,
    IgnoredType,
    Record,
    Rejected,
    Tally,
    dead_letter,
)

__all__ = [
    "PRESETS",
    "Accepted",
    "Catalog",
    "IgnoredType",
    "Meter",
    "Record",
    "Rejected",
    "Tally",
    "dead_letter",
    "entries",
    "read",
]


def read(
    sources: Sequence[str],
    *,
    settings: Settings,
    preset: str | None = None,
    mapping: str | None = None,
    catalog: Path | None = None,
    sort: bool = False,
    any_order: bool = False,
    dead_letters: bool = False,
    start: str | None = None,
    end: str | None = None,
    say: Callable[[str], None],
    meter: Meter | None = None,
) -> Iterator[Record]:
    """Every line of the sources, one after another: accepted, rejected or ignored.

    Values are what a worker would read from the topic: foreign layouts are converted,
    our own JSONL passes byte for byte, but for a category joined from the catalog. What
    a person should know on the way goes to `say`; `meter` shows how far the reading is.
    With `any_order`, nothing is said of lines that are not in time order. With `dead_letters`,
    the sources hold dead letters, and the records are those that were refused.

    Raises
    ------
    WrongUse
        At once, for what can be told without reading on: options, files, columns.
    """
    if not sources:
        raise WrongUse("name a SOURCE: a file, or kafka://HOST:PORT/TOPIC")
    if dead_letters:
        if preset or mapping:
            raise WrongUse("--from-dead-letters reads our own layout: leave --preset and --map out")
        refused = letters.read(sources, settings, start, end, say, meter or Meter())
        return sorting.by_time(refused) if sort else refused
    if any(source.startswith(ranges.SCHEME) for source in sources):
        _refuse_file_options(sources, preset or mapping or catalog or sort)
        return ranges.read(sources[0], start, end, say)
    if start or end:
        raise WrongUse("--from and --to cut a kafka:// source; a file is read whole")
    meter = meter or Meter()
    paths = [Path(source) for source in sources]
    layout = _layout(preset, mapping)
    meter.total = sum(_check(path, layout) for path in paths)
    reading = Reading(layout, Catalog(catalog) if catalog else None, settings, say)
    records = _all(paths, reading, meter)
    if sort:
        return sorting.by_time(records)
    return records if any_order else sorting.watched(records, say)


def _layout(preset: str | None, columns: str | None) -> mapping.Layout | presets.Document:
    if preset and columns:
        raise WrongUse("--preset and --map both say what the columns mean; give one of them")
    if preset:
        return presets.named(preset)
    return mapping.parsed(columns) if columns else mapping.CANONICAL


def _check(path: Path, layout: mapping.Layout | presets.Document) -> int:
    """The size of a file in bytes; its name must say what the layout needs of it."""
    if isinstance(layout, mapping.Layout) and layout.timeless:
        return timing.check(path)
    return files.check(path)


def _all(paths: Sequence[Path], reading: Reading, meter: Meter) -> Iterator[Record]:
    done = 0
    for path in paths:
        meter.done = done
        yield from read_file(path, reading, meter)
        done += path.stat().st_size
    meter.done = done


def _refuse_file_options(sources: Sequence[str], options: object) -> None:
    if len(sources) > 1:
        raise WrongUse("a kafka:// source is read alone; name one SOURCE")
    if options:
        raise WrongUse(
            "--preset, --map, --catalog and --sort are for files; a topic holds behavior events"
        )
