"""What the shop tells of the categories around a shopper's recent ones."""

import numpy as np

from stream.core import knowledge, migration_gate, popularity
from stream.core.codes import CodeRow
from stream.core.compiled import kernel
from stream.core.decay import remaining
from stream.core.knowledge import UNSEEN, CategoryRow, TotalsRow
from stream.core.migration_gate import GatedRow
from stream.core.migration_slots import MigrationRow
from stream.core.rows import Float64s, Int32s, Layout, Rows
from stream.core.transitions import SKIP, STEP, TransitionRow

KAPPA = 60.0
"""How many transitions a row needs until it tells as much as what holds for all categories."""
DEEPEST = 5
"""Recent categories whose neighbors may be asked for: as many as a transition is learned of."""
RETURN_FEATURES, ENTER_FEATURES = 8, 2


class MarkRow:
    """Where a category of the shop stands in the prediction that `stamp` belongs to."""

    stamp: int
    place: int


MARK: Layout = np.dtype([("stamp", "i8"), ("place", "i4")], align=True)


class OutlookRow:
    """One prediction, and the room to make it. Only `stamp` outlives it.

    Places below `held` are the shopper's own slots; those from the last slot on up to `end`
    (excluded) are other categories that follow recent ones. `shops` are row numbers of the shop
    model, -1 for an own category that it does not know. `steps` and `skips` are the evidence,
    `within` the chance of each place, given the step that leads to it. `depth` recent categories
    were asked: `trusts` is what a transition of each weighs, `left` what time has left of it.
    """

    stamp: int
    held: int
    end: int
    depth: int
    events: float
    rest: float
    doubt: float
    norm: float
    gated: GatedRow
    trusts: Float64s
    left: Float64s
    shops: Int32s
    steps: Float64s
    skips: Float64s
    within: Float64s
    returning: Float64s
    entering: Float64s
    means: Float64s


def outlook_layout(slots: int, neighbors: int, depth: int) -> Layout:
    """Room for so many own slots, and for the neighbors of so many recent categories."""
    places = slots + neighbors * depth
    return np.dtype(
        [
            ("stamp", "i8"),
            ("held", "i4"),
            ("end", "i4"),
            ("depth", "i4"),
            ("events", "f8"),
            ("rest", "f8"),
            ("doubt", "f8"),
            ("norm", "f8"),
            ("gated", migration_gate.GATED),
            ("trusts", "f8", DEEPEST),
            ("left", "f8", DEEPEST),
            ("shops", "i4", places),
            ("steps", "f8", places),
            ("skips", "f8", places),
            ("within", "f8", places),
            ("returning", "f8", (slots, RETURN_FEATURES)),
            ("entering", "f8", (places, ENTER_FEATURES)),
            ("means", "f8", RETURN_FEATURES),
        ],
        align=True,
    )


@kernel
def events_at(totals: TotalsRow, at: float, half_life: float) -> float:
    """How many events of all categories count at time `at`; above 0 even in an empty shop."""
    every = popularity.weight_at(totals.popularity, at, half_life)
    return every + UNSEEN * max(1, int(totals.categories))


@kernel
def event_share(
    outlook: OutlookRow, categories: Rows[CategoryRow], place: int, at: float, half_life: float
) -> float:
    """A place's part of the shop's events, as `knowledge.event_share`; the unknown has one too."""
    shop, own = outlook.shops[place], UNSEEN
    if shop >= 0:
        own += popularity.weight_at(categories[shop].popularity, at, half_life)
    return own / outlook.events


@kernel
def put(outlook: OutlookRow, place: int, shop: int) -> None:
    """Give a place to a category, without evidence so far."""
    outlook.shops[place] = shop
    outlook.steps[place] = 0.0
    outlook.skips[place] = 0.0


@kernel
def hold(
    outlook: OutlookRow,
    marks: Rows[MarkRow],
    row: MigrationRow,
    codes: Rows[CodeRow],
    categories: Rows[CategoryRow],
    totals: TotalsRow,
) -> int:
    """Place the shopper's own categories; return how many others the shop has.

    `rest` becomes the others' part of the mass of all entries.
    """
    outlook.stamp += 1
    outlook.held, outlook.end = row.used, len(row.codes)
    mass, others = np.float64(totals.mass), int(totals.categories)
    for slot in range(row.used):
        shop = int(codes[row.codes[slot]].shop)
        put(outlook, slot, shop)
        if shop >= 0:
            marks[shop].stamp, marks[shop].place = outlook.stamp, slot
            mass -= knowledge.mass(categories[shop].entries)
            others -= 1
    # The sums were made in another order: what is left of them may be too little by rounding.
    outlook.rest = max(mass, others * knowledge.mass(0.0)) / totals.mass if others > 0 else 0.0
    return others


@kernel
def place_of(outlook: OutlookRow, marks: Rows[MarkRow], shop: int) -> int:
    """Where a category of the shop stands; the next free place if it did not yet."""
    mark = marks[shop]
    if mark.stamp != outlook.stamp:
        mark.stamp, mark.place = outlook.stamp, outlook.end
        put(outlook, outlook.end, shop)
        outlook.end += 1
    return int(mark.place)


@kernel
def ask(outlook: OutlookRow, marks: Rows[MarkRow], row: TransitionRow, recent: int) -> None:
    """Add what the row of one recent category tells of its neighbors."""
    left = outlook.left[recent]
    weight = outlook.trusts[recent] * left
    for slot in range(row.used):
        place = place_of(outlook, marks, row.neighbors[slot])
        outlook.skips[place] += weight * np.float64(row.weights[slot, SKIP])
        if recent == 0:
            outlook.steps[place] = left * np.float64(row.weights[slot, STEP])


@kernel
def gather(
    outlook: OutlookRow,
    marks: Rows[MarkRow],
    categories: Rows[CategoryRow],
    depth: int,
    at: float,
    half_life: float,
) -> None:
    """Ask the shopper's recent categories, the d-th for 1 / (d + 1) as much as the current one.

    A category that the shop does not know has its say and no neighbors. `doubt` is what the
    evidence is weighed against: the trust in what holds for all categories.
    """
    outlook.depth, outlook.doubt, total = min(int(outlook.held), depth), 0.0, 0.0
    for recent in range(outlook.depth):
        total += 1.0 / (recent + 1)
    for recent in range(outlook.depth):
        shop, known = outlook.shops[recent], 0.0
        outlook.left[recent] = 0.0
        if shop >= 0:
            row = categories[shop].transitions
            outlook.left[recent] = remaining(at - row.updated_at, half_life)
            known = outlook.left[recent] * np.float64(row.total)
        outlook.trusts[recent] = 1.0 / (recent + 1) / total / (known + KAPPA)
        outlook.doubt += KAPPA * outlook.trusts[recent]
        if shop >= 0:
            ask(outlook, marks, categories[shop].transitions, recent)


@kernel
def told(outlook: OutlookRow, categories: Rows[CategoryRow], recent: int, shop: int) -> float:
    """How much a recent category says for a category of the shop."""
    if outlook.shops[recent] < 0:
        return 0.0
    row = categories[outlook.shops[recent]].transitions
    for slot in range(row.used):
        if row.neighbors[slot] == shop:
            weight = np.float64(row.weights[slot, SKIP])
            return float(outlook.trusts[recent] * outlook.left[recent] * weight)
    return 0.0
