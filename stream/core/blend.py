"""How much each channel of a ranking is believed, and how often shoppers go back to an item.

Both are learned from what shoppers took next. Channels are mixed by weights of a context,
moved by online EM: each takes the part of the item's score that it said. An item that the
shopper had is worth how often such items were taken again.
"""

from typing import NamedTuple, Self

import numpy as np

from stream.core.candidates import CHANNELS
from stream.core.compiled import kernel
from stream.core.rows import Float64s, Layout, Rows, pack, unpack, zeros

USUAL = 9
"""One, two or three, or more recent items, times little, some or much known of the current."""
CONTEXTS = USUAL + 3
"""Those, and an open query that is unsure, rather sure and sure of a category."""
UNSURE, SURE = 0.3, 0.7
FEW_KNOWN, MUCH_KNOWN = 10.0, 40.0
AGES, COUNTS, ACTIONS, LIKELIHOODS = 8, 3, 3, 4
CELLS = AGES * COUNTS * 2 * ACTIONS * LIKELIHOODS
START = (0.28, 0.14, 0.42, 0.09, 0.05, 0.02)
"""Where the weights begin: follows, precedes, connected, similar, category, new."""
STARTS_SEARCHED = (0.14, 0.07, 0.21, 0.05, 0.50, 0.03)
"""The same while a query is open."""
RETURNED = (0.09, 0.08, 0.05, 0.03, 0.02, 0.012, 0.008, 0.004)
"""How often a shopper goes back to an item, by its age, before anything is learned."""
EXPOSED = 20.0
FOUND, SOUGHT = 7.0, 10.0
SLOWEST, CAUTION, LEAST = 0.001, 100.0, 1e-4
"""The least step of a weight, how many steps the start is worth, and the least weight."""


class BlendRow:
    """What one shard learned of its shoppers' lists. Served state: no law covers it.

    `lessons` counts the events that it was taught by.
    `weights` has a row a context and a column a channel, `updates` counts their steps. Of the
    items sought that the shopper did not have, `found` were candidates. `taken` and `shown`
    count, by cell, the recent items that came next, and all of them.
    """

    lessons: int
    weights: Float64s
    updates: Float64s
    found: Float64s
    sought: Float64s
    taken: Float64s
    shown: Float64s


LAYOUT: Layout = np.dtype(
    [
        ("lessons", "i8"),
        ("weights", "f8", (CONTEXTS, CHANNELS)),
        ("updates", "f8", CONTEXTS),
        ("found", "f8", CONTEXTS),
        ("sought", "f8", CONTEXTS),
        ("taken", "f8", CELLS),
        ("shown", "f8", CELLS),
    ],
    align=True,
)


class Blend(NamedTuple):
    """The row, as kernels take it."""

    rows: Rows[BlendRow]

    @classmethod
    def of(cls) -> Self:
        """One that has learned nothing."""
        rows = zeros(1, LAYOUT, BlendRow)
        start(rows[0])
        return cls(rows)

    def pack(self) -> bytes:
        """What was learned, as bytes to store."""
        return pack(self.rows)

    def restored(self, stored: bytes) -> Self:
        """The same, with what `pack` gave; it raises ValueError if that has another layout."""
        return self._replace(rows=unpack(stored, LAYOUT, BlendRow))


@kernel
def start(row: BlendRow) -> None:
    """Begin where weights and counts begin; zeros are no start."""
    for context in range(CONTEXTS):
        row.found[context] = FOUND
        row.sought[context] = SOUGHT
        for channel in range(CHANNELS):
            searched = context >= USUAL
            row.weights[context, channel] = STARTS_SEARCHED[channel] if searched else START[channel]
    for cell in range(CELLS):
        row.shown[cell] = EXPOSED
        row.taken[cell] = EXPOSED * RETURNED[cell // (CELLS // AGES)]


@kernel
def context_of(held: int, known: float) -> int:
    """The context of a shopper with so many recent items, by what is known of the current."""
    many = 0 if held == 1 else (1 if held <= 3 else 2)
    much = 0 if known < FEW_KNOWN else (1 if known < MUCH_KNOWN else 2)
    return 3 * many + much


@kernel
def searched_context(share: float) -> int:
    """The context of a shopper with an open query, by the share of its likeliest category."""
    return USUAL + (0 if share < UNSURE else (1 if share < SURE else 2))


@kernel
def age_of(place: int) -> int:
    """The bucket of an item's place among the recent ones: 0, 1, 2, 3, 4-5, 6-8, 9-15, more."""
    if place < 4:
        return place
    return 4 if place < 6 else (5 if place < 9 else (6 if place < 16 else 7))


@kernel
def cell_of(place: int, count: int, same: bool, action: int, chance: float) -> int:
    """The cell of a recent item: age, how often it was touched, whether it is of the current
    category, how far it went, and how likely it were if the shopper had not had it."""
    likely = 0 if chance < 0.005 else (1 if chance < 0.02 else (2 if chance < 0.06 else 3))
    cell = age_of(place) * COUNTS + min(count, COUNTS) - 1
    cell = cell * 2 + (1 if same else 0)
    return (cell * ACTIONS + action) * LIKELIHOODS + likely


@kernel
def returning(row: BlendRow, cell: int) -> float:
    """How often an item of this cell is taken next."""
    return float(row.taken[cell] / row.shown[cell])


@kernel
def reach(row: BlendRow, context: int) -> float:
    """How often an item that the shopper did not have was a candidate at all."""
    return float(row.found[context] / row.sought[context])


@kernel
def expose(row: BlendRow, cell: int, taken: bool) -> None:
    """Count a recent item that was taken next, or was not."""
    row.shown[cell] += 1.0
    if taken:
        row.taken[cell] += 1.0


@kernel
def seek(row: BlendRow, context: int, found: bool) -> None:
    """Count an item taken that the shopper did not have before."""
    row.sought[context] += 1.0
    if found:
        row.found[context] += 1.0


@kernel
def credit(row: BlendRow, context: int, said: Float64s) -> None:
    """Move the weights to what each channel said of the item that came: `said`, which adds up."""
    total = 0.0
    for channel in range(CHANNELS):
        total += said[channel]
    if not total > 0.0:
        return
    row.updates[context] += 1.0
    rate = max(SLOWEST, 1.0 / (row.updates[context] + CAUTION))
    for channel in range(CHANNELS):
        weight = row.weights[context, channel]
        row.weights[context, channel] = max(
            LEAST, (1.0 - rate) * weight + rate * said[channel] / total
        )
