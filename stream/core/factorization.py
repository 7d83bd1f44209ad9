"""Items as vectors: what is taken after similar items gets a similar vector.

Each item has two vectors. The recent items' inward vectors, weighed .7^k, make the
query; its products with the outward vectors are the logits of a softmax over what
comes next, sampled against a few recent items of other shoppers.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from stream.core.compiled import kernel
from stream.core.implicit import ImplicitRanker
from stream.core.rows import Float32s, Float64s, Int32s, Layout, Rows, zeros

FADING = 0.7
"""What the next older recent item weighs, against 1 of the newer."""
RING = 65_536
SPREAD = 0.3
"""Vectors start uniform between plus and minus this."""
CAUTION = 0.01
"""Where the sums of squared gradients start."""
LOG2_E = math.log2(math.e)
# splitmix64 in 62 bits. Compiled integers may not overflow: LLVM takes it that they never
# do, and drops the masks; Python's would not wrap either.
HALF = (1 << 31) - 1
BITS = (1 << 62) - 1
STRIDE = 0x9E37_79B9_7F4A_7C15 & BITS
FIRST_FACTOR = 0xBF58_476D_1CE4_E5B9 & BITS
SECOND_FACTOR = 0x94D0_49BB_1331_11EB & BITS


class FactorRow:
    """An item's vectors, and the mean squared gradient that each has seen in sum.

    These rows are an array of their own: a ranking reads an outward vector of hundreds
    of items, which among all else of an item would rarely be in the CPU's cache.
    """

    id: int
    outward: Float32s
    inward: Float32s
    outward_squares: np.float32
    inward_squares: np.float32


class RingRow:
    """The row numbers of the last items of the log; negatives are drawn from them."""

    written: int
    items: Int32s


class ScratchRow:
    """Room for one step; nothing in it outlives the step."""

    query: Float32s
    gradient: Float32s
    drawn: Int32s
    chances: Float64s


class FactorRates(NamedTuple):
    """How fast to learn, against how many negatives drawn how."""

    rate: float
    negatives: int
    seed: int


def layout(factors: int) -> Layout:
    """A row of two vectors of `factors` numbers."""
    return np.dtype(
        [
            ("id", "i8"),
            ("outward", "f4", factors),
            ("inward", "f4", factors),
            ("outward_squares", "f4"),
            ("inward_squares", "f4"),
        ],
        align=True,
    )


def ring_layout(size: int = RING) -> Layout:
    """A ring that remembers `size` items."""
    return np.dtype([("written", "i8"), ("items", "i4", size)], align=True)


def scratch_layout(factors: int, negatives: int) -> Layout:
    """Room for a step with so many factors and negatives."""
    return np.dtype(
        [
            ("query", "f4", factors),
            ("gradient", "f4", factors),
            ("drawn", "i4", negatives + 1),
            ("chances", "f8", negatives + 1),
        ],
        align=True,
    )


@kernel
def times(left: int, right: int) -> int:
    """The lower 62 bits of a product of two numbers of 62 bits, without an overflow."""
    low, high = left & HALF, left >> 31
    crossed = (low * (right >> 31) + high * (right & HALF)) & HALF
    return (low * (right & HALF) + (crossed << 31)) & BITS


@kernel
def scrambled(number: int) -> int:
    """62 bits that look random, different ones for different numbers (splitmix64)."""
    bits = ((int(number) & BITS) + STRIDE) & BITS
    bits = times(bits ^ (bits >> 30), FIRST_FACTOR)
    bits = times(bits ^ (bits >> 27), SECOND_FACTOR)
    return bits ^ (bits >> 31)


@kernel
def between(key: int, place: int) -> float:
    """A number from -1 up to 1, by the upper 24 of the bits that belong to `key` and `place`."""
    return (scrambled(key + place) >> 38) / 8_388_608.0 - 1.0


@kernel
def start(row: FactorRow, id: int, seed: int) -> None:
    """Give a new item vectors made of its own id, so that who came first never matters."""
    row.id = id
    key = scrambled(scrambled(id) ^ seed)
    for place in range(len(row.inward)):
        row.inward[place] = SPREAD * between(key, place)
        row.outward[place] = SPREAD * between(key, len(row.inward) + place)
    row.inward_squares = np.float32(CAUTION)
    row.outward_squares = np.float32(CAUTION)


@kernel
def product(left: Float32s, right: Float32s) -> np.float32:
    """The dot product, summed in eight lanes: always the same order, and the CPU can keep up."""
    zero = np.float32(0.0)
    a, b, c, d, e, f, g, h = zero, zero, zero, zero, zero, zero, zero, zero
    whole = len(left) & ~7
    for place in range(0, whole, 8):
        a += left[place] * right[place]
        b += left[place + 1] * right[place + 1]
        c += left[place + 2] * right[place + 2]
        d += left[place + 3] * right[place + 3]
        e += left[place + 4] * right[place + 4]
        f += left[place + 5] * right[place + 5]
        g += left[place + 6] * right[place + 6]
        h += left[place + 7] * right[place + 7]
    for place in range(whole, len(left)):
        a += left[place] * right[place]
    return np.float32(((a + e) + (b + f)) + ((c + g) + (d + h)))


@kernel
def shift(vector: Float32s, by: np.float32, direction: Float32s) -> None:
    """Add `by` times `direction` to `vector`."""
    for place in range(len(vector)):
        vector[place] += by * direction[place]


@kernel
def look(query: Float32s, rows: Rows[FactorRow], recent: Int32s) -> float:
    """Make the query of the recent items; return what their weights sum to, 0 without any."""
    total, weight = 0.0, 1.0
    for place in range(len(query)):
        query[place] = 0.0
    for lag in range(len(recent)):
        if recent[lag] >= 0:
            shift(query, np.float32(weight), rows[recent[lag]].inward)
            total += weight
            weight *= FADING
    if total > 0.0:
        scale = np.float32(1.0 / total)
        for place in range(len(query)):
            query[place] *= scale
    return total


@kernel
def remember(ring: RingRow, item: int) -> None:
    """Let `item` be drawn from now on, until a ring's length of others came."""
    ring.items[ring.written % len(ring.items)] = item
    ring.written += 1


