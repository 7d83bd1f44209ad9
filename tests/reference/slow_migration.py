"""The next category by dicts, lists and Python's own math: slow and obvious.

Chances are a softmax over every category there is, one by one; nothing is left out of a sum.
"""

import math
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

KAPPA = 60.0
RATE = 0.002
RETURN_START = [0.4, 0.1, 0.4, 0.1, 0.3, 0.0, 0.0, 0.0]
RUNS = [2, 3, 4, 6, 11]
DISTINCTS = [2, 4, 9, 21]
SHORTS = [1.2, 1.6, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0]
LONGS = [1.5, 2.5, 4.0, 6.0, 10.0, 15.0, 25.0, 40.0]
GAPS = [10.0, 30.0, 60.0, 300.0, 1800.0, 14_400.0, 86_400.0]
STEPS = range(3)


def single(number: float) -> float:
    """The nearest float32."""
    return float(struct.unpack("f", struct.pack("f", number))[0])


def bucket(number: float, edges: list[float] | list[int]) -> int:
    return sum(number >= edge for edge in edges)


@dataclass
class SlowSlot:
    category: str
    long: float = 0.0
    short: float = 0.0
    touched: float = 0.0


@dataclass
class SlowHabits:
    """One shopper's slots, newest first."""

    size: int
    slots: list[SlowSlot] = field(default_factory=list)
    run: int = 0
    distinct: int = 0
    steps: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    def step_of(self, category: str) -> int:
        names = [slot.category for slot in self.slots]
        return 2 if category not in names else int(category != names[0])

    def push(self, category: str, at: float) -> None:
        step, first = self.step_of(category), not self.slots
        for slot in self.slots:
            slot.long = single(slot.long * single(0.5 ** (1 / 100)))
            slot.short = single(slot.short * single(0.5 ** (1 / 5)))
        self.steps = [single(count * single(0.5 ** (1 / 10))) for count in self.steps]
        if not first:
            self.steps[step] = single(self.steps[step] + 1)
        self.run = self.run + 1 if step == 0 else 1
        if step == 2:
            self.distinct += 1
            if len(self.slots) == self.size:
                older = self.slots[self.size // 2 :]
                least = min(slot.long for slot in older)
                self.slots.remove([slot for slot in older if slot.long == least][-1])
            own = SlowSlot(category)
        else:
            own = next(slot for slot in self.slots if slot.category == category)
            self.slots.remove(own)
        own.long, own.short = single(own.long + 1), single(own.short + 1)
        own.touched = max(own.touched, float(int(at)))
        self.slots.insert(0, own)


class SlowCategory(NamedTuple):
    """What the shop knows of a category, its weights as of the moment of asking."""

    events: float
    entries: float
    total: float
    steps: dict[str, float]
    skips: dict[str, float]


@dataclass
class SlowMixture:
    """Counts by context, as dicts, and weights."""

    every: list[float] = field(default_factory=lambda: [1.0, 1.0, 1.0])
    counts: dict[tuple[object, ...], list[float]] = field(default_factory=dict)
    views: list[float] = field(default_factory=lambda: [0.5, 0.3, 0.4, 0.5])
    leaning: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    ranks: dict[tuple[bool, int], float] = field(default_factory=dict)
    returning: list[float] = field(default_factory=lambda: list(RETURN_START))
    entering: list[float] = field(default_factory=lambda: [0.4, 0.4])


@dataclass
class SlowForecast:
    """A prediction and all that went into it."""

    step_chances: list[float]
    views: list[list[float]]
    contexts: list[tuple[object, ...]]
    returns: dict[str, float]
    returning: dict[str, list[float]]
    entries: dict[str, float]
    entering: dict[str, list[float]]
    spoken: dict[str, list[float]]
    current: str

    def chances(self) -> dict[str, float]:
        stay, back, enter = self.step_chances
        found = {self.current: stay}
        found |= {name: back * chance for name, chance in self.returns.items()}
        return found | {name: enter * chance for name, chance in self.entries.items()}

    def reason(self, category: str) -> int:
        """The recent category that speaks most for this one, by its place, -1 for none."""
        spoken = self.spoken.get(category, [])
        return spoken.index(max(spoken)) if spoken and max(spoken) > 0 else -1


def predict(
    habits: SlowHabits,
    shop: dict[str, SlowCategory],
    events: float,
    mixture: SlowMixture,
    at: float,
    gap: float,
    depth: int,
) -> SlowForecast:
    """`events` are those of the whole shop, `gap` is below 0 if it is not known."""
    own = [slot.category for slot in habits.slots]
    others = [name for name in shop if name not in own]
    events += 0.02 * max(1, len(shop))
    mass = sum(math.sqrt(known.entries + 0.1) for known in shop.values())
    asked = own[:depth]
    weights = [1 / (place + 1) for place in range(len(asked))]
    totals = [shop[name].total if name in shop else 0.0 for name in asked]
    trusts = [
        weight / sum(weights) / (total + KAPPA)
        for weight, total in zip(weights, totals, strict=True)
    ]
    doubt = KAPPA * sum(trusts)
    spoken = {
        name: [
            trust * shop[recent].skips.get(name, 0.0) if recent in shop else 0.0
            for trust, recent in zip(trusts, asked, strict=True)
        ]
        for name in shop
    }
    stepped = shop[own[0]].steps if own[0] in shop else {}

    returning = {}
    for rank, slot in enumerate(habits.slots[1:], 1):
        known = shop.get(slot.category)
        share = ((known.events if known else 0.0) + 0.02) / events
        returning[slot.category] = [
            math.log(slot.long + 0.05),
            math.log(slot.short + 0.02),
            math.log(mixture.ranks.get((habits.run >= 2, rank), 0.5)),
            math.log(1 + stepped.get(slot.category, 0.0) / (KAPPA * share)),
            math.log(1 + sum(spoken.get(slot.category, [])) / (doubt * share)),
            math.log(share),
            1.0 if rank == 1 else 0.0,
            math.log(1 + max(0.0, at - slot.touched) / 60),
        ]
    entering = {}
    for name in others:
        part = math.sqrt(shop[name].entries + 0.1) / mass
        entering[name] = [
            math.log(1 + stepped.get(name, 0.0) / (KAPPA * part)),
            math.log(1 + sum(spoken[name]) / (doubt * part)),
            part,
        ]
    chances, views, contexts = gate(habits, mixture, gap, bool(others))
    return SlowForecast(
        step_chances=chances,
        views=views,
        contexts=contexts,
        returns=shares({n: math.exp(dot(mixture.returning, x)) for n, x in returning.items()}),
        returning=returning,
        entries=shares(
            {n: x[2] * math.exp(dot(mixture.entering, x[:2])) for n, x in entering.items()}
        ),
        entering=entering,
        spoken=spoken,
        current=own[0],
    )


def gate(
    habits: SlowHabits, mixture: SlowMixture, gap: float, others: bool
) -> tuple[list[float], list[list[float]], list[tuple[object, ...]]]:
    """The chances of the steps, each view's logarithms, and the contexts to count in."""
    run, distinct = bucket(habits.run, RUNS), bucket(habits.distinct, DISTINCTS)
    slot = habits.slots[0]
    gaps = [bucket(gap, GAPS)] if gap >= 0 else list(range(len(GAPS) + 1))
    places: list[list[tuple[object, ...]]] = [
        [("run", run, one) for one in gaps],
        [("distinct", distinct, one) for one in gaps],
        [("weight", bucket(slot.short, SHORTS), bucket(slot.long, LONGS))],
    ]
    tables = [
        [sum(mixture.counts.get(place, [0.0] * 3)[step] for place in view) for step in STEPS]
        for view in places
    ]
    every = [count / sum(mixture.every) for count in mixture.every]
    views = [shrunk(table, every, 10.0) for table in tables]
    views.append(shrunk(habits.steps, every, 4.0))
    possible = [True, len(habits.slots) > 1, others]
    odds = [
        math.exp(mixture.leaning[step] + dot(mixture.views, [view[step] for view in views]))
        if possible[step]
        else 0.0
        for step in STEPS
    ]
    return [odd / sum(odds) for odd in odds], views, [view[0] for view in places]


def learn(habits: SlowHabits, mixture: SlowMixture, forecast: SlowForecast, category: str) -> None:
    """Weights first, then counts; the habits themselves are pushed after this."""
    step = habits.step_of(category)
    if step == 1:
        move(mixture.returning, forecast.returning, forecast.returns, category)
    elif step == 2:
        lifts = {name: found[:2] for name, found in forecast.entering.items()}
        move(mixture.entering, lifts, forecast.entries, category)
    chances = forecast.step_chances
    for number, view in enumerate(forecast.views):
        expected = sum(c * v for c, v in zip(chances, view, strict=True))
        mixture.views[number] += RATE * (view[step] - expected)
    for other in STEPS:
        mixture.leaning[other] += RATE * ((other == step) - chances[other])
    mixture.every[step] += 1
    for context in forecast.contexts:
        mixture.counts.setdefault(context, [0.0] * 3)[step] += 1
    if step > 0:
        names = [slot.category for slot in habits.slots]
        rank = names.index(category) if step == 1 else habits.size
        key = (habits.run >= 2, rank)
        mixture.ranks[key] = mixture.ranks.get(key, 0.5) + 1


def move(
    weights: list[float], features: dict[str, list[float]], chances: dict[str, float], came: str
) -> None:
    """Move weights toward the features of what came, away from those expected."""
    for number in range(len(weights)):
        expected = sum(chance * features[name][number] for name, chance in chances.items())
        seen = features[came][number] if came in features else 0.0
        weights[number] += RATE * (seen - expected)


def shrunk(counts: list[float], every: list[float], prior: float) -> list[float]:
    total = sum(counts) + prior
    return [
        math.log((count + prior * wide) / total) for count, wide in zip(counts, every, strict=True)
    ]


def shares(odds: dict[str, float]) -> dict[str, float]:
    total = sum(odds.values())
    return {name: odd / total for name, odd in odds.items()}


def dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))
