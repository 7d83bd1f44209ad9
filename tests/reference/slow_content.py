"""Content learned with dicts and floats: hashed sources alone."""

import math
from collections import defaultdict

from stream.core.content import SOURCES

Features = dict[int, dict[str, list[int]]]
"""By item: the buckets of each source that it has."""


class SlowContent:
    """u' Q h of words and of attributes, each told by a softmax, mixed by online EM."""

    def __init__(self, features: Features, factors: int, rate: float) -> None:
        self.features = features
        self.rate = rate
        self.hashed: dict[int, list[float]] = defaultdict(lambda: [0.0] * factors)
        self.squares: dict[int, float] = defaultdict(lambda: 0.01)
        self.weights = {"text": 1 / SOURCES, "attributes": 1 / SOURCES}
        self.lessons = 0
        self.came: dict[int, int] = defaultdict(int)

    def learn(self, query: list[float], item: int, negatives: list[int]) -> None:
        said = {}
        for source in ("text", "attributes"):
            others = [one for one in negatives if one != item and self.features[one].get(source)]
            if self.features[item].get(source) and others:
                said[source] = self.weights[source] * self.step(source, query, [item, *others])
        if self.came[item] < 2:
            self.came[item] += 1
            if said:
                self.credit(said)

    def step(self, source: str, query: list[float], drawn: list[int]) -> float:
        """Move the rows of all drawn; the chance that the first had before."""
        logits = [self.logit(source, query, one) for one in drawn]
        powers = [math.exp(logit - max(logits)) for logit in logits]
        chances = [power / sum(powers) for power in powers]
        length = sum(q * q for q in query) / len(query)
        for place, one in enumerate(drawn):
            error = (place == 0) - chances[place]
            buckets = self.features[one][source]
            for bucket in buckets:
                self.squares[bucket] += error * error * length / len(buckets)
                step = self.rate * error / math.sqrt(len(buckets) * self.squares[bucket])
                row = self.hashed[bucket]
                self.hashed[bucket] = [v + step * q for v, q in zip(row, query, strict=True)]
        return chances[0]

    def logit(self, source: str, query: list[float], item: int) -> float:
        buckets = self.features[item][source]
        products = [
            sum(q * v for q, v in zip(query, self.hashed[bucket], strict=True))
            for bucket in buckets
        ]
        return sum(products) / math.sqrt(len(buckets))

    def credit(self, said: dict[str, float]) -> None:
        self.lessons += 1
        rate = max(0.002, 1 / (self.lessons + 50))
        mass, total = sum(self.weights[source] for source in said), sum(said.values())
        for source, part in said.items():
            moved = (1 - rate) * self.weights[source] + rate * mass * part / total
            self.weights[source] = max(0.01, moved)
