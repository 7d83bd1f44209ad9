"""A partition of shoppers again, slow and obvious: dictionaries, lists, whole histories."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from stream.core.events import Touch
from stream.settings import Settings
from tests.reference.sed import SED, Alarm


class Told(NamedTuple):
    """A move, told with the record of that offset."""

    offset: int
    user: str
    alarm: Alarm
    ended_at: float


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
    session: Session | None = None
    last_at: float = 0.0
    items: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)


class SlowShoppers:
    """Touches in, moves out."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.h = 2 * 10_000 / settings.false_alarms_per_10k_events
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
        self.told += sorted(told, key=lambda one: one.user)

    def touch(self, offset: int, touch: Touch, told: list[Told]) -> None:
        user, at = touch.user_id, touch.occurred_at
        own = self.shoppers.setdefault(user, Shopper(SED(self.h, self.settings.detector_slots)))
        self.latest[user] = max(at, self.latest.get(user, -math.inf))
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
            own.detector.event(touch.category)
            own.detector.started_at = session.started_at
            own.categories = [touch.category, *(c for c in own.categories if c != touch.category)]
        if touch.item_id:
            kept = [item for item in own.items if item != touch.item_id]
            own.items = [touch.item_id, *kept][: self.settings.recent_items]

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
        before = len(shopper.detector.alarms)
        shopper.detector.close()
        told += [Told(offset, user, a, ended_at) for a in shopper.detector.alarms[before:]]
