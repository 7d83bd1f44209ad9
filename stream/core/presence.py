"""When a shopper was last here, by the partition's clock, and what was said of marketing."""

import math

import numpy as np

from stream.core.compiled import kernel
from stream.core.rows import Layout

WANTED, UNWANTED = 1, 2
"""What an event says of marketing, 0 where it says nothing."""


class PresenceRow:
    """`seen_at` is where the partition's clock stood at the last record, 0 before the first.

    It is no time that an event claims: a late event makes nobody older, and one from
    the future nobody immortal.
    """

    seen_at: float
    no_marketing: int


LAYOUT: Layout = np.dtype([("seen_at", "f8"), ("no_marketing", "u1")], align=True)


@kernel
def gone(row: PresenceRow, clock: float, inactive_after: float) -> bool:
    """Whether the shopper was silent so long that the row counts no more."""
    return bool(row.seen_at > 0.0 and clock - row.seen_at > inactive_after)


@kernel
def note(row: PresenceRow, clock: float, at: float) -> None:
    """A record came; before there is a clock, its own time is taken."""
    row.seen_at = clock if clock > -math.inf else at


@kernel
def hear(row: PresenceRow, marketing: int) -> None:
    """Keep what an event says of marketing, if it says anything."""
    if marketing != 0:
        row.no_marketing = 1 if marketing == UNWANTED else 0
