"""One step of the bilinear model: kernels over an embedding a category, and one matrix.

h is the mean of the embeddings of the shopper's categories, weighed by how much the shopper
had of each lately; e is that of the category in question, and exp(h' Q e) how likely it comes
next. What came is told from a few categories of recent events by a sampled softmax.
"""

import math
from typing import NamedTuple

import numpy as np

from stream.core import factorization
from stream.core.compiled import kernel, outlined
from stream.core.factorization import RingRow, product, shift
from stream.core.migration_slots import MigrationRow
from stream.core.rows import Float32s, Float64s, Int32s, Layout, Rows

START = 1.0
"""The matrix begins as so many times the identity: the likely is what is alike."""
CAUTION = 1.0
"""Where the sums of squared gradients start, so that first steps are no leaps."""
UNDRAWN = 0.5
"""What a category that is not in the ring counts as, in draws."""


class EmbeddingRow:
    """A category's vector, the mean squared gradient it saw in sum, and its places in the ring."""

    id: int
    vector: Float32s
    squares: np.float32
    drawn: int


class BridgeRow:
    """The matrix between a shopper's mean and a category's vector, and its squared gradients."""

    matrix: Float32s
    squares: Float32s


class StepRow:
    """Room for one step; nothing in it outlives the step."""

    taste: Float32s
    query: Float32s
    gradient: Float32s
    back: Float32s
    drawn: Int32s
    chances: Float64s


class BilinearRates(NamedTuple):
    """How fast to learn, against how many negatives drawn how."""

    rate: float
    negatives: int
    seed: int


def layout(factors: int) -> Layout:
    """A category's row with a vector of `factors` numbers."""
    return np.dtype(
        [("id", "i8"), ("vector", "f4", factors), ("squares", "f4"), ("drawn", "i4")], align=True
    )


def bridge_layout(factors: int) -> Layout:
    """The matrix's row."""
    square = (factors, factors)
    return np.dtype([("matrix", "f4", square), ("squares", "f4", square)], align=True)


def step_layout(factors: int, negatives: int) -> Layout:
    """Room for a step with so many factors and negatives."""
    return np.dtype(
        [
            ("taste", "f4", factors),
            ("query", "f4", factors),
            ("gradient", "f4", factors),
            ("back", "f4", factors),
            ("drawn", "i4", negatives + 1),
            ("chances", "f8", negatives + 1),
        ],
        align=True,
    )


@kernel
def start(row: EmbeddingRow, seed: int) -> None:
    """Give a new category the vector that belongs to its id."""
    factorization.begin(row.vector, row.id, 0, seed)
    row.squares = np.float32(CAUTION)


@kernel
def begin(bridge: BridgeRow) -> None:
    """Begin with likeness."""
    for place in range(len(bridge.matrix)):
        bridge.matrix[place, place] = START
        for other in range(len(bridge.matrix)):
            bridge.squares[place, other] = CAUTION


@kernel
def weight_of(row: MigrationRow) -> float:
    """What the shopper's short weights sum to."""
    total = 0.0
    for slot in range(row.used):
        total += np.float64(row.short[slot])
    return total


@kernel
def look(step: StepRow, row: MigrationRow, rows: Rows[EmbeddingRow], bridge: BridgeRow) -> None:
    """Make h and h' Q of a shopper who has categories."""
    total = weight_of(row)
    for place in range(len(step.taste)):
        step.taste[place] = 0.0
        step.query[place] = 0.0
    for slot in range(row.used):
        share = np.float32(np.float64(row.short[slot]) / total)
        shift(step.taste, share, rows[row.codes[slot]].vector)
    for place in range(len(step.taste)):
        shift(step.query, step.taste[place], bridge.matrix[place])


@kernel
def remember(ring: RingRow, rows: Rows[EmbeddingRow], category: int) -> None:
    """Let a category be drawn from now on, until a ring's length of others came."""
    place = ring.written % len(ring.items)
    if ring.written >= len(ring.items):
        rows[ring.items[place]].drawn -= 1
    ring.items[place] = category
    rows[category].drawn += 1
    ring.written += 1


