"""An alarm of the detector: which category gained, which lost, and by how much."""

from typing import Literal

import numpy as np

from stream.core.compiled import kernel
from stream.core.drift_work import WorkRow
from stream.core.rows import Float32s, Int32s, Layout
from stream.messages import Pattern

GAIN, MOVE, RESTART = 0, 1, 2
PATTERNS: tuple[Pattern, ...] = ("gain", "move", "restart")
SESSIONS, RING = 0, 1
Source = Literal["sessions", "ring"]
SOURCES: tuple[Source, ...] = ("sessions", "ring")


class AlarmRow:
    """What moved; the first `used` entries count.

    `pattern` is 0 gain, 1 move or 2 restart, `strength` the total variation distance
    between the shares before and after. `source` is 0 where T, the sum over sessions,
    exceeded its threshold, 1 where G, the ring's log ratio, did; `evidence` is that
    one. Times are Unix seconds: `began_at` is the start of the first session whose
    evidence was not quiet, the others are of the session that tipped it.
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
    source: int


def alarm_layout(slots: int) -> Layout:
    """An alarm of a row with `slots` categories, and of those that it had before."""
    numbers = ("strength", "evidence", "began_at", "started_at", "ended_at")
    whole = ("from_category", "to_category", "session_events", "used")
    return np.dtype(
        [
            *((name, "f8") for name in numbers),
            *((name, "i4") for name in whole),
            ("categories", "i4", 2 * slots),
            ("before", "f4", 2 * slots),
            ("after", "f4", 2 * slots),
            ("pattern", "i1"),
            ("source", "i1"),
        ],
        align=True,
    )


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
def compare(work: WorkRow, alarm: AlarmRow) -> bool:
    """Fill in the shares before and after, who lost and gained most, and the strength.

    Strength is ½ Σ |sE/SE - LE/NE|. False if none gained on another.
    """
    least, most, distance, lost, gained = 0.0, 0.0, 0.0, 0, 0
    for slot in range(work.used):
        after = part(work.window[slot], work.window_total)
        before = part(work.before[slot], work.before_total)
        alarm.categories[slot] = work.categories[slot]
        alarm.after[slot] = after
        alarm.before[slot] = before
        change = after - before
        distance += abs(change)
        if slot == 0 or change < least:
            least, lost = change, slot
        if slot == 0 or change > most:
            most, gained = change, slot
    alarm.used = work.used
    alarm.from_category = work.categories[lost]
    alarm.to_category = work.categories[gained]
    alarm.strength = min(0.5 * distance, 1.0)
    # Where the ring tipped it, the sums over sessions may still be quiet.
    alarm.began_at = work.began_at if work.rising else alarm.started_at
    alarm.session_events = work.events
    return lost != gained
