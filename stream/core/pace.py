"""How many records an hour a shopper makes: one who makes too many is taken for a bot."""

import numpy as np

from stream.core.compiled import kernel
from stream.core.rows import Layout

HOUR = 3600.0


class PaceRow:
    """Records counted in an hour of event time, and the hour from which the shopper is believed.

    Hours are numbered from 1970 on; all is 0 before the first record.
    """

    hour: int
    records: int
    believed_from: int


LAYOUT: Layout = np.dtype([("hour", "i4"), ("records", "i4"), ("believed_from", "i4")], align=True)


@kernel
def is_bot(row: PaceRow) -> bool:
    """Whether there were too many records in this hour or in the one before it."""
    return bool(row.hour < row.believed_from)


@kernel
def begin_hour(row: PaceRow, at: float, clock: float) -> None:
    """Begin to count anew if an event is of a later hour than those before it.

    An event ahead of the partition's clock counts where the clock is, so none can hold the
    count for long; one that is late counts in the hour at hand.
    """
    # Before three shoppers were seen there is no clock.
    known = min(at, clock) if clock > -np.inf else at
    hour = int(known // HOUR)
    if hour > row.hour:
        row.hour, row.records = hour, 0


@kernel
def count(row: PaceRow, most: int) -> bool:
    """Count a record; whether the shopper is a bot by it who was none before.

    A bot is believed again after a whole hour with no more than `most` records.
    """
    row.records += 1
    if row.records <= most:
        return False
    before = is_bot(row)
    row.believed_from = row.hour + 2
    return not before
