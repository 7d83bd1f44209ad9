"""One file, read as its format and layout say, every line of it judged by the decoder."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from stream.core.events import Decoder, Ignored
from stream.errors import BadRecord, WrongUse
from stream.settings import Settings
from stream.storage.event_log import files, timing
from stream.storage.event_log.catalog import Catalog
from stream.storage.event_log.files import Fields, Meter
from stream.storage.event_log.mapping import (
    REQUIRED,
    Convert,
    Layout,
    chosen,
    found_columns,
    reach,
    refuse,
    steps,
)
from stream.storage.event_log.presets import Document, shaped
from stream.storage.event_log.records import BLANK, Accepted, IgnoredType, Record, Rejected, Said

LOOK_AHEAD = 100
"""A broken line at the start of a file hides the names only if so many follow it."""

Row = TypeVar("Row")
Numbered = Iterator[tuple[int, Row]]
Event = Callable[[Any], Fields]


class Reading(NamedTuple):
    """What all files of one reading share."""

    layout: Layout | Document
    catalog: Catalog | None
    settings: Settings
    say: Callable[[str], None]


def read_file(path: Path, reading: Reading, meter: Meter) -> Iterator[Record]:
    """Each line of a file: accepted, rejected or ignored."""
    if isinstance(reading.layout, Layout) and reading.layout.timeless:
        timed = timing.timed(path, reading.settings.max_value_bytes, meter)
        return _csv(path, timed, timing.SUFFIX, reading)
    kind = files.kind(path)
    if kind.format == "parquet":
        return _parquet(path, reading, meter)
    numbered = files.lines(path, reading.settings.max_value_bytes, meter)
    if kind.format == "jsonl":
        return _jsonl(path, numbered, reading)
    return _csv(path, files.csv_records(numbered), kind.suffix, reading)


def _judged(
    source: str,
    rows: Numbered[Row],
    convert: Callable[[Row], bytes],
    raw: Callable[[Row], bytes],
    settings: Settings,
) -> Iterator[Record]:
    """What becomes of each row: what is accepted here is what a worker accepts."""
    decode = Decoder(settings)
    for line, row in rows:
        try:
            value = convert(row)
            touches = decode(value)
            if isinstance(touches, Ignored):
                yield IgnoredType(source, line, touches.event_type)
                continue
            user, at, known = Said.by(touches)
            key, everywhere = user.encode(), known is None
            yield Accepted(source, line, None, None, at, key, value, known, everywhere)
        except BadRecord as error:
            yield Rejected(source, line, str(error), raw(row))


def _jsonl(path: Path, numbered: Numbered[bytes], reading: Reading) -> Iterator[Record]:
    head = _head(numbered)
    if not head:
        return iter(())
    if head[0][1].strip() == b"[":
        raise WrongUse(f"{path} is one JSON array; write one object a line: jq -c '.[]' {path}")
    convert = _json_converter(str(path), head[-1][1], reading)
    return _text(str(path), itertools.chain(head, numbered), convert, reading.settings)


def _head(numbered: Numbered[bytes]) -> list[tuple[int, bytes]]:
    """The lines up to the first that is an object, which shows what names there are."""
    head = []
    for line in itertools.islice(numbered, LOOK_AHEAD):
        head.append(line)
        if _object(line[1]):
            break
    return head


def _text(
    source: str, numbered: Numbered[bytes], convert: Callable[[bytes], bytes], settings: Settings
) -> Iterator[Record]:
    """Lines of text: too long ones are not looked at, blank ones are told apart."""
    longest = settings.max_value_bytes

    def checked(line: bytes) -> bytes:
        if len(line) > longest:
            raise BadRecord(f"more than {longest} bytes, max_value_bytes is {longest}")
        return convert(line)

    def full() -> Numbered[bytes]:
        for number, line in numbered:
            if line and not line.isspace():
                yield number, line
            else:
                blank.append(number)

    blank: list[int] = []
    for record in _judged(source, full(), checked, bytes, settings):
        while blank and blank[0] < record.line:
            yield IgnoredType(source, blank.pop(0), BLANK)
        yield record
    for number in blank:
        yield IgnoredType(source, number, BLANK)


def _json_converter(source: str, first: bytes, reading: Reading) -> Callable[[bytes], bytes]:
    layout, catalog = reading.layout, reading.catalog
    if isinstance(layout, Layout) and not layout.foreign:
        return catalog.join_value if catalog else bytes
    event = _object_event(source, first, reading)
    decode = msgspec.json.Decoder(Fields).decode

    def shape(line: bytes) -> Fields:
        try:
            return event(decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRecord(str(error)) from None
        except RecursionError:
            raise BadRecord("nested too deep") from None

    return _encoded(shape, catalog)


def _object_event(source: str, first: bytes, reading: Reading) -> Event:
    """What makes an event of a JSON object; the first one shows which names there are."""
    layout, types = reading.layout, reading.settings.canonical_types()
    if isinstance(layout, Document):
        return shaped(layout, types)
    there = _names(first)
    names = [name for known in layout.columns.values() for name in known]
    nested = [name for name in names if reach(name)(_object(first)) is not None]
    found = found_columns(layout, [*there, *nested])
    _check_names(source, layout, found, there, reading)
    columns = [*there, *(column for column, _ in layout.preferred.values())]
    planned = steps(layout, found, columns, types, from_text=False)
    made = _event([(field, place, convert) for place, (field, _, convert) in enumerate(planned)],
                  layout.constants)  # fmt: skip
    gets = [reach(column) for _, column, _ in planned]
    return lambda fields: made([get(fields) for get in gets])


def _check_names(
    source: str, layout: Layout, found: dict[str, str], there: list[str], reading: Reading
) -> None:
    """Optional names may be missing in the first object, and come later; needed ones may not."""
    for name, names in layout.columns.items():
        if name in found:
            continue
        if name in REQUIRED:
            chosen(layout, there, source)
        found[name] = names[0]
        if layout.strict:
            reading.say(
                f"{source}: the first object has no {names[0]!r} for {name}; "
                f"there are: {', '.join(there)}"
            )


def _object(line: bytes) -> Fields:
    try:
        return msgspec.json.decode(line, type=Fields)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _names(line: bytes) -> list[str]:
    return list(_object(line))


def _csv(path: Path, records: Numbered[bytes], suffix: str, reading: Reading) -> Iterator[Record]:
    source, layout = str(path), reading.layout
    if isinstance(layout, Document):
        raise WrongUse(f"{path}: this preset reads nested objects: JSONL or Parquet, not CSV")
    first = next(records, None)
    if first is None:
        return iter(())
    mark = files.delimiter(first[1], suffix)
    fields = _fields_or_none(first[1], mark)
    columns = _header(source, fields, layout)
    if columns is None:
        columns = _unnamed(fields, layout)
        records = itertools.chain([first], records)
    found = chosen(layout, columns, source)
    types = reading.settings.canonical_types()
    planned = steps(layout, found, columns, types, from_text=True)
    event = _event([(field, columns.index(column), convert) for field, column, convert in planned],
                   layout.constants)  # fmt: skip
    width = len(columns)

    def shape(record: bytes) -> Fields:
        row = files.fields(record, mark)
        if len(row) != width:
            raise BadRecord(f"{len(row)} fields where {width} are due")
        return event(row)

    return _text(source, records, _encoded(shape, reading.catalog), reading.settings)


def _fields_or_none(record: bytes, mark: str) -> list[str]:
    """The fields of the first line; none if it is broken, which makes it a line of data."""
    try:
        return files.fields(record, mark)
    except BadRecord:
        return []


def _header(source: str, first: list[str], layout: Layout) -> list[str] | None:
    """The columns' names, if the first row holds names; None if it is data already."""
    if found_columns(layout, first):
        return first
    numbers = all(name.isdecimal() for names in layout.columns.values() for name in names)
    if layout.order or (layout.strict and numbers):
        return None
    try:
        chosen(layout, first, source)
    except WrongUse as error:
        raise WrongUse(f"{error}; without a header, say --map user_id=1,...") from None
    return first


