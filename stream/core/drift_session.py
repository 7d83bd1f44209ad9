"""What the detector keeps of one shopper, and the session that is open."""

import numpy as np

from stream.core.compiled import kernel
from stream.core.rows import Layout, UInt8s, UInt16s, UInt32s

MOST_EVENTS = 64
NEWCOMERS = 12
# One less than the largest stored id: 0 is free, and a category is stored as code + 1.
MOST_NARROW, MOST_WIDE = (1 << 16) - 2, (1 << 31) - 1


class DriftRow:
    """What the detector keeps of one shopper. All zeros is a shopper without events.

    The first `used` slots count, and the first `newcomers_used` newcomers: categories
    of the open session without a slot. Both are stored as code + 1. `counts` are events
    of the open session, at most 64. `top` is 1 + the leading slot, 0 for none. Weights
    are fixed-point numbers, `gain_slow`, `gain_fast` and `move` the upper halves of
    float32s: `drift_work` says how they are read. Totals of arrays also hold what
    evicted slots weighed.
    """

    categories: UInt16s | UInt32s
    reference: UInt16s
    short: UInt16s
    gain_slow: UInt16s
    gain_fast: UInt16s
    move: UInt16s
    window: UInt16s
    before: UInt16s
    reference_total: np.float32
    short_total: np.float32
    novelty: np.float32
    restart: np.float32
    window_total: np.float32
    before_total: np.float32
    began_at: float
    sessions: int
    used: int
    top: int
    newcomers: UInt16s | UInt32s
    counts: UInt8s
    newcomer_counts: UInt8s
    events: int
    newcomers_used: int
    rising: int


def layout(slots: int, wide: bool = False) -> Layout:
    """A row that follows `slots` categories, `wide` those with codes of 65,534 and more too.

    >>> layout(32).itemsize, layout(24).itemsize
    (624, 488)
    """
    code = "u4" if wide else "u2"
    weights = ("reference", "short", "gain_slow", "gain_fast", "move", "window", "before")
    totals = ("reference_total", "short_total", "novelty", "restart", "window_total",
              "before_total")  # fmt: skip
    return np.dtype(
        [
            ("categories", code, slots),
            *((name, "u2", slots) for name in weights),
            *((name, "f4") for name in totals),
            ("began_at", "f8"),
            ("sessions", "i4"),
            ("used", "i2"),
            ("top", "i2"),
            ("newcomers", code, NEWCOMERS),
            ("counts", "u1", slots),
            ("newcomer_counts", "u1", NEWCOMERS),
            *((name, "i1") for name in ("events", "newcomers_used", "rising")),
        ],
        align=True,
    )


def followed(wide: bool) -> int:
    """Categories with a code below this have a place in rows."""
    return MOST_WIDE if wide else MOST_NARROW


@kernel
def slot_of(row: DriftRow, category: int) -> int:
    """The slot of `category`, -1 if it has none."""
    for slot in range(row.used):
        if row.categories[slot] == category + 1:
            return slot
    return -1


@kernel
def newcomer_of(row: DriftRow, category: int) -> int:
    """The place of `category` among the newcomers, -1 if it is not there."""
    for place in range(row.newcomers_used):
        if row.newcomers[place] == category + 1:
            return place
    return -1


@kernel
def full(row: DriftRow, category: int) -> bool:
    """Whether the open session must close before an event of `category` is counted."""
    if row.events >= MOST_EVENTS:
        return True
    if row.newcomers_used < NEWCOMERS:
        return False
    return slot_of(row, category) < 0 and newcomer_of(row, category) < 0


@kernel
def count(row: DriftRow, category: int) -> None:
    """Count one event into the open session, which must not be `full` for it."""
    row.events += 1
    slot = slot_of(row, category)
    if slot >= 0:
        row.counts[slot] += 1
        return
    place = newcomer_of(row, category)
    if place < 0:
        place = int(row.newcomers_used)
        row.newcomers[place] = category + 1
        row.newcomers_used += 1
    row.newcomer_counts[place] += 1


@kernel
def reopen(row: DriftRow) -> None:
    """Begin an empty session."""
    row.events = 0
    row.newcomers_used = 0
    for slot in range(row.used):
        row.counts[slot] = 0
    for place in range(NEWCOMERS):
        row.newcomers[place] = 0
        row.newcomer_counts[place] = 0
