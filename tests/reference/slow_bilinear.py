"""exp(h' Q e) by NumPy's float64 and full sums: slow and obvious."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tests.reference.slow_migration import SlowHabits
from tests.reference.slow_shop import scrambled

Vector = NDArray[np.float64]
CAUTION = 1.0


@dataclass
class SlowBilinear:
    """Categories by id; negatives are drawn from all that came, no more than the ring holds."""

    size: int
    negatives: int
    rate: float
    seed: int
    vectors: dict[int, Vector] = field(default_factory=dict)
    squares: dict[int, float] = field(default_factory=dict)
    log: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.matrix = np.eye(self.size)
        self.slopes = np.full((self.size, self.size), CAUTION)

    def start(self, id: int) -> None:
        key = scrambled(scrambled(id) ^ self.seed)
        numbers = [(scrambled(key + k) >> 38) / 2**23 - 1 for k in range(self.size)]
        self.vectors.setdefault(id, 0.3 * np.array(numbers))
        self.squares.setdefault(id, CAUTION)

    def taste(self, habits: SlowHabits) -> tuple[dict[int, float], Vector]:
        total = sum(slot.short for slot in habits.slots)
        parts = {int(slot.category): slot.short / total for slot in habits.slots}
        return parts, sum(
            (part * self.vectors[id] for id, part in parts.items()), np.zeros(self.size)
        )

    def chances(self, habits: SlowHabits) -> dict[int, float]:
        _, taste = self.taste(habits)
        odds = {id: np.exp(taste @ self.matrix @ vector) for id, vector in self.vectors.items()}
        return {id: float(odd / sum(odds.values())) for id, odd in odds.items()}

    def learn(self, habits: SlowHabits, came: int) -> None:
        self.start(came)
        if habits.slots:
            self._train(habits, came)
        self.log.append(came)

    def _train(self, habits: SlowHabits, came: int) -> None:
        key = scrambled(len(self.log)) ^ self.seed
        places = [
            ((scrambled(key + k) >> 31) * len(self.log)) >> 31 for k in range(1, self.negatives + 1)
        ]
        asked = [came, *(self.log[place] for place in places if self.log[place] != came)]
        parts, taste = self.taste(habits)
        query = taste @ self.matrix
        logits = [query @ self.vectors[id] - np.log(self.log.count(id) + 0.5) for id in asked]
        chances = np.exp(logits) / np.exp(logits).sum()
        gradient = np.zeros(self.size)
        for place, id in enumerate(asked):
            error = float(place == 0) - chances[place]
            gradient += error * self.vectors[id]
            self.squares[id] += error**2 * (query @ query) / self.size
            step = self.rate * error / np.sqrt(self.squares[id])
            self.vectors[id] = self.vectors[id] + step * query
        back = self.matrix @ gradient
        slopes = np.outer(taste, gradient)
        self.slopes += slopes**2
        self.matrix = self.matrix + self.rate * slopes / np.sqrt(self.slopes)
        for id, part in parts.items():
            self.squares[id] += part**2 * (back @ back) / self.size
            self.vectors[id] = self.vectors[id] + self.rate * part * back / np.sqrt(
                self.squares[id]
            )
