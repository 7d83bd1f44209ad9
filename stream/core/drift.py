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
from typing import NamedTuple

from stream.core.compiled import kernel, outlined
from stream.core.drift_alarm import (
    PATTERNS,
    RESTART,
    RING,
    SESSIONS,
    SOURCES,
    AlarmRow,
    alarm_layout,
    compare,
    pattern_of,
)
from stream.core.drift_evidence import date, gain, lead, move, restart, share_of_weight
from stream.core.drift_session import DriftRow, count, followed, full, layout, reopen
from stream.core.drift_work import WorkRow, distinct, fold, new_share, session_share, unfold
from stream.core.drift_work import layout as work_layout
from stream.settings import Settings

__all__ = [
    "NEVER",
    "PATTERNS",
    "RING",
    "SESSIONS",
    "SOURCES",
    "STARTED_OVER",
    "STEADY",
    "TOLD",
    "AlarmRow",
    "DriftRow",
    "Limits",
    "WorkRow",
    "alarm_layout",
    "close",
    "count",
    "followed",
    "full",
    "layout",
    "limits",
    "ringed",
    "threshold",
    "work_layout",
]

SAFETY = 2.0
STEADY, STARTED_OVER, TOLD = 0, 1, 2
"""What a closed session brought: nothing, an alarm that can't name a move, one that can."""
NEVER = -math.inf

# Sessions that only build the reference, of a new shopper; after an alarm two do.
FIRST_SESSIONS = 8
SESSIONS_AFTER_ALARM = 6
DISCOUNT = 0.75
KEPT_SHORT = 5.0 / 6.0
LOG_KEPT_IN_WINDOW = math.log(1.0 - 1.0 / 50.0)
MEMORY, MOST_BEFORE = 1000.0, 4000.0


class Limits(NamedTuple):
    """What evidence must exceed; an infinite one never tips.

    `threshold` is h, for T; `ring_threshold` is gamma, for the ring's log ratio.
    """

    threshold: float
    ring_threshold: float = math.inf


def threshold(false_alarms_per_10k_events: float) -> float:
    """h = 2 / α, where α is the budget of false alarms an event.

    >>> threshold(1.0)
    20000.0
    """
    return SAFETY * 10_000.0 / false_alarms_per_10k_events


def limits(settings: Settings) -> Limits:
    """What the operator's budget takes: as the calibration says, else 2 / α and no ring."""
    budget = settings.false_alarms_per_10k_events
    if settings.calibration is None:
        return Limits(threshold(budget))
    calibrated = settings.calibration.budget(budget)
    if not ringed(settings) or calibrated.ring_threshold is None:
        return Limits(calibrated.threshold)
    return Limits(calibrated.threshold, calibrated.ring_threshold)


def ringed(settings: Settings) -> bool:
    """Whether rows have a ring."""
    return settings.ring and settings.calibration is not None


@kernel
def free_slot(work: WorkRow) -> int:
    """A slot for a newcomer: an empty one, or that of the least L + 5 s; -1 for none.

    Categories of this session keep theirs.
    """
    if work.used < len(work.categories):
        work.used += 1
        return work.used - 1
    chosen, least = -1, 0.0
    for slot in range(work.used):
        if work.counts[slot] == 0:
            worth = work.reference[slot] + 5.0 * work.short[slot]
            if chosen < 0 or worth < least:
                chosen, least = slot, worth
    return chosen


@kernel
def settle(work: WorkRow, slot: int, place: int, breadth: float) -> None:
    """Give the slot to a newcomer and forget all of who had it.

    A first visit is mostly novelty: L starts at a debt, -0.75 of what the visit adds.
    """
    if work.top == slot + 1:
        work.top = 0
    work.categories[slot] = work.newcomers[place]
    work.counts[slot] = work.newcomer_counts[place]
    work.reference[slot] = -DISCOUNT * breadth * session_share(work, slot)
    work.short[slot] = 0.0
    work.gain_slow[slot] = 0.0
    work.gain_fast[slot] = 0.0
    work.move[slot] = 0.0
    work.window[slot] = 0.0
    work.before[slot] = 0.0


