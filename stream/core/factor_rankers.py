"""Matrix factorization as rankers: three objectives over the same vectors and kernels."""

from typing import Any

from stream.core.factorization import (
    BPR,
    ISGD,
    SOFTMAX,
    FactorRates,
    FactorRow,
    RingRow,
    ScratchRow,
    layout,
    learn,
    look,
    product,
    ring_layout,
    scratch_layout,
    start,
)
from stream.core.implicit import ImplicitRanker
from stream.core.rows import Int32s, Rows, zeros


class SoftmaxFactorization(ImplicitRanker):
    """Items as vectors: those taken after the same items get similar ones.

    A user is the mean of the last five distinct items, the newer the more, so a new
    user needs no training. A score is the user's product with the item's vector. The item
    that came is told from the negatives by a softmax over all of them.

    Parameters
    ----------
    factors
        Length of the vectors.
    negatives
        Items of the last 65,536 events that each event is told from.
    rate
        Step size, divided by the root of the squared gradients so far (Adagrad). Positive.
    every
        One event in so many is learned from, which its number decides.
    seed
        Decides the vectors that items start from, and which negatives are drawn.

    Examples
    --------
    >>> model = SoftmaxFactorization(factors=8)
    >>> for _ in range(50):
    ...     for user, pair in [("u", ("tent", "stove")), ("v", ("pram", "bottle"))]:
    ...         for item in pair:
    ...             model.learn_one(user, item)
    >>> model.learn_one("w", "tent")
    >>> model.rank("w", {"stove", "bottle"})
    ['stove', 'bottle']

    References
    ----------
    [^1]: Bengio and Senécal 2003. Quick training of probabilistic neural nets by importance
        sampling. AISTATS.
    [^2]: Duchi et al. 2011. Adaptive subgradient methods for online learning. JMLR.
    """

    settings = ("factors", "negatives", "rate", "every", "seed")
    objective = SOFTMAX

    def __init__(
        self,
        factors: int = 32,
        negatives: int = 8,
        rate: float = 0.1,
        every: int = 1,
        seed: int = 7,
    ) -> None:
        for name, value in (("factors", factors), ("negatives", negatives), ("every", every)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if not rate > 0:
            raise ValueError(f"rate must be positive, got {rate}")
        super().__init__(layout(factors), FactorRow, seed)
        self.factors = factors
        self.negatives = negatives
        self.rate = rate
        self.every = every
        self._rings = zeros(1, ring_layout(), RingRow)
        self._scratch = zeros(1, scratch_layout(factors, negatives), ScratchRow)

    def _begin(self, items: Rows[Any], first: int, last: int) -> None:
        for number in range(first, last):
            start(items[number], int(items[number].id), self.seed)

    def _learn(self, recent: Int32s, item: int, at: float) -> None:
        ring, rates = self._rings[0], self._rates()
        written = int(ring.written)
        learn(self._items.rows, recent, item, ring, written, rates, self._scratch[0])

    def _rates(self) -> FactorRates:
        return FactorRates(float(self.rate), self.negatives, self.seed, self.objective, self.every)

    def _score(self, recent: Int32s, item: int, at: float) -> float:
        query = self._scratch[0].query
        look(query, self._items.rows, recent)
        return float(product(query, self._items.rows[item].outward))

    def _tables(self) -> list[Rows[Any]]:
        return [self._rings]


class BPRFactorization(SoftmaxFactorization):
    """The same vectors, learned by order: what came belongs before each negative.

    Parameters
    ----------
    factors, negatives, rate, every, seed
        As for `SoftmaxFactorization`.

    Examples
    --------
    >>> model = BPRFactorization(factors=8)
    >>> for _ in range(50):
    ...     for user, pair in [("u", ("tent", "stove")), ("v", ("pram", "bottle"))]:
    ...         for item in pair:
    ...             model.learn_one(user, item)
    >>> model.learn_one("w", "tent")
    >>> model.rank("w", {"stove", "bottle"})
    ['stove', 'bottle']

    References
    ----------
    [^1]: Rendle et al. 2009. BPR: Bayesian personalized ranking from implicit feedback. UAI.
    """

    objective = BPR


class ISGDFactorization(SoftmaxFactorization):
    """The same vectors, learned by squares: products near 1 for what came, 0 for negatives.

    Parameters
    ----------
    factors, negatives, rate, every, seed
        As for `SoftmaxFactorization`.

    Examples
    --------
    >>> model = ISGDFactorization(factors=8)
    >>> for _ in range(50):
    ...     for user, pair in [("u", ("tent", "stove")), ("v", ("pram", "bottle"))]:
    ...         for item in pair:
    ...             model.learn_one(user, item)
    >>> model.learn_one("w", "tent")
    >>> model.rank("w", {"stove", "bottle"})
    ['stove', 'bottle']

    References
    ----------
    [^1]: Vinagre, Jorge and Gama 2014. Fast incremental matrix factorization for
        recommendation with positive-only feedback. UMAP.
    [^2]: Vinagre, Jorge and Gama 2015. Collaborative filtering with recency-based negative
        feedback. SAC.
    """

    objective = ISGD
