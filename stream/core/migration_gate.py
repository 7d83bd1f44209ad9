"""Stay, return or enter: what the next event does, by how the shopper went on so far.

Four views tell the chances of the three steps: what came after a run of this length and a gap
of this size, after so many categories and a gap of this size, from a category held so firmly,
and what this shopper did lately. They are mixed in logarithms, by weights that are learned.
"""

import math

import numpy as np

from stream.core.compiled import kernel
from stream.core.knowledge import ENTER, RETURN, STAY
from stream.core.migration_slots import MigrationRow
from stream.core.rows import Float64s, Layout

STEPS = 3
"""Stay, return, enter."""
RUNS, DISTINCTS, WEIGHTS, GAPS = 6, 5, 9, 8
"""Buckets of the run's length, of the categories held, of a slot's weight, of the gap."""
VIEWS = 4
PRIOR, OWN_PRIOR = 10.0, 4.0
"""How many events the shares over all contexts are worth in one of them, and in one shopper."""
RATE = 0.002
"""How far one event moves the weights, those of the evidence too."""
FARTHEST = 8.0
"""No weight gets larger, so that chances stay finite whatever comes."""


class GateRow:
    """How often each step came, at all and by context, and how much each view counts."""

    every: Float64s
    by_run: Float64s
    by_distinct: Float64s
    by_weight: Float64s
    weights: Float64s
    leaning: Float64s


LAYOUT: Layout = np.dtype(
    [
        ("every", "f8", STEPS),
        ("by_run", "f8", (RUNS, GAPS, STEPS)),
        ("by_distinct", "f8", (DISTINCTS, GAPS, STEPS)),
        ("by_weight", "f8", (WEIGHTS * WEIGHTS, STEPS)),
        ("weights", "f8", VIEWS),
        ("leaning", "f8", STEPS),
    ],
    align=True,
)


class GatedRow:
    """The chances of the three steps, what each view held of them, and the contexts it was in."""

    run: int
    distinct: int
    weight: int
    gap: int
    views: Float64s
    chances: Float64s


GATED: Layout = np.dtype(
    [
        ("run", "i4"),
        ("distinct", "i4"),
        ("weight", "i4"),
        ("gap", "i4"),
        ("views", "f8", (VIEWS, STEPS)),
        ("chances", "f8", STEPS),
    ],
    align=True,
)


@kernel
def start(gate: GateRow) -> None:
    """Begin with one event of each step, and views that count about equally."""
    for step in range(STEPS):
        gate.every[step] = 1.0
    gate.weights[0], gate.weights[1], gate.weights[2], gate.weights[3] = 0.5, 0.3, 0.4, 0.5


@kernel
def run_bucket(run: int) -> int:
    """1, 2, 3, 4 to 5, 6 to 10, more."""
    if run <= 3:
        return max(run, 1) - 1
    if run <= 5:
        return 3
    return 4 if run <= 10 else 5


@kernel
def distinct_bucket(distinct: int) -> int:
    """1, 2 to 3, 4 to 8, 9 to 20, more."""
    if distinct <= 3:
        return 0 if distinct <= 1 else 1
    if distinct <= 8:
        return 2
    return 3 if distinct <= 20 else 4


@kernel
def short_bucket(weight: float) -> int:
    """Under 1.2, 1.6, 2, 2.5, 3, 4, 5, 6, or more."""
    if weight < 2.0:
        return 0 if weight < 1.2 else (1 if weight < 1.6 else 2)
    if weight < 3.0:
        return 3 if weight < 2.5 else 4
    if weight < 5.0:
        return 5 if weight < 4.0 else 6
    return 7 if weight < 6.0 else 8


@kernel
def long_bucket(weight: float) -> int:
    """Under 1.5, 2.5, 4, 6, 10, 15, 25, 40, or more."""
    if weight < 4.0:
        return 0 if weight < 1.5 else (1 if weight < 2.5 else 2)
    if weight < 10.0:
        return 3 if weight < 6.0 else 4
    if weight < 25.0:
        return 5 if weight < 15.0 else 6
    return 7 if weight < 40.0 else 8


