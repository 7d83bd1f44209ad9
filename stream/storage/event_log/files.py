"""Files as streams of lines or rows: plain, .gz or .zst, in bounded memory."""

import csv
import shutil
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from stream.errors import BadRecord, StreamError, WrongUse

Format = Literal["jsonl", "csv", "parquet"]
Fields = dict[str, Any]

FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".data": "csv",  # MovieLens 100k
    ".dat": "csv",  # MovieLens 1M and 10M
    ".inter": "csv",  # RecBole's
    ".parquet": "parquet",
}
PACKED = {".gz": "gzip", ".zst": "zstd"}
CHUNK = 1 << 18
QUOTED_LINES = 64
"""A quoted CSV field may span so many lines; an open quote costs no more than its own line."""


class Kind(NamedTuple):
    """What a file's name says about what is in it."""

    format: Format
    packed: str | None
    suffix: str


@dataclass
class Meter:
    """How far a reading has come, in bytes as they are on disk."""

    total: int = 0
    done: int = 0


def kind(path: Path) -> Kind:
    """The format of a file, by its name.

    >>> kind(Path("log.csv.gz"))
    Kind(format='csv', packed='gzip', suffix='.csv')
    """
    packed = packing(path)
    suffix = (path.with_suffix("") if packed else path).suffix.lower()
    if suffix not in FORMATS:
        raise WrongUse(
            f"{path}: can't tell the format; name it {', '.join(FORMATS)}, or one of them "
            f"with {' or '.join(PACKED)}"
        )
    return Kind(FORMATS[suffix], packed, suffix)


def packing(path: Path) -> str | None:
    """How a file is packed, by the end of its name; None if it is not."""
    return PACKED.get(path.suffix.lower())


def check(path: Path) -> int:
    """The size of a file in bytes, which must be there and be one that can be read."""
    kind(path)
    return size(path)


def size(path: Path) -> int:
    """The size of a file in bytes, whatever its format; it must be there."""
    if path.is_dir():
        raise WrongUse(f"{path} is a folder; name its files")
    try:
        with path.open("rb"):
            return path.stat().st_size
    except OSError as error:
        raise WrongUse(f"can't read {path}: {error.strerror}") from None


def lines(path: Path, longest: int, meter: Meter) -> Iterator[tuple[int, bytes]]:
    """Each line without its end, and its number from 1. One longer than `longest` is cut."""
    number, rest, before = 0, b"", meter.done
    try:
        with _Opened(path) as (file, position):
            while chunk := file.read(CHUNK):
                meter.done = before + position()
                parts = (rest + chunk).split(b"\n")
                rest = parts.pop()[: longest + 1]
                for part in parts:
                    number += 1
                    yield number, _clean(part, number)[: longest + 1]
    except OSError as error:
        raise StreamError(
            f"{path} is damaged or cut off: {error}; line {number} is the last that could be read"
        ) from None
    if rest:
        yield number + 1, _clean(rest, number + 1)


def _clean(line: bytes, number: int) -> bytes:
    if line.endswith(b"\r"):
        line = line[:-1]
    return line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


class _Opened:
    """The bytes of a file, unpacked, and what tells how many were read on disk."""

    def __init__(self, path: Path) -> None:
        self._raw = pa.OSFile(str(path))
        packed = packing(path)
        self._file = pa.CompressedInputStream(self._raw, packed) if packed else self._raw

    def __enter__(self) -> tuple[IO[bytes], Any]:
        return self._file, self._raw.tell

    def __exit__(self, *_: object) -> None:
        self._file.close()


