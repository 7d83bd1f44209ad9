"""The graph of shoppers and categories over a whole log: the kernels of `GraphPropagation`."""

import math
from typing import NamedTuple

import numpy as np

from stream.core import factorization, graph, migration_slots
from stream.core.compiled import kernel, outlined
from stream.core.decay import DAY
from stream.core.factorization import RingRow, ScratchRow, product
from stream.core.graph import GraphRates, NodeRow
from stream.core.implicit import RECENT
from stream.core.migration_slots import MigrationRow
from stream.core.rows import Float64s, Int32s, Int64s, Rows, zeros
from stream.evaluation.next_category_baselines import UNSEEN
from stream.evaluation.next_category_judge import (
    MARKED,
    VERDICT,
    MarkedRow,
    VerdictRow,
    Walk,
    judge,
    mark_own,
    step_to,
)

NAME = "graph, LightGCN"
FACTORS, SLOTS = 64, 32
RATES = GraphRates(half_life=35 * DAY, kept=0.7, rate=0.8, negatives=64, seed=7)
"""The least log-loss of 8 to 64 negatives, rates of .15 to 2, `kept` of .5 to .85, Taobao's days
1 to 4. Twice the factors find more and are surer of what is wrong."""


class State(NamedTuple):
    """What is learned: nodes of categories by number, then of shoppers; and what it takes.

    `counts` says how often each category came.
    """

    nodes: Rows[NodeRow]
    shoppers: Rows[MigrationRow]
    ring: RingRow
    room: ScratchRow
    recent: Int32s
    counts: Float64s
    marked: Rows[MarkedRow]
    seen_of: Int64s
    chances: Float64s


def state_of(log: Walk, factors: int, slots: int, rates: GraphRates) -> State:
    """Where the walk begins."""
    people, known = len(log.hold_first) - 1, log.known
    nodes = zeros(known + people, graph.layout(factors, slots), NodeRow)
    np.asarray(nodes)["id"][:known] = np.arange(1, known + 1)
    for number in range(known):
        graph.start(nodes[number], rates.seed)
    return State(
        nodes,
        zeros(people, migration_slots.layout(RECENT), MigrationRow),
        zeros(1, factorization.ring_layout(), RingRow)[0],
        zeros(1, factorization.scratch_layout(factors, rates.negatives), ScratchRow)[0],
        np.zeros(RECENT, np.int32),
        np.zeros(known),
        zeros(known, MARKED, MarkedRow),
        np.zeros(people, np.int64),
        np.zeros(known),
    )


@kernel
def spread(state: State, node: NodeRow) -> None:
    """The odds of all categories: how often each came, times e to how close it is.

    Negatives are drawn as often as they came, so closeness is what lies beyond that.
    """
    for category in range(len(state.chances)):
        close = np.float64(product(node.whole, state.nodes[category].whole))
        odds = math.exp(min(close, 600.0))
        state.chances[category] = (state.counts[category] + UNSEEN) * odds


@outlined
def follow(log: Walk, state: State, rates: GraphRates, verdicts: Rows[VerdictRow]) -> None:
    """Predict each event, judge, learn."""
    for event in range(len(log.at)):
        shopper, came = log.shoppers[event], log.categories[event]
        row, first, hold = state.shoppers[shopper], log.hold_first[shopper], log.hold[event]
        number, seen = len(state.counts) + shopper, first + state.seen_of[shopper]
        verdicts[event].step = -1
        if row.used:
            current = int(row.codes[0])
            spread(state, state.nodes[number])
            mark_own(state.marked, log.hold_category, first, seen, event + 1)
            step = 0 if came == current else step_to(hold, -1, seen)
            judge(verdicts[event], state.chances, came, current, step, event + 1, state.marked)
        for lag in range(len(state.recent)):
            state.recent[lag] = row.codes[lag] if lag < row.used else -1
        graph.learn(
            state.nodes, number, came, state.recent, log.at[event], state.ring, state.room, rates
        )
        state.counts[came] += 1.0
        migration_slots.push(row, came, log.at[event])
        state.seen_of[shopper] = max(state.seen_of[shopper], hold - first + 1)


def by_graph(
    log: Walk, factors: int = FACTORS, slots: int = SLOTS, rates: GraphRates = RATES
) -> Rows[VerdictRow]:
    """The verdicts, one an event."""
    verdicts = zeros(len(log.at), VERDICT, VerdictRow)
    follow(log, state_of(log, factors, slots, rates), rates, verdicts)
    return verdicts
