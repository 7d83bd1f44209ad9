"""Items as vectors: what is taken after similar items gets a similar vector.

Each item has two vectors. The recent items' inward vectors, weighed .7^k, make the
query; its product with an outward vector says how well that item would come next. The
item that came is told from a few recent items of other shoppers, by one of three
objectives: a softmax over them, each pair's order, or products of 1 and 0.
"""

import math
from typing import NamedTuple

import numpy as np

from stream.core.compiled import kernel
from stream.core.rows import Float32s, Float64s, Int32s, Layout, Rows

FADING = 0.7
"""What the next older recent item weighs, against 1 of the newer."""
RING = 65_536
OBJECTIVES = ("softmax", "bpr", "isgd")
SOFTMAX, BPR, ISGD = 0, 1, 2
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
    of items, which among all else of an item would rarely be in the CPU's cache. It is the
    last field, so that what rows of a wider kind hold beside it comes with it.
    """

    id: int
    inward: Float32s
    inward_squares: np.float32
    outward_squares: np.float32
    outward: Float32s


class RingRow:
    """The row numbers of the last items of the log; negatives are drawn from them."""

    written: int
    items: Int32s


class ScratchRow:
    """Room for one step; nothing in it outlives the step."""

    query: Float32s
    gradient: Float32s
    drawn: Int32s
    errors: Float64s


class FactorRates(NamedTuple):
    """How fast to learn, against how many negatives drawn how, by which objective.

    One event in `every` is learned from, which its step decides; none if it is 0.
    """

    rate: float
    negatives: int
    seed: int
    objective: int
    every: int


def layout(factors: int) -> Layout:
    """A row of two vectors of `factors` numbers."""
    return np.dtype(
        [
            ("id", "i8"),
            ("inward", "f4", factors),
            ("inward_squares", "f4"),
            ("outward_squares", "f4"),
            ("outward", "f4", factors),
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
            ("errors", "f8", negatives + 1),
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
def begin(vector: Float32s, id: int, first: int, seed: int) -> None:
    """Give a vector the numbers that belong to an id, from its `first` on."""
    key = scrambled(scrambled(id) ^ seed)
    for place in range(len(vector)):
        vector[place] = SPREAD * between(key, first + place)


@kernel
def start(row: FactorRow, id: int, seed: int) -> None:
    """Give a new item vectors made of its own id, so that who came first never matters."""
    row.id = id
    begin(row.inward, id, 0, seed)
    begin(row.outward, id, len(row.inward), seed)
    row.inward_squares = np.float32(CAUTION)
    row.outward_squares = np.float32(CAUTION)


@kernel
def trained(row: FactorRow) -> bool:
    """Whether the outward vector has learned anything since it started."""
    return bool(row.outward_squares > np.float32(CAUTION))


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
def heard(rows: Rows[FactorRow], recent: Int32s) -> bool:
    """Whether any of the recent items' inward vectors has learned anything since it started."""
    for lag in range(len(recent)):
        if recent[lag] >= 0 and rows[recent[lag]].inward_squares > np.float32(CAUTION):
            return True
    return False


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
def compare(scratch: ScratchRow, rows: Rows[FactorRow], count: int) -> None:
    """How well the item and its negatives fit; a negative equal to the item does not at all."""
    for place in range(count + 1):
        drawn = scratch.drawn[place]
        if place > 0 and drawn == scratch.drawn[0]:
            scratch.errors[place] = -math.inf
        else:
            scratch.errors[place] = np.float64(product(scratch.query, rows[drawn].outward))


@kernel
def blame_softmax(errors: Float64s, count: int) -> None:
    """From products to what each lacks of its chance: 1 for the item, 0 for its negatives."""
    highest, total = -math.inf, 0.0
    for place in range(count + 1):
        highest = max(highest, errors[place])
    for place in range(count + 1):
        errors[place] = math.exp2((errors[place] - highest) * LOG2_E)
        total += errors[place]
    for place in range(count + 1):
        errors[place] = (1.0 if place == 0 else 0.0) - errors[place] / total


@kernel
def blame_pairs(errors: Float64s, count: int) -> None:
    """From products to how wrong each pair's order is, the mean for the item (BPR)."""
    item, total = errors[0], 0.0
    for place in range(1, count + 1):
        # Beyond this, one more power of two would only overflow.
        wrong = 1.0 / (1.0 + math.exp2(min((item - errors[place]) * LOG2_E, 1000.0)))
        errors[place] = -wrong / count
        total += wrong / count
    errors[0] = total


@kernel
def blame_squares(errors: Float64s, count: int) -> None:
    """From products to what they lack of 1 for the item, and of 0 for its negatives (ISGD)."""
    errors[0] = 1.0 - errors[0]
    for place in range(1, count + 1):
        errors[place] = -errors[place] / count if errors[place] > -math.inf else 0.0


@kernel
def blame(errors: Float64s, count: int, objective: int) -> None:
    """What the objective makes of the products."""
    if objective == SOFTMAX:
        blame_softmax(errors, count)
    elif objective == BPR:
        blame_pairs(errors, count)
    else:
        blame_squares(errors, count)


@kernel
def pull(scratch: ScratchRow, rows: Rows[FactorRow], count: int, rate: float) -> None:
    """Move the item's outward vector to the query, its negatives' away; gather the gradient."""
    factors = len(scratch.query)
    length = np.float64(product(scratch.query, scratch.query))
    for place in range(factors):
        scratch.gradient[place] = 0.0
    for place in range(count + 1):
        error = scratch.errors[place]
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
def chosen(step: int, every: int) -> bool:
    """Whether this step is one of those, one in `every`, that are learned from; of 0, none is."""
    return every == 1 or (every > 0 and scrambled(step) % every == 0)


@kernel
def learn(
    rows: Rows[FactorRow],
    recent: Int32s,
    item: int,
    ring: RingRow,
    step: int,
    rates: FactorRates,
    scratch: ScratchRow,
) -> bool:
    """Learn that `item` came after the recent ones, and let it be drawn as a negative.

    It says whether there was something to learn; query and negatives are then in `scratch`.

    `recent` holds row numbers, newest first, -1 for none. `step` is the number of this
    update: it alone decides which places of the ring are drawn, and whether to learn.
    """
    total = look(scratch.query, rows, recent) if chosen(step, rates.every) else 0.0
    told = total > 0.0 and ring.written > 0
    if told:
        draw(scratch, ring, item, rates.negatives, step, rates.seed)
        compare(scratch, rows, rates.negatives)
        blame(scratch.errors, rates.negatives, rates.objective)
        pull(scratch, rows, rates.negatives, rates.rate)
        follow(scratch, rows, recent, total, rates.rate)
    remember(ring, item)
    return told
