"""When a shopper's list is worth sending again, and what the shopper was sent last."""

import numpy as np

from stream.core.compiled import kernel
from stream.core.ranking import RankedRow
from stream.core.rows import Int8s, Int64s, Layout, Rows

LEADERS = 3


class ServedRow:
    """The last list sent. Not a function of the records alone: no strict state reads it.

    `sequence` is the offset of the record it was sent for, `reasons` why each item is in it.

    `moved` asks for a list at the next chance; `stale` says that records were
    caught up since, so that the next list is sent whole.
    """

    listed_at: float
    sequence: int
    items: Int64s
    reasons: Int8s
    used: int
    since_full: int
    sent: int
    moved: int
    stale: int


class ListRow:
    """A list to send: for which shopper, after which event, and the one before it."""

    previous: Int64s
    slot: int
    event: int
    used: int
    previous_used: int
    full: int
    moved: int


def layout(size: int) -> Layout:
    """What is kept of the last list, of up to `size` items."""
    return np.dtype(
        [
            ("listed_at", "f8"),
            ("sequence", "i8"),
            ("items", "i8", size),
            ("reasons", "i1", size),
            ("used", "i4"),
            ("since_full", "i4"),
            ("sent", "u1"),
            ("moved", "u1"),
            ("stale", "u1"),
        ],
        align=True,
    )


def list_layout(size: int) -> Layout:
    """A list to send; its entries are elsewhere, `size` a list."""
    names = ["slot", "event", "used", "previous_used", "full", "moved"]
    return np.dtype([("previous", "i8", size), *((name, "i4") for name in names)], align=True)


@kernel
def due(row: ServedRow, at: float, interval: float) -> bool:
    """Whether a list may be sent now: the first, after a move, or `interval` after the last."""
    return bool(row.moved or not row.sent or abs(at - row.listed_at) >= interval)


@kernel
def holds(items: Int64s, used: int, item: int) -> bool:
    for place in range(used):
        if items[place] == item:
            return True
    return False


@kernel
def material(row: ServedRow, ranked: Rows[RankedRow], first: int, used: int) -> bool:
    """Whether an item entered or left, or the leaders changed their order.

    The new list is the `used` entries of `ranked` from `first` on.
    """
    if used != row.used:
        return True
    for place in range(used):
        if place < LEADERS and ranked[first + place].item_id != row.items[place]:
            return True
        if not holds(row.items, row.used, ranked[first + place].item_id):
            return True
    return False


@kernel
def place_of(row: ServedRow, item: int, sequence: int) -> int:
    """Where the item stands in the list with this sequence; -1 if it was not the last one sent."""
    if not row.sent or row.sequence != sequence:
        return -1
    for place in range(row.used):
        if row.items[place] == item:
            return place
    return -1


@kernel
def send(
    row: ServedRow,
    out: ListRow,
    ranked: Rows[RankedRow],
    first: int,
    used: int,
    at: float,
    sequence: int,
    full_every: int,
) -> None:
    """Note the list in the row as sent, and in `out` what it replaces."""
    full = not row.sent or row.stale or row.since_full + 1 >= full_every
    out.used = used
    out.full = 1 if full else 0
    out.moved = row.moved
    out.previous_used = 0 if full else row.used
    for place in range(out.previous_used):
        out.previous[place] = row.items[place]
    for place in range(used):
        row.items[place] = ranked[first + place].item_id
        row.reasons[place] = ranked[first + place].reason
    row.sequence = sequence
    row.used = used
    row.since_full = 0 if full else row.since_full + 1
    row.sent = 1
    row.moved = 0
    row.stale = 0
    row.listed_at = at
