"""The shift detector as a River estimator, for one stream of categories."""

import math
from typing import NamedTuple, Self

import msgspec
import numpy as np
from river import base

from stream.core import codes, drift, drift_ring, rows
from stream.core.codes import CodeRow
from stream.core.drift import NEVER, STEADY, TOLD, AlarmRow, DriftRow, Limits, WorkRow
from stream.core.drift_ring import RingRow


class ShareChange(NamedTuple):
    """A category's share of events before and after a shift."""

    category: str
    before: float
    after: float


class Shift(NamedTuple):
    """What moved: a session, or the last 50 events, made the evidence exceed the threshold.

    `source` is `sessions` or `ring`: which of both, and what `evidence` and `threshold`
    are of. `strength` is the total variation distance between the shares before and after.
    `began_at` is the start of the first session whose evidence was not quiet.
    `changes` are the shares that changed, the largest change first.
    """

    from_category: str
    to_category: str
    pattern: str
    strength: float
    evidence: float
    threshold: float
    began_at: float
    session_started_at: float
    session_ended_at: float
    session_events: int
    changes: tuple[ShareChange, ...]
    source: str


class _Stored(msgspec.Struct, array_like=True):
    """A detector as bytes."""

    parameters: tuple[float, int, float, float | None, dict[str, float] | None, float | None]
    categories: list[str]
    session: str | None
    started_at: float
    last_at: float
    seen: int
    shift: Shift | None
    row: bytes
    ring: bytes


