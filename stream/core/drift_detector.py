"""The shift detector as a River estimator, for one stream of categories."""

import math
from typing import NamedTuple, Self

import msgspec
from river import base

from stream.core import drift, rows
from stream.core.drift import AlarmRow, DriftRow


class ShareChange(NamedTuple):
    """A category's share of events before and after a shift."""

    category: str
    before: float
    after: float


class Shift(NamedTuple):
    """What moved: a session made the evidence exceed the threshold.

    `strength` is the total variation distance between the shares before and after.
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


class _Stored(msgspec.Struct, array_like=True):
    """A detector as bytes."""

    parameters: tuple[float, int, float]
    categories: list[str]
    session: str | None
    started_at: float
    last_at: float
    seen: int
    shift: Shift | None
    row: bytes


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
        self.false_alarms_per_10k_events = false_alarms_per_10k_events
        self.slots = slots
        self.session_gap = session_gap
        self._categories: list[str] = []
        self._numbers: dict[str, int] = {}
        self._row = rows.zeros(1, drift.layout(slots), DriftRow)
        self._room = rows.zeros(1, drift.alarm_layout(slots), AlarmRow)
        self._session: str | None = None
        self._started_at = 0.0
        self._last_at = 0.0
        self._seen = 0
        self._shift: Shift | None = None

    @property
    def threshold(self) -> float:
        """h = 2 / α, where α is the budget of false alarms an event."""
        return drift.threshold(self.false_alarms_per_10k_events)

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

    def end_session(self) -> None:
        """Close the open session now; `drift_detected` tells whether it tipped an alarm."""
        row, room, threshold = self._row[0], self._room[0], self.threshold
        told = drift.close(row, room, threshold, self._started_at, self._last_at)
        self._tell(self._shift_of(room) if told else None)

    def snapshot(self) -> bytes:
        """All of it, parameters included."""
        parameters = (
            float(self.false_alarms_per_10k_events), int(self.slots), float(self.session_gap)
        )  # fmt: skip
        return msgspec.msgpack.encode(
            _Stored(
                parameters, self._categories, self._session, self._started_at, self._last_at,
                self._seen, self._shift, rows.pack(self._row),
            )
        )  # fmt: skip

    @classmethod
    def restore(cls, snapshot: bytes) -> Self:
        """The detector that `snapshot` shows."""
        stored = msgspec.msgpack.decode(snapshot, type=_Stored)
        detector = cls(*stored.parameters)
        detector._categories = stored.categories
        detector._numbers = {name: number for number, name in enumerate(stored.categories)}
        detector._session = stored.session
        detector._started_at, detector._last_at = stored.started_at, stored.last_at
        detector._seen = stored.seen
        detector._row = rows.unpack(stored.row, drift.layout(detector.slots), DriftRow)
        detector._tell(stored.shift)
        return detector

    def _number(self, category: str) -> int:
        number = self._numbers.setdefault(category, len(self._categories))
        if number == len(self._categories):
            self._categories.append(category)
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
            self.threshold,
            float(alarm.began_at),
            float(alarm.started_at),
            float(alarm.ended_at),
            int(alarm.session_events),
            self._changes(alarm),
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
