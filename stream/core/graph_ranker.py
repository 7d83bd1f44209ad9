"""The graph of shoppers and items as a ranker: LightGCN, learned one event at a time."""

from collections.abc import Hashable
from typing import Any

import numpy as np

from stream.core import graph
from stream.core.decay import DAY
from stream.core.factorization import RingRow, ScratchRow, product, ring_layout, scratch_layout
from stream.core.graph import GraphRates, NodeRow
from stream.core.ids import identify
from stream.core.implicit import RECENT, ImplicitRanker
from stream.core.rows import Int32s, Rows, zeros

SHOPPERS = 1
"""Seed of shoppers' ids, so that a shopper and an item of one name are two nodes."""


class GraphPropagation(ImplicitRanker):
    """Items that are close in the graph of who took what, and what was taken with what.

    A score is the product of the user's and the item's vector, each the mean of what lies no,
    one and two links away (LightGCN). Items' own vectors are learned: the item that came is
    told from others by a softmax. A user is what the user took, and needs no training. An
    event costs the same however large the graph is. Ids may be categories' as well as items'.

    Parameters
    ----------
    factors
        Length of the vectors.
    slots
        Links of each user and item; the one that weighs least makes room.
    half_life
        Seconds of event time in which a link's weight halves. Must be positive.
    kept
        What is left of a user's links at each further event of the user. Above 0, at most 1.
    negatives
        Items of the last 65,536 events that each event is told from.
    rate
        Step size, divided by the root of the squared gradients so far (Adagrad). Positive.
    seed
        Decides the vectors that items start from, and which negatives are drawn.

    Examples
    --------
    >>> model = GraphPropagation(factors=8, slots=4, negatives=3)
    >>> for visit in range(50):
    ...     for user, pair in [("u", ("tent", "stove")), ("v", ("pram", "bottle"))]:
    ...         for item in pair:
    ...             model.learn_one((user, visit), item)
    >>> model.learn_one("w", "tent")
    >>> model.rank("w", {"stove", "bottle", "pram"})[0]
    'stove'

    References
    ----------
    [^1]: He et al. 2020. LightGCN: simplifying and powering graph convolution network for
        recommendation. SIGIR.
    """

    settings = ("factors", "slots", "half_life", "kept", "negatives", "rate", "seed")

    def __init__(
        self,
        factors: int = 64,
        slots: int = 32,
        half_life: float = 35 * DAY,
        kept: float = 0.5,
        negatives: int = 8,
        rate: float = 0.6,
        seed: int = 7,
    ) -> None:
        for name, size in [("factors", factors), ("slots", slots), ("negatives", negatives)]:
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        for name, value in [("half_life", half_life), ("rate", rate)]:
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")
        if not 0 < kept <= 1:
            raise ValueError(f"kept must be above 0 and at most 1, got {kept}")
        super().__init__(graph.layout(factors, slots), NodeRow, seed)
        self.factors = factors
        self.slots = slots
        self.half_life = half_life
        self.kept = kept
        self.negatives = negatives
        self.rate = rate
        self._rings = zeros(1, ring_layout(), RingRow)
        self._rooms = zeros(1, scratch_layout(factors, negatives), ScratchRow)

    def rates(self) -> GraphRates:
        """The parameters as kernels take them."""
        return GraphRates(
            float(self.half_life), float(self.kept), float(self.rate), self.negatives, self.seed
        )

    def _meet(self, user: Hashable) -> None:
        ids, first = np.array([_node(user)], np.int64), np.zeros(1, np.int32)
        self._items.name(self._items.numbers(ids, first)[:1], [str(user)])

    def _begin(self, items: Rows[Any], first: int, last: int) -> None:
        for number in range(first, last):
            graph.start(items[number], self.seed)

    def _recent_of(self, user: Hashable) -> Int32s:
        """The user's own node, then the recent items."""
        recent = np.full(1 + RECENT, self._items.number_of(_node(user)), np.int32)
        recent[1:] = super()._recent_of(user)
        return recent

    def _learn(self, recent: Int32s, item: int, at: float) -> None:
        rows, ring, room = self._items.rows, self._rings[0], self._rooms[0]
        graph.learn(rows, int(recent[0]), item, recent[1:], at, ring, room, self.rates())

    def _score(self, recent: Int32s, item: int, at: float) -> float:
        if recent[0] < 0:
            return 0.0
        rows = self._items.rows
        return float(product(rows[int(recent[0])].whole, rows[item].whole))

    def _tables(self) -> list[Rows[Any]]:
        return [self._rings]


def _node(user: Hashable) -> int:
    return identify(str(user), SHOPPERS)