@kernel
def draw(scratch: ScratchRow, ring: RingRow, item: int, count: int, step: int, seed: int) -> None:
    """The item itself, then `count` negatives that depend on the step's number alone."""
    scratch.drawn[0] = item
    filled = min(int(ring.written), len(ring.items))
    key = scrambled(step) ^ seed
    for place in range(1, count + 1):
        bits = scrambled(key + place) >> 31
        scratch.drawn[place] = ring.items[(bits * filled) >> 31]


@kernel
def guess(scratch: ScratchRow, rows: Rows[FactorRow], count: int) -> None:
    """The softmax over the item and its negatives; a negative equal to the item has no part."""
    item, highest, total = scratch.drawn[0], -math.inf, 0.0
    for place in range(count + 1):
        drawn = scratch.drawn[place]
        if place > 0 and drawn == item:
            scratch.chances[place] = -math.inf
            continue
        logit = np.float64(product(scratch.query, rows[drawn].outward))
        scratch.chances[place] = logit
        highest = max(highest, logit)
    for place in range(count + 1):
        scratch.chances[place] = math.exp2((scratch.chances[place] - highest) * LOG2_E)
        total += scratch.chances[place]
    for place in range(count + 1):
        scratch.chances[place] /= total


@kernel
def pull(scratch: ScratchRow, rows: Rows[FactorRow], count: int, rate: float) -> None:
    """Move the item's outward vector to the query, its negatives' away; gather the gradient."""
    factors = len(scratch.query)
    length = np.float64(product(scratch.query, scratch.query))
    for place in range(factors):
        scratch.gradient[place] = 0.0
    for place in range(count + 1):
        error = (1.0 if place == 0 else 0.0) - scratch.chances[place]
        if error != 0.0:
            row = rows[scratch.drawn[place]]
            shift(scratch.gradient, np.float32(error), row.outward)
            row.outward_squares += np.float32(error * error * length / factors)
            step = rate * error / math.sqrt(np.float64(row.outward_squares))
            shift(row.outward, np.float32(step), scratch.query)


