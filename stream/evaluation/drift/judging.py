"""What alarms were worth on streams whose changes are known."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.core.rows import Float64s, Int64s
from stream.evaluation.drift.streams import Found, Streams

LATEST = 200
"""Events after the change up to which an alarm is judged by the names it gives."""


class Verdict(NamedTuple):
    """For each stream, its first alarm at or after the change.

    `alarm` is its place among the alarms, -1 if there is none, and `delay` the events
    from the change up to it, itself included, infinite if there is none. `from_right` and
    `to_right` say whether it names one of the two categories that moved most.
    """

    alarm: Int64s
    delay: Float64s
    right_from: NDArray[np.bool_]
    right_to: NDArray[np.bool_]
    amended_right: NDArray[np.bool_]
    """`right_to` once `to` may have been amended."""

    def within(self, events: int) -> NDArray[np.bool_]:
        return self.delay <= events


def judge(streams: Streams, found: Found) -> Verdict:
    """Hold alarms against the changes of the streams."""
    after = found.event >= streams.changes[found.stream]
    places = np.flatnonzero(after)
    stream, first = np.unique(found.stream[places], return_index=True)
    alarm = np.full(streams.number, -1, np.int64)
    alarm[stream] = places[first]
    had = alarm >= 0
    delay = np.full(streams.number, np.inf)
    delay[had] = found.event[alarm[had]] - streams.changes[had] + 1
    amended = np.where(found.amended_to >= 0, found.amended_to, found.to_category)
    return Verdict(
        alarm,
        delay,
        _among(found.from_category, alarm, streams.left),
        _among(found.to_category, alarm, streams.came),
        _among(amended, alarm, streams.came),
    )


def _among(named: NDArray[np.int32], alarm: Int64s, right: NDArray[np.int32]) -> NDArray[np.bool_]:
    hits = np.zeros(len(alarm), np.bool_)
    had = alarm >= 0
    hits[had] = (named[alarm[had], None] == right[had]).any(axis=1)
    return hits
