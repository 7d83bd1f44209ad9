"""Shoppers and items as one graph: a node is like what is within two steps of it.

Each node has a vector of its own. Its near vector is the sum of its neighbors' own ones, its
far one that of their near ones, each over the root of both ends' degrees; the mean of the
three is what is compared (LightGCN, two layers). Shoppers are linked to what they took, items
to what was taken before and after. Links fade, and a node keeps its strongest. An event makes
anew only the vectors of its shopper, its item and the items before it.

He et al. 2020. LightGCN: simplifying and powering graph convolution network for
recommendation. SIGIR.
"""

import math
from typing import NamedTuple

import numpy as np

from stream.core import factorization, transitions
from stream.core.compiled import kernel, outlined
from stream.core.factorization import CAUTION, RingRow, ScratchRow, product, shift
from stream.core.rows import Float32s, Int32s, Layout, Rows
from stream.core.transitions import TransitionRow

LINK = 0
"""Of a slot's two weights, the one in use: links have no direction."""
LAYERS = np.float32(3.0)


class NodeRow:
    """A shopper or an item: its links, its vectors, and the mean squared gradient in sum.

    `own` is learned and stays 0 for a shopper, who is what the shopper took and needs no
    training. `near` and `whole` are as of when the node was made anew.
    """

    id: int
    links: TransitionRow
    own: Float32s
    near: Float32s
    whole: Float32s
    squares: np.float32


class GraphRates(NamedTuple):
    """How links fade, and how fast vectors learn, against how many negatives drawn how.

    Links halve in `half_life` seconds; a shopper's also keep only `kept` at each further event.
    """

    half_life: float
    kept: float
    rate: float
    negatives: int
    seed: int


def layout(factors: int, slots: int) -> Layout:
    """A node with vectors of `factors` numbers and at most `slots` links."""
    return np.dtype(
        [
            ("id", "i8"),
            ("links", transitions.layout(slots)),
            ("own", "f4", factors),
            ("near", "f4", factors),
            ("whole", "f4", factors),
            ("squares", "f4"),
        ],
        align=True,
    )


@kernel
def start(row: NodeRow, seed: int) -> None:
    """Give a new item the vectors that belong to its id."""
    factorization.begin(row.own, row.id, 0, seed)
    for place in range(len(row.own)):
        row.near[place] = 0.0
        row.whole[place] = row.own[place] / LAYERS
    row.squares = np.float32(CAUTION)


@kernel
def enter(row: NodeRow) -> None:
    """Make a new node a shopper's."""
    for place in range(len(row.own)):
        row.own[place] = 0.0
        row.whole[place] = 0.0


@kernel
def strength(row: NodeRow, slot: int, rows: Rows[NodeRow]) -> float:
    """A link's weight over the root of both ends' degrees, at most 1.

    Degrees are as of each end's last event, so that of the other may have faded more.
    """
    weight = np.float64(row.links.weights[slot, LINK])
    other = rows[row.links.neighbors[slot]].links
    degrees = np.float64(row.links.total) * np.float64(other.total)
    return min(1.0, weight / math.sqrt(degrees)) if degrees > 0.0 else 0.0


@kernel
def gather_near(row: NodeRow, rows: Rows[NodeRow]) -> None:
    """Make the near vector of the neighbors' own ones."""
    for place in range(len(row.near)):
        row.near[place] = 0.0
    for slot in range(row.links.used):
        by = np.float32(strength(row, slot, rows))
        shift(row.near, by, rows[row.links.neighbors[slot]].own)


@kernel
def gather_whole(row: NodeRow, rows: Rows[NodeRow]) -> None:
    """Make the mean of the own vector, the near one, and the sum of the neighbors' near ones."""
    for place in range(len(row.whole)):
        row.whole[place] = row.own[place] + row.near[place]
    for slot in range(row.links.used):
        by = np.float32(strength(row, slot, rows))
        shift(row.whole, by, rows[row.links.neighbors[slot]].near)
    for place in range(len(row.whole)):
        row.whole[place] /= LAYERS


