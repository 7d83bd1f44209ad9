"""How often shoppers have enough events in a period, by how active they are and what is left."""

import numpy as np

from stream.core.compiled import kernel
from stream.core.rows import Float64s, Layout

ACTIVITIES = 6
PARTS = 4
CELLS = ACTIVITIES * PARTS
KEPT = 0.9
"""Of what earlier periods told, when the next one has matured."""
TRUST = 8.0
"""A cell's own shoppers weigh as much as the share of all, when it has seen so many."""


class ReachRow:
    """Shoppers by cell: how many were looked at, and how many had enough events in the end."""

    told: Float64s
    enough: Float64s


REACH: Layout = np.dtype([("told", "f8", CELLS), ("enough", "f8", CELLS)], align=True)


@kernel
def cell(events: float, left: float) -> int:
    """The cell of a shopper with so many decayed events, and such a part of the period left.

    Activities double: below 2.5, below 5, below 10, 20, 40, and more. Parts are quarters.
    """
    activity, bound = 0, 2.5
    while activity < ACTIVITIES - 1 and events >= bound:
        activity += 1
        bound *= 2.0
    part = min(max(int(left * PARTS), 0), PARTS - 1)
    return activity * PARTS + part


@kernel
def fade(row: ReachRow) -> None:
    """Forget a tenth, before the next period's shoppers are recorded."""
    for place in range(CELLS):
        row.told[place] *= KEPT
        row.enough[place] *= KEPT


@kernel
def record(row: ReachRow, place: int, enough: bool) -> None:
    """Note whether a shopper had enough events."""
    row.told[place] += 1.0
    row.enough[place] += 1.0 if enough else 0.0


@kernel
def share(row: ReachRow, place: int) -> float:
    """The chance that a shopper of this cell has enough events; a half before any matured."""
    told, enough = 1.0, 0.5
    for other in range(CELLS):
        told += row.told[other]
        enough += row.enough[other]
    overall = enough / told
    own = row.enough[place] + TRUST * overall
    return float(own / (row.told[place] + TRUST))
