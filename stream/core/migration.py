"""Where a shopper's interest goes next: stay, return to an own category, or enter another.

The chance of a category is that of the step that leads to it (`migration_gate`), times a
softmax over log-evidence among those to which the step can lead: what the shopper had, what
follows the recent categories in the shop (`migration_evidence`), and what everybody enters.
The chances of all categories of the shop, and of own ones unknown to it, sum to 1.
"""

import math
from typing import NamedTuple

import numpy as np

from stream.core import knowledge, migration_evidence, migration_gate, migration_slots
from stream.core.codes import CodeRow
from stream.core.compiled import kernel, outlined
from stream.core.knowledge import ENTER, RETURN, STAY, CategoryRow, TotalsRow
from stream.core.migration_evidence import (
    ENTER_FEATURES,
    KAPPA,
    RETURN_FEATURES,
    MarkRow,
    OutlookRow,
)
from stream.core.migration_gate import GateRow, pull
from stream.core.migration_slots import MigrationRow
from stream.core.rows import Float64s, Layout, Rows, zeros
from stream.settings import Settings

BEGUN = 1


class MixtureRow:
    """What a shard learns of how its shoppers go on.

    `ranks` counts the slots of the categories that shoppers changed to, the last for a new one:
    after a run of one event, and after longer ones. `returning` and `entering` weigh the
    features of the two branches. `begun` is 0 until `start` filled the row.
    """

    begun: int
    gate: GateRow
    ranks: Float64s
    returning: Float64s
    entering: Float64s


class Pace(NamedTuple):
    """How the shop's rows fade, seconds, and how many recent categories they are asked for."""

    transition_half_life: float
    popularity_half_life: float
    depth: int


class LikelyRow:
    """A category that may come next: `code` or `shop` is -1 where it has none."""

    id: int
    code: int
    shop: int
    chance: float


LIKELY: Layout = np.dtype(
    [("id", "i8"), ("code", "i4"), ("shop", "i4"), ("chance", "f8")], align=True
)


def mixture_layout(slots: int) -> Layout:
    """The bytes that one shard learns for shoppers' rows of `slots` categories."""
    return np.dtype(
        [
            ("begun", "i8"),
            ("gate", migration_gate.LAYOUT),
            ("ranks", "f8", (2, slots + 1)),
            ("returning", "f8", RETURN_FEATURES),
            ("entering", "f8", ENTER_FEATURES),
        ],
        align=True,
    )


def mixtures(slots: int) -> Rows[MixtureRow]:
    """One row, started."""
    rows = zeros(1, mixture_layout(slots), MixtureRow)
    start(rows[0])
    return rows


def pace(settings: Settings) -> Pace:
    """What the settings say."""
    return Pace(
        float(settings.transition_half_life),
        float(settings.popularity_half_life),
        settings.prediction_depth,
    )


@kernel
def start(row: MixtureRow) -> None:
    """Begin where weights and counts begin; zeros are no start."""
    row.begun = BEGUN
    migration_gate.start(row.gate)
    for slot in range(row.ranks.shape[1]):
        row.ranks[0, slot] = 0.5
        row.ranks[1, slot] = 0.5
    for feature in range(RETURN_FEATURES):
        row.returning[feature] = 0.0
    row.returning[0], row.returning[1], row.returning[2] = 0.4, 0.1, 0.4
    row.returning[3], row.returning[4] = 0.1, 0.3
    row.entering[0], row.entering[1] = 0.4, 0.4


@kernel
def lift(evidence: float, against: float) -> float:
    """How much likelier the evidence makes something, as a logarithm; 0 without any."""
    return math.log(1.0 + evidence / against) if evidence > 0.0 else 0.0


@kernel
def table_of(run: int) -> int:
    """Which counts of ranks hold after a run of so many events."""
    return 0 if run < 2 else 1


@kernel
def describe(
    outlook: OutlookRow,
    row: MigrationRow,
    mixture: MixtureRow,
    slot: int,
    share: float,
    at: float,
) -> None:
    """The features of a return to a slot, whose category has this share of the shop's events."""
    features, table = outlook.returning, table_of(row.run)
    features[slot, 0] = math.log(np.float64(row.long[slot]) + 0.05)
    features[slot, 1] = math.log(np.float64(row.short[slot]) + 0.02)
    features[slot, 2] = math.log(np.float64(mixture.ranks[table, slot]))
    features[slot, 3] = lift(outlook.steps[slot], KAPPA * share)
    features[slot, 4] = lift(outlook.skips[slot], outlook.doubt * share)
    features[slot, 5] = math.log(share)
    features[slot, 6] = 1.0 if slot == 1 else 0.0
    features[slot, 7] = math.log(1.0 + migration_slots.age_of(row, slot, at) / 60.0)


