"""Streams of categories that a detector is run on: many shoppers' in one array."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.core.rows import Int32s, Int64s

NO_CHANGE = -1
LEFT, CAME = 2, 2
"""How many categories count as a right `from`, and as a right `to`."""


class Streams(NamedTuple):
    """Streams side by side: number n has the events `first[n]` up to `first[n + 1]`.

    A session ends where `sessions` changes. `changes` is the first event of the new law
    in each stream, counted from its own start, NO_CHANGE where nothing moves; `left` and
    `came`, of shape (streams, 2), are the categories that lost and gained most at it.
    """

    categories: Int32s
    sessions: Int64s
    first: Int64s
    changes: Int64s
    left: Int32s
    came: Int32s

    @property
    def number(self) -> int:
        return len(self.changes)

    @property
    def events(self) -> int:
        return len(self.categories)

    def each(self) -> Iterator[tuple[Int32s, Int64s]]:
        """Categories and sessions of one stream after another."""
        for start, end in zip(self.first[:-1], self.first[1:], strict=True):
            yield self.categories[start:end], self.sessions[start:end]

    def some(self, most: int) -> "Streams":
        """The first so many streams."""
        if most >= self.number:
            return self
        end = self.first[most]
        return Streams(
            self.categories[:end],
            self.sessions[:end],
            self.first[: most + 1],
            self.changes[:most],
            self.left[:most],
            self.came[:most],
        )


class Piece(NamedTuple):
    """One stream on its own."""

    categories: Int32s
    sessions: Int64s
    change: int = NO_CHANGE
    left: tuple[int, int] = (-1, -1)
    came: tuple[int, int] = (-1, -1)


def joined(pieces: Sequence[Piece]) -> Streams:
    """The pieces side by side."""
    lengths = [len(piece.categories) for piece in pieces]
    first = np.zeros(len(pieces) + 1, np.int64)
    np.cumsum(lengths, out=first[1:])
    return Streams(
        np.concatenate([np.zeros(0, np.int32), *(piece.categories for piece in pieces)]),
        np.concatenate([np.zeros(0, np.int64), *(piece.sessions for piece in pieces)]),
        first,
        np.array([piece.change for piece in pieces], np.int64),
        np.array([piece.left for piece in pieces], np.int32).reshape(-1, LEFT),
        np.array([piece.came for piece in pieces], np.int32).reshape(-1, CAME),
    )


def concatenated(parts: Sequence[Streams]) -> Streams:
    """The streams of all parts, side by side."""
    starts = np.cumsum([0, *(part.events for part in parts)])
    first = [part.first[:-1] + start for part, start in zip(parts, starts, strict=False)]
    columns = zip(*(part[:2] + part[3:] for part in parts), strict=True)
    categories, sessions, changes, left, came = (np.concatenate(column) for column in columns)
    ends = np.concatenate([*first, starts[-1:]])
    return Streams(categories, sessions, ends, changes, left, came)


class Found(NamedTuple):
    """Alarms, one entry each in every column, by stream and then by event.

    `event` is the place in the stream at which the alarm is booked. Of what a method does
    not name or tell, categories are -1 and numbers NaN. `source` is 1 for an alarm of
    the ring.
    """

    stream: Int64s
    event: Int64s
    from_category: Int32s
    to_category: Int32s
    amended_to: Int32s
    excess: NDArray[np.float64]
    strength: NDArray[np.float64]
    source: NDArray[np.int8]

    @property
    def number(self) -> int:
        return len(self.stream)
