"""Simple ways to predict the next category, prequential and judged as ours is."""

import numpy as np

from stream.core.compiled import kernel, outlined
from stream.core.rows import Float64s, Int64s, Rows, zeros
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

POPULARITY, OWN_SHORT, OWN_LONG, RECENCY, MARKOV = 0, 1, 2, 3, 4
METHODS = ("popularity", "own short mix", "own long mix", "recency rank", "Markov")
SHORT_LEFT, LONG_LEFT = 0.5 ** (1 / 5.0), 0.5 ** (1 / 100.0)
"""A shopper's event weighs half after 5, or 100, further ones."""
SHORT_PRIOR, LONG_PRIOR, RANK_PRIOR, MARKOV_PRIOR = 1.0, 5.0, 0.5, 5.0
RANKS = 256
"""Own categories by recency that have a count of their own; further ones share the last."""


@kernel
def backed(chances: Float64s, counts: Float64s, total: float, weight: float) -> None:
    """Give every category its part of what everybody touches, times a weight."""
    for category in range(len(chances)):
        chances[category] = weight * counts[category] / total


@kernel
def own_mix(
    chances: Float64s, log: Walk, amounts: Float64s, first: int, seen: int, prior: float
) -> None:
    """Add the shopper's decayed counts; the prior is there already."""
    total = prior
    for hold in range(first, seen):
        total += amounts[hold]
    for hold in range(first, seen):
        chances[log.hold_category[hold]] += amounts[hold]
    for category in range(len(chances)):
        chances[category] /= total


@kernel
def by_rank(
    chances: Float64s, log: Walk, order: Int64s, ranks: Float64s, first: int, seen: int
) -> None:
    """Give own categories the share of their rank; what new ones get is spread already."""
    own = 0.0
    for hold in range(first, seen):
        own += ranks[min(int(order[hold]), RANKS - 1)]
    total = own + ranks[RANKS]
    for category in range(len(chances)):
        chances[category] *= ranks[RANKS] / total
    for hold in range(first, seen):
        chances[log.hold_category[hold]] += ranks[min(int(order[hold]), RANKS - 1)] / total


@kernel
def by_move(chances: Float64s, log: Walk, moves: Float64s, current: int) -> None:
    """Add how often each category came after the current one; the prior is there already."""
    total = MARKOV_PRIOR
    for move in range(log.move_first[current], log.move_first[current + 1]):
        total += moves[move]
        chances[log.move_category[move]] += moves[move]
    for category in range(len(chances)):
        chances[category] /= total


@kernel
def to_front(order: Int64s, first: int, seen: int, hold: int) -> None:
    """Move a hold to rank 0, and those before it one back."""
    rank = order[hold] if hold < seen else seen - first
    for other in range(first, seen):
        if order[other] < rank:
            order[other] += 1
    order[hold] = 0


@outlined
def follow(
    log: Walk,
    method: int,
    verdicts: Rows[VerdictRow],
    marked: Rows[MarkedRow],
    counts: Float64s,
    amounts: Float64s,
    moves: Float64s,
    order: Int64s,
    ranks: Float64s,
    seen_of: Int64s,
    current_of: Int64s,
    chances: Float64s,
) -> None:
    """Predict each event by one method, judge, learn."""
    total, left = counts.sum(), SHORT_LEFT if method == OWN_SHORT else LONG_LEFT
    for event in range(len(log.at)):
        shopper, came, hold = log.shoppers[event], log.categories[event], log.hold[event]
        first = log.hold_first[shopper]
        seen = first + seen_of[shopper]
        verdicts[event].step = -1
        if seen > first:
            current = current_of[shopper]
            if method in (POPULARITY, RECENCY):
                backed(chances, counts, total, 1.0)
            elif method == MARKOV:
                backed(chances, counts, total, MARKOV_PRIOR)
            else:
                prior = SHORT_PRIOR if method == OWN_SHORT else LONG_PRIOR
                backed(chances, counts, total, prior)
                own_mix(chances, log, amounts, first, seen, prior)
            if method == RECENCY:
                by_rank(chances, log, order, ranks, first, seen)
                ranks[min(int(order[hold]), RANKS - 1) if hold < seen else RANKS] += 1.0
            elif method == MARKOV:
                by_move(chances, log, moves, log.hold_category[current])
                moves[log.move[event]] += 1.0
            mark_own(marked, log.hold_category, first, seen, event + 1)
            judge(
                verdicts[event], chances, came, log.hold_category[current],
                step_to(hold, current, seen), event + 1, marked,
            )  # fmt: skip
        for other in range(first, seen):
            amounts[other] *= left
        to_front(order, first, seen, hold)
        amounts[hold] += 1.0
        seen_of[shopper] = max(seen_of[shopper], hold - first + 1)
        current_of[shopper] = hold
        counts[came] += 1.0
        total += 1.0


def simple(log: Walk, method: int) -> Rows[VerdictRow]:
    """The verdicts on one of `METHODS`, one an event."""
    shoppers, events = len(log.hold_first) - 1, len(log.at)
    verdicts, holds = zeros(events, VERDICT, VerdictRow), len(log.hold_category)
    follow(
        log,
        method,
        verdicts,
        zeros(log.known, MARKED, MarkedRow),
        np.full(log.known, 0.02),
        np.zeros(holds),
        np.zeros(len(log.move_category)),
        np.zeros(holds, np.int64),
        np.full(RANKS + 1, RANK_PRIOR),
        np.zeros(shoppers, np.int64),
        np.zeros(shoppers, np.int64),
        np.zeros(log.known),
    )
    return verdicts
