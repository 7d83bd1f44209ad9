"""One shopper's counts as a dictionary, and labels as sorted lists: slow and obvious."""

import math
from collections import Counter
from dataclasses import dataclass, field

STEPS = 2048


def level_of(weight: float) -> int:
    if weight < 1.6e-5:
        return 0
    return min(math.floor(STEPS * (math.log(weight) / math.log(2.0) + 16) + 0.5), 65_535)


def weight_of(level: int) -> float:
    return 2.0 ** (level / STEPS - 16) if level else 0.0


@dataclass
class Slot:
    long: int = 0
    short: int = 0
    ever: int = 0
    now: int = 0


@dataclass
class SlowCounts:
    """What `horizon_counts` keeps; `slots` are by category, in slot order."""

    size: int
    long_half_life: float
    short_half_life: float
    least: int
    slots: dict[str, Slot] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    long_at: float = 0.0
    short_at: float = 0.0
    period: int = 0
    events: int = 0
    last_period: int = 0
    last_top: list[str] = field(default_factory=list)

    def count(self, category: str, at: float, period: int) -> None:
        if period != self.period:
            self.last_period = self.period if self.events >= self.least else 0
            self.last_top = self.largest("now")
            self.period, self.events = period, 0
            for slot in self.slots.values():
                slot.now = 0
        self.events += 1
        if not self.slots:
            self.long_at = self.short_at = at
        self.long_at = self.decay("long", at, self.long_at, self.long_half_life)
        self.short_at = self.decay("short", at, self.short_at, self.short_half_life)
        slot = self.claim(category)
        slot.long = self.more(slot.long, at - self.long_at, self.long_half_life)
        slot.short = self.more(slot.short, at - self.short_at, self.short_half_life)
        slot.ever, slot.now = slot.ever + 1, slot.now + 1

    def decay(self, which: str, at: float, landmark: float, half_life: float) -> float:
        steps = max(0, math.floor((at - landmark) / half_life * STEPS))
        for slot in self.slots.values():
            setattr(slot, which, max(0, getattr(slot, which) - steps))
        return at if steps >= 65_535 else landmark + steps * (half_life / STEPS)

    def more(self, level: int, late: float, half_life: float) -> int:
        return level_of(weight_of(level) + 2.0 ** min(late / half_life, 1 / STEPS))

    def claim(self, category: str) -> Slot:
        if category not in self.slots:
            if len(self.order) == self.size:
                least = min(self.order, key=lambda name: self.slots[name].long)
                del self.slots[least]
                self.order[self.order.index(least)] = category
            else:
                self.order.append(category)
            self.slots[category] = Slot()
        return self.slots[category]

    def largest(self, which: str) -> list[str]:
        """The three largest; the names here stand for ids in their order."""
        held = [name for name in self.slots if getattr(self.slots[name], which) > 0]
        return sorted(held, key=lambda name: (-getattr(self.slots[name], which), name))[:3]


def label(events: list[str], category: str, least: int) -> int:
    """Whether a category is among the three largest of a period's events, -1 with too few."""
    if len(events) < least:
        return -1
    counts = Counter(events)
    return int(category in sorted(counts, key=lambda name: (-counts[name], name))[:3])


@dataclass
class SlowLinks:
    """Where one kind of step leads: weights by category and its neighbors, and totals."""

    weights: dict[str, dict[str, float]]
    totals: dict[str, float]

    def step(self, shares: dict[str, float], to: str, popularity: float) -> float:
        """The chance of a category, one step from a mix of categories."""
        return sum(
            share * (self.weights[start].get(to, 0.0) + 5 * popularity) / (self.totals[start] + 5)
            for start, share in shares.items()
        )

    def origin(self, shares: dict[str, float], to: str) -> str | None:
        """Which category of the mix speaks most for `to`."""
        parts = {
            start: share * self.weights[start].get(to, 0.0) / (self.totals[start] + 5)
            for start, share in shares.items()
        }
        best = max(parts, key=lambda start: parts[start], default=None)
        return best if best is not None and parts[best] > 0 else None


def features(
    category: str,
    long: dict[str, float],
    short: dict[str, float],
    ever: dict[str, int],
    walks: SlowLinks,
    firsts: SlowLinks,
    popularity: float,
) -> list[float]:
    """What speaks for a category, by the formulas."""
    total = sum(long.values())
    shares = {name: weight / total for name, weight in long.items()}
    return [
        math.log(long.get(category, 0.0) + 0.05),
        math.log(short.get(category, 0.0) + 0.02),
        math.log(ever.get(category, 0) + 0.3),
        math.log(walks.step(shares, category, popularity)),
        math.log(firsts.step(shares, category, popularity)),
        math.log(popularity),
        1.0 if ever.get(category, 0) else 0.0,
        math.log(total + 1),
    ]
