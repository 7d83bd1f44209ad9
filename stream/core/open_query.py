"""What a shopper searched for last, until it is answered."""

import numpy as np

from stream.core.compiled import kernel
from stream.core.query_buckets import FEATURES, AskedRow
from stream.core.rows import Int32s, Layout

PATIENCE = 3
"""A query is answered once the shopper touched so many items or categories after it."""


class PendingRow:
    """What a shopper asked for last: the first `used` buckets count, none where nothing is open.

    `touched` is what was touched since. It follows from the records alone, but the strict state
    reads none of it: that is the same whatever shoppers type.
    """

    asked_at: float
    session: int
    used: int
    touched: int
    buckets: Int32s


PENDING: Layout = np.dtype(
    [
        ("asked_at", "f8"),
        ("session", "i8"),
        ("used", "i4"),
        ("touched", "i4"),
        ("buckets", "i4", FEATURES),
    ],
    align=True,
)


@kernel
def ask(row: PendingRow, asked: AskedRow, at: float, session: int) -> None:
    """Let a query be open, in place of the one before."""
    row.asked_at, row.session, row.touched, row.used = at, session, 0, asked.used
    for place in range(FEATURES):
        row.buckets[place] = asked.buckets[place] if place < asked.used else 0


@kernel
def open_at(row: PendingRow, at: float, lasts: float) -> bool:
    """Whether a query is still open at a time; it is for `lasts` seconds."""
    return bool(row.used > 0 and 0.0 <= at - row.asked_at <= lasts)


@kernel
def close(row: PendingRow) -> None:
    """Let no query be open."""
    row.asked_at, row.session, row.touched, row.used = 0.0, 0, 0, 0
    for place in range(FEATURES):
        row.buckets[place] = 0


@kernel
def turn(row: PendingRow, at: float, session: int, lasts: float) -> None:
    """Close a query that is none of this event's session."""
    if row.used > 0:
        other = session != 0 and row.session != 0 and session != row.session
        if other or at - row.asked_at > lasts:
            close(row)


@kernel
def touch(row: PendingRow, at: float, lasts: float) -> None:
    """Count what was touched after the query; after a few touches it is answered."""
    if open_at(row, at, lasts):
        row.touched += 1
        if row.touched >= PATIENCE:
            close(row)