def csv_records(numbered: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Lines joined where a quoted field goes on over line ends."""
    waiting: deque[tuple[int, bytes]] = deque()
    while line := waiting.popleft() if waiting else next(numbered, None):
        number, text = line
        if text.count(b'"') % 2:
            text += _quoted_rest(text, waiting, numbered)
        yield number, text


def _quoted_rest(
    text: bytes, waiting: deque[tuple[int, bytes]], numbered: Iterator[tuple[int, bytes]]
) -> bytes:
    """What the lines after `text` add to its open quote; b"" if they never close it."""
    joined = text
    for place in range(QUOTED_LINES):
        if place == len(waiting):
            line = next(numbered, None)
            if line is None:
                return b""
            waiting.append(line)
        joined += b"\n" + waiting[place][1]
        if joined.count(b'"') % 2 == 0 and _is_one_row(joined):
            for _ in range(place + 1):
                waiting.popleft()
            return joined[len(text) :]
    return b""


def _is_one_row(text: bytes) -> bool:
    try:
        return len(list(csv.reader([text.decode("utf-8", "replace")], strict=True))) == 1
    except csv.Error:
        return False


def fields(record: bytes, delimiter: str) -> list[str]:
    """The fields of one CSV record.

    >>> fields(b'1,"a, b",pv', ",")
    ['1', 'a, b', 'pv']
    """
    try:
        text = record.decode()
        if '"' not in text or len(delimiter) > 1:
            return text.split(delimiter)
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except UnicodeDecodeError as error:
        raise BadRecord(f"not UTF-8: {error.reason} at byte {error.start}") from None
    except csv.Error as error:
        raise BadRecord(f"not CSV: {error}") from None


def delimiter(record: bytes, suffix: str) -> str:
    """What parts the fields, by the first record: a comma, a tab, a semicolon."""
    if suffix == ".dat" and b"::" in record:
        return "::"
    return max([",", "\t", ";"], key=lambda mark: record.count(mark.encode()))


class ParquetTable:
    """A Parquet file, read a few thousand rows at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unpacked = _unpacked(path) if kind(path).packed else None
        try:
            self._file = pq.ParquetFile(
                self._unpacked or path, pre_buffer=False, buffer_size=1 << 20
            )
        except (OSError, pa.ArrowException) as error:
            raise StreamError(f"{path} is not Parquet, or cut off: {_first(error)}") from None
        self.columns: tuple[str, ...] = tuple(self._file.schema_arrow.names)

    def rows(self, columns: list[str], meter: Meter) -> Iterator[tuple[int, Fields]]:
        """Each row as a dict of the columns asked for, and its number from 1."""
        number, before, size = 0, meter.done, self._path.stat().st_size
        total = max(1, self._file.metadata.num_rows)
        try:
            for batch in self._file.iter_batches(4096, columns=columns, use_threads=False):
                names = batch.schema.names
                values = [_values(column) for column in batch.columns]
                for row in zip(*values, strict=True) if values else ():
                    number += 1
                    yield number, dict(zip(names, row, strict=True))
                meter.done = before + size * number // total
        except (OSError, pa.ArrowException) as error:
            raise StreamError(
                f"{self._path} is damaged: {_first(error)}; row {number} is the last that "
                "could be read"
            ) from None
        finally:
            self._file.close()
            if self._unpacked:
                self._unpacked.close()


def _unpacked(path: Path) -> IO[bytes]:
    """A packed Parquet file is unpacked to disk first: its end says what is where."""
    whole = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the table
    try:
        with _Opened(path) as (file, _):
            shutil.copyfileobj(file, whole, CHUNK)
    except OSError as error:
        whole.close()
        raise StreamError(f"{path} is damaged or cut off: {error}") from None
    whole.seek(0)
    return whole


def _values(column: Any) -> list[Any]:
    """A column as Python values; times as Unix seconds, those without a zone taken as UTC."""
    if not pa.types.is_timestamp(column.type):
        return list(column.to_pylist())
    parts = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[column.type.unit]
    return [seconds(moment, parts) for moment in column.cast(pa.int64()).to_pylist()]


def seconds(moment: int | None, parts: int) -> float | None:
    """Unix seconds of a time counted in `parts` of a second; whole ones stay integers."""
    if moment is None:
        return None
    whole, rest = divmod(moment, parts)
    return moment / parts if rest else whole


def _first(error: Exception) -> str:
    return str(error).splitlines()[0]
