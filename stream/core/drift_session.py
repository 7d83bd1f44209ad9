"""What the detector knows of one shopper, and the session that is open."""

import numpy as np

from stream.core.compiled import kernel
from stream.core.rows import Float32s, Int32s, Layout, UInt8s

MOST_EVENTS = 64
NEWCOMERS = 12


class DriftRow:
    """What the detector knows of one shopper. All zeros is a shopper without events.

    The first `used` slots count, and the first `newcomers_used` newcomers: categories
    of the open session without a slot. `counts` are events of the open session, at most
    64. `top` is 1 + the leading slot, 0 for none. Totals of arrays also hold what
    evicted slots weighed.
    """

    categories: Int32s
    reference: Float32s
    short: Float32s
    gain_slow: Float32s
    gain_fast: Float32s
    move: Float32s
    window: Float32s
    before: Float32s
    reference_total: float
    short_total: float
    novelty: float
    restart: float
    window_total: float
    before_total: float
    began_at: float
    sessions: int
    used: int
    top: int
    events: int
    newcomers_used: int
    rising: int
    newcomers: Int32s
    counts: UInt8s
    newcomer_counts: UInt8s


def layout(slots: int) -> Layout:
    """A row that follows `slots` categories."""
    weights = ("reference", "short", "gain_slow", "gain_fast", "move", "window", "before")
    totals = ("reference_total", "short_total", "novelty", "restart", "window_total",
              "before_total", "began_at")  # fmt: skip
    numbers = ("sessions", "used", "top", "events", "newcomers_used", "rising")
    return np.dtype(
        [
            ("categories", "i4", slots),
            *((name, "f4", slots) for name in weights),
            *((name, "f8") for name in totals),
            *((name, "i4") for name in numbers),
            ("newcomers", "i4", NEWCOMERS),
            ("counts", "u1", slots),
            ("newcomer_counts", "u1", NEWCOMERS),
        ],
        align=True,
    )


@kernel
def slot_of(row: DriftRow, category: int) -> int:
    """The slot of `category`, -1 if it has none."""
    for slot in range(row.used):
        if row.categories[slot] == category:
            return slot
    return -1


@kernel
def newcomer_of(row: DriftRow, category: int) -> int:
    """The place of `category` among the newcomers, -1 if it is not there."""
    for place in range(row.newcomers_used):
        if row.newcomers[place] == category:
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
        row.newcomers[place] = category
        row.newcomers_used += 1
    row.newcomer_counts[place] += 1


@kernel
def session_share(row: DriftRow, slot: int) -> float:
    """w_b, the share of the slot's category in the open session."""
    return int(row.counts[slot]) / int(row.events)


@kernel
def new_share(row: DriftRow) -> float:
    """w_new, the share of categories without a slot in the open session."""
    events = 0
    for place in range(row.newcomers_used):
        events += int(row.newcomer_counts[place])
    return events / int(row.events)


@kernel
def distinct(row: DriftRow) -> float:
    """d, how many categories the open session has."""
    categories = float(row.newcomers_used)
    for slot in range(row.used):
        if row.counts[slot] > 0:
            categories += 1.0
    return categories


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
