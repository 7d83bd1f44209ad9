"""A truncated SVD of all ratings so far, made anew every so often: the batch way."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import svds

from stream.core.rows import Float64s, Int64s

SHRINKING = 5.0
"""A bias counts as if so many more ratings had said that there is none."""


class TruncatedSVD:
    """Biases, and the strongest directions of what they leave (Sarwar et al. 2000).

    Items' biases and all factors are as of the last refit; users' biases go on, since most
    users of a log would else be strangers for their first ratings.
    """

    def __init__(self, users: int, items: int, factors: int, every: int) -> None:
        self._triples = np.zeros((0, 3))
        self._new: list[tuple[int, int, float]] = []
        self._factors, self._every = factors, every
        self._mean = 0.0
        self._misses: Float64s = np.zeros(users)
        self._of_items, self._counts = np.zeros(items), np.zeros(users)
        self._left, self._right = np.zeros((users, factors)), np.zeros((items, factors))

    def predict_one(self, user: int, item: int) -> float:
        """The rating to expect."""
        bias = self._misses[user] / (self._counts[user] + SHRINKING)
        fit = float(self._left[user] @ self._right[item])
        return float(self._mean + self._of_items[item] + bias) + fit

    def learn_one(self, user: int, item: int, rating: float) -> None:
        """Remember a rating, and refit if it is time."""
        self._misses[user] += rating - self._mean - self._of_items[item]
        self._counts[user] += 1.0
        self._new.append((user, item, rating))
        if len(self._new) == self._every:
            self._triples = np.concatenate([self._triples, np.array(self._new)])
            self._new = []
            self._refit()

    def _refit(self) -> None:
        users, items = (self._triples[:, side].astype(np.int64) for side in (0, 1))
        ratings = self._triples[:, 2]
        self._mean = float(ratings.mean())
        self._of_items = shrunk(items, ratings - self._mean, len(self._of_items))
        left = ratings - self._mean - self._of_items[items]
        self._misses = np.asarray(np.bincount(users, left, len(self._misses)), np.float64)
        left -= (self._misses / (self._counts + SHRINKING))[users]
        matrix = coo_matrix((left, (users, items)), (len(self._misses), len(self._of_items)))
        # From the same start the same factors; by itself it would draw one.
        start = np.ones(min(matrix.shape))
        outer, strength, inner = svds(matrix.tocsr(), k=self._factors, v0=start)
        self._left, self._right = outer * strength, inner.T


def shrunk(numbers: Int64s, values: Float64s, count: int) -> Float64s:
    """The mean of the values of each number, drawn to 0."""
    sums = np.bincount(numbers, values, count)
    return np.asarray(sums / (np.bincount(numbers, minlength=count) + SHRINKING))
