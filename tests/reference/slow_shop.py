"""The shop model as lists and Python floats: slow and obvious."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

MASK = (1 << 62) - 1
FIRSTS = 16


class SlowUpdate(NamedTuple):
    """One event; items and categories by name, "" for none, recent ones newest first."""

    at: float
    item: str
    recent: tuple[str, ...]
    category: str = ""
    recent_categories: tuple[str, ...] = ()
    step: int = -1


@dataclass
class SlowRow:
    """Neighbors as [name, first weight, second weight], in slot order."""

    at: float = 0.0
    total: float = 0.0
    neighbors: list[list[object]] = field(default_factory=list)

    def decay(self, at: float, half_life: float) -> None:
        if not self.neighbors:
            self.at = at
        factor = 2.0 ** (-max(0.0, at - self.at) / half_life)
        self.neighbors = [[name, a * factor, b * factor] for name, a, b in self.neighbors]
        self.total *= factor
        self.at = max(self.at, at)

    def slot_of(self, name: str, slots: int) -> list[object]:
        for neighbor in self.neighbors:
            if neighbor[0] == name:
                return neighbor
        new: list[object] = [name, 0.0, 0.0]
        if len(self.neighbors) < slots:
            self.neighbors.append(new)
        else:
            weights = [a + b for _, a, b in self.neighbors]
            self.neighbors[weights.index(min(weights))] = new
        return new

    def add(
        self, name: str, which: int, weight: float, at: float, half_life: float, slots: int
    ) -> None:
        self.decay(at, half_life)
        by_now = weight * 2.0 ** (-(self.at - at) / half_life)
        self.slot_of(name, slots)[1 + which] += by_now
        self.total += by_now


@dataclass
class SlowShop:
    """Rows by name, as section 2 of the recommender's design tells them."""

    half_life: float
    slots: int
    items: dict[str, SlowRow] = field(default_factory=dict)
    categories: dict[str, SlowRow] = field(default_factory=dict)
    firsts: dict[str, SlowRow] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)
    touches: dict[str, list[float]] = field(default_factory=dict)
    category_of: dict[str, str] = field(default_factory=dict)

    def learn(self, update: SlowUpdate) -> None:
        for name in filter(None, [update.item, *update.recent]):
            self.items.setdefault(name, SlowRow())
        for name in filter(None, [update.category, *update.recent_categories]):
            self.categories.setdefault(name, SlowRow())
            self.firsts.setdefault(name, SlowRow())
        if update.item:
            self._learn_item(update)
        if update.category:
            self._learn_category(update)

    def _learn_item(self, update: SlowUpdate) -> None:
        item, at = update.item, update.at
        self.items[item].decay(at, self.half_life)
        for lag, before in enumerate(update.recent):
            rule = (1 / (lag + 1), at, self.half_life, self.slots)
            self.items[before].add(item, 0, *rule)
            if before != item:
                self.items[item].add(before, 1, *rule)
        self.touches.setdefault(item, []).append(at)
        if update.category:
            self.category_of[item] = update.category

    def _learn_category(self, update: SlowUpdate) -> None:
        category, at, recent = update.category, update.at, update.recent_categories
        if update.step == 0:
            return
        self._change(self.categories, update, self.slots)
        if recent and recent[0] != category:
            row = self.categories[recent[0]]
            by_now = 2.0 ** (-(row.at - at) / self.half_life)
            row.slot_of(category, self.slots)[1] += by_now
        if update.step == 2:
            self._change(self.firsts, update, FIRSTS)
            self.entries[category] = self.entries.get(category, 0) + 1

    def _change(self, rows: dict[str, SlowRow], update: SlowUpdate, slots: int) -> None:
        for lag, before in enumerate(update.recent_categories):
            if before != update.category:
                rule = (1 / (lag + 1), update.at, self.half_life, slots)
                rows[before].add(update.category, 1, *rule)
                rows[update.category].add(before, 1, *rule)

    def popularity(self, item: str, at: float, half_life: float) -> float:
        return sum(2.0 ** (-(at - then) / half_life) for then in self.touches[item])


