"""At a shopper's first event of a period: what may enter the three largest, and how surely."""

from typing import NamedTuple

import numpy as np

from stream.core import horizon_counts, horizon_features, horizon_panel, laplace, precision, reach
from stream.core.compiled import kernel, outlined
from stream.core.horizon_counts import TOP, HorizonRow, OpenRow
from stream.core.horizon_features import CandidateRow, Desk
from stream.core.horizon_panel import PanelRow, StoreRow
from stream.core.ids import NONE
from stream.core.laplace import LearnerRow
from stream.core.precision import PrecisionRow
from stream.core.reach import ReachRow
from stream.core.rows import Layout, Rows

LEAST_KNOWN = 10
"""Events of a shopper before anything is predicted."""


class PredictionRow:
    """A prediction sure enough to be published. `category` and `origin` are ids, 0 for none.

    `position` is the event's. `number` tells apart those made at one event. `place` is where
    the shopper's row was in memory, `no_marketing` what it said then.
    """

    key: int
    category: int
    origin: int
    position: int
    occurred_at: float
    probability: float
    precision: float
    matured: int
    place: int
    no_marketing: int
    number: int


PREDICTION: Layout = np.dtype(
    [
        ("key", "i8"),
        ("category", "i8"),
        ("origin", "i8"),
        ("position", "i8"),
        ("occurred_at", "f8"),
        ("probability", "f8"),
        ("precision", "f8"),
        ("matured", "i4"),
        ("place", "i4"),
        ("no_marketing", "i4"),
        ("number", "i4"),
    ],
    align=True,
)


class Foresight(NamedTuple):
    """What a shard learned of its horizons: one row a horizon, or equal parts of rows."""

    opens: Rows[OpenRow]
    learners: Rows[LearnerRow]
    precisions: Rows[PrecisionRow]
    reaches: Rows[ReachRow]
    stores: Rows[StoreRow]
    panel: Rows[PanelRow]
    predictions: Rows[PredictionRow]


class Shopper(NamedTuple):
    """Who the event is of: the row's key and its place in memory; and which event, and when."""

    key: int
    place: int
    position: int
    occurred_at: float
    no_marketing: int


@kernel
def turned(opens: Rows[OpenRow], clock: float) -> bool:
    """Whether some horizon's period is over by the partition's clock."""
    for horizon in range(len(opens)):
        if clock >= opens[horizon].ends_at:
            return True
    return False


@kernel
def begins(row: HorizonRow, open: OpenRow) -> bool:
    """Whether the shopper's next event is the first in the open period."""
    return open.period > 0 and row.period != open.period


@kernel
def surer(candidates: Rows[CandidateRow], one: int, other: int) -> bool:
    """Whether a candidate comes before another: the likelier does, or of equals the lower id."""
    mine, theirs = candidates[one].probability, candidates[other].probability
    return mine > theirs or (mine == theirs and candidates[one].id < candidates[other].id)


@kernel
def surest(candidates: Rows[CandidateRow], found: int, limit: float, last: int) -> int:
    """The likeliest candidate after `last` (-1 for none) that reaches the limit, or -1."""
    best = -1
    for place in range(found):
        if candidates[place].probability < limit:
            continue
        if last >= 0 and not surer(candidates, last, place):
            continue
        if best < 0 or surer(candidates, place, best):
            best = place
    return best


@outlined
def publish(
    desk: Desk,
    own: Foresight,
    horizon: int,
    row: HorizonRow,
    shopper: Shopper,
    place: int,
    rank: int,
) -> None:
    """Write a prediction down, if there is room."""
    size, store = len(own.predictions) // len(own.stores), own.stores[horizon]
    if store.predictions == size:
        store.dropped += 1
        return
    candidate, slot = desk.candidates[place], -1
    prediction = own.predictions[horizon * size + store.predictions]
    slot = horizon_features.origin(desk, row, int(candidate.shop))
    share, matured = precision.trust(own.precisions[horizon], candidate.probability)
    prediction.key, prediction.place = shopper.key, shopper.place
    prediction.no_marketing = shopper.no_marketing
    prediction.position, prediction.occurred_at = shopper.position, shopper.occurred_at
    prediction.category = candidate.id
    prediction.origin = desk.codes[horizon_counts.code_in(row, slot)].id if slot >= 0 else NONE
    prediction.probability = candidate.probability
    prediction.precision, prediction.matured = share, matured
    prediction.number = horizon * TOP + rank
    store.predictions += 1


@kernel
def part_left(open: OpenRow, at: float) -> float:
    """How much of the period is still to come, from 0 to 1."""
    length = open.ends_at - open.began_at
    return min(max((open.ends_at - at) / length, 0.0), 1.0) if length > 0.0 else 0.0


@kernel
def assess(desk: Desk, own: Foresight, horizon: int, row: HorizonRow, at: float) -> int:
    """Find the shopper's candidates and how likely each comes true; the shopper's cell of reach."""
    open, learner = own.opens[horizon], own.learners[horizon]
    horizon_features.find(desk, row, open, at)
    look = desk.looks[0]
    cell = reach.cell(look.total * look.long_left, part_left(open, at))
    enough = reach.share(own.reaches[horizon], cell)
    for place in range(look.found):
        candidate = desk.candidates[place]
        candidate.probability = enough * laplace.chance(learner, candidate.features)
    return cell


@outlined
def foresee(desk: Desk, own: Foresight, horizon: int, row: HorizonRow, shopper: Shopper) -> None:
    """Predict for a shopper, before the first event of the period is counted."""
    if horizon_counts.known(row) < LEAST_KNOWN:
        return
    cell = assess(desk, own, horizon, row, shopper.occurred_at)
    found, store = int(desk.looks[0].found), own.stores[horizon]
    size, period = len(own.panel) // len(own.stores), own.opens[horizon].period
    horizon_panel.keep(
        own.panel, horizon * size, size, store, period, shopper.key, desk.candidates, found, cell
    )
    last = -1
    for rank in range(TOP):
        last = surest(desk.candidates, found, store.limit, last)
        if last < 0:
            return
        publish(desk, own, horizon, row, shopper, last, rank)


@outlined
def chance_of(
    desk: Desk, own: Foresight, horizon: int, row: HorizonRow, shop: int, code: int, at: float
) -> float:
    """How likely one category enters, given that the shopper has enough events in the period.

    0 for one that is among the three largest. `shop` and `code` may be -1.
    """
    slot = horizon_counts.slot_of(row, code)
    if slot >= 0 and slot in horizon_counts.top(row, desk.codes):
        return 0.0
    horizon_features.look_at(desk, row, own.opens[horizon], at)
    candidate = desk.candidates[0]
    horizon_features.put(candidate, NONE, shop, slot, 0.0)
    horizon_features.describe(desk, row, candidate)
    return laplace.chance(own.learners[horizon], candidate.features)
