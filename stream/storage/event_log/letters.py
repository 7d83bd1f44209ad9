"""Refused records, read back from the dead letters that hold them: what a fix lets in."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from stream.core.events import Decoder, Ignored
from stream.errors import BadRecord, WrongUse
from stream.messages import DeadLetter
from stream.settings import Settings
from stream.storage.event_log import files, ranges
from stream.storage.event_log.records import Accepted, IgnoredType, Record, Rejected, Said

LONGEST_LETTER = 16 << 20
_letter = msgspec.json.Decoder(DeadLetter).decode


def read(
    sources: Sequence[str],
    settings: Settings,
    start: str | None,
    end: str | None,
    say: Callable[[str], None],
    meter: files.Meter,
) -> Iterator[Record]:
    """Each letter's record by these settings: accepted, ignored, or rejected once more.

    Bytes and key are those that were refused; a record that had no key gets its shopper's.
    """
    if sources[0].startswith(ranges.SCHEME):
        found = ranges.read(sources[0], start, end, say)
        lines = ((one.source, one.offset or 0, one.value) for one in found)
    else:
        paths = [Path(source) for source in sources]
        meter.total = sum(_size(path) for path in paths)
        lines = (
            (str(path), number, line)
            for path in paths
            for number, line in files.lines(path, LONGEST_LETTER, meter)
        )
    decode = Decoder(settings)
    return (_record(*line, decode) for line in lines)


def _size(path: Path) -> int:
    if files.kind(path).format != "jsonl":
        raise WrongUse(f"{path}: dead letters are read from JSONL, one a line")
    return files.size(path)


def _record(source: str, number: int, line: bytes, decode: Decoder) -> Record:
    try:
        letter = _letter(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Rejected(source, number, f"no dead letter: {error}", line)
    where = letter.topic, letter.offset
    try:
        touches = decode(letter.value)
    except BadRecord as error:
        return Rejected(*where, str(error), letter.value or b"", letter.partition, letter.key)
    if isinstance(touches, Ignored):
        return IgnoredType(*where, touches.event_type)
    assert letter.value is not None
    said = Said.by(touches)
    key, everywhere = letter.key or said.user.encode(), said.touches is None
    return Accepted(*where, None, None, said.at, key, letter.value, said.touches, everywhere)
