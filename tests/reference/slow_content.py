"""Content learned with dicts and floats: hashed sources alone."""

import math
from collections import defaultdict

Features = dict[int, dict[str, list[int]]]
"""By item: the buckets of each source that it has."""


class SlowContent:
    """u' Q h of words and of attributes, each told by a softmax, with what it knew of new items."""

    def __init__(self, features: Features, factors: int, rate: float) -> None:
        self.features = features
        self.rate = rate
        self.hashed: dict[int, list[float]] = defaultdict(lambda: [0.0] * factors)
        self.squares: dict[int, float] = defaultdict(lambda: 0.01)
        self.gains = {"text": 0.0, "attributes": 0.0}
        self.lessons = {"text": 0, "attributes": 0}
        self.came: dict[int, int] = defaultdict(int)

    def learn(self, query: list[float], item: int, negatives: list[int]) -> None:
        fresh = self.came[item] < 2
        self.came[item] += 1
        for source in ("text", "attributes"):
            others = [one for one in negatives if one != item and self.features[one].get(source)]
            if self.features[item].get(source) and others:
                chance = self.step(source, query, [item, *others])
                if fresh:
                    self.credit(source, math.log(chance * (len(others) + 1)))

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

    def credit(self, source: str, gain: float) -> None:
        self.lessons[source] += 1
        rate = max(0.005, 1 / (self.lessons[source] + 20))
        self.gains[source] += rate * (gain - self.gains[source])
