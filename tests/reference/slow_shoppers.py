"""A partition of shoppers again, slow and obvious: dictionaries, lists, whole histories."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from stream.core.events import Touch
from stream.settings import Settings
from tests.reference.drift_ring import Ring
from tests.reference.sed import SED, Alarm, single, whole


@dataclass
class Alert:
    """A move as it was told first; `id` is (record, number), known once the record is over."""

    user: str
    alarm: Alarm
    ended_at: float
    to: str
    returns_to: "Alert | None"
    id: tuple[int, int] = (-1, -1)


class Told(NamedTuple):
    """An alert, told with the record of that offset, at first or again."""

    offset: int
    alert: Alert
    revision: int
    to: str
    strength: float


@dataclass
class Session:
    """An open session; `late` if the clock had passed its end when its last event came."""

    started_at: float
    last_at: float
    id: int
    id_at: float
    late: bool = False


@dataclass
class Shopper:
    detector: SED
    last: Alert | None = None
    waiting: bool = False
    since: int = 0
    session: Session | None = None
    last_at: float = 0.0
    items: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)


class SlowShoppers:
    """Touches in, moves out."""

    def __init__(
        self,
        settings: Settings,
        h: float | None = None,
        gamma: float = math.inf,
        ring: Callable[[], Ring | None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.h = 2 * 10_000 / settings.false_alarms_per_10k_events if h is None else h
        self.gamma, self.ring = gamma, ring
        self.shoppers: dict[str, Shopper] = {}
        self.latest: dict[str, float] = {}
        self.told: list[Told] = []
        self.repeats = 0

    def clock(self) -> float:
        """The largest time that three distinct shoppers have reached."""
        times = sorted(self.latest.values(), reverse=True)
        return times[2] if len(times) > 2 else -math.inf

    def record(self, offset: int, touches: list[Touch]) -> None:
        told: list[Told] = []
        for touch in touches:
            self.touch(offset, touch, told)
        told.sort(key=lambda one: one.alert.user)
        for number, one in enumerate(one for one in told if one.revision == 0):
            one.alert.id = (offset, number)
        self.told += told

    def witness(self, user: str, at: float) -> None:
        """Somebody says what time it is."""
        self.latest[user] = max(at, self.latest.get(user, -math.inf))

    def touch(self, offset: int, touch: Touch, told: list[Told]) -> None:
        user, at = touch.user_id, touch.occurred_at
        if user not in self.shoppers:
            slots = self.settings.detector_slots
            self.shoppers[user] = Shopper(SED(self.h, slots, self.gamma, self.ring()))
        own = self.shoppers[user]
        self.witness(user, at)
        for name, shopper in self.shoppers.items():
            session = shopper.session
            if session and not session.late and self.end(session) < self.clock():
                self.close(offset, name, told)
        if touch.event in own.seen:
            self.repeats += 1
            return
        if touch.event:
            own.seen = [*own.seen, touch.event][-self.settings.remembered_event_ids :]
        if touch.weight > 0:
            self.learn(offset, user, own, touch, told)

    def learn(self, offset: int, user: str, own: Shopper, touch: Touch, told: list[Told]) -> None:
        at = touch.occurred_at
        if own.session and not self.goes_on(own.session, touch):
            self.close(offset, user, told)
        if own.session and touch.category and self.full(own.detector, touch.category):
            self.close(offset, user, told)
        if own.session is None:
            own.session = Session(at, at, touch.session, at)
        session = own.session
        session.last_at = own.last_at = max(session.last_at, at)
        session.id = session.id or touch.session
        if touch.session == session.id:
            session.id_at = max(session.id_at, at)
        session.late = self.end(session) < self.clock()
        if touch.category:
            self.count(offset, user, own, touch.category, told)
            own.categories = [touch.category, *(c for c in own.categories if c != touch.category)]
        if touch.item_id:
            kept = [item for item in own.items if item != touch.item_id]
            own.items = [touch.item_id, *kept][: self.settings.recent_items]

    def count(self, offset: int, user: str, own: Shopper, category: str, told: list[Told]) -> None:
        """One event for the detector; the ring may end the session at it."""
        session, detector = own.session, own.detector
        assert session is not None
        before, events = len(detector.alarms), len(detector.open) + 1
        detector.event(category, at=session.started_at)
        if not detector.open:
            own.session = None
            self.tell(offset, user, detector.alarms[before:], events, session.last_at, told)

    def end(self, session: Session) -> float:
        return session.last_at + self.settings.session_gap

    def goes_on(self, session: Session, touch: Touch) -> bool:
        if touch.occurred_at > self.end(session):
            return False
        other = touch.session and session.id and touch.session != session.id
        return not (other and touch.occurred_at - session.id_at > self.settings.session_switch)

    def full(self, detector: SED, category: str) -> bool:
        known = {slot.category for slot in detector.slots}
        new = set(detector.open) - known
        return len(detector.open) == 64 or (len(new) == 12 and category not in known | new)

    def close(self, offset: int, user: str, told: list[Told]) -> None:
        shopper = self.shoppers[user]
        assert shopper.session is not None
        ended_at, shopper.session = shopper.session.last_at, None
        before, events = len(shopper.detector.alarms), len(shopper.detector.open)
        shopper.detector.close()
        self.tell(offset, user, shopper.detector.alarms[before:], events, ended_at, told)

    def tell(
        self,
        offset: int,
        user: str,
        alarms: list[Alarm],
        events: int,
        ended_at: float,
        told: list[Told],
    ) -> None:
        """What is told of a session that closed, with at most one alarm."""
        shopper = self.shoppers[user]
        for alarm in alarms:
            if not self.too_soon(shopper.last, ended_at):
                shopper.last = self.alert(shopper.last, user, alarm, ended_at)
                shopper.waiting, shopper.since = self.settings.amend_after > 0, 0
                told.append(Told(offset, shopper.last, 0, alarm.B, alarm.strength))
                return
        shopper.since += events
        if shopper.waiting and shopper.since >= self.settings.amend_after:
            shopper.waiting = False
            self.look_again(offset, shopper, told)

    def too_soon(self, last: Alert | None, ended_at: float) -> bool:
        return last is not None and ended_at - last.ended_at < self.settings.cooldown

    def alert(self, last: Alert | None, user: str, alarm: Alarm, ended_at: float) -> Alert:
        returns = (
            last is not None
            and ended_at - last.ended_at <= self.settings.return_window
            and last.to == alarm.A
            and last.alarm.A == alarm.B
        )
        return Alert(user, alarm, ended_at, alarm.B, last if returns else None)

    def look_again(self, offset: int, shopper: Shopper, told: list[Told]) -> None:
        """Tell the alert again if another category gained more by now."""
        alert, now = shopper.last, shopper.detector.now
        assert alert is not None
        before = {c: whole(single(share), 65_535) for c, share in alert.alarm.before.items()}
        names = [*now, *(c for c in before if c not in now)]
        change = {c: now.get(c, 0.0) - before.get(c, 0.0) for c in names}
        most = max(change.values())
        if change.get(alert.to, 0.0) == most or most <= 0.0:
            return
        gained = next(c for c in now if change[c] == most)
        if gained != alert.alarm.A:
            alert.to = gained
            strength = min(sum(abs(value) for value in change.values()) / 2, 1.0)
            told.append(Told(offset, alert, 1, gained, strength))