# What River's classes are is unknown to mypy: it is told not to follow them.
class ShiftDetector(base.DriftDetector):  # type: ignore[misc]
    """Tells when a shopper's interest moves between categories, from where to where.

    It learns when a session closes: at another `session`, after `session_gap` without
    an event, after 64 events, or before a 13th category that is new. So `drift_detected`
    tells of the session before the event that was given. Without `at` and `session`
    every 64 events are a session.

    Parameters
    ----------
    false_alarms_per_10k_events
        The budget: how many alarms 10,000 events without any change may cause, above 0
        and at most 1000. Real streams spent between a tenth and one and a half of it.
    slots
        Categories followed at once, 2 to 512. Fewer than 24 find clearly less.
    session_gap
        Seconds without an event that end a session.
    threshold
        What the evidence over sessions must exceed, where a calibration found it; by
        default 2 / α, where α is the budget an event.
    popularity
        Each category's share of the shop's events; others count as its rarest. With
        `ring_threshold` it turns the ring on: large moves are found inside a session.
    ring_threshold
        What the ring's log ratio must exceed. It must be calibrated: no value suits
        all shops.

    Examples
    --------
    >>> detector = ShiftDetector(false_alarms_per_10k_events=10)
    >>> visits = ["jazz", "rock", "jazz"] * 10 + ["tango", "rock", "tango"] * 10
    >>> for session, category in enumerate(visits):
    ...     detector.update(category, session=str(session))
    ...     if detector.drift_detected:
    ...         print(session, detector.alarm.from_category, "to", detector.alarm.to_category)
    40 jazz to tango

    The move begins at visit 30 and is known after ten more.
    """

    def __init__(
        self,
        false_alarms_per_10k_events: float = 1.0,
        slots: int = 32,
        session_gap: float = 1800.0,
        threshold: float | None = None,
        popularity: dict[str, float] | None = None,
        ring_threshold: float | None = None,
    ) -> None:
        super().__init__()
        if not 0.0 < false_alarms_per_10k_events <= 1000.0:
            raise ValueError(
                "false_alarms_per_10k_events must be above 0 and at most 1000, "
                f"got {false_alarms_per_10k_events}"
            )
        if not 2 <= slots <= 512:
            raise ValueError(f"slots must be from 2 to 512, got {slots}")
        if not session_gap > 0.0:
            raise ValueError(f"session_gap must be positive, got {session_gap}")
        if threshold is not None and not threshold > 0.0:
            raise ValueError(f"threshold must be positive, got {threshold}")
        if (popularity is None) != (ring_threshold is None):
            raise ValueError("popularity and ring_threshold go together: give both or none")
        if popularity is not None and not min(popularity.values(), default=0.0) > 0.0:
            raise ValueError("popularity must hold positive shares, and at least one")
        self.false_alarms_per_10k_events = false_alarms_per_10k_events
        self.slots = slots
        self.session_gap = session_gap
        self.threshold = threshold
        self.popularity = popularity
        self.ring_threshold = ring_threshold
        self._rarest = min(popularity.values()) if popularity else 0.0
        self._categories: list[str] = []
        self._numbers: dict[str, int] = {}
        ringed = ring_threshold is not None
        self._codes = rows.zeros(16, codes.LAYOUT, CodeRow)
        self._row = rows.zeros(1, drift.layout(slots, wide=True), DriftRow)
        self._ring = rows.zeros(1, drift_ring.layout(ringed, wide=True), RingRow)
        self._work = rows.zeros(1, drift.work_layout(slots), WorkRow)
        self._room = rows.zeros(1, drift.alarm_layout(slots), AlarmRow)
        self._session: str | None = None
        self._started_at = 0.0
        self._last_at = 0.0
        self._seen = 0
        self._shift: Shift | None = None

    @property
    def limits(self) -> Limits:
        """What evidence must exceed: as given, or 2 / α for the budget α, and no ring."""
        threshold, ring_threshold = self.threshold, self.ring_threshold
        if threshold is None:
            threshold = drift.threshold(self.false_alarms_per_10k_events)
        return Limits(threshold, math.inf if ring_threshold is None else ring_threshold)

    @property
    def alarm(self) -> Shift | None:
        """What the last update found to have moved; None if nothing did."""
        return self._shift

    def update(self, category: str, at: float | None = None, session: str | None = None) -> None:
        """Count one event of `category`, at Unix seconds `at`, in the session of that id.

        Without `at`, the number of the event stands for its time, and no gap counts.
        """
        if at is not None and not math.isfinite(at):
            raise ValueError(f"at must be finite, got {at}")
        self._tell(None)
        number = self._number(category)
        if self._ends_before(at, session) or drift.full(self._row[0], number):
            self.end_session()
        self._enter(float(self._seen if at is None else at), session)
        drift.count(self._row[0], number)
        self._seen += 1
        if self.ring_threshold is not None:
            evidence = drift_ring.listen(self._ring[0], self._codes, number)
            if evidence > self.ring_threshold:
                self._close(evidence)

    def end_session(self) -> None:
        """Close the open session now; `drift_detected` tells whether it tipped an alarm."""
        self._tell(None)
        self._close(NEVER)

    def _close(self, tipped: float) -> None:
        """Close the open session; an alarm before it of the same update stays told."""
        brought = drift.close(
            self._row[0], self._work[0], self._room[0], self.limits.threshold, tipped,
            self._started_at, self._last_at,
        )  # fmt: skip
        if brought != STEADY:
            drift_ring.start_over(self._ring[0])
        if brought == TOLD:
            self._tell(self._shift_of(self._room[0]))

    def snapshot(self) -> bytes:
        """All of it, parameters included."""
        parameters = (
            float(self.false_alarms_per_10k_events), int(self.slots), float(self.session_gap),
            self.threshold, self.popularity, self.ring_threshold,
        )  # fmt: skip
        return msgspec.msgpack.encode(
            _Stored(
                parameters, self._categories, self._session, self._started_at, self._last_at,
                self._seen, self._shift, rows.pack(self._row), rows.pack(self._ring),
            )
        )  # fmt: skip

    @classmethod
    def restore(cls, snapshot: bytes) -> Self:
        """The detector that `snapshot` shows."""
        stored = msgspec.msgpack.decode(snapshot, type=_Stored)
        detector = cls(*stored.parameters)
        for category in stored.categories:
            detector._number(category)
        detector._session = stored.session
        detector._started_at, detector._last_at = stored.started_at, stored.last_at
        detector._seen = stored.seen
        detector._row = rows.unpack(stored.row, detector._row.dtype, DriftRow)
        detector._ring = rows.unpack(stored.ring, detector._ring.dtype, RingRow)
        detector._tell(stored.shift)
        return detector

    def _number(self, category: str) -> int:
        number = self._numbers.setdefault(category, len(self._categories))
        if number == len(self._categories):
            self._categories.append(category)
            if number == len(self._codes):
                self._codes = rows.grown(self._codes, number + 1)
            popularity = (self.popularity or {}).get(category, self._rarest)
            self._codes[number].popularity = np.float32(popularity)
        return number

    def _ends_before(self, at: float | None, session: str | None) -> bool:
        if session is not None and session != self._session:
            return True
        return at is not None and at - self._last_at > self.session_gap

    def _enter(self, at: float, session: str | None) -> None:
        """Note the times of the open session; a late event leaves its end as it is."""
        if self._row[0].events:
            self._last_at = max(self._last_at, at)
        else:
            self._started_at = self._last_at = at
        if session is not None:
            self._session = session

    def _tell(self, shift: Shift | None) -> None:
        self._shift = shift
        self._drift_detected = shift is not None

    def _shift_of(self, alarm: AlarmRow) -> Shift:
        return Shift(
            self._categories[alarm.from_category],
            self._categories[alarm.to_category],
            drift.PATTERNS[alarm.pattern],
            float(alarm.strength),
            float(alarm.evidence),
            self.limits.ring_threshold if alarm.source else self.limits.threshold,
            float(alarm.began_at),
            float(alarm.started_at),
            float(alarm.ended_at),
            int(alarm.session_events),
            self._changes(alarm),
            drift.SOURCES[alarm.source],
        )

    def _changes(self, alarm: AlarmRow) -> tuple[ShareChange, ...]:
        changes = [
            ShareChange(self._categories[number], float(before), float(after))
            for number, before, after in zip(
                alarm.categories[: alarm.used],
                alarm.before[: alarm.used],
                alarm.after[: alarm.used],
                strict=True,
            )
            if before != after
        ]
        # Stable: of equal changes the category in the lower slot comes first.
        return tuple(sorted(changes, key=lambda change: -abs(change.after - change.before)))