@kernel
def spread(rows: Rows[NodeRow], shopper: int, item: int, recent: Int32s) -> None:
    """Make the vectors of the item, those before it and the shopper anew: near ones first."""
    gather_near(rows[item], rows)
    for lag in range(len(recent)):
        if recent[lag] >= 0 and recent[lag] != item:
            gather_near(rows[recent[lag]], rows)
    gather_near(rows[shopper], rows)
    gather_whole(rows[item], rows)
    for lag in range(len(recent)):
        if recent[lag] >= 0 and recent[lag] != item:
            gather_whole(rows[recent[lag]], rows)
    gather_whole(rows[shopper], rows)


@kernel
def compare(room: ScratchRow, rows: Rows[NodeRow], count: int) -> None:
    """How well the item and its negatives fit; a negative equal to the item does not at all."""
    for place in range(count + 1):
        drawn = room.drawn[place]
        if place > 0 and drawn == room.drawn[0]:
            room.errors[place] = -math.inf
        else:
            room.errors[place] = np.float64(product(room.query, rows[drawn].whole))


@kernel
def pull(room: ScratchRow, rows: Rows[NodeRow], count: int, rate: float) -> None:
    """Move the item's own vector to the query, its negatives' away; gather the gradient."""
    length = np.float64(product(room.query, room.query))
    for place in range(len(room.gradient)):
        room.gradient[place] = 0.0
    for place in range(count + 1):
        error = room.errors[place]
        if error != 0.0:
            row = rows[room.drawn[place]]
            shift(room.gradient, np.float32(error), row.whole)
            row.squares += np.float32(error * error * length / len(room.query))
            step = np.float32(rate * error / math.sqrt(np.float64(row.squares)))
            shift(row.own, step, room.query)
            shift(row.whole, step / LAYERS, room.query)


@kernel
def follow(room: ScratchRow, rows: Rows[NodeRow], row: NodeRow, rate: float) -> None:
    """Move the own vectors that the shopper's near one is made of along the gradient."""
    length = np.float64(product(room.gradient, room.gradient))
    for slot in range(row.links.used):
        share = strength(row, slot, rows)
        taken = rows[row.links.neighbors[slot]]
        taken.squares += np.float32(share * share * length / len(room.query))
        step = rate * share / math.sqrt(np.float64(taken.squares))
        shift(taken.own, np.float32(step), room.gradient)


@kernel
def train(
    rows: Rows[NodeRow], shopper: int, item: int, ring: RingRow, room: ScratchRow, rates: GraphRates
) -> None:
    """Tell the item from recent ones of everybody, by a softmax over what is compared.

    The gradient goes to own vectors by their shortest way: the item's, and the shopper's links.
    """
    for place in range(len(room.query)):
        room.query[place] = rows[shopper].whole[place]
    number = int(ring.written)
    factorization.draw(room, ring, item, rates.negatives, number, rates.seed)
    compare(room, rows, rates.negatives)
    factorization.blame_softmax(room.errors, rates.negatives)
    pull(room, rows, rates.negatives, rates.rate)
    follow(room, rows, rows[shopper], rates.rate)


@kernel
def fade(row: NodeRow, kept: float) -> None:
    """Let all links of a shopper count less at a further event."""
    left = np.float32(kept)
    for slot in range(row.links.used):
        row.links.weights[slot, LINK] *= left
    row.links.total *= left


@kernel
def link(
    rows: Rows[NodeRow], one: int, other: int, weight: float, at: float, half_life: float
) -> None:
    """Add to the link of two nodes, at both ends."""
    transitions.add(rows[one].links, other, LINK, weight, at, half_life)
    transitions.add(rows[other].links, one, LINK, weight, at, half_life)


@outlined
def learn(
    rows: Rows[NodeRow],
    shopper: int,
    item: int,
    recent: Int32s,
    at: float,
    ring: RingRow,
    room: ScratchRow,
    rates: GraphRates,
) -> None:
    """Learn that a shopper took an item after the recent ones, and let it be drawn.

    All are row numbers; `recent` is newest first, distinct, -1 for none. The step's number,
    which decides the negatives, is how many events came before.
    """
    if rows[shopper].links.used == 0:
        enter(rows[shopper])
    else:
        train(rows, shopper, item, ring, room, rates)
    fade(rows[shopper], rates.kept)
    link(rows, shopper, item, 1.0, at, rates.half_life)
    for lag in range(len(recent)):
        if recent[lag] >= 0 and recent[lag] != item:
            link(rows, item, recent[lag], 1.0 / (lag + 1), at, rates.half_life)
    spread(rows, shopper, item, recent)
    factorization.remember(ring, item)
