"""Our predictor over a whole log: the kernels of the product, event by event."""

from typing import NamedTuple

import numpy as np

from stream.core import knowledge, migration, migration_evidence, migration_slots
from stream.core.codes import LAYOUT as CODE
from stream.core.codes import CodeRow
from stream.core.compiled import kernel, outlined
from stream.core.knowledge import CategoryRow, Rates, TotalsRow, Update
from stream.core.migration import MixtureRow, Pace
from stream.core.migration_evidence import MarkRow, OutlookRow
from stream.core.migration_slots import MigrationRow
from stream.core.next_category import note
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
from stream.settings import Settings


@kernel
def spread(
    chances: Float64s,
    outlook: OutlookRow,
    row: MigrationRow,
    categories: Rows[CategoryRow],
    totals: TotalsRow,
    marks: Rows[MarkRow],
) -> None:
    """The chances of all categories, by number. Here the shop and the shard number alike."""
    for category in range(len(chances)):
        place = migration.place_in_shop(outlook, marks, category)
        if place >= 0:
            chances[category] = migration.chance_at(outlook, place)
        else:
            chances[category] = migration.chance_without(outlook, categories, totals, category)


@outlined
def follow(
    log: Walk,
    shoppers: Rows[MigrationRow],
    codes: Rows[CodeRow],
    categories: Rows[CategoryRow],
    totals: Rows[TotalsRow],
    mixtures: Rows[MixtureRow],
    outlooks: Rows[OutlookRow],
    marks: Rows[MarkRow],
    updates: Rows[Update],
    marked: Rows[MarkedRow],
    seen_of: Int64s,
    verdicts: Rows[VerdictRow],
    gates: Float64s,
    steps: Int64s,
    chances: Float64s,
    rates: Rates,
    pace: Pace,
    adopt_every: int,
    gaps: bool,
) -> None:
    """Predict each event, judge, learn; the shop's rows learn every `adopt_every` events."""
    outlook, mixture, adopted = outlooks[0], mixtures[0], 0
    for event in range(len(log.at)):
        shopper, came, at = log.shoppers[event], log.categories[event], log.at[event]
        row, first = shoppers[shopper], log.hold_first[shopper]
        seen = first + seen_of[shopper]
        if event - adopted >= adopt_every:
            for place in range(adopted, event):
                knowledge.learn_category(categories, totals[0], updates[place], rates)
            adopted = event
        gap = migration_slots.gap_of(row, at) if gaps else -1.0
        asked = at if gaps else row.last_at
        verdicts[event].step = -1
        if migration.predict(
            row, codes, categories, totals[0], mixture, outlook, marks, asked, gap, pace
        ):
            current = int(row.codes[0])
            step = 0 if came == current else step_to(log.hold[event], -1, seen)
            mark_own(marked, log.hold_category, first, seen, event + 1)
            spread(chances, outlook, row, categories, totals[0], marks)
            judge(verdicts[event], chances, came, current, step, event + 1, marked)
            for which in range(3):
                gates[event, which] = outlook.gated.chances[which]
            steps[event] = migration.learn(mixture, row, codes, outlook, marks, came)
        note(updates[event], row, came, at)
        migration_slots.push(row, came, at)
        seen_of[shopper] = max(seen_of[shopper], log.hold[event] - first + 1)


class Predicted(NamedTuple):
    """Our verdicts, one an event, and the gate's chances, [events, 3], with the step that came.

    To the gate, a category that lost its slot is one to enter; to the verdicts it is an own one.
    """

    verdicts: Rows[VerdictRow]
    gates: Float64s
    steps: Int64s


def predicted(log: Walk, settings: Settings, adopt_every: int = 1, gaps: bool = True) -> Predicted:
    """Follow the log with the product's kernels; `gaps` is whether the time of asking is known."""
    known, shoppers, events = log.known, len(log.hold_first) - 1, len(log.at)
    slots, neighbors = settings.prediction_slots, settings.category_neighbors
    categories = zeros(known, knowledge.category_layout(settings), CategoryRow)
    totals = zeros(1, knowledge.TOTALS, TotalsRow)
    knowledge.welcome(totals[0], known)
    codes = zeros(known, CODE, CodeRow)
    np.asarray(codes)["id"] = np.arange(1, known + 1)
    np.asarray(codes)["shop"] = np.arange(known)
    room = migration_evidence.outlook_layout(slots, neighbors, settings.prediction_depth)
    verdicts, gates = zeros(events, VERDICT, VerdictRow), np.zeros((events, 3))
    steps = np.full(events, -1, np.int64)
    follow(
        log,
        zeros(shoppers, migration_slots.layout(slots), MigrationRow),
        codes,
        categories,
        totals,
        migration.mixtures(slots),
        zeros(1, room, OutlookRow),
        zeros(known, migration_evidence.MARK, MarkRow),
        zeros(events, knowledge.UPDATE, Update),
        zeros(known, MARKED, MarkedRow),
        np.zeros(shoppers, np.int64),
        verdicts,
        gates,
        steps,
        np.zeros(known),
        knowledge.rates(settings),
        migration.pace(settings),
        adopt_every,
        gaps,
    )
    return Predicted(verdicts, gates, steps)
