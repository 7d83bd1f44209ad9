"""When a shopper's list is worth sending again, and what the shopper was sent last."""

import numpy as np

from stream.core import table
from stream.core.bits import low_of, nibble_at, put_nibble, signed
from stream.core.compiled import kernel
from stream.core.knowledge import ProfileRow
from stream.core.lately import whole
from stream.core.ranking import RankedRow
from stream.core.rows import Int64s, Layout, Rows, UInt8s, UInt32s

LEADERS = 3


class ServedRow:
    """The last list sent. Not a function of the records alone: no strict state reads it.

    `sequence` is the offset of the record it was sent for. `lows` are the low halves of the
    items' ids, and `reasons`, two a byte, why each is in it.

    `moved` asks for a list at the next chance; `stale` says that records were
    caught up since, so that the next list is sent whole.
    """

    listed_at: float
    sequence: int
    lows: UInt32s
    reasons: UInt8s
    since_full: int
    used: int
    sent: int
    moved: int
    stale: int


class ListRow:
    """A list to send: for which shopper, after which event, and the one before it.

    Where it is known no more which item stood there, `previous` has NONE.
    """

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
            ("lows", "u4", size),
            ("reasons", "u1", (size + 1) // 2),
            ("since_full", "u2"),
            ("used", "u1"),
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
def place_in(row: ServedRow, item: int) -> int:
    """Where an item stands in the last list, or -1."""
    low = low_of(item)
    for place in range(signed(row.used)):
        if signed(row.lows[place]) == low:
            return place
    return -1


@kernel
def material(row: ServedRow, ranked: Rows[RankedRow], first: int, used: int) -> bool:
    """Whether an item entered or left, or the leaders changed their order.

    The new list is the `used` entries of `ranked` from `first` on.
    """
    if used != signed(row.used):
        return True
    for place in range(used):
        before = place_in(row, ranked[first + place].item_id)
        if before < 0 or (place < LEADERS and before != place):
            return True
    return False


@kernel
def place_of(row: ServedRow, item: int, sequence: int) -> int:
    """Where the item stands in the list with this sequence; -1 if it was not the last one sent."""
    return place_in(row, item) if row.sent and row.sequence == sequence else -1


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
    """Note the list in the row as sent, and in `out` what it replaces, by halves of ids."""
    since_full = signed(row.since_full) + 1
    full = not row.sent or row.stale or since_full >= full_every
    out.used = used
    out.full = 1 if full else 0
    out.moved = row.moved
    out.previous_used = 0 if full else signed(row.used)
    for place in range(out.previous_used):
        out.previous[place] = signed(row.lows[place])
    for place in range(used):
        row.lows[place] = low_of(ranked[first + place].item_id)
        put_nibble(row.reasons, place, int(ranked[first + place].reason))
    row.sequence = sequence
    row.used = used
    row.since_full = 0 if full else since_full
    row.sent = 1
    row.moved = 0
    row.stale = 0
    row.listed_at = at


@kernel
def reason_at(row: ServedRow, place: int) -> int:
    """Why an item stands in the last list."""
    return nibble_at(row.reasons, place)


@kernel
def recognize(
    out: ListRow, cells: Rows[table.Cell], profiles: Rows[ProfileRow], lately: Int64s
) -> None:
    """Put whole ids in place of halves in the list before, of the shop's or as touched lately."""
    for place in range(out.previous_used):
        low = int(out.previous[place])
        number = table.find_low(cells, low)
        out.previous[place] = int(profiles[number].id) if number >= 0 else whole(lately, low)