@kernel
def follow(
    scratch: ScratchRow, rows: Rows[FactorRow], recent: Int32s, total: float, rate: float
) -> None:
    """Move the recent items' inward vectors along the gradient, each by its share of the query."""
    length = np.float64(product(scratch.gradient, scratch.gradient))
    weight = 1.0
    for lag in range(len(recent)):
        if recent[lag] >= 0:
            share = weight / total
            row = rows[recent[lag]]
            row.inward_squares += np.float32(share * share * length / len(scratch.query))
            step = rate * share / math.sqrt(np.float64(row.inward_squares))
            shift(row.inward, np.float32(step), scratch.gradient)
            weight *= FADING


@kernel
def learn(
    rows: Rows[FactorRow],
    recent: Int32s,
    item: int,
    ring: RingRow,
    step: int,
    rates: FactorRates,
    scratch: ScratchRow,
) -> None:
    """Learn that `item` came after the recent ones, and let it be drawn as a negative.

    `recent` holds row numbers, newest first, -1 for none. `step` is the number of this
    update: it alone decides which places of the ring are drawn.
    """
    total = look(scratch.query, rows, recent)
    if total > 0.0 and ring.written > 0:
        draw(scratch, ring, item, rates.negatives, step, rates.seed)
        guess(scratch, rows, rates.negatives)
        pull(scratch, rows, rates.negatives, rates.rate)
        follow(scratch, rows, recent, total, rates.rate)
    remember(ring, item)


class SoftmaxFactorization(ImplicitRanker):
    """Items as vectors: those taken after the same items get similar ones.

    A user is the mean of the last five distinct items, the newer the more, so a new
    user needs no training. A score is the user's product with the item's vector.

    Parameters
    ----------
    factors
        Length of the vectors.
    negatives
        Items of the last 65,536 events that each event is told from.
    rate
        Step size, divided by the root of the squared gradients so far (Adagrad). Positive.
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

    settings = ("factors", "negatives", "rate", "seed")

    def __init__(
        self, factors: int = 32, negatives: int = 8, rate: float = 0.1, seed: int = 7
    ) -> None:
        if factors < 1 or negatives < 1:
            raise ValueError(
                f"factors and negatives must be at least 1, got {factors} and {negatives}"
            )
        if not rate > 0:
            raise ValueError(f"rate must be positive, got {rate}")
        super().__init__(layout(factors), FactorRow, seed)
        self.factors = factors
        self.negatives = negatives
        self.rate = rate
        self._rings = zeros(1, ring_layout(), RingRow)
        self._scratch = zeros(1, scratch_layout(factors, negatives), ScratchRow)

    def _begin(self, items: Rows[Any], first: int, last: int) -> None:
        for number in range(first, last):
            start(items[number], int(items[number].id), self.seed)

    def _learn(self, recent: Int32s, item: int, at: float) -> None:
        ring, rates = self._rings[0], FactorRates(float(self.rate), self.negatives, self.seed)
        written = int(ring.written)
        learn(self._items.rows, recent, item, ring, written, rates, self._scratch[0])

    def _score(self, recent: Int32s, item: int, at: float) -> float:
        query = self._scratch[0].query
        look(query, self._items.rows, recent)
        return float(product(query, self._items.rows[item].outward))

    def _tables(self) -> list[Rows[Any]]:
        return [self._rings]
