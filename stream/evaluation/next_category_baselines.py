"""Simple ways to predict the next category, prequential and judged as ours is."""

import math
from typing import NamedTuple

import numpy as np

from stream.core.compiled import kernel, outlined
from stream.core.decay import DAY
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
RANK_PRIOR = 0.5
RANKS = 256
"""Own categories by recency that have a count of their own; further ones share the last.

They are counted after a run of one event, and after longer ones.
"""
UNSEEN = 0.02
"""What a category without events counts as, in events."""
LARGEST = 1e200


class Tuning(NamedTuple):
    """How one method is set.

    `half_life` is in seconds for popularity, in events of the shopper for the own mixes; the
    others have none. `prior` is how many events popularity is worth beside the counts.
    """

    half_life: float
    prior: float


GRIDS: tuple[tuple[Tuning, ...], ...] = (
    tuple(Tuning(days * DAY, 1.0) for days in (0.25, 0.5, 1.0, 2.0, 7.0, 30.0, math.inf)),
    tuple(
        Tuning(events, prior) for events in (2.0, 3.0, 5.0, 8.0)
        for prior in (0.3, 1.0, 3.0, 9.0)
    ),
    tuple(
        Tuning(events, prior) for events in (30.0, 100.0, 300.0, math.inf)
        for prior in (1.0, 5.0, 20.0)
    ),
    (Tuning(math.inf, 1.0),),
    tuple(Tuning(math.inf, prior) for prior in (1.0, 5.0, 20.0, 60.0)),
)  # fmt: skip
"""What is tried of each method on the part of a log that is not reported."""


@kernel
def backed(chances: Float64s, counts: Float64s, total: float, unit: float, weight: float) -> None:
    """Give every category its part of what everybody touches, times a weight.

    `unit` is what an event of now counts in `counts`.
    """
    floor = UNSEEN * unit
    scale = weight / (total + floor * len(counts))
    for category in range(len(chances)):
        chances[category] = (counts[category] + floor) * scale


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
def by_move(chances: Float64s, log: Walk, moves: Float64s, current: int, prior: float) -> None:
    """Add how often each category came after the current one; the prior is there already."""
    total = prior
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
    events: int,
    method: int,
    tuning: Tuning,
    verdicts: Rows[VerdictRow],
    marked: Rows[MarkedRow],
    counts: Float64s,
    amounts: Float64s,
    moves: Float64s,
    order: Int64s,
    ranks: Float64s,
    seen_of: Int64s,
    current_of: Int64s,
    run_of: Int64s,
    chances: Float64s,
) -> None:
    """Predict the first `events` by one method, judge, learn."""
    total, unit, left = 0.0, 1.0, math.exp2(-1.0 / tuning.half_life)
    for event in range(events):
        shopper, came, hold = log.shoppers[event], log.categories[event], log.hold[event]
        first = log.hold_first[shopper]
        seen = first + seen_of[shopper]
        verdicts[event].step = -1
        if method == POPULARITY and event > 0:
            unit *= math.exp2((log.at[event] - log.at[event - 1]) / tuning.half_life)
            if unit > LARGEST:
                for category in range(len(counts)):
                    counts[category] /= unit
                total, unit = total / unit, 1.0
        if seen > first:
            current = current_of[shopper]
            free = method in (POPULARITY, RECENCY)
            backed(chances, counts, total, unit, 1.0 if free else tuning.prior)
            if method == RECENCY:
                table = ranks[0 if run_of[shopper] < 2 else 1]
                by_rank(chances, log, order, table, first, seen)
                table[min(int(order[hold]), RANKS - 1) if hold < seen else RANKS] += 1.0
            elif method == MARKOV:
                by_move(chances, log, moves, log.hold_category[current], tuning.prior)
                moves[log.move[event]] += 1.0
            elif method != POPULARITY:
                own_mix(chances, log, amounts, first, seen, tuning.prior)
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
        same = seen > first and current_of[shopper] == hold
        run_of[shopper] = run_of[shopper] + 1 if same else 1
        current_of[shopper] = hold
        counts[came] += unit
        total += unit


def simple(
    log: Walk, method: int, tuning: Tuning | None = None, events: int | None = None
) -> Rows[VerdictRow]:
    """The verdicts on one of `METHODS`, one an event, of the first `events` or all."""
    shoppers, every = len(log.hold_first) - 1, len(log.at)
    verdicts, holds = zeros(every, VERDICT, VerdictRow), len(log.hold_category)
    follow(
        log,
        every if events is None else events,
        method,
        GRIDS[method][0] if tuning is None else tuning,
        verdicts,
        zeros(log.known, MARKED, MarkedRow),
        np.zeros(log.known),
        np.zeros(holds),
        np.zeros(len(log.move_category)),
        np.zeros(holds, np.int64),
        np.full((2, RANKS + 1), RANK_PRIOR),
        np.zeros(shoppers, np.int64),
        np.zeros(shoppers, np.int64),
        np.zeros(shoppers, np.int64),
        np.zeros(log.known),
    )
    return verdicts


def tuned(log: Walk, method: int, events: int) -> Tuning:
    """Of the method's settings, that of least log-loss over the first `events`."""
    grid = GRIDS[method]
    if len(grid) == 1:
        return grid[0]
    losses = []
    for tuning in grid:
        found = np.asarray(simple(log, method, tuning, events))[:events]
        losses.append(float(found["loss"][found["step"] >= 0].sum()))
    return grid[losses.index(min(losses))]
