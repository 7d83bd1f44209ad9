"""LightGCN on a growing graph by dicts, float64 but for weights, full sums: slow and obvious."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tests.reference.slow_shop import scrambled

Vector = NDArray[np.float64]
CAUTION = 0.01

single = np.float32
"""Weights are kept so: which of them is the weakest may hang on it."""


@dataclass
class SlowNode:
    """A node by the ids of its neighbors, in the order of their slots."""

    own: Vector
    near: Vector
    whole: Vector
    squares: float = CAUTION
    updated_at: float = 0.0
    total: float = 0.0
    weights: dict[int, float] = field(default_factory=dict)


@dataclass
class SlowGraph:
    """Negatives are drawn from all that came, no more than the ring holds."""

    size: int
    slots: int
    half_life: float
    kept: float
    negatives: int
    rate: float
    seed: int
    nodes: dict[int, SlowNode] = field(default_factory=dict)
    log: list[int] = field(default_factory=list)

    def learn(self, shopper: int, item: int, recent: list[int], at: float) -> None:
        """All are ids; `recent` is newest first."""
        if shopper not in self.nodes:
            self.nodes[shopper] = SlowNode(*np.zeros((3, self.size)))
        if item not in self.nodes:
            own = self.start(item)
            self.nodes[item] = SlowNode(own, np.zeros(self.size), own / 3)
        others = [id for id in recent if id != item]
        if self.nodes[shopper].weights:
            self.train(shopper, item)
            node = self.nodes[shopper]
            node.weights = {
                id: single(weight) * single(self.kept) for id, weight in node.weights.items()
            }
            node.total *= self.kept
        self.link(shopper, item, 1.0, at)
        for lag, id in enumerate(recent):
            if id != item:
                self.link(item, id, 1.0 / (lag + 1), at)
        touched = [item, *others, shopper]
        for id in touched:
            self.nodes[id].near = self.around(id, "own")
        for id in touched:
            node = self.nodes[id]
            node.whole = (node.own + node.near + self.around(id, "near")) / 3
        self.log.append(item)

    def start(self, id: int) -> Vector:
        key = scrambled(scrambled(id) ^ self.seed)
        return 0.3 * np.array([(scrambled(key + k) >> 38) / 2**23 - 1 for k in range(self.size)])

    def strength(self, one: int, other: int) -> float:
        mine, its = self.nodes[one], self.nodes[other]
        return float(min(1.0, mine.weights[other] / np.sqrt(mine.total * its.total)))

    def around(self, id: int, layer: str) -> Vector:
        parts = [self.strength(id, to) * getattr(self.nodes[to], layer)
                 for to in self.nodes[id].weights]  # fmt: skip
        return sum(parts, np.zeros(self.size))

    def link(self, one: int, other: int, weight: float, at: float) -> None:
        for mine, its in [(one, other), (other, one)]:
            node = self.nodes[mine]
            if not node.weights:
                node.updated_at = at
            left = 0.5 ** (max(0.0, at - node.updated_at) / self.half_life)
            node.weights = {id: single(value) * single(left) for id, value in node.weights.items()}
            node.total *= left
            node.updated_at = max(node.updated_at, at)
            by_now = weight * 0.5 ** ((node.updated_at - at) / self.half_life)
            if its not in node.weights and len(node.weights) == self.slots:
                weakest = min(node.weights, key=lambda id: node.weights[id])
                places = [its if id == weakest else id for id in node.weights]
                node.weights = {id: node.weights.get(id, 0.0) for id in places}
            node.weights[its] = single(node.weights.get(its, 0.0)) + single(by_now)
            node.total += by_now

    def train(self, shopper: int, item: int) -> None:
        key = scrambled(len(self.log)) ^ self.seed
        places = [
            ((scrambled(key + k) >> 31) * len(self.log)) >> 31 for k in range(1, self.negatives + 1)
        ]
        asked = [item, *(self.log[place] for place in places if self.log[place] != item)]
        query = self.nodes[shopper].whole.copy()
        logits = np.array([query @ self.nodes[id].whole for id in asked])
        chances = np.exp(logits) / np.exp(logits).sum()
        gradient = np.zeros(self.size)
        for place, id in enumerate(asked):
            node, error = self.nodes[id], float(place == 0) - chances[place]
            gradient += error * node.whole
            node.squares += error**2 * (query @ query) / self.size
            step = self.rate * error / np.sqrt(node.squares)
            node.own = node.own + step * query
            node.whole = node.whole + step * query / 3
        for id in self.nodes[shopper].weights:
            share, node = self.strength(shopper, id), self.nodes[id]
            node.squares += share**2 * (gradient @ gradient) / self.size
            node.own = node.own + self.rate * share * gradient / np.sqrt(node.squares)
