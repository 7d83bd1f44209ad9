"""The last 50 events of one shopper against all before: large moves, found inside a session.

Both laws are Dirichlet-multinomials: the new one knows only the shop's popularity g, the
old one backs the shopper's own counts off to it. Their log ratio G adapts to repeats on
both sides, so an errand bought ten times is not ten pieces of evidence. G is no
martingale: its threshold must be calibrated, and without one the ring is off.
"""

import math

import numpy as np

from stream.core.bits import signed
from stream.core.codes import CodeRow
from stream.core.compiled import kernel, outlined
from stream.core.rows import Layout, Rows, UInt8s, UInt16s, UInt32s

WINDOW, BAG = 50, 64
# Events that must have left the ring before it is looked at, and how often then.
GATE, EVERY = 40, 4
# The weight of popularity in a new law, and of history in the old one.
FRESH, CARRIED, BACKED = 20.0, 100.0, 100.0
MEMORY, MOST_COUNT = 1000, 255
# Products become logarithms before float64 can't hold them.
LARGEST = 1e100
NEVER = -math.inf


class RingRow:
    """The last events in `recent`, and counts of the events that left them.

    Categories are stored as code + 1; 0 is free. `total` counts all that left, `held`
    those that still have an entry in `bag`, so `total - held` is forgotten mass.
    """

    recent: UInt16s | UInt32s
    bag: UInt16s | UInt32s
    counts: UInt8s
    total: int
    held: int
    next: int
    waited: int


def layout(on: bool, wide: bool) -> Layout:
    """A ring, or one entry of each kind where it is off."""
    code = "u4" if wide else "u2"
    return np.dtype(
        [
            ("recent", code, WINDOW if on else 1),
            ("bag", code, BAG if on else 1),
            ("counts", "u1", BAG if on else 1),
            ("total", "i2"),
            ("held", "i2"),
            ("next", "i1"),
            ("waited", "i1"),
        ],
        align=True,
    )


@kernel
def place_of(row: RingRow, stored: int) -> int:
    """Where the bag counts this category: its entry, or that of the smallest count."""
    least = 0
    for place in range(len(row.bag)):
        if row.bag[place] == stored:
            return place
        if row.counts[place] < row.counts[least]:
            least = place
    return least


@kernel
def put(row: RingRow, stored: int) -> None:
    """Count an event that left the ring; past 1000 of them all counts are halved."""
    place = place_of(row, stored)
    if row.bag[place] != stored:
        row.held -= signed(row.counts[place])
        row.bag[place] = stored
        row.counts[place] = 0
    row.counts[place] += 1
    row.held += 1
    row.total += 1
    if row.total > MEMORY or row.counts[place] == MOST_COUNT:
        halve(row)


@kernel
def halve(row: RingRow) -> None:
    held = 0
    for place in range(len(row.bag)):
        half = signed(row.counts[place]) // 2
        row.counts[place] = half
        held += half
    row.held = held
    row.total = row.total // 2


@kernel
def counted(row: RingRow, place: int) -> int:
    """How often the bag holds what is at this place of the ring."""
    events = 0
    for entry in range(len(row.bag)):
        if row.bag[entry] == row.recent[place]:
            events += signed(row.counts[entry])
    return events


@kernel
def repeats(row: RingRow, place: int) -> int:
    """How many places before this one hold the same."""
    same = 0
    for earlier in range(place):
        if row.recent[earlier] == row.recent[place]:
            same += 1
    return same


@outlined
def log_ratio(row: RingRow, codes: Rows[CodeRow]) -> float:
    """G = Σ ln[(c g + a_i) / (κ p + a_i) · (κ + i) / (c + i)] over the ring's entries.

    With n events that left, f of them forgotten: κ = 100 n / (n + 100) and
    p = (bag + (f + 100) g) / (n + 100); a_i are the entry's repeats before it.
    """
    total = float(row.total)
    carried = CARRIED * total / (total + CARRIED)
    backed = total - float(row.held) + BACKED
    # Products of all, over and under the line: a logarithm or a division each would take long.
    new, old, logarithms = 1.0, 1.0, 0.0
    for place in range(len(row.recent)):
        popularity = np.float64(codes[signed(row.recent[place]) - 1].popularity)
        usual = (counted(row, place) + backed * popularity) / (total + BACKED)
        same = float(repeats(row, place))
        new *= (FRESH * popularity + same) * (carried + place)
        old *= (carried * usual + same) * (FRESH + place)
        if max(new, old) > LARGEST or min(new, old) < 1.0 / LARGEST:
            logarithms += math.log(new / old)
            new, old = 1.0, 1.0
    return logarithms + math.log(new / old)


@kernel
def listen(row: RingRow, codes: Rows[CodeRow], category: int) -> float:
    """Take in one event; every fourth tells G, the others minus infinity."""
    leaving = signed(row.recent[row.next])
    row.recent[row.next] = category + 1
    row.next = (row.next + 1) % len(row.recent)
    if leaving:
        put(row, leaving)
    row.waited = min(row.waited + 1, EVERY)
    if row.total < GATE or row.waited < EVERY:
        return NEVER
    row.waited = 0
    return log_ratio(row, codes)


@kernel
def start_over(row: RingRow) -> None:
    """After an alarm nothing has left; the ring's events are the first of the new history."""
    row.total = 0
    row.held = 0
    for place in range(len(row.bag)):
        row.bag[place] = 0
        row.counts[place] = 0
