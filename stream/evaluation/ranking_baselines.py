"""Simple ways to rank the next items, judged as ours is, live or frozen within periods."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from stream.core import recents
from stream.core.compiled import kernel, outlined
from stream.core.decay import DAY
from stream.core.recents import RecentsRow
from stream.core.rows import Float64s, Int32s, Int64s, Rows, zeros
from stream.evaluation import ranking_factors, ranking_neighbors
from stream.evaluation.ranking_factors import Factors
from stream.evaluation.ranking_judge import (
    VERDICT,
    Board,
    VerdictRow,
    add,
    board,
    clear,
    judge,
)
from stream.evaluation.ranking_neighbors import Sessions
from stream.evaluation.ranking_walk import Flags, Walk, span

POPULARITY, DECAYED, RECENCY, MARKOV, NEIGHBORS, FACTORS = 0, 1, 2, 3, 4, 5
METHODS = ("popularity", "decayed popularity", "recency", "Markov", "session kNN", "ISGD")
"""Session kNN is VMIS-kNN (Kersbergen et al. 2022, Serenade, SIGMOD) over V-SKNN (Ludewig and
Jannach 2018), ISGD that of Vinagre et al. 2014 (Fast incremental matrix factorization, UMAP)."""
RARELY = 10
"""ISGD scores every item, so one event in so many is asked of it."""
LEADERS = 64
RECENT_ITEMS = 32
LARGEST = 1e200


class Tuning(NamedTuple):
    """How a method is set: seconds, sessions, or a step size, whichever it has."""

    half_life: float = math.inf
    neighbors: int = 100
    rate: float = 0.05


PLAIN = (Tuning(),)
GRIDS: tuple[tuple[Tuning, ...], ...] = (
    PLAIN,
    tuple(Tuning(half_life=days * DAY) for days in (0.04, 0.25, 1.0, 7.0, 30.0)),
    PLAIN,
    PLAIN,
    tuple(Tuning(neighbors=count) for count in (50, 100, 500)),
    tuple(Tuning(rate=rate) for rate in (0.1, 0.3, 0.6)),
)
"""What is tried of each method on the first third of the periods."""


class Moves(NamedTuple):
    """Which item came after which: those after item i are `first[i]` up to `first[i + 1]`.

    `move` is each event's, -1 at a shopper's first; `counts` begin at 0.
    """

    move: Int64s
    first: Int64s
    items: Int32s
    counts: Float64s


class Popular(NamedTuple):
    """How often each item was taken, and which are ahead: `used[0]` of `leaders`, in order."""

    counts: Float64s
    leaders: Int32s
    used: Int64s
    unit: Float64s
    """What an event of now counts, and the time of now."""


class State(NamedTuple):
    """What the methods learn."""

    recents: Rows[RecentsRow]
    popular: Popular
    moves: Moves
    sessions: Sessions
    factors: Factors


def moves_of(walk: Walk) -> Moves:
    """The pairs of a log, none of them counted yet."""
    order = np.argsort(walk.shoppers, kind="stable")
    before = np.full(len(order), -1, np.int64)
    same = walk.shoppers[order][1:] == walk.shoppers[order][:-1]
    before[order[1:][same]] = order[:-1][same]
    moving = before >= 0
    keys = walk.items[before[moving]].astype(np.int64) << 32 | walk.items[moving]
    pairs, inverse = np.unique(keys, return_inverse=True)
    move = np.full(len(order), -1, np.int64)
    move[moving] = inverse
    first = np.searchsorted(pairs >> 32, np.arange(walk.known + 1)).astype(np.int64)
    return Moves(move, first, (pairs & 0xFFFFFFFF).astype(np.int32), np.zeros(len(pairs)))


def state_of(walk: Walk, seed: int) -> State:
    """What every method starts from."""
    return State(
        zeros(walk.people, recents.layout(RECENT_ITEMS), RecentsRow),
        Popular(
            np.zeros(walk.known), np.zeros(LEADERS, np.int32), np.zeros(1, np.int64),
            np.array([1.0, walk.at[0]]),
        ),
        moves_of(walk),
        ranking_neighbors.sessions(walk),
        ranking_factors.factors(walk, seed),
    )  # fmt: skip


@kernel
def forward(popular: Popular, at: float, half_life: float) -> None:
    """Let an event of now count more than those before."""
    popular.unit[0] *= math.exp2(max(0.0, at - popular.unit[1]) / half_life)
    popular.unit[1] = max(popular.unit[1], at)
    if popular.unit[0] > LARGEST:
        for item in range(len(popular.counts)):
            popular.counts[item] /= popular.unit[0]
        popular.unit[0] = 1.0


@kernel
def leads(popular: Popular, walk: Walk, one: int, other: int) -> bool:
    """Whether an item is ahead of another; of equals, the lower id."""
    mine, its = popular.counts[one], popular.counts[other]
    return bool(mine > its or (mine == its and walk.order[one] < walk.order[other]))


@kernel
def note(popular: Popular, walk: Walk, item: int) -> None:
    """Count one event of an item. Only what is taken can come to lead."""
    popular.counts[item] += popular.unit[0]
    used = int(popular.used[0])
    place = 0
    while place < used and popular.leaders[place] != item:
        place += 1
    if place == used:
        if used < len(popular.leaders):
            popular.used[0] += 1
        else:
            place -= 1
            if not leads(popular, walk, item, popular.leaders[place]):
                return
    while place > 0 and leads(popular, walk, item, popular.leaders[place - 1]):
        popular.leaders[place] = popular.leaders[place - 1]
        place -= 1
    popular.leaders[place] = item


@kernel
def propose(
    board: Board, walk: Walk, state: State, method: int, tuning: Tuning, row: RecentsRow, event: int
) -> int:
    """Score the candidates of one method for a shopper; how many."""
    count = 0
    if method in (POPULARITY, DECAYED):
        for place in range(state.popular.used[0]):
            item = state.popular.leaders[place]
            count = add(board, count, item, state.popular.counts[item])
    elif method == RECENCY:
        for place in range(recents.length(row)):
            count = add(board, count, recents.low_at(row, place) - 1, 1.0 / (1.0 + place))
    elif method == MARKOV:
        moves, current = state.moves, recents.low_at(row, 0) - 1
        for move in range(moves.first[current], moves.first[current + 1]):
            if moves.counts[move] > 0.0:
                count = add(board, count, moves.items[move], moves.counts[move])
    elif method == NEIGHBORS:
        own = walk.sessions[event]
        count = ranking_neighbors.propose(
            board, walk, state.sessions, state.popular.counts, row, own, tuning.neighbors
        )
    else:
        count = ranking_factors.propose(board, state.factors, state.popular.counts,
                                        walk.shoppers[event])  # fmt: skip
    return count


@kernel
def learn(walk: Walk, state: State, method: int, tuning: Tuning, event: int) -> None:
    """Learn one event."""
    item = walk.items[event]
    if method == DECAYED:
        forward(state.popular, walk.at[event], tuning.half_life)
    note(state.popular, walk, item)
    if method == MARKOV and state.moves.move[event] >= 0:
        state.moves.counts[state.moves.move[event]] += 1.0
    if method == NEIGHBORS:
        ranking_neighbors.learn(walk, state.sessions, event)
    if method == FACTORS:
        ranking_factors.learn(state.factors, walk.shoppers[event], item, tuning.rate)


@outlined
def follow(
    walk: Walk, state: State, board: Board, verdicts: Rows[VerdictRow], method: int,
    tuning: Tuning, first: int, last: int, asks: Flags, learning: bool, every: int,
) -> None:  # fmt: skip
    """Rank before the events from `first` up to `last`, judge, learn each.

    `asks` marks the events to rank before. Without `learning`, shoppers' rows are shown the
    items that are known, and nothing else is learned.
    """
    for event in range(first, last):
        item, row = walk.items[event], state.recents[walk.shoppers[event]]
        if asks[event] and event % every == 0:
            count = propose(board, walk, state, method, tuning, row, event)
            judge(verdicts[event], board, walk, count, item, recents.low_at(row, 0) - 1)
            clear(board, count)
        if learning:
            learn(walk, state, method, tuning, event)
        if learning or walk.seen[event]:
            recents.push(row, item + 1, 0)


class Judged(NamedTuple):
    """Verdicts, one an event, and in how many lists each item was."""

    verdicts: Rows[VerdictRow]
    shown: Int64s


def live(walk: Walk, method: int, tuning: Tuning, seed: int, periods: int | None = None) -> Judged:
    """Each event is ranked before, then learned; all periods or the first so many."""
    state, desk = state_of(walk, seed), board(walk.known)
    verdicts = zeros(len(walk.at), VERDICT, VerdictRow)
    last = int(walk.cuts[-1 if periods is None else periods])
    every = RARELY if method == FACTORS else 1
    follow(walk, state, desk, verdicts, method, tuning, 0, last, walk.followed, True, every)
    return Judged(verdicts, desk.shown)


def frozen(
    walk: Walk, method: int, tuning: Tuning, seed: int, periods: int | None = None
) -> Judged:
    """A period is ranked with what was known at its start, then learned."""
    state, desk = state_of(walk, seed), board(walk.known)
    verdicts = zeros(len(walk.at), VERDICT, VerdictRow)
    every = RARELY if method == FACTORS else 1
    nothing = np.zeros(len(walk.at), np.bool_)
    count = len(walk.cuts) - 1 if periods is None else periods
    for period in range(count):
        first, last = int(walk.cuts[period]), int(walk.cuts[period + 1])
        before = np.asarray(state.recents).copy()
        follow(walk, state, desk, verdicts, method, tuning, first, last, walk.asked, False, every)
        np.asarray(state.recents)[:] = before
        follow(walk, state, desk, verdicts, method, tuning, first, last, nothing, True, every)
    return Judged(verdicts, desk.shown)


Protocol = Callable[[Walk, int, Tuning, int, int | None], Judged]


def tuned(walk: Walk, method: int, protocol: Protocol, early: tuple[int, int], seed: int) -> Tuning:
    """Of a method's settings, that of most recall@20 over the early periods."""
    grid = GRIDS[method]
    if len(grid) == 1:
        return grid[0]
    inside, found = span(walk, early) & walk.asked, []
    for tuning in grid:
        verdicts = np.asarray(protocol(walk, method, tuning, seed, early[1] + 1).verdicts)[inside]
        rank = verdicts["rank"][verdicts["asked"] > 0]
        found.append(float(((rank > 0) & (rank <= 20)).sum()))
    return grid[found.index(max(found))]
