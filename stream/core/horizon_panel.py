"""Predictions that wait for their period to end, to be learned from: a bounded sample."""

import numpy as np

from stream.core.compiled import kernel, outlined
from stream.core.factorization import scrambled
from stream.core.horizon_features import CandidateRow
from stream.core.laplace import FEATURES
from stream.core.rows import Float32s, Layout, Rows

ROOM = 20_000
BITS = 62
RARE_BITS = 1
"""Of categories that the shopper never had, one in 2 is kept, and weighs that much."""
RARE = 1 << RARE_BITS


class PanelRow:
    """One candidate of one shopper, as it was when the shopper's period began.

    `outcome` is 1 or 0 once it is known, -1 where the shopper had too few events to tell.
    `cell` is the shopper's in `reach`.
    """

    key: int
    category: int
    features: Float32s
    weight: np.float32
    probability: np.float32
    outcome: int
    cell: int


PANEL: Layout = np.dtype(
    [
        ("key", "i8"),
        ("category", "i8"),
        ("features", "f4", FEATURES),
        ("weight", "f4"),
        ("probability", "f4"),
        ("outcome", "i1"),
        ("cell", "u1"),
    ],
    align=True,
)


class StoreRow:
    """How far a horizon's tables are filled.

    One in 2^`halvings` shoppers is in the panel. `taken` predictions have been published;
    `dropped` found no room. Rows from `panel_stored` and `predictions_stored` on changed since
    the last checkpoint. From `limit` on, predictions are alerts.
    """

    limit: float
    used: int
    halvings: int
    panel_stored: int
    predictions: int
    taken: int
    dropped: int
    predictions_stored: int


STORE: Layout = np.dtype(
    [
        ("limit", "f8"),
        ("used", "i4"),
        ("halvings", "i4"),
        ("panel_stored", "i4"),
        ("predictions", "i4"),
        ("taken", "i4"),
        ("dropped", "i4"),
        ("predictions_stored", "i4"),
    ],
    align=True,
)


@kernel
def draw(key: int, period: int) -> int:
    """62 bits that decide which shoppers are in a period's sample."""
    return scrambled(scrambled(period) ^ key)


@kernel
def sampled(key: int, period: int, halvings: int) -> bool:
    """Whether the shopper is in a sample of one in 2^halvings; a smaller one is part of it."""
    return (draw(key, period) >> (BITS - int(halvings))) == 0


@kernel
def kept(key: int, period: int, candidate: CandidateRow) -> bool:
    """Whether a candidate of a sampled shopper is kept: all that the shopper ever had are."""
    if candidate.slot >= 0:
        return True
    return (scrambled(draw(key, period) ^ candidate.id) >> (BITS - RARE_BITS)) == 0


@kernel
def move(row: PanelRow, other: PanelRow) -> None:
    """Write down the same again."""
    row.key, row.category = other.key, other.category
    row.weight, row.probability = other.weight, other.probability
    row.outcome, row.cell = other.outcome, other.cell
    for place in range(FEATURES):
        row.features[place] = other.features[place]


@outlined
def thin(panel: Rows[PanelRow], first: int, store: StoreRow, period: int) -> None:
    """Keep half of the sampled shoppers, in the order in which they are."""
    store.halvings += 1
    filled = 0
    for place in range(store.used):
        if sampled(panel[first + place].key, period, store.halvings):
            if filled < place:
                move(panel[first + filled], panel[first + place])
            filled += 1
    store.used, store.panel_stored = filled, 0


@kernel
def write(row: PanelRow, key: int, candidate: CandidateRow, probability: float, cell: int) -> None:
    """Fill a row; its outcome is open."""
    row.key, row.category, row.outcome, row.cell = key, candidate.id, -1, cell
    row.weight = np.float32(1.0 if candidate.slot >= 0 else RARE)
    row.probability = np.float32(probability)
    for place in range(FEATURES):
        row.features[place] = candidate.features[place]


@outlined
def keep(
    panel: Rows[PanelRow],
    first: int,
    size: int,
    store: StoreRow,
    period: int,
    key: int,
    candidates: Rows[CandidateRow],
    found: int,
    cell: int,
) -> None:
    """Put a shopper's candidates in the panel, `size` rows from `first` on, if it is in the sample.

    When they do not fit, half of the shoppers leave: the sample stays fair, whoever came first.
    """
    while sampled(key, period, store.halvings) and store.used + found > size:
        thin(panel, first, store, period)
    if not sampled(key, period, store.halvings):
        return
    for place in range(found):
        candidate = candidates[place]
        if kept(key, period, candidate):
            write(panel[first + store.used], key, candidate, candidate.probability, cell)
            store.used += 1
