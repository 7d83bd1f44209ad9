"""The graph of shoppers and items over a whole log: the kernels of `GraphPropagation`."""

import math
from typing import NamedTuple

import numpy as np

from stream.core import graph, recents
from stream.core.compiled import kernel, outlined
from stream.core.factorization import RingRow, ScratchRow, product, ring_layout, scratch_layout
from stream.core.graph import GraphRates, NodeRow
from stream.core.graph_ranker import GraphPropagation
from stream.core.ids import identify
from stream.core.implicit import RECENT
from stream.core.recents import RecentsRow
from stream.core.rows import Float64s, Int32s, Rows, zeros
from stream.evaluation.logs import Log
from stream.evaluation.ranking_baselines import RARELY, Judged
from stream.evaluation.ranking_judge import VERDICT, Board, VerdictRow, add, board, clear, judge
from stream.evaluation.ranking_walk import Walk, parts, span

NAME = "LightGCN, incremental"
RATES = (0.3, 0.6, 1.0)
"""Step sizes that are tried on the early periods; all else is as `GraphPropagation` has it."""


class State(NamedTuple):
    """What is learned: nodes of items by number, then of shoppers; and what it takes.

    `known` says by item whether it was taken.
    """

    nodes: Rows[NodeRow]
    recents: Rows[RecentsRow]
    ring: RingRow
    room: ScratchRow
    recent: Int32s
    known: Float64s


def state_of(log: Log, walk: Walk, model: GraphPropagation) -> State:
    """Where the walk begins."""
    nodes = zeros(walk.known + walk.people, graph.layout(model.factors, model.slots), NodeRow)
    np.asarray(nodes)["id"][: walk.known] = [identify(name) for name in log.item_names]
    for item in range(walk.known):
        graph.start(nodes[item], model.seed)
    return State(
        nodes,
        zeros(walk.people, recents.layout(RECENT), RecentsRow),
        zeros(1, ring_layout(), RingRow)[0],
        zeros(1, scratch_layout(model.factors, model.negatives), ScratchRow)[0],
        np.zeros(RECENT, np.int32),
        np.zeros(walk.known),
    )


@kernel
def propose(board: Board, state: State, node: NodeRow) -> int:
    """Score all items that were ever taken by how close they are to a shopper; how many."""
    count = 0
    for item in range(len(state.known)):
        if state.known[item] > 0.0:
            close = np.float64(product(node.whole, state.nodes[item].whole))
            # A score must be above 0, and this keeps the order.
            count = add(board, count, item, math.exp(min(close, 600.0)))
    return count


@outlined
def follow(
    walk: Walk, state: State, rates: GraphRates, board: Board, verdicts: Rows[VerdictRow],
    last: int, every: int,
) -> None:  # fmt: skip
    """Rank before one event in `every` up to `last`, judge, learn each."""
    for event in range(last):
        shopper, item = walk.shoppers[event], walk.items[event]
        number, row = len(state.known) + shopper, state.recents[shopper]
        if walk.followed[event] and event % every == 0:
            count = propose(board, state, state.nodes[number])
            judge(verdicts[event], board, walk, count, item, recents.low_at(row, 0) - 1)
            clear(board, count)
        for lag in range(len(state.recent)):
            state.recent[lag] = recents.low_at(row, lag) - 1 if lag < recents.length(row) else -1
        graph.learn(
            state.nodes, number, item, state.recent, walk.at[event], state.ring, state.room, rates
        )
        state.known[item] = 1.0
        recents.push(row, item + 1, 0)


def live(
    log: Log, walk: Walk, model: GraphPropagation, periods: int | None = None, every: int = RARELY
) -> Judged:
    """One event in `every` is ranked before, then each is learned; all periods or the first."""
    desk, verdicts = board(walk.known), zeros(len(walk.at), VERDICT, VerdictRow)
    last = int(walk.cuts[-1 if periods is None else periods])
    follow(walk, state_of(log, walk, model), model.rates(), desk, verdicts, last, every)
    return Judged(verdicts, desk.shown)


def tuned(log: Log, walk: Walk, seed: int) -> GraphPropagation:
    """The model with the step size of most recall@20 over the early periods."""
    early = parts(walk)[0]
    inside, found = span(walk, early) & walk.asked, []
    models = [GraphPropagation(rate=rate, seed=seed) for rate in RATES]
    for model in models:
        verdicts = np.asarray(live(log, walk, model, early[1] + 1).verdicts)[inside]
        rank = verdicts["rank"][verdicts["asked"] > 0]
        found.append(float(((rank > 0) & (rank <= 20)).sum()))
    return models[found.index(max(found))]
