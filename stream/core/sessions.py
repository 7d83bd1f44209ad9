"""When a shopper's session ends, and what time it is for a whole partition."""

import math

import numpy as np

from stream.core.compiled import kernel
from stream.core.ids import NONE
from stream.core.rows import Float64s, Int64s, Layout, Rows

WITNESSES = 3


class SessionRow:
    """One shopper's open session, if `open`. Times are Unix seconds of event time.

    `id` is the first session_id seen in it (0: none yet), `id_at` the last time that
    it was seen. `queued` says that the partition's queue holds this shopper, `late`
    that the partition's clock had passed the session's end when its last event came.
    """

    started_at: float
    last_at: float
    id_at: float
    id: int
    open: int
    queued: int
    late: int


LAYOUT: Layout = np.dtype(
    [
        ("started_at", "f8"),
        ("last_at", "f8"),
        ("id_at", "f8"),
        ("id", "i8"),
        ("open", "u1"),
        ("queued", "u1"),
        ("late", "u1"),
    ],
    align=True,
)


@kernel
def continues(row: SessionRow, id: int, at: float, gap: float, switch: float) -> bool:
    """Whether an event belongs to the open session; a late one does.

    Two devices interleave: another id ends it only `switch` seconds after its own.
    """
    if at - row.last_at > gap:
        return False
    other = id != NONE and row.id != NONE and id != row.id
    return not (other and at - row.id_at > switch)


@kernel
def begin(row: SessionRow, id: int, at: float) -> None:
    """Open a session with this event."""
    row.open = 1
    row.started_at = at
    row.last_at = at
    row.id_at = at
    row.id = id


@kernel
def extend(row: SessionRow, id: int, at: float) -> None:
    """Add an event to the open session."""
    row.last_at = max(row.last_at, at)
    if row.id == NONE:
        row.id = id
    if id == row.id:
        row.id_at = max(row.id_at, at)


class ClockRow:
    """The latest event times of three distinct shoppers, latest first."""

    times: Float64s
    shoppers: Int64s
    used: int


CLOCK: Layout = np.dtype(
    [("times", "f8", WITNESSES), ("shoppers", "i8", WITNESSES), ("used", "i4")], align=True
)


@kernel
def observe(clock: ClockRow, shopper: int, at: float) -> None:
    """Let the clock know that `shopper` acted at `at`; telling it twice changes nothing."""
    place = 0
    while place < clock.used and clock.shoppers[place] != shopper:
        place += 1
    if place == clock.used and clock.used < WITNESSES:
        clock.used += 1
    elif place == WITNESSES:
        place -= 1
        if at <= clock.times[place]:
            return
    elif place < clock.used and at <= clock.times[place]:
        return
    while place > 0 and clock.times[place - 1] < at:
        clock.times[place] = clock.times[place - 1]
        clock.shoppers[place] = clock.shoppers[place - 1]
        place -= 1
    clock.times[place] = at
    clock.shoppers[place] = shopper


@kernel
def now(clock: ClockRow) -> float:
    """The largest time that three distinct shoppers have reached or passed.

    One wild timestamp can't move it. Before three have acted it is minus infinity.
    """
    if clock.used < WITNESSES:
        return -math.inf
    return float(clock.times[WITNESSES - 1])


class Deadline:
    """A shopper whose session may end at `at`, by row key; `slot` is where the row was last."""

    at: float
    key: int
    slot: int


DEADLINE: Layout = np.dtype([("at", "f8"), ("key", "i8"), ("slot", "i4")], align=True)


@kernel
def comes_first(queue: Rows[Deadline], a: int, b: int) -> bool:
    """Whether the entry at place `a` is due before the one at `b`; ties by key."""
    if queue[a].at != queue[b].at:
        return bool(queue[a].at < queue[b].at)
    return bool(queue[a].key < queue[b].key)


@kernel
def swap(queue: Rows[Deadline], a: int, b: int) -> None:
    at, key, slot = queue[a].at, queue[a].key, queue[a].slot
    queue[a].at, queue[a].key, queue[a].slot = queue[b].at, queue[b].key, queue[b].slot
    queue[b].at, queue[b].key, queue[b].slot = at, key, slot


@kernel
def push(queue: Rows[Deadline], used: int, at: float, key: int, slot: int) -> None:
    """Add an entry to a binary heap of `used` entries; the caller keeps a place free."""
    place = used
    queue[place].at, queue[place].key, queue[place].slot = at, key, slot
    while place > 0 and comes_first(queue, place, (place - 1) // 2):
        swap(queue, place, (place - 1) // 2)
        place = (place - 1) // 2


@kernel
def pop(queue: Rows[Deadline], used: int) -> None:
    """Take the first of `used` entries out of the heap."""
    last = used - 1
    swap(queue, 0, last)
    place = 0
    while True:
        child = 2 * place + 1
        if child >= last:
            return
        if child + 1 < last and comes_first(queue, child + 1, child):
            child += 1
        if not comes_first(queue, child, place):
            return
        swap(queue, place, child)
        place = child
