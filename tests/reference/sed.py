"""The shift detector again, slow and obvious: lists, dictionaries, Python floats.

It follows the equations, in their letters, one event at a time, and rounds what it
keeps as stored rows do.
"""

import math
import struct
from collections import Counter
from dataclasses import dataclass, fields
from typing import NamedTuple

from tests.reference.drift_ring import Ring

UNITS = {"L": 64, "s": 4096, "sE": 256, "LE": 16}


def whole(weight: float, units: int) -> float:
    """To the nearest unit, as 16 bits hold it."""
    return min(max(math.floor(weight * units + 0.5), 0), 65_535) / units


def single(number: float) -> float:
    """As a float32 holds it."""
    (rounded,) = struct.unpack("<f", struct.pack("<f", number))
    return float(rounded)


def half(number: float) -> float:
    """To the nearest float32 whose lower 16 bits are 0; of two the one that ends in 0."""
    (bits,) = struct.unpack("<I", struct.pack("<f", number))
    below = bits >> 16
    candidates = [struct.unpack("<f", struct.pack("<I", b << 16))[0] for b in (below, below + 1)]
    exact = single(number)
    return float(
        min(candidates, key=lambda c: (abs(c - exact), (below + (c == candidates[1])) % 2))
    )


@dataclass
class Slot:
    """All that is known of one category."""

    category: str
    L: float = 0.0
    s: float = 0.0
    R1: float = 0.0
    R2: float = 0.0
    RM: float = 0.0
    sE: float = 0.0  # noqa: N815  # the equations' name
    LE: float = 0.0


class Alarm(NamedTuple):
    """`position` is that of the last event of the session that tipped it."""

    position: int
    A: str
    B: str
    kind: str
    T: float
    strength: float
    began_at: float
    source: str
    before: dict[str, float]
    after: dict[str, float]


