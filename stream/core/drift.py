"""Whether one shopper's interest has moved: evidence gathered session by session.

A closed session is a mix of categories. Three Shiryaev-Roberts sums weigh it against
the mix expected from the shopper's past: that one category gained, that one took from
the leading one, that the shopper started over. Their total is the statistic T; it is
expected to stay near the number of events while nothing moves, so T above h has a rate
of false alarms of about 1 / h an event, whatever the shop [^1].

References
----------
[^1]: Shin, Ramdas and Rinaldo 2022. E-detectors: a nonparametric framework for
    sequential change detection.
"""

import math

import numpy as np

from stream.core.compiled import kernel, outlined
from stream.core.drift_evidence import date, gain, lead, move, restart, share_of_weight
from stream.core.drift_session import (
    DriftRow,
    count,
    distinct,
    full,
    layout,
    new_share,
    reopen,
    session_share,
)
from stream.core.rows import Float32s, Int32s, Layout
from stream.messages import Pattern

__all__ = [
    "PATTERNS",
    "AlarmRow",
    "DriftRow",
    "alarm_layout",
    "close",
    "count",
    "full",
    "layout",
    "threshold",
]

GAIN, MOVE, RESTART = 0, 1, 2
PATTERNS: tuple[Pattern, ...] = ("gain", "move", "restart")
SAFETY = 2.0

# Sessions that only build the reference, of a new shopper; after an alarm two do.
FIRST_SESSIONS = 8
SESSIONS_AFTER_ALARM = 6
DISCOUNT = 0.75
KEPT_SHORT = 5.0 / 6.0
LOG_KEPT_IN_WINDOW = math.log(1.0 - 1.0 / 50.0)
MEMORY, KEPT_AT_MEMORY = 1000.0, 0.999
MOST_BEFORE = 4000.0


def threshold(false_alarms_per_10k_events: float) -> float:
    """h = 2 / α, where α is the budget of false alarms an event.

    >>> threshold(1.0)
    20000.0
    """
    return SAFETY * 10_000.0 / false_alarms_per_10k_events


class AlarmRow:
    """What moved, once T exceeded the threshold; the first `used` slots count.

    `pattern` is 0 gain, 1 move or 2 restart, `strength` the total variation distance
    between the shares before and after, `evidence` is T. Times are Unix seconds:
    `began_at` is the start of the first session whose evidence was not quiet, the
    others are of the session that tipped it.
    """

    strength: float
    evidence: float
    began_at: float
    started_at: float
    ended_at: float
    from_category: int
    to_category: int
    session_events: int
    used: int
    categories: Int32s
    before: Float32s
    after: Float32s
    pattern: int


def alarm_layout(slots: int) -> Layout:
    """An alarm of a row with `slots` categories."""
    numbers = ("strength", "evidence", "began_at", "started_at", "ended_at")
    whole = ("from_category", "to_category", "session_events", "used")
    return np.dtype(
        [
            *((name, "f8") for name in numbers),
            *((name, "i4") for name in whole),
            ("categories", "i4", slots),
            ("before", "f4", slots),
            ("after", "f4", slots),
            ("pattern", "i1"),
        ],
        align=True,
    )


@kernel
def free_slot(row: DriftRow) -> int:
    """A slot for a newcomer: an empty one, or that of the least L + 5 s; -1 for none.

    Categories of this session keep theirs.
    """
    if row.used < len(row.categories):
        row.used += 1
        return int(row.used) - 1
    chosen, least = -1, 0.0
    for slot in range(row.used):
        if row.counts[slot] == 0:
            worth = np.float64(row.reference[slot]) + 5.0 * np.float64(row.short[slot])
            if chosen < 0 or worth < least:
                chosen, least = slot, worth
    return chosen


@kernel
def settle(row: DriftRow, slot: int, place: int, breadth: float) -> None:
    """Give the slot to a newcomer and forget all of who had it.

    A first visit is mostly novelty: L starts at a debt, -0.75 of what the visit adds.
    """
    if row.top == slot + 1:
        row.top = 0
    row.categories[slot] = row.newcomers[place]
    row.counts[slot] = row.newcomer_counts[place]
    row.reference[slot] = -DISCOUNT * breadth * session_share(row, slot)
    row.short[slot] = 0.0
    row.gain_slow[slot] = 0.0
    row.gain_fast[slot] = 0.0
    row.move[slot] = 0.0
    row.window[slot] = 0.0
    row.before[slot] = 0.0


@kernel
def settle_all(row: DriftRow, breadth: float) -> None:
    """Give slots to the newcomers, in the order in which they came, while there are any."""
    for place in range(row.newcomers_used):
        slot = free_slot(row)
        if slot >= 0:
            settle(row, slot, place, breadth)