@kernel
def settle_all(work: WorkRow, breadth: float) -> None:
    """Give slots to the newcomers, in the order in which they came, while there are any."""
    for place in range(work.newcomers_used):
        slot = free_slot(work)
        if slot >= 0:
            settle(work, slot, place, breadth)


@kernel
def remember(work: WorkRow, breadth: float) -> None:
    """The session enters the short memory and the windows that name what moved.

    s <- 5/6 s + √√d w_b. With q = 0.98^m: LE <- LE + (1 - q) sE, then sE <- q sE + count.
    """
    kept = math.exp(work.events * LOG_KEPT_IN_WINDOW)
    for slot in range(work.used):
        window = work.window[slot]
        added = breadth * session_share(work, slot)
        work.short[slot] = KEPT_SHORT * work.short[slot] + added
        work.before[slot] += (1.0 - kept) * window
        work.window[slot] = kept * window + work.counts[slot]
    work.short_total = KEPT_SHORT * work.short_total + breadth
    work.before_total += (1.0 - kept) * work.window_total
    work.window_total = kept * work.window_total + work.events
    work.sessions += 1
    if work.before_total > MOST_BEFORE:
        work.before_total *= 0.5
        for slot in range(work.used):
            work.before[slot] = 0.5 * work.before[slot]


@kernel
def absorb(work: WorkRow, breadth: float, new: float) -> None:
    """The session enters the reference: L <- L + √√d w_b; past 1000 sessions it is halved."""
    kept = 0.5 if work.reference_total >= MEMORY else 1.0
    for slot in range(work.used):
        added = breadth * session_share(work, slot)
        work.reference[slot] = kept * work.reference[slot] + added
    work.reference_total = kept * work.reference_total + breadth
    work.novelty = kept * work.novelty + breadth * new


@kernel
def start_over(work: WorkRow) -> None:
    """After an alarm the last few sessions are the reference, and there is no evidence."""
    for slot in range(work.used):
        work.reference[slot] = work.short[slot]
        work.gain_slow[slot] = 0.0
        work.gain_fast[slot] = 0.0
        work.move[slot] = 0.0
        work.before[slot] = 0.0
    if work.reference_total > 0.0:
        work.novelty = work.novelty / work.reference_total * work.short_total
    work.reference_total = work.short_total
    work.before_total = 0.0
    work.restart = 0.0
    work.rising = 0
    work.top = 0
    work.sessions = SESSIONS_AFTER_ALARM


@outlined
def close(
    row: DriftRow,
    work: WorkRow,
    alarm: AlarmRow,
    limit: float,
    tipped: float,
    started_at: float,
    ended_at: float,
) -> int:
    """Close the open session, if it has events; TOLD if it tipped an alarm, now in `alarm`.

    `tipped` is the ring's log ratio where it exceeded its threshold, else NEVER. `work`
    is left as the closed session found it, but unrounded.

    Evidence grows by about an event each event even where nothing moves, so a shopper
    of a single category crosses any threshold in the end. There is nothing to tell
    then: the detector starts over in silence.
    """
    if row.events == 0:
        return STEADY
    unfold(row, work)
    gained, moved, restarted = 0.0, 0.0, 0.0
    if work.sessions >= FIRST_SESSIONS:
        lead(work)
        unit = share_of_weight(work)
        gained, moved, restarted = gain(work, unit), move(work, unit), restart(work, unit)
    evidence = gained + moved + restarted
    date(work, evidence, limit, started_at)
    breadth, new = math.sqrt(math.sqrt(distinct(work))), new_share(work)
    settle_all(work, breadth)
    remember(work, breadth)
    brought = STEADY
    if evidence > limit or tipped > NEVER:
        alarm.started_at, alarm.ended_at = started_at, ended_at
        alarm.pattern = pattern_of(gained, moved, restarted)
        alarm.source, alarm.evidence = SESSIONS, evidence
        if tipped > NEVER:
            alarm.pattern, alarm.source, alarm.evidence = RESTART, RING, tipped
        brought = TOLD if compare(work, alarm) else STARTED_OVER
        start_over(work)
    else:
        absorb(work, breadth, new)
    fold(work, row)
    reopen(row)
    return brought