@kernel
def gap_bucket(gap: float) -> int:
    """Under 10 or 30 seconds, 1, 5 or 30 minutes, 4 or 24 hours, or more; -1 below 0, not known."""
    if gap < 60.0:
        return -1 if gap < 0.0 else (0 if gap < 10.0 else (1 if gap < 30.0 else 2))
    if gap < 1800.0:
        return 3 if gap < 300.0 else 4
    return 5 if gap < 14_400.0 else (6 if gap < 86_400.0 else 7)


@kernel
def locate(gated: GatedRow, row: MigrationRow, gap: float) -> None:
    """Find the contexts that the shopper is in."""
    gated.run, gated.distinct = run_bucket(row.run), distinct_bucket(row.distinct)
    short, long = short_bucket(np.float64(row.short[0])), long_bucket(np.float64(row.long[0]))
    gated.weight = short * WEIGHTS + long
    gated.gap = gap_bucket(gap)


@kernel
def count_of(counts: Float64s, context: int, gap: int, step: int) -> float:
    """How often a step came after such a gap; after all gaps, if it is not known."""
    if gap >= 0:
        return float(counts[context, gap, step])
    total = 0.0
    for every in range(GAPS):
        total += counts[context, every, step]
    return total


@kernel
def look(gate: GateRow, gated: GatedRow, row: MigrationRow) -> None:
    """Fill in what each view holds: logarithms of shares, drawn to those over all contexts."""
    views = gated.views
    for step in range(STEPS):
        views[0, step] = count_of(gate.by_run, gated.run, gated.gap, step)
        views[1, step] = count_of(gate.by_distinct, gated.distinct, gated.gap, step)
        views[2, step] = gate.by_weight[gated.weight, step]
        views[3, step] = np.float64(row.steps[step])
    every = gate.every[STAY] + gate.every[RETURN] + gate.every[ENTER]
    for view in range(VIEWS):
        prior = OWN_PRIOR if view == 3 else PRIOR
        total = prior + views[view, STAY] + views[view, RETURN] + views[view, ENTER]
        for step in range(STEPS):
            wide = gate.every[step] / every
            views[view, step] = math.log((views[view, step] + prior * wide) / total)


@kernel
def open_gate(gate: GateRow, gated: GatedRow, row: MigrationRow, gap: float, others: int) -> None:
    """Find the chances of the three steps after `gap` seconds, below 0 if that is not known.

    `others` are the categories that could be entered. Without one, or without an earlier
    category to return to, that step has no chance.
    """
    locate(gated, row, gap)
    look(gate, gated, row)
    total = 0.0
    for step in range(STEPS):
        logit = gate.leaning[step]
        for view in range(VIEWS):
            logit += gate.weights[view] * gated.views[view, step]
        possible = (
            step == STAY or (step == RETURN and row.used > 1) or (step == ENTER and others > 0)
        )
        gated.chances[step] = math.exp(logit) if possible else 0.0
        total += gated.chances[step]
    for step in range(STEPS):
        gated.chances[step] /= total


@kernel
def pull(weight: float, came: float, expected: float) -> float:
    """A weight after one event: toward what came, away from what was expected."""
    return min(max(weight + RATE * (came - expected), -FARTHEST), FARTHEST)


@kernel
def count(gate: GateRow, gated: GatedRow, came: int) -> None:
    """Learn which step came: the weights first, then the counts."""
    for view in range(VIEWS):
        expected = 0.0
        for step in range(STEPS):
            expected += gated.chances[step] * gated.views[view, step]
        gate.weights[view] = pull(gate.weights[view], gated.views[view, came], expected)
    for step in range(STEPS):
        seen = 1.0 if step == came else 0.0
        gate.leaning[step] = pull(gate.leaning[step], seen, gated.chances[step])
    gap = max(int(gated.gap), 0)
    gate.every[came] += 1.0
    gate.by_run[gated.run, gap, came] += 1.0
    gate.by_distinct[gated.distinct, gap, came] += 1.0
    gate.by_weight[gated.weight, came] += 1.0