class SED:
    """Events in, alarms out: `event`, then `close` for the last session.

    With a ring, its log ratio beyond `gamma` is an alarm too.
    """

    def __init__(
        self, h: float, slots: int, gamma: float = math.inf, ring: Ring | None = None
    ) -> None:
        self.h, self.K = h, slots
        self.gamma, self.ring = gamma, ring
        self.slots: list[Slot] = []
        self.top: Slot | None = None
        self.N = self.S = self.V = self.RR = self.SE = self.NE = 0.0
        self.sessions = 0
        self.open: list[str] = []
        self.started_at = 0.0
        self.began_at: float | None = None
        self.session: object = None
        self.position = -1
        self.alarms: list[Alarm] = []
        self.now: dict[str, float] = {}

    def event(self, category: str, session: object = None, at: float = 0.0) -> None:
        known = {slot.category for slot in self.slots}
        new = set(self.open) - known
        thirteenth = len(new) == 12 and category not in known | new
        if self.open and (session != self.session or len(self.open) == 64 or thirteenth):
            self.close()
        if not self.open:
            self.started_at, self.session = at, session
        self.open.append(category)
        self.position += 1
        if self.ring:
            G = self.ring.event(category)
            if G is not None and self.gamma < G:
                self.close(G)

    def close(self, G: float | None = None) -> None:
        """`G` is given where the ring ends the session."""
        if not self.open:
            return
        m, counts = len(self.open), Counter(self.open)
        w = {category: events / m for category, events in counts.items()}
        known = {slot.category for slot in self.slots}
        new = [category for category in counts if category not in known]
        w_new = sum(counts[category] for category in new) / m
        om = len(counts) ** 0.25

        TG, TM, RR = self.evidence(w, w_new, m) if self.sessions >= 8 else (0.0, 0.0, 0.0)
        T = TG + TM + RR
        if min(100, self.h / 10) > T:
            self.began_at = None
        elif self.began_at is None:
            self.began_at = self.started_at

        self.make_slots(new, w, om)
        self.average(counts, w, m, om)
        if G is not None:
            self.alarm(G, "restart", "ring")
        elif self.h < T:
            kind = "restart" if RR > T / 2 else "move" if TM > TG else "gain"
            self.alarm(T, kind, "sessions")
        else:
            if self.N >= 1000:
                self.N /= 2
                self.V /= 2
                for slot in self.slots:
                    slot.L /= 2
            for slot in self.slots:
                slot.L += om * w.get(slot.category, 0.0)
            self.N += om
            self.V += om * w_new
        self.now = self.shares()[1]
        self.round()
        self.open = []

    def round(self) -> None:
        """What is kept, as it is stored."""
        for slot in self.slots:
            for field in fields(slot)[1:]:
                kept, units = getattr(slot, field.name), UNITS.get(field.name)
                setattr(slot, field.name, whole(kept, units) if units else half(kept))
        for name in ("N", "S", "V", "RR", "SE", "NE"):
            setattr(self, name, single(getattr(self, name)))

    def evidence(self, w: dict[str, float], w_new: float, m: int) -> tuple[float, float, float]:
        """What the session adds: evidence of gains, of moves, of a restart."""
        n = len(self.slots)
        p_new = (self.V + 1) / (self.N + 2)
        total = sum(max(slot.L, 0) + 0.1 for slot in self.slots)
        p = {s.category: (1 - p_new) * (max(s.L, 0) + 0.1) / total for s in self.slots}
        r = {category: min(w.get(category, 0.0) / p[category], 30) for category in p}

        largest = max(self.slots, key=lambda slot: slot.L)
        if self.top is None or largest.L > 1.5 * self.top.L:
            self.top = largest
            for slot in self.slots:
                slot.RM = 0.0
        p_top, w_top = p[self.top.category], w.get(self.top.category, 0.0)

        x = {}
        for slot in self.slots:
            ratio = r[slot.category]
            slot.R1 = slot.R1 * (1 - 0.1 + 0.1 * ratio) + m / (6 * n)
            slot.R2 = slot.R2 * (1 - 0.35 + 0.35 * ratio) + m / (6 * n)
            if slot is not self.top:
                slot.RM = slot.RM * (1 + 0.6 * (p_top * ratio - w_top)) + m / (3 * n)
            x[slot.category] = max(0.0, slot.s - self.S * max(slot.L, 0) / self.N)
        X = sum(x.values())
        ratio = w_new * math.log(8 * (1 - min(0.9, 0.005 * n)) / (X + 8) / p_new)
        for category in w:
            if category in p:
                recent = (x[category] + 8 * min(0.005, p[category])) / (X + 8)
                ratio += w[category] * math.log(recent / p[category])
        self.RR = self.RR * math.exp(max(-50, min(3, math.sqrt(len(w)) * ratio))) + m / 3
        gained = sum(slot.R1 + slot.R2 for slot in self.slots)
        return gained, sum(slot.RM for slot in self.slots), self.RR

    def make_slots(self, new: list[str], w: dict[str, float], om: float) -> None:
        for category in new:
            slot = Slot(category, L=-0.75 * om * w[category])
            if len(self.slots) < self.K:
                self.slots.append(slot)
                continue
            unvisited = [other for other in self.slots if other.category not in w]
            if unvisited:
                victim = min(unvisited, key=lambda other: other.L + 5 * other.s)
                if victim is self.top:
                    self.top = None
                self.slots[self.slots.index(victim)] = slot

    def average(self, counts: Counter[str], w: dict[str, float], m: int, om: float) -> None:
        q = (1 - 1 / 50) ** m
        for slot in self.slots:
            slot.s = 5 / 6 * slot.s + om * w.get(slot.category, 0.0)
            slot.LE += (1 - q) * slot.sE
            slot.sE = q * slot.sE + counts[slot.category]
        self.S = 5 / 6 * self.S + om
        self.NE += (1 - q) * self.SE
        self.SE = q * self.SE + m
        self.sessions += 1
        if self.NE > 4000:
            self.NE /= 2
            for slot in self.slots:
                slot.LE /= 2

    def shares(self) -> tuple[dict[str, float], dict[str, float]]:
        """Of each category before and after."""
        before = {s.category: min(s.LE / self.NE, 1.0) if self.NE else 0.0 for s in self.slots}
        return before, {s.category: min(s.sE / self.SE, 1.0) for s in self.slots}

    def alarm(self, evidence: float, kind: str, source: str) -> None:
        before, after = self.shares()
        change = {category: after[category] - before[category] for category in after}
        A, B = min(change, key=change.__getitem__), max(change, key=change.__getitem__)
        strength = sum(abs(value) for value in change.values()) / 2
        began_at = self.started_at if self.began_at is None else self.began_at
        if A != B:
            self.alarms.append(
                Alarm(
                    self.position, A, B, kind, evidence, strength, began_at, source, before, after
                )
            )
        if self.ring:
            self.ring.start_over()
        for slot in self.slots:
            slot.R1 = slot.R2 = slot.RM = slot.LE = 0.0
            slot.L = slot.s
        self.V = self.V / self.N * self.S
        self.N = self.S
        self.NE = self.RR = 0.0
        self.top, self.began_at, self.sessions = None, None, 6
