"""Moves between categories, each counted once for a shopper and a window of event time.

A late event takes its place among the shopper's last events, so the counts end as if all had come
in the order of their times, as far as a shopper's last `EVENTS` events reach.
"""

import math

import numpy as np

from stream.core.compiled import kernel
from stream.core.factorization import scrambled
from stream.core.rows import Float64s, Int32s, Layout, Rows, UInt8s, UInt32s

EVENTS = 24
"""So many last events of a shopper are remembered in the order of their times."""
MOVES = 64
"""So many distinct moves; beyond, one may count again in its window."""
KEPT_WINDOWS = 4
"""An event counts in flows and demand if it is no more windows behind the partition's clock."""
OFTEN = 255
"""A move made so often in a window stays counted, whatever comes late."""
BITS, MARK_BITS = 62, 32
CHANGES = 3
"""An event changes no more counts: two moves appear where there was one."""


class FlowRow:
    """A ring of a shopper's last events, oldest at `first`, and the last distinct moves.

    `moves` are fingerprints of window, origin and target, 0 where a place is free, and `times`
    how often each was made.
    """

    ats: Float64s
    codes: Int32s
    moves: UInt32s
    times: UInt8s
    first: int
    used: int
    next: int


LAYOUT: Layout = np.dtype(
    [
        ("ats", "f8", EVENTS),
        ("codes", "i4", EVENTS),
        ("moves", "u4", MOVES),
        ("times", "u1", MOVES),
        ("first", "i2"),
        ("used", "i2"),
        ("next", "i2"),
    ],
    align=True,
)


class ChangeRow:
    """A shopper more (`by` 1) or less (-1) made a move in a window; categories by code."""

    window: int
    origin: int
    target: int
    by: int


CHANGE: Layout = np.dtype(
    [("window", "i8"), ("origin", "i4"), ("target", "i4"), ("by", "i4")], align=True
)


@kernel
def window_of(at: float, length: float) -> int:
    """The number of the window that holds a time: window n begins n times `length` after 1970."""
    return math.floor(at / length)


@kernel
def fingerprint(window: int, origin: int, target: int) -> np.uint32:
    """A number for a move, never 0: two of a shopper share one with a chance of 2 ** -32."""
    mixed = scrambled(scrambled(scrambled(window) ^ int(origin)) ^ int(target))
    return np.uint32(max(mixed >> (BITS - MARK_BITS), 1))


@kernel
def note(row: FlowRow, move: np.uint32) -> bool:
    """Whether this move of the shopper is the first of its kind in its window; it is noted."""
    free = -1
    for place in range(MOVES):
        if row.moves[place] == move:
            row.times[place] = min(int(row.times[place]) + 1, OFTEN)
            return False
        if free < 0 and row.moves[place] == 0:
            free = place
    if free < 0:
        free = int(row.next)
        row.next = (row.next + 1) % MOVES
    row.moves[free] = move
    row.times[free] = 1
    return True


@kernel
def undo(row: FlowRow, move: np.uint32) -> bool:
    """Take a move back; whether the shopper makes it no more in its window."""
    for place in range(MOVES):
        if row.moves[place] == move:
            if row.times[place] < OFTEN:
                row.times[place] -= 1
            if row.times[place] == 0:
                row.moves[place] = 0
                return True
            return False
    return False


@kernel
def rank_of(row: FlowRow, at: float) -> int:
    """How many of the remembered events come before one at `at`; of equal times all do."""
    rank = int(row.used)
    while rank > 0 and row.ats[(row.first + rank - 1) % EVENTS] > at:
        rank -= 1
    return rank


@kernel
def insert(row: FlowRow, rank: int, at: float, code: int) -> None:
    """Remember an event as the one with this rank; if there are too many, the oldest goes."""
    if row.used == EVENTS:
        row.first = (row.first + 1) % EVENTS
        row.used -= 1
        rank -= 1
    for later in range(row.used, rank, -1):
        to, source = (row.first + later) % EVENTS, (row.first + later - 1) % EVENTS
        row.ats[to], row.codes[to] = row.ats[source], row.codes[source]
    place = (row.first + rank) % EVENTS
    row.ats[place], row.codes[place] = at, code
    row.used += 1


@kernel
def enter(
    row: FlowRow, at: float, code: int, length: float, changes: Rows[ChangeRow], count: int
) -> int:
    """Take an event in; leave what it changes behind the first `count` changes, return how many.

    Between two events it ends a move from one to the other, and makes one to it and one from
    it. One before all that are remembered, once some were forgotten, changes nothing.
    """
    rank = rank_of(row, at)
    if rank == 0 and row.used == EVENTS:
        return count
    before, after, after_at = -1, -1, 0.0
    if rank > 0:
        before = int(row.codes[(row.first + rank - 1) % EVENTS])
    if rank < row.used:
        place = (row.first + rank) % EVENTS
        after, after_at = int(row.codes[place]), row.ats[place]
    insert(row, rank, at, code)
    count = change(row, window_of(after_at, length), before, after, -1, changes, count)
    count = change(row, window_of(at, length), before, code, 1, changes, count)
    return change(row, window_of(after_at, length), code, after, 1, changes, count)


@kernel
def change(
    row: FlowRow,
    window: int,
    origin: int,
    target: int,
    by: int,
    changes: Rows[ChangeRow],
    count: int,
) -> int:
    """Make a move (`by` 1) or take it back (-1), if there is one; leave what that changes."""
    if origin < 0 or target < 0 or origin == target:
        return count
    move = fingerprint(window, origin, target)
    if not (note(row, move) if by > 0 else undo(row, move)):
        return count
    told = changes[count]
    told.window, told.origin, told.target, told.by = window, origin, target, by
    return count + 1
