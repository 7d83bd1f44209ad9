"""Ratings by factors in NumPy's vectors and matrices: slow and obvious."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tests.reference.slow_shop import scrambled

Array = NDArray[np.float64]
NOISE, BIAS, OF_USER, OF_ITEM, SPREAD = 0.055, 0.01, 0.02, 0.1, 0.1


@dataclass
class SlowRated:
    """Ratings are from 0 to 1; users and items go by 64-bit ids."""

    factors: int
    drift: float
    seed: int
    users: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    items: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    ratings: list[float] = field(default_factory=list)

    def level(self) -> float:
        return (2 * 0.5 + sum(self.ratings)) / (2 + len(self.ratings))

    def predict(self, user: int, item: int) -> float:
        """Of what was never rated, the factors say nothing."""
        if user in self.users and item in self.items:
            return float(self.level() + self.users[user][0] @ self.items[item][0])
        bias_of_user = self.users[user][0][0] if user in self.users else 0.0
        bias_of_item = self.items[item][0][1] if item in self.items else 0.0
        return float(self.level() + bias_of_user + bias_of_item)

    def new_user(self) -> tuple[Array, Array]:
        means = np.array([0.0, 1.0, *np.zeros(self.factors)])
        return means, np.diag([BIAS, 0.0, *np.full(self.factors, OF_USER)])

    def new_item(self, id: int) -> tuple[Array, Array]:
        key = scrambled(scrambled(id) ^ self.seed)
        numbers = [(scrambled(key + k) >> 38) / 2**23 - 1 for k in range(2, 2 + self.factors)]
        means = np.array([1.0, 0.0, *(SPREAD * number for number in numbers)])
        return means, np.diag([0.0, BIAS, *np.full(self.factors, OF_ITEM)])

    def learn(self, user: int, item: int, rating: float) -> None:
        (u, p), (v, q) = (
            self.users.get(user, self.new_user()),
            self.items.get(item, self.new_item(item)),
        )
        error, variance = rating - self.level() - u @ v, NOISE + v @ p @ v + u @ q @ u
        new_p = p - np.outer(p @ v, p @ v) / variance
        new_q = q - np.outer(q @ u, q @ u) / variance
        new_p[0, 0] = min(BIAS, new_p[0, 0] + self.drift)
        new_q[1, 1] = min(BIAS, new_q[1, 1] + self.drift)
        self.users[user] = (u + p @ v * error / variance, new_p)
        self.items[item] = (v + q @ u * error / variance, new_q)
        self.ratings.append(rating)
