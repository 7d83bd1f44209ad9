"""The last alert that a shopper caused: what later ones must know of it."""

import numpy as np

from stream.core.bits import signed
from stream.core.compiled import kernel, outlined
from stream.core.drift_alarm import AlarmRow, part
from stream.core.drift_work import MOST, WorkRow
from stream.core.rows import Layout, UInt16s, UInt32s

WAITING = 1


class LastAlertRow:
    """The last alert of one shopper, if `told`; all but its shares after.

    `offset` is that of the record behind it, `number` which it was of that record's
    alerts, `delta` which its shopper was of those the record alerted. `returns_offset`
    and `returns_number` are the same of the alert that it takes back, -1 for none.
    While `waiting`, `events` are those that came since, and the first `used` entries of
    `before` are the shares before the move, in 65,535ths, of `categories` (code + 1).
    """

    strength: float
    evidence: float
    began_at: float
    started_at: float
    ended_at: float
    offset: int
    returns_offset: int
    number: int
    delta: int
    returns_number: int
    from_category: int
    to_category: int
    used: int
    events: int
    categories: UInt16s | UInt32s
    before: UInt16s
    session_events: int
    pattern: int
    source: int
    told: int
    waiting: int


def layout(slots: int, wide: bool) -> Layout:
    """Room for one alert.

    >>> layout(32, wide=False).itemsize
    224
    """
    times = ("strength", "evidence", "began_at", "started_at", "ended_at")
    numbers = ("number", "delta", "returns_number", "from_category", "to_category")
    return np.dtype(
        [
            *((name, "f8") for name in times),
            ("offset", "i8"),
            ("returns_offset", "i8"),
            *((name, "i4") for name in numbers),
            ("used", "i4"),
            ("events", "i4"),
            ("categories", "u4" if wide else "u2", slots),
            ("before", "u2", slots),
            *((name, "i1") for name in ("session_events", "pattern", "source", "told", "waiting")),
        ],
        align=True,
    )


@kernel
def too_soon(row: LastAlertRow, alarm: AlarmRow, cooldown: float) -> bool:
    """Whether the last alert is so recent that this one is left untold."""
    return bool(row.told and cooldown > 0.0 and alarm.ended_at - row.ended_at < cooldown)


@kernel
def takes_back(row: LastAlertRow, alarm: AlarmRow, window: float) -> bool:
    """Whether the alarm is the way back of the last alert, within `window` seconds."""
    if not row.told or alarm.ended_at - row.ended_at > window:
        return False
    back = alarm.to_category == row.from_category
    return bool(back and alarm.from_category == row.to_category)


@outlined
def note(row: LastAlertRow, alarm: AlarmRow, offset: int, window: float, amend: bool) -> None:
    """Let the row be of this alarm, told with the record of that offset.

    Its number there is the next of the shopper's own, until all of the record are known.
    """
    returns, number = -1, -1
    if takes_back(row, alarm, window):
        returns, number = row.offset, row.number
    own = row.number + 1 if row.told and row.offset == offset else 0
    row.returns_offset, row.returns_number = returns, number
    row.offset, row.number, row.delta = offset, own, 0
    row.strength, row.evidence, row.began_at = alarm.strength, alarm.evidence, alarm.began_at
    row.started_at, row.ended_at = alarm.started_at, alarm.ended_at
    row.session_events, row.pattern, row.source = (
        alarm.session_events,
        alarm.pattern,
        alarm.source,
    )
    row.from_category, row.to_category = alarm.from_category, alarm.to_category
    row.told, row.waiting, row.events = 1, WAITING if amend else 0, 0
    keep_shares(row, alarm)


@kernel
def keep_shares(row: LastAlertRow, alarm: AlarmRow) -> None:
    """Keep the shares before, where they may be looked at again."""
    row.used = min(alarm.used, len(row.before)) if row.waiting else 0
    for place in range(row.used):
        row.categories[place] = alarm.categories[place] + 1
        row.before[place] = int(np.float64(alarm.before[place]) * MOST + 0.5)
    for place in range(row.used, len(row.before)):
        row.categories[place] = 0
        row.before[place] = 0


@kernel
def ripe(row: LastAlertRow, events: int, amend_after: int) -> bool:
    """Count the events of a closed session; whether it is time to look again."""
    if not row.waiting:
        return False
    row.events += events
    return bool(row.events >= amend_after)


@kernel
def share_before(row: LastAlertRow, category: int) -> float:
    """The category's share before the move; 0 of one that was not known then."""
    for place in range(row.used):
        if row.categories[place] == category + 1:
            return np.float64(row.before[place]) / MOST
    return 0.0


@kernel
def holds(work: WorkRow, category: int) -> bool:
    for slot in range(work.used):
        if work.categories[slot] == category:
            return True
    return False


@kernel
def set_share(alarm: AlarmRow, place: int, category: int, before: float, after: float) -> None:
    alarm.categories[place] = category
    alarm.before[place] = before
    alarm.after[place] = after


@kernel
def compare_again(row: LastAlertRow, work: WorkRow, alarm: AlarmRow) -> int:
    """Fill in the shares before the move and now, and the strength; what gained most.

    Of those that gained as much the one told stays, else the first slot's is taken.
    """
    chosen, most, distance = row.to_category, 0.0, 0.0
    place = 0
    for slot in range(work.used):
        category = work.categories[slot]
        before, after = share_before(row, category), part(work.window[slot], work.window_total)
        set_share(alarm, place, category, before, after)
        place += 1
        change = after - before
        distance += abs(change)
        if change > most or (change == most and category == row.to_category):
            most, chosen = change, category
    for entry in range(row.used):
        category = signed(row.categories[entry]) - 1
        if not holds(work, category):
            before = np.float64(row.before[entry]) / MOST
            set_share(alarm, place, category, before, 0.0)
            place += 1
            distance += before
    alarm.used = place
    alarm.strength = min(0.5 * distance, 1.0)
    return int(chosen)


@outlined
def look_again(row: LastAlertRow, work: WorkRow, alarm: AlarmRow) -> bool:
    """Once enough events came: whether another category gained more; if so it is in `alarm`.

    `work` is the row of the session that just closed. All but the shares, the strength
    and `to_category` is as it was told.
    """
    row.waiting = 0
    chosen = compare_again(row, work, alarm)
    row.used = 0
    if chosen == row.to_category or chosen == row.from_category:
        return False
    row.to_category = chosen
    alarm.to_category, alarm.from_category = chosen, row.from_category
    alarm.evidence, alarm.began_at = row.evidence, row.began_at
    alarm.started_at, alarm.ended_at = row.started_at, row.ended_at
    alarm.session_events, alarm.pattern, alarm.source = (
        row.session_events,
        row.pattern,
        row.source,
    )
    return True
