"""What a shopper's interest is made of, in the shop's categories, and how far a list is from it."""

import math

import numpy as np

from stream.core.codes import CodeRow
from stream.core.compiled import kernel
from stream.core.interest import InterestRow
from stream.core.rows import Float64s, Int32s, Layout, Rows

SMOOTHED = 0.01
"""How much of the taste a list is taken to have anyway, so that no divergence is infinite."""


class TasteRow:
    """The shares of a shopper's interest, which add up to 1; the first `used` slots count.

    `categories` are as items have them: one more than a row number of the shop, 0 for a
    category that it has no row of.
    """

    used: int
    categories: Int32s
    shares: Float64s


def layout(slots: int) -> Layout:
    """Room for the interest of a row of so many categories."""
    return np.dtype([("used", "i4"), ("categories", "i4", slots), ("shares", "f8", slots)],
                    align=True)  # fmt: skip


@kernel
def note(row: TasteRow, interest: InterestRow, codes: Rows[CodeRow]) -> None:
    """Take the shares of an interest row: the mean of both memories, as `interest.share`."""
    short, long = 0.0, 0.0
    for slot in range(interest.used):
        short += interest.short[slot]
        long += interest.long[slot]
    row.used = interest.used if long > 0.0 else 0
    for slot in range(row.used):
        lasting = interest.long[slot] / long
        lately = interest.short[slot] / short if short > 0.0 else lasting
        row.categories[slot] = codes[interest.categories[slot]].shop + 1
        row.shares[slot] = 0.5 * (lasting + lately)


@kernel
def slot_of(row: TasteRow, category: int) -> int:
    """The slot of a category, as items have it; -1 for none and for one without interest."""
    if category > 0:
        for slot in range(row.used):
            if row.categories[slot] == category:
                return slot
    return -1


@kernel
def smoothed(share: float, entries: int, size: int) -> float:
    """The part of a list of `size` that is a category's, moved a little to the taste's share."""
    return (1.0 - SMOOTHED) * entries / size + SMOOTHED * share


@kernel
def gain(share: float, entries: int, size: int) -> float:
    """What one more entry of a category takes off the divergence of a list that will be `size`."""
    if not share > 0.0:
        return 0.0
    more, now = smoothed(share, entries + 1, size), smoothed(share, entries, size)
    return share * math.log(more / now)


@kernel
def divergence(row: TasteRow, entries: Int32s, size: int) -> float:
    """How far a list of `size` is from the taste, in nats: the calibration error.

    Kullback and Leibler's, sum p log(p / q), over the slots; `entries` are the list's by slot.
    """
    far = 0.0
    for slot in range(row.used):
        share = row.shares[slot]
        if share > 0.0:
            far += share * math.log(share / smoothed(share, int(entries[slot]), size))
    return far
