"""What a partition's state was made for, and whether that is what it is opened for."""

from pathlib import Path
from typing import Protocol

from xxhash import xxh3_64_intdigest

from stream.core.rows import fingerprint
from stream.core.shoppers import layout
from stream.errors import StreamError
from stream.settings import Settings
from stream.storage.codec import REBUILD, Header


class Stamped(Protocol):
    """What a header keeps of the last record."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...


def note(header: Header, last: Stamped) -> None:
    """Let the header say that this record is the last one applied."""
    header.offset = last.offset
    header.record_time = last.timestamp
    header.record_hash = xxh3_64_intdigest(last.value or b"")


def ends_with(header: Header, record: Stamped) -> bool:
    """Whether this is the last record applied, by its time and its bytes."""
    return (
        record.offset == header.offset
        and record.timestamp == header.record_time
        and xxh3_64_intdigest(record.value or b"") == header.record_hash
    )


def first(settings: Settings, topic: str, partition: int, partitions: int) -> Header:
    """The header of a partition before its first record."""
    return Header(
        settings=settings.fingerprint(),
        meaning=settings.meaning(),
        layout=fingerprint(layout(settings)),
        topic=topic,
        partition=partition,
        partitions=partitions,
        counts={},
    )


def check(header: Header, wanted: Header, path: Path) -> None:
    """Refuse a state that was made for something else than is wanted now.

    Raises
    ------
    StreamError
        Naming what differs, and the way out.
    """
    why = misfit(header, wanted)
    if why is not None:
        raise StreamError(f"state: {path} {why}")


def misfit(header: Header, wanted: Header) -> str | None:
    """What differs and the way out, None where nothing does."""
    if header.format != wanted.format:
        return f"has format {header.format}, this version reads {wanted.format}: {REBUILD}"
    if header.settings != wanted.settings:
        return (
            f"was made with other settings ({changed(header.meaning, wanted.meaning)}): "
            f"go back to them, take a new --state folder, or {REBUILD}"
        )
    if header.partitions != wanted.partitions or header.partition != wanted.partition:
        return (
            f"holds partition {header.partition} of {header.partitions}, not "
            f"{wanted.partition} of {wanted.partitions}: a changed count moves shoppers between "
            "partitions, so take a new --state folder and group, and read the log again"
        )
    if header.layout != wanted.layout:
        return f"has rows of another layout than this version: {REBUILD}"
    if header.topic != wanted.topic:
        return f"is of the topic {header.topic}, not {wanted.topic}: take a new --state folder"
    return None


def changed(was: dict[str, object], now: dict[str, object]) -> str:
    """Which settings differ.

    >>> changed({"seed": 7, "factors": 8}, {"seed": 9, "factors": 8})
    'seed was 7, now 9'
    """
    return "; ".join(
        f"{name} was {was.get(name)!r}, now {now.get(name)!r}"
        for name in sorted(now.keys() | was.keys())
        if was.get(name) != now.get(name)
    )
