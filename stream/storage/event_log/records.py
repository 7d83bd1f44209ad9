"""What a source yields for each of its lines, and the count of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from stream.core.events import Forget, Touch
from stream.messages import DeadLetter
from stream.storage.partitioning import partition_of

BLANK = "(blank line)"


class Accepted(NamedTuple):
    """A behavior event as it stands, or would stand, on the events topic."""

    source: str
    line: int
    """Counted from 1 in a file; 0 for a record of a topic."""
    partition: int | None
    """Where the record is; None for a line of a file, which is nowhere yet."""
    offset: int | None
    timestamp: int
    """Milliseconds: the event's own time, or the record's for a record of a topic."""
    key: bytes
    """`user_id`; for a record of a topic, its key as it came."""
    value: bytes
    touches: list[Touch] | None = None
    """What the value says, where it was decoded already."""
    everywhere: bool = False
    """A line of a file that goes to every partition: a request to forget."""

    def partitions(self, count: int) -> Iterable[int]:
        """Those that it belongs to, of so many."""
        return range(count) if self.everywhere else (partition_of(self.key, count),)


class Rejected(NamedTuple):
    """A line that is no behavior event, and why."""

    source: str
    line: int
    reason: str
    value: bytes
    """The line, cut after `max_value_bytes` and one more."""
    partition: int = -1
    """Where the record was refused; -1 where a file has none."""
    key: bytes | None = None


class IgnoredType(NamedTuple):
    """A line of an event type that no setting knows, or a blank one."""

    source: str
    line: int
    event_type: str


class Said(NamedTuple):
    """Who did something, and when in milliseconds; a request to forget has no touches."""

    user: str
    at: int
    touches: list[Touch] | None

    @classmethod
    def by(cls, found: list[Touch] | Forget) -> "Said":
        """What a record says, once it is decoded."""
        first, touches = (found, None) if isinstance(found, Forget) else (found[0], found)
        return cls(first.user_id, round(first.occurred_at * 1000), touches)


Record = Accepted | Rejected | IgnoredType


def dead_letter(record: Rejected) -> DeadLetter:
    """A rejected line as the message that says so."""
    return DeadLetter(
        topic=record.source,
        partition=record.partition,
        offset=record.line,
        reason=record.reason,
        key=record.key,
        value=record.value,
    )


MOST_TYPES = 100
OTHERS = "(other types)"
"""Where event types beyond so many are counted: a hostile log may have millions."""


@dataclass
class Tally:
    """How many lines there were, and what became of them.

    >>> tally = Tally()
    >>> tally.add(IgnoredType("a.jsonl", 1, "page_view"))
    >>> tally.summary()
    {'lines': 1, 'accepted': 0, 'rejected': 0, 'ignored': 1, 'ignored_by_type': {'page_view': 1}}
    """

    accepted: int = 0
    rejected: int = 0
    ignored: dict[str, int] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        """Every line of data: a header is none, a blank line is one."""
        return self.accepted + self.rejected + sum(self.ignored.values())

    def add(self, record: Record) -> None:
        if isinstance(record, Accepted):
            self.accepted += 1
        elif isinstance(record, Rejected):
            self.rejected += 1
        else:
            kind = record.event_type
            if kind not in self.ignored and len(self.ignored) >= MOST_TYPES:
                kind = OTHERS
            self.ignored[kind] = self.ignored.get(kind, 0) + 1

    def summary(self) -> dict[str, object]:
        """The counts as they stand in a command's summary."""
        return {
            "lines": self.lines,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "ignored": sum(self.ignored.values()),
            "ignored_by_type": self.ignored,
        }
