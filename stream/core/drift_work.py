"""A stored row unfolded to float64, which the arithmetic of a closing session works on."""

import numpy as np

from stream.core.bits import signed
from stream.core.compiled import kernel, outlined
from stream.core.drift_session import NEWCOMERS, DriftRow
from stream.core.rows import Float64s, Int64s, Layout

# Units of the stored weights: how many make one.
REFERENCE, SHORT, WINDOW, BEFORE = 64.0, 4096.0, 256.0, 16.0
MOST = 65_535


class WorkRow:
    """A `DriftRow` as plain numbers; categories are codes here, not code + 1."""

    categories: Int64s
    counts: Int64s
    reference: Float64s
    short: Float64s
    gain_slow: Float64s
    gain_fast: Float64s
    move: Float64s
    window: Float64s
    before: Float64s
    newcomers: Int64s
    newcomer_counts: Int64s
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


def layout(slots: int) -> Layout:
    """Room for one row of `slots` categories; what is in it before counts for nothing."""
    weights = ("reference", "short", "gain_slow", "gain_fast", "move", "window", "before")
    totals = ("reference_total", "short_total", "novelty", "restart", "window_total",
              "before_total", "began_at")  # fmt: skip
    numbers = ("sessions", "used", "top", "events", "newcomers_used", "rising")
    return np.dtype(
        [
            ("categories", "i8", slots),
            ("counts", "i8", slots),
            *((name, "f8", slots) for name in weights),
            ("newcomers", "i8", NEWCOMERS),
            ("newcomer_counts", "i8", NEWCOMERS),
            *((name, "f8") for name in totals),
            *((name, "i8") for name in numbers),
        ],
        align=True,
    )


@kernel
def fixed(weight: float, units: float) -> int:
    """A weight in whole units, to the nearest, within what 16 bits hold.

    >>> fixed(1.01, 64.0), fixed(-1.0, 64.0), fixed(2000.0, 64.0)
    (65, 0, 65535)
    """
    return int(min(max(weight * units + 0.5, 0.0), MOST))


@kernel
def upper_half(evidence: float) -> int:
    """The upper 16 bits of a float32: its exponent and 7 bits more, to the nearest even.

    >>> hex(upper_half(1.0)), read_half(upper_half(1.01))
    ('0x3f80', 1.0078125)
    """
    bits = np.int64(np.float32(evidence).view(np.uint32))
    return int((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)


@kernel
def read_half(half: int) -> float:
    """The number whose `upper_half` this is."""
    return float(np.uint32(np.int64(half) << 16).view(np.float32))


@outlined
def unfold(row: DriftRow, work: WorkRow) -> None:
    """Write the stored row out."""
    used, newcomers = row.used, row.newcomers_used
    for slot in range(used):
        work.categories[slot] = signed(row.categories[slot]) - 1
        work.counts[slot] = row.counts[slot]
        work.reference[slot] = np.float64(row.reference[slot]) / REFERENCE
        work.short[slot] = np.float64(row.short[slot]) / SHORT
        work.gain_slow[slot] = read_half(row.gain_slow[slot])
        work.gain_fast[slot] = read_half(row.gain_fast[slot])
        work.move[slot] = read_half(row.move[slot])
        work.window[slot] = np.float64(row.window[slot]) / WINDOW
        work.before[slot] = np.float64(row.before[slot]) / BEFORE
    for place in range(newcomers):
        work.newcomers[place] = signed(row.newcomers[place]) - 1
        work.newcomer_counts[place] = row.newcomer_counts[place]
    unfold_totals(row, work)


@kernel
def unfold_totals(row: DriftRow, work: WorkRow) -> None:
    work.reference_total = np.float64(row.reference_total)
    work.short_total = np.float64(row.short_total)
    work.novelty = np.float64(row.novelty)
    work.restart = np.float64(row.restart)
    work.window_total = np.float64(row.window_total)
    work.before_total = np.float64(row.before_total)
    work.began_at = row.began_at
    work.sessions = row.sessions
    work.used = row.used
    work.top = row.top
    work.events = row.events
    work.newcomers_used = row.newcomers_used
    work.rising = row.rising


@outlined
def fold(work: WorkRow, row: DriftRow) -> None:
    """Store what became of the row; the open session is not part of it."""
    used = work.used
    # A loop for each array, so that the compiler takes many slots at once.
    for slot in range(used):
        row.categories[slot] = work.categories[slot] + 1
    for slot in range(used):
        row.reference[slot] = fixed(work.reference[slot], REFERENCE)
    for slot in range(used):
        row.short[slot] = fixed(work.short[slot], SHORT)
    for slot in range(used):
        row.gain_slow[slot] = upper_half(work.gain_slow[slot])
    for slot in range(used):
        row.gain_fast[slot] = upper_half(work.gain_fast[slot])
    for slot in range(used):
        row.move[slot] = upper_half(work.move[slot])
    for slot in range(used):
        row.window[slot] = fixed(work.window[slot], WINDOW)
    for slot in range(used):
        row.before[slot] = fixed(work.before[slot], BEFORE)
    row.reference_total = np.float32(work.reference_total)
    row.short_total = np.float32(work.short_total)
    row.novelty = np.float32(work.novelty)
    row.restart = np.float32(work.restart)
    row.window_total = np.float32(work.window_total)
    row.before_total = np.float32(work.before_total)
    row.began_at = work.began_at
    row.sessions = work.sessions
    row.used = work.used
    row.top = work.top
    row.rising = work.rising


@kernel
def session_share(work: WorkRow, slot: int) -> float:
    """w_b, the share of the slot's category in the open session."""
    # Most slots have no part in a session, and divisions take long.
    if work.counts[slot] == 0:
        return 0.0
    return float(work.counts[slot] / work.events)


@kernel
def new_share(work: WorkRow) -> float:
    """w_new, the share of categories without a slot in the open session."""
    events = 0
    for place in range(work.newcomers_used):
        events += work.newcomer_counts[place]
    return events / work.events


@kernel
def distinct(work: WorkRow) -> float:
    """d, how many categories the open session has."""
    categories = float(work.newcomers_used)
    for slot in range(work.used):
        if work.counts[slot] > 0:
            categories += 1.0
    return categories