def scrambled(number: int) -> int:
    """splitmix64 in 62 bits, by Python's own unbounded numbers."""
    bits = (number + 0x9E3779B97F4A7C15) & MASK
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & MASK
    return bits ^ (bits >> 31)


@dataclass
class SlowFactors:
    """Sampled softmax over float64 lists; vectors from the ids, negatives by counting."""

    size: int
    negatives: int
    rate: float
    seed: int
    ring: int
    objective: str = "softmax"
    every: int = 1
    inward: dict[int, list[float]] = field(default_factory=dict)
    outward: dict[int, list[float]] = field(default_factory=dict)
    squares_in: dict[int, float] = field(default_factory=dict)
    squares_out: dict[int, float] = field(default_factory=dict)
    log: list[int] = field(default_factory=list)

    def start(self, id: int) -> None:
        if id in self.inward:
            return
        key = scrambled(scrambled(id) ^ self.seed)
        numbers = [0.3 * ((scrambled(key + k) >> 38) / 2**23 - 1) for k in range(2 * self.size)]
        self.inward[id], self.outward[id] = numbers[: self.size], numbers[self.size :]
        self.squares_in[id] = self.squares_out[id] = 0.01

    def query(self, recent: list[int]) -> list[float]:
        weights = [0.7**k for k in range(len(recent))]
        return [
            sum(w * self.inward[id][k] for w, id in zip(weights, recent, strict=True))
            / sum(weights)
            for k in range(self.size)
        ]

    def drawn(self, step: int) -> list[int]:
        """What the ring holds at the places that belong to the step."""
        newest = {place % self.ring: id for place, id in enumerate(self.log)}
        key = scrambled(step) ^ self.seed
        return [
            newest[((scrambled(key + k) >> 31) * len(newest)) >> 31]
            for k in range(1, self.negatives + 1)
        ]

    def learn(self, recent: list[int], item: int, step: int) -> None:
        for id in [item, *recent]:
            self.start(id)
        if recent and self.log and self.every and scrambled(step) % self.every == 0:
            self._train(recent, item, [id for id in self.drawn(step) if id != item])
        self.log.append(item)

    def _errors(self, logits: list[float]) -> list[float]:
        """The gradient of the objective by each product; the first is the item's."""
        item, others = logits[0], logits[1:]
        if self.objective == "softmax":
            total = sum(math.exp(logit) for logit in logits)
            return [(place == 0) - math.exp(logit) / total for place, logit in enumerate(logits)]
        if self.objective == "isgd":
            return [1 - item, *(-other / self.negatives for other in others)]
        wrong = [1 / (1 + math.exp(item - other)) / self.negatives for other in others]
        return [sum(wrong), *(-one for one in wrong)]

    def _train(self, recent: list[int], item: int, negatives: list[int]) -> None:
        query = self.query(recent)
        asked = [item, *negatives]
        logits = [sum(q * v for q, v in zip(query, self.outward[id], strict=True)) for id in asked]
        gradient = [0.0] * self.size
        for id, error in zip(asked, self._errors(logits), strict=True):
            gradient = [g + error * v for g, v in zip(gradient, self.outward[id], strict=True)]
            self.squares_out[id] += error**2 * sum(q * q for q in query) / self.size
            step = self.rate * error / math.sqrt(self.squares_out[id])
            self.outward[id] = [v + step * q for v, q in zip(self.outward[id], query, strict=True)]
        weights = [0.7**k for k in range(len(recent))]
        for weight, id in zip(weights, recent, strict=True):
            share = weight / sum(weights)
            self.squares_in[id] += share**2 * sum(g * g for g in gradient) / self.size
            step = self.rate * share / math.sqrt(self.squares_in[id])
            self.inward[id] = [v + step * g for v, g in zip(self.inward[id], gradient, strict=True)]