@kernel
def weigh_returns(
    outlook: OutlookRow,
    row: MigrationRow,
    categories: Rows[CategoryRow],
    mixture: MixtureRow,
    at: float,
    half_life: float,
) -> None:
    """The chances of the slots behind the first, given a return: a softmax."""
    highest, total = -math.inf, 0.0
    for slot in range(1, outlook.held):
        share = migration_evidence.event_share(outlook, categories, slot, at, half_life)
        describe(outlook, row, mixture, slot, share, at)
        logit = 0.0
        for feature in range(RETURN_FEATURES):
            logit += mixture.returning[feature] * outlook.returning[slot, feature]
        outlook.within[slot] = logit
        highest = max(highest, logit)
    for slot in range(1, outlook.held):
        outlook.within[slot] = math.exp(outlook.within[slot] - highest)
        total += outlook.within[slot]
    for slot in range(1, outlook.held):
        outlook.within[slot] /= total


@kernel
def weigh_entries(
    outlook: OutlookRow,
    row: MigrationRow,
    categories: Rows[CategoryRow],
    totals: TotalsRow,
    mixture: MixtureRow,
) -> None:
    """The chances of the categories with evidence, given an entry, and `norm` for all others.

    What has no evidence keeps its part of all entries. So the sum over the whole shop is the
    part of all others, and what evidence adds to it.
    """
    first, step_weight, skip_weight = len(row.codes), mixture.entering[0], mixture.entering[1]
    outlook.norm = outlook.rest
    for place in range(first, outlook.end):
        part = knowledge.entry_share(categories[outlook.shops[place]], totals)
        step = lift(outlook.steps[place], KAPPA * part)
        skip = lift(outlook.skips[place], outlook.doubt * part)
        outlook.entering[place, 0], outlook.entering[place, 1] = step, skip
        outlook.within[place] = part * math.exp(step_weight * step + skip_weight * skip)
        outlook.norm += outlook.within[place] - part
    for place in range(first, outlook.end):
        outlook.within[place] /= outlook.norm


@outlined
def predict(
    row: MigrationRow,
    codes: Rows[CodeRow],
    categories: Rows[CategoryRow],
    totals: TotalsRow,
    mixture: MixtureRow,
    outlook: OutlookRow,
    marks: Rows[MarkRow],
    at: float,
    gap: float,
    pace: Pace,
) -> bool:
    """Predict what the shopper's next event is about; false if there was none yet.

    `gap` is how long after the last event it comes, below 0 if that is not known. Of the shop's
    rows, and of the shopper's and the shard's, nothing changes. `marks` has a row to each of
    `categories`. The answer is in `outlook` until the next prediction: ask `chance` for it.
    """
    if row.used == 0:
        return False
    outlook.events = migration_evidence.events_at(totals, at, pace.popularity_half_life)
    others = migration_evidence.hold(outlook, marks, row, codes, categories, totals)
    migration_evidence.gather(outlook, marks, categories, pace.depth, at, pace.transition_half_life)
    migration_gate.open_gate(mixture.gate, outlook.gated, row, gap, others)
    weigh_returns(outlook, row, categories, mixture, at, pace.popularity_half_life)
    weigh_entries(outlook, row, categories, totals, mixture)
    return True


@kernel
def place_of(
    outlook: OutlookRow, row: MigrationRow, codes: Rows[CodeRow], marks: Rows[MarkRow], code: int
) -> int:
    """The place of the category with this code, -1 where it is no own one and has no evidence."""
    for slot in range(row.used):
        if row.codes[slot] == code:
            return slot
    shop = codes[code].shop
    return place_in_shop(outlook, marks, shop) if shop >= 0 else -1


@kernel
def place_in_shop(outlook: OutlookRow, marks: Rows[MarkRow], shop: int) -> int:
    """The place of a category of the shop, -1 where it has none."""
    mark = marks[shop]
    return int(mark.place) if mark.stamp == outlook.stamp else -1


@kernel
def chance_at(outlook: OutlookRow, place: int) -> float:
    """The chance of the category in a place."""
    if place == 0:
        return float(outlook.gated.chances[STAY])
    step = RETURN if place < outlook.held else ENTER
    return float(outlook.gated.chances[step] * outlook.within[place])


@kernel
def chance_without(
    outlook: OutlookRow, categories: Rows[CategoryRow], totals: TotalsRow, shop: int
) -> float:
    """The chance of a category that has no place; 0 if the shop does not know it (-1)."""
    if shop < 0 or outlook.gated.chances[ENTER] == 0.0:
        return 0.0
    part = knowledge.entry_share(categories[shop], totals)
    return float(outlook.gated.chances[ENTER] * part / outlook.norm)