def _unnamed(first: list[str], layout: Layout) -> list[str]:
    """Names for the columns of a file without a header: the layout's, or numbers from 1."""
    if not layout.order:
        return [str(number) for number in range(1, len(first) + 1)]
    return [layout.columns[name][0] if name in layout.columns else name for name in layout.order]


def _parquet(path: Path, reading: Reading, meter: Meter) -> Iterator[Record]:
    source, layout = str(path), reading.layout
    table = files.ParquetTable(path)
    types = reading.settings.canonical_types()
    if isinstance(layout, Document):
        wanted, event = list(table.columns), shaped(layout, types)
    else:
        found = chosen(layout, table.columns, source)
        planned = steps(layout, found, table.columns, types, from_text=False)
        event = _event(planned, layout.constants)
        wanted = list(dict.fromkeys(column for _, column, _ in planned))
    rows = table.rows(wanted, meter)
    return _judged(source, rows, _encoded(event, reading.catalog), _shown, reading.settings)


def _shown(row: Fields) -> bytes:
    """A row of a table as text, for the dead letters."""
    return msgspec.json.encode(row, enc_hook=str)


def _event(planned: Sequence[tuple[str, Any, Convert]], constants: Mapping[str, str]) -> Event:
    """What makes an event of a row: for each field, where it is and what reads it."""
    fixed = dict(constants)

    def event(row: Any) -> Fields:
        made: Fields = fixed.copy()
        for field, place, convert in planned:
            value = convert(row[place])
            if value is not None:
                made[field] = value
        return made

    return event


def _encoded(event: Event, catalog: Catalog | None) -> Callable[[Any], bytes]:
    """From a row to the bytes of the event, with the category that the catalog knows."""
    encode = msgspec.json.Encoder(enc_hook=refuse).encode

    def convert(row: Any) -> bytes:
        made = event(row)
        if catalog:
            catalog.join(made)
        return encode(made)

    return convert
