"""ISGD: shoppers and items as vectors, moved at each event so that their product nears 1.

Vinagre, Jorge and Gama 2014. Fast incremental matrix factorization for recommendation with
positive-only feedback. UMAP.
"""

from typing import NamedTuple

import numpy as np

from stream.core.compiled import kernel, outlined
from stream.core.rows import Float32s, Float64s
from stream.evaluation.ranking_judge import Board, add
from stream.evaluation.ranking_walk import Walk

SIZE = 10
SPREAD = 0.1
SHRINKING = 0.01


class Factors(NamedTuple):
    """Vectors of shoppers and items, shape (shoppers or items, 10)."""

    shoppers: Float32s
    items: Float32s


def factors(walk: Walk, seed: int) -> Factors:
    """Small random vectors."""
    random = np.random.default_rng(seed)
    return Factors(
        (SPREAD * random.standard_normal((walk.people, SIZE))).astype(np.float32),
        (SPREAD * random.standard_normal((walk.known, SIZE))).astype(np.float32),
    )


@kernel
def product(state: Factors, shopper: int, item: int) -> float:
    """How well an item fits a shopper."""
    total = 0.0
    for place in range(SIZE):
        total += np.float64(state.shoppers[shopper, place]) * np.float64(state.items[item, place])
    return total


@kernel
def learn(state: Factors, shopper: int, item: int, rate: float) -> None:
    """Move both vectors so that the product nears 1."""
    error = 1.0 - product(state, shopper, item)
    for place in range(SIZE):
        mine = np.float64(state.shoppers[shopper, place])
        its = np.float64(state.items[item, place])
        state.shoppers[shopper, place] = np.float32(mine + rate * (error * its - SHRINKING * mine))
        state.items[item, place] = np.float32(its + rate * (error * mine - SHRINKING * its))


@outlined
def propose(board: Board, state: Factors, counts: Float64s, shopper: int) -> int:
    """Score all items that were ever taken, the nearer the product to 1 the more; how many."""
    count = 0
    for item in range(len(counts)):
        if counts[item] > 0.0:
            miss = abs(1.0 - product(state, shopper, item))
            count = add(board, count, item, 1.0 / (1.0 + miss))
    return count
