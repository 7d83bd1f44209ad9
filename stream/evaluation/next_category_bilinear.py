"""The bilinear model over a whole log: the kernels of `BilinearMigration`, judged as ours is."""

import numpy as np

from stream.core import bilinear_step, factorization, migration_slots
from stream.core.bilinear import RING, SLOTS
from stream.core.bilinear_step import BilinearRates, BridgeRow, EmbeddingRow, StepRow
from stream.core.compiled import outlined
from stream.core.factorization import RingRow
from stream.core.migration_slots import MigrationRow
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

NAME = "bilinear exp(h'Qe)"
FACTORS = 32
RATES = BilinearRates(rate=0.3, negatives=64, seed=7)
"""The best of 16 to 64 factors, 16 to 64 negatives and rates of .05 to .6, Taobao's days 1 to 4."""


@outlined
def follow(
    log: Walk,
    shoppers: Rows[MigrationRow],
    rows: Rows[EmbeddingRow],
    bridge: BridgeRow,
    ring: RingRow,
    room: StepRow,
    rates: BilinearRates,
    marked: Rows[MarkedRow],
    seen_of: Int64s,
    chances: Float64s,
    verdicts: Rows[VerdictRow],
) -> None:
    """Predict each event, judge, learn."""
    for event in range(len(log.at)):
        shopper, came = log.shoppers[event], log.categories[event]
        row, first, hold = shoppers[shopper], log.hold_first[shopper], log.hold[event]
        seen = first + seen_of[shopper]
        verdicts[event].step = -1
        if row.used:
            current = int(row.codes[0])
            bilinear_step.spread(chances, rows, row, bridge, room)
            mark_own(marked, log.hold_category, first, seen, event + 1)
            step = 0 if came == current else step_to(hold, -1, seen)
            judge(verdicts[event], chances, came, current, step, event + 1, marked)
        bilinear_step.learn(rows, row, bridge, ring, room, came, rates)
        migration_slots.push(row, came, log.at[event])
        seen_of[shopper] = max(seen_of[shopper], hold - first + 1)


def bilinear(log: Walk, factors: int = FACTORS, rates: BilinearRates = RATES) -> Rows[VerdictRow]:
    """The verdicts, one an event."""
    shoppers, known = len(log.hold_first) - 1, log.known
    rows = zeros(known, bilinear_step.layout(factors), EmbeddingRow)
    np.asarray(rows)["id"] = np.arange(1, known + 1)
    for number in range(known):
        bilinear_step.start(rows[number], rates.seed)
    bridges = zeros(1, bilinear_step.bridge_layout(factors), BridgeRow)
    bilinear_step.begin(bridges[0])
    verdicts = zeros(len(log.at), VERDICT, VerdictRow)
    follow(
        log,
        zeros(shoppers, migration_slots.layout(SLOTS), MigrationRow),
        rows,
        bridges[0],
        zeros(1, factorization.ring_layout(RING), RingRow)[0],
        zeros(1, bilinear_step.step_layout(factors, rates.negatives), StepRow)[0],
        rates,
        zeros(known, MARKED, MarkedRow),
        np.zeros(shoppers, np.int64),
        np.zeros(known),
        verdicts,
    )
    return verdicts
