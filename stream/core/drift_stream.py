"""The detector over a finished stream: what calibrating and evaluating run thousands of times."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.core import codes, drift, drift_alert, drift_ring
from stream.core.codes import CodeRow
from stream.core.compiled import outlined
from stream.core.drift import NEVER, RING, STEADY, TOLD, AlarmRow, DriftRow, Limits, WorkRow
from stream.core.drift_alert import LastAlertRow
from stream.core.drift_confidence import log_excess
from stream.core.drift_ring import RingRow
from stream.core.rows import Float32s, Int32s, Int64s, Layout, Rows, zeros

__all__ = ["FOUND", "Detector", "FoundRow", "Limits", "alarms"]

MOST = 4096


class FoundRow:
    """One alarm of a stream. `event` is the place of the event at which it is booked.

    That is the last of the closed session, or the one at which the ring tipped; `began`
    is the first event of the session in which the evidence began to rise. `source` is 0
    for the sum over sessions (`evidence` is T), 1 for the ring (G). `excess` is ln(T / h)
    or G - gamma: what a confidence model is given. `amended_to` is what `to_category`
    became when looked at again, -1 if it stayed.
    """

    event: int
    began: int
    from_category: int
    to_category: int
    amended_to: int
    evidence: float
    excess: float
    strength: float
    pattern: int
    source: int


FOUND: Layout = np.dtype(
    [
        *((name, "i4") for name in ("event", "began", "from_category", "to_category")),
        ("amended_to", "i4"),
        ("evidence", "f8"),
        ("excess", "f8"),
        ("strength", "f8"),
        ("pattern", "i1"),
        ("source", "i1"),
    ],
    align=True,
)


class Scratch(NamedTuple):
    """The rows of the one shopper that a stream is about, and room to work."""

    drift: Rows[DriftRow]
    ring: Rows[RingRow]
    alert: Rows[LastAlertRow]
    work: Rows[WorkRow]
    alarm: Rows[AlarmRow]
    codes: Rows[CodeRow]


@outlined
def close(
    scratch: Scratch,
    found: Rows[FoundRow],
    used: int,
    limits: Limits,
    amend_after: int,
    tipped: float,
    started: int,
    ended: int,
) -> int:
    """Close the open session; how many alarms there are now."""
    row, work, alarm = scratch.drift[0], scratch.work[0], scratch.alarm[0]
    alert, events = scratch.alert[0], row.events
    brought = drift.close(row, work, alarm, limits.threshold, tipped, float(started), float(ended))
    if brought != STEADY:
        drift_ring.start_over(scratch.ring[0])
    if brought == TOLD:
        drift_alert.note(alert, alarm, ended, 0.0, amend_after > 0)
        if used < len(found):
            write(found[used], alarm, ended, limits)
        return used + 1
    ripe = drift_alert.ripe(alert, events, amend_after)
    if ripe and drift_alert.look_again(alert, work, alarm) and used <= len(found):
        found[used - 1].amended_to = alarm.to_category
    return used


@outlined
def write(row: FoundRow, alarm: AlarmRow, event: int, limits: Limits) -> None:
    """Write an alarm down as one of `event`."""
    limit = limits.ring_threshold if alarm.source == RING else limits.threshold
    row.excess = log_excess(alarm.evidence, limit, alarm.source)
    row.event, row.began = event, int(alarm.began_at)
    row.from_category, row.to_category = alarm.from_category, alarm.to_category
    row.amended_to = -1
    row.evidence, row.strength = alarm.evidence, alarm.strength
    row.pattern, row.source = alarm.pattern, alarm.source


@outlined
def follow(
    scratch: Scratch,
    found: Rows[FoundRow],
    categories: Int32s,
    sessions: Int64s,
    limits: Limits,
    amend_after: int,
) -> int:
    """Run one stream; how many alarms it raised, of which as many as there is room for stay."""
    row, ring = scratch.drift[0], scratch.ring[0]
    used, started, ended, tipped = 0, 0, 0, NEVER
    rings = limits.ring_threshold < -NEVER
    for event in range(len(categories)):
        category = categories[event]
        if category < 0:
            continue
        if row.events and (sessions[event] != sessions[ended] or drift.full(row, category)):
            used = close(scratch, found, used, limits, amend_after, NEVER, started, ended)
        if row.events == 0:
            started = event
        ended = event
        drift.count(row, category)
        if rings:
            tipped = drift_ring.listen(ring, scratch.codes, category)
            if tipped > limits.ring_threshold:
                used = close(scratch, found, used, limits, amend_after, tipped, started, ended)
    return close(scratch, found, used, limits, amend_after, NEVER, started, ended)


class Detector:
    """Runs streams one after another, each from the start, in the same room.

    Categories are numbers from 0, -1 for events that have none. `popularity` is each
    one's share of the shop's events, which the ring needs. `most` is how many alarms of
    one stream are kept. With `amend_after`, what gained is looked at again once so many
    events after each alarm.
    """

    def __init__(
        self,
        slots: int = 32,
        popularity: Float32s | None = None,
        most: int = MOST,
        amend_after: int = 0,
    ) -> None:
        shares = np.zeros(1, np.float32) if popularity is None else popularity
        if popularity is not None and not np.all(shares > 0.0):
            raise ValueError("popularity must be positive for every category")
        self._known = 0 if popularity is None else len(shares)
        self._amend_after = amend_after
        self._scratch = Scratch(
            drift=zeros(1, drift.layout(slots, wide=True), DriftRow),
            ring=zeros(1, drift_ring.layout(on=True, wide=True), RingRow),
            alert=zeros(1, drift_alert.layout(slots, wide=True), LastAlertRow),
            work=zeros(1, drift.work_layout(slots), WorkRow),
            alarm=zeros(1, drift.alarm_layout(slots), AlarmRow),
            codes=zeros(len(shares), codes.LAYOUT, CodeRow),
        )
        np.asarray(self._scratch.codes)["popularity"] = shares
        self._fresh = [np.asarray(rows) for rows in self._scratch[:3]]
        self._found = zeros(most, FOUND, FoundRow)

    def alarms(self, categories: Int32s, sessions: Int64s, limits: Limits) -> NDArray[np.void]:
        """The alarms of one stream, in order, one row (`FoundRow`) each.

        A session ends where `sessions` changes, at 64 events or before a 13th category
        that is new, the last one with the stream.
        """
        largest = int(categories.max(initial=-1))
        if limits.ring_threshold < np.inf and largest >= self._known:
            raise ValueError("the ring needs the popularity of every category")
        for row in self._fresh:
            row[:] = np.zeros((), row.dtype)
        used = follow(self._scratch, self._found, categories, sessions, limits, self._amend_after)
        return np.asarray(self._found)[: min(used, len(self._found))].copy()


def alarms(
    categories: Int32s,
    sessions: Int64s,
    limits: Limits,
    slots: int = 32,
    popularity: Float32s | None = None,
    most: int = MOST,
    amend_after: int = 0,
) -> NDArray[np.void]:
    """The alarms of one stream: see `Detector`, which many streams should share."""
    return Detector(slots, popularity, most, amend_after).alarms(categories, sessions, limits)