@kernel
def chance(
    outlook: OutlookRow,
    row: MigrationRow,
    codes: Rows[CodeRow],
    categories: Rows[CategoryRow],
    totals: TotalsRow,
    marks: Rows[MarkRow],
    code: int,
) -> float:
    """The chance that the next event is about the category with this code."""
    place = place_of(outlook, row, codes, marks, code)
    if place >= 0:
        return chance_at(outlook, place)
    return chance_without(outlook, categories, totals, codes[code].shop)


@kernel
def learn_return(mixture: MixtureRow, outlook: OutlookRow, came: int) -> None:
    """Move the weights of returns: the shopper returned to slot `came`."""
    for feature in range(RETURN_FEATURES):
        expected = 0.0
        for slot in range(1, outlook.held):
            expected += outlook.within[slot] * outlook.returning[slot, feature]
        mixture.returning[feature] = pull(
            mixture.returning[feature], outlook.returning[came, feature], expected
        )


@kernel
def learn_entry(mixture: MixtureRow, outlook: OutlookRow, first: int, came: int) -> None:
    """Move the weights of entries: the category in place `came` was entered, -1 for another."""
    for feature in range(ENTER_FEATURES):
        expected = 0.0
        for place in range(first, outlook.end):
            expected += outlook.within[place] * outlook.entering[place, feature]
        seen = np.float64(outlook.entering[came, feature]) if came >= 0 else 0.0
        mixture.entering[feature] = pull(mixture.entering[feature], seen, expected)


@outlined
def learn(
    mixture: MixtureRow,
    row: MigrationRow,
    codes: Rows[CodeRow],
    outlook: OutlookRow,
    marks: Rows[MarkRow],
    code: int,
) -> int:
    """Learn that the category with this code came, as `predict` just saw the shopper.

    The row itself is for `migration_slots.push` to change, after this. Returns the step.
    """
    place, slots = place_of(outlook, row, codes, marks, code), len(row.codes)
    step = STAY if place == 0 else (RETURN if 0 < place < outlook.held else ENTER)
    if step == RETURN:
        learn_return(mixture, outlook, place)
    elif step == ENTER:
        learn_entry(mixture, outlook, slots, place)
    migration_gate.count(mixture.gate, outlook.gated, step)
    if step != STAY:
        mixture.ranks[table_of(row.run), place if step == RETURN else slots] += 1.0
    return step


@kernel
def explain(outlook: OutlookRow, categories: Rows[CategoryRow], shop: int) -> int:
    """The slot of the recent category that speaks most for a category of the shop, -1 for none.

    The current one is no less a reason than others: of equals, the newer.
    """
    best, highest = -1, 0.0
    for recent in range(outlook.depth):
        evidence = migration_evidence.told(outlook, categories, recent, shop)
        if evidence > highest:
            best, highest = recent, evidence
    return best


@kernel
def offer(out: Rows[LikelyRow], used: int, id: int, code: int, shop: int, chance: float) -> int:
    """Let a category into the list if it belongs there: the likelier first, then the lower id."""
    place = used
    while place > 0 and (
        out[place - 1].chance < chance
        or (out[place - 1].chance == chance and out[place - 1].id > id)
    ):
        place -= 1
    if place == len(out):
        return used
    used = min(used + 1, len(out))
    for other in range(used - 1, place, -1):
        out[other].id, out[other].code = out[other - 1].id, out[other - 1].code
        out[other].shop, out[other].chance = out[other - 1].shop, out[other - 1].chance
    out[place].id, out[place].code, out[place].shop = id, code, shop
    out[place].chance = chance
    return used


@outlined
def likely(
    outlook: OutlookRow,
    row: MigrationRow,
    codes: Rows[CodeRow],
    categories: Rows[CategoryRow],
    totals: TotalsRow,
    marks: Rows[MarkRow],
    out: Rows[LikelyRow],
) -> int:
    """Fill `out` with the categories that come next most likely; return how many there are.

    It looks at all of the shop's categories, so it is for lists, not for each event.
    """
    used = 0
    for slot in range(outlook.held):
        code = int(row.codes[slot])
        used = offer(out, used, codes[code].id, code, codes[code].shop, chance_at(outlook, slot))
    for shop in range(totals.categories):
        place = place_in_shop(outlook, marks, shop)
        if place >= len(row.codes):
            used = offer(out, used, categories[shop].id, -1, shop, chance_at(outlook, place))
        elif place < 0:
            part = chance_without(outlook, categories, totals, shop)
            used = offer(out, used, categories[shop].id, -1, shop, part)
    return used