@kernel
def remember(row: DriftRow, breadth: float) -> None:
    """The session enters the short memory and the windows that name what moved.

    s <- 5/6 s + √√d w_b. With q = 0.98^m: LE <- LE + (1 - q) sE, then sE <- q sE + count.
    """
    kept = math.exp(row.events * LOG_KEPT_IN_WINDOW)
    for slot in range(row.used):
        window = np.float64(row.window[slot])
        added = breadth * session_share(row, slot)
        row.short[slot] = KEPT_SHORT * np.float64(row.short[slot]) + added
        row.before[slot] = np.float64(row.before[slot]) + (1.0 - kept) * window
        row.window[slot] = kept * window + int(row.counts[slot])
    row.short_total = KEPT_SHORT * row.short_total + breadth
    row.before_total += (1.0 - kept) * row.window_total
    row.window_total = kept * row.window_total + row.events
    row.sessions += 1
    if row.before_total > MOST_BEFORE:
        row.before_total *= 0.5
        for slot in range(row.used):
            row.before[slot] = 0.5 * np.float64(row.before[slot])


@kernel
def absorb(row: DriftRow, breadth: float, new: float) -> None:
    """The session enters the reference: L <- L + √√d w_b, at most 1000 sessions long."""
    kept = KEPT_AT_MEMORY if row.reference_total >= MEMORY else 1.0
    for slot in range(row.used):
        added = breadth * session_share(row, slot)
        row.reference[slot] = kept * np.float64(row.reference[slot]) + added
    row.reference_total = kept * row.reference_total + breadth
    row.novelty = kept * row.novelty + breadth * new


@kernel
def start_over(row: DriftRow) -> None:
    """After an alarm the last few sessions are the reference, and there is no evidence."""
    for slot in range(row.used):
        row.reference[slot] = row.short[slot]
        row.gain_slow[slot] = 0.0
        row.gain_fast[slot] = 0.0
        row.move[slot] = 0.0
        row.before[slot] = 0.0
    if row.reference_total > 0.0:
        row.novelty = row.novelty / row.reference_total * row.short_total
    row.reference_total = row.short_total
    row.before_total = 0.0
    row.restart = 0.0
    row.rising = 0
    row.top = 0
    row.sessions = SESSIONS_AFTER_ALARM


@kernel
def pattern_of(gained: float, moved: float, restarted: float) -> int:
    """Which part of the evidence tells the story."""
    if restarted > 0.5 * (gained + moved + restarted):
        return RESTART
    return MOVE if moved > gained else GAIN


@kernel
def part(of: float, total: float) -> float:
    """A share, from 0 to 1; 0 of nothing."""
    if total <= 0.0:
        return 0.0
    return min(max(of / total, 0.0), 1.0)


@kernel
def compare(row: DriftRow, alarm: AlarmRow) -> bool:
    """Fill in the shares before and after, who lost and gained most, and the strength.

    Strength is ½ Σ |sE/SE - LE/NE|. False if none gained on another.
    """
    least, most, distance, lost, gained = 0.0, 0.0, 0.0, 0, 0
    for slot in range(row.used):
        after = part(np.float64(row.window[slot]), row.window_total)
        before = part(np.float64(row.before[slot]), row.before_total)
        alarm.categories[slot] = row.categories[slot]
        alarm.after[slot] = after
        alarm.before[slot] = before
        change = after - before
        distance += abs(change)
        if slot == 0 or change < least:
            least, lost = change, slot
        if slot == 0 or change > most:
            most, gained = change, slot
    alarm.used = row.used
    alarm.from_category = row.categories[lost]
    alarm.to_category = row.categories[gained]
    alarm.strength = min(0.5 * distance, 1.0)
    return lost != gained


@kernel
def describe(
    row: DriftRow,
    alarm: AlarmRow,
    pattern: int,
    evidence: float,
    started_at: float,
    ended_at: float,
) -> bool:
    """Fill in the alarm. False if it can't name two categories: nothing has moved."""
    alarm.pattern = pattern
    alarm.evidence = evidence
    alarm.began_at = row.began_at
    alarm.started_at = started_at
    alarm.ended_at = ended_at
    alarm.session_events = row.events
    return compare(row, alarm)


@outlined
def close(row: DriftRow, alarm: AlarmRow, limit: float, started_at: float, ended_at: float) -> bool:
    """Close the open session, if it has events; True if it tipped an alarm, now in `alarm`.

    Evidence grows by about an event each event even where nothing moves, so a shopper
    of a single category crosses any threshold in the end. There is nothing to tell
    then: the detector starts over in silence.
    """
    if row.events == 0:
        return False
    gained, moved, restarted = 0.0, 0.0, 0.0
    if row.sessions >= FIRST_SESSIONS:
        lead(row)
        unit = share_of_weight(row)
        gained, moved, restarted = gain(row, unit), move(row, unit), restart(row, unit)
    evidence = gained + moved + restarted
    date(row, evidence, limit, started_at)
    breadth, new = math.sqrt(math.sqrt(distinct(row))), new_share(row)
    settle_all(row, breadth)
    remember(row, breadth)
    told = False
    if evidence > limit:
        pattern = pattern_of(gained, moved, restarted)
        told = describe(row, alarm, pattern, evidence, started_at, ended_at)
        start_over(row)
    else:
        absorb(row, breadth, new)
    reopen(row)
    return told