@kernel
def normalize(chances: Float64s, count: int, highest: float) -> None:
    """Turn the first logits, of which this is the highest, into chances: a softmax."""
    total = 0.0
    for place in range(count):
        chances[place] = math.exp(chances[place] - highest)
        total += chances[place]
    for place in range(count):
        chances[place] /= total


@kernel
def guess(step: StepRow, rows: Rows[EmbeddingRow], count: int) -> None:
    """The softmax over what came and the negatives; one equal to what came has no part.

    A category that is drawn often is a rival often: less the logarithm of its draws, the
    logits are those of a softmax over all.
    """
    highest = -math.inf
    for place in range(count + 1):
        category = step.drawn[place]
        if place > 0 and category == step.drawn[0]:
            step.chances[place] = -math.inf
            continue
        row = rows[category]
        logit = np.float64(product(step.query, row.vector))
        step.chances[place] = logit - math.log(int(row.drawn) + UNDRAWN)
        highest = max(highest, np.float64(step.chances[place]))
    normalize(step.chances, count + 1, highest)


@kernel
def pull(step: StepRow, rows: Rows[EmbeddingRow], count: int, rate: float) -> None:
    """Move the vector of what came to the query, the negatives' away; gather the gradient."""
    factors = len(step.query)
    length = np.float64(product(step.query, step.query))
    for place in range(factors):
        step.gradient[place] = 0.0
    for place in range(count + 1):
        error = (1.0 if place == 0 else 0.0) - step.chances[place]
        if error != 0.0:
            row = rows[step.drawn[place]]
            shift(step.gradient, np.float32(error), row.vector)
            row.squares += np.float32(error * error * length / factors)
            by = rate * error / math.sqrt(np.float64(row.squares))
            shift(row.vector, np.float32(by), step.query)


@kernel
def bend(step: StepRow, bridge: BridgeRow, rate: float) -> None:
    """Move the matrix along h times the gradient, and find what the gradient means for h."""
    factors = len(step.query)
    for place in range(factors):
        step.back[place] = product(bridge.matrix[place], step.gradient)
    for place in range(factors):
        for other in range(factors):
            slope = np.float64(step.taste[place]) * np.float64(step.gradient[other])
            bridge.squares[place, other] += np.float32(slope * slope)
            by = rate * slope / math.sqrt(np.float64(bridge.squares[place, other]))
            bridge.matrix[place, other] += np.float32(by)


@kernel
def follow(step: StepRow, row: MigrationRow, rows: Rows[EmbeddingRow], rate: float) -> None:
    """Move the vectors of the shopper's categories, each by its share of h."""
    total, length = weight_of(row), np.float64(product(step.back, step.back))
    for slot in range(row.used):
        share = np.float64(row.short[slot]) / total
        own = rows[row.codes[slot]]
        own.squares += np.float32(share * share * length / len(step.back))
        by = rate * share / math.sqrt(np.float64(own.squares))
        shift(own.vector, np.float32(by), step.back)


@outlined
def learn(
    rows: Rows[EmbeddingRow],
    row: MigrationRow,
    bridge: BridgeRow,
    ring: RingRow,
    step: StepRow,
    category: int,
    rates: BilinearRates,
) -> None:
    """Learn that a category came next; how many came before decides which negatives are drawn."""
    if row.used > 0:
        look(step, row, rows, bridge)
        number = int(ring.written)
        # It needs the field `drawn` alone.
        factorization.draw(step, ring, category, rates.negatives, number, rates.seed)  # type: ignore[arg-type]
        guess(step, rows, rates.negatives)
        pull(step, rows, rates.negatives, rates.rate)
        bend(step, bridge, rates.rate)
        follow(step, row, rows, rates.rate)
    remember(ring, rows, category)


@outlined
def spread(
    chances: Float64s,
    rows: Rows[EmbeddingRow],
    row: MigrationRow,
    bridge: BridgeRow,
    step: StepRow,
) -> None:
    """The chances of the first categories, as many as `chances` is long, for who has some."""
    look(step, row, rows, bridge)
    highest = -math.inf
    for category in range(len(chances)):
        chances[category] = np.float64(product(step.query, rows[category].vector))
        highest = max(highest, np.float64(chances[category]))
    normalize(chances, len(chances), highest)
