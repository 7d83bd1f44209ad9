"""The ring again, slow and obvious: the last events, a list of counts, logarithms."""

import math
from collections.abc import Mapping


class Ring:
    """The last 50 events against what left them; `g` is each category's popularity."""

    def __init__(self, g: Mapping[str, float], W: int = 50, KR: int = 64) -> None:
        self.g, self.W, self.KR = g, W, KR
        self.ring: list[str] = []
        self.since = 0
        self.start_over()

    def event(self, category: str) -> float | None:
        """Every fourth event tells G, once 40 have left the ring."""
        self.ring.append(category)
        if len(self.ring) > self.W:
            self.leaves(self.ring.pop(0))
        self.since += 1
        if self.NB < 40 or self.since < 4:
            return None
        self.since = 0
        return self.G()

    def leaves(self, category: str) -> None:
        self.NB += 1
        known = [place for place, (name, _) in enumerate(self.bag) if name == category]
        if known:
            self.bag[known[0]] = (category, self.bag[known[0]][1] + 1)
        else:
            least = min(range(self.KR), key=lambda place: self.bag[place][1])
            self.bag[least] = (category, 1)
        if self.NB > 1000 or any(count == 255 for _, count in self.bag):
            self.bag = [(name, count // 2) for name, count in self.bag]
            self.NB //= 2

    def G(self) -> float:  # noqa: N802  # the equations' name
        counts = dict(self.bag)
        SB, k0, c = sum(counts.values()), 100, 20
        kappa = 100 * self.NB / (self.NB + 100)
        total = 0.0
        for i, u in enumerate(self.ring):
            a = self.ring[:i].count(u)
            p = (counts.get(u, 0) + (self.NB - SB + k0) * self.g[u]) / (self.NB + k0)
            new, old = (c * self.g[u] + a) / (c + i), (kappa * p + a) / (kappa + i)
            total += math.log(new / old)
        return total

    def start_over(self) -> None:
        """After any alarm; the ring's events flow into the new counts."""
        self.bag: list[tuple[str, int]] = [("", 0)] * self.KR
        self.NB = 0
