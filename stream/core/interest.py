"""What one shopper cares about: a short and a long memory of categories."""

import math
from typing import Self

import msgspec
import numpy as np
from river import base

from stream.core import rows
from stream.core.compiled import kernel
from stream.core.decay import remaining
from stream.core.rows import Float64s, Int32s, Layout, zeros

# Sums of weights stop here, so that totals and shares of any input are finite.
MOST = 1e100


class InterestRow:
    """One shopper's categories, with a weight in each memory as of `updated_at`.

    The first `used` slots count.
    """

    updated_at: float
    short: Float64s
    long: Float64s
    categories: Int32s
    used: int


def layout(slots: int) -> Layout:
    """A row that knows `slots` categories."""
    return np.dtype(
        [
            ("updated_at", "f8"),
            ("short", "f8", slots),
            ("long", "f8", slots),
            ("categories", "i4", slots),
            ("used", "i4"),
        ],
        align=True,
    )


@kernel
def slot_of(row: InterestRow, category: int) -> int:
    """The slot of `category`, -1 if it has none."""
    for slot in range(row.used):
        if row.categories[slot] == category:
            return slot
    return -1


@kernel
def decay(row: InterestRow, at: float, short_half_life: float, long_half_life: float) -> None:
    """Bring both memories to time `at`; a late `at` leaves them as they are."""
    # Time begins with the first event, whatever its sign.
    if row.used == 0:
        row.updated_at = at
    if at <= row.updated_at:
        return
    short_factor = remaining(at - row.updated_at, short_half_life)
    long_factor = remaining(at - row.updated_at, long_half_life)
    for slot in range(row.used):
        row.short[slot] *= short_factor
        row.long[slot] *= long_factor
    row.updated_at = at


@kernel
def claim(row: InterestRow, category: int) -> int:
    """The slot of `category`: its own, a free one, or the least of the long memory."""
    slot = slot_of(row, category)
    if slot >= 0:
        return slot
    if row.used < len(row.categories):
        slot = int(row.used)
        row.used += 1
    else:
        slot = 0
        for other in range(1, row.used):
            if row.long[other] < row.long[slot]:
                slot = other
    row.categories[slot] = category
    row.short[slot] = 0.0
    row.long[slot] = 0.0
    return slot


@kernel
def learn(
    row: InterestRow,
    category: int,
    weight: float,
    at: float,
    short_half_life: float,
    long_half_life: float,
) -> None:
    """Count one event of some weight; one of weight 0 changes nothing.

    A late one weighs what it would weigh by now.
    """
    if weight <= 0.0:
        return
    decay(row, at, short_half_life, long_half_life)
    slot, late = claim(row, category), row.updated_at - at
    row.short[slot] = min(row.short[slot] + weight * remaining(late, short_half_life), MOST)
    row.long[slot] = min(row.long[slot] + weight * remaining(late, long_half_life), MOST)


@kernel
def share(row: InterestRow, category: int) -> float:
    """The category's part of all interest, the mean of both memories, 0 if unknown.

    Decay scales all slots alike, so a share needs no time and changes nothing. Where
    the short memory has faded below the smallest float, the long one speaks alone.
    """
    short, long, short_total, long_total = 0.0, 0.0, 0.0, 0.0
    for slot in range(row.used):
        short_total += row.short[slot]
        long_total += row.long[slot]
        if row.categories[slot] == category:
            short, long = row.short[slot], row.long[slot]
    if long_total == 0.0:
        return 0.0
    if short_total == 0.0:
        return long / long_total
    return 0.5 * (short / short_total + long / long_total)


class _Stored(msgspec.Struct, array_like=True):
    """A profile as bytes."""

    parameters: tuple[float, float, int]
    categories: list[str]
    row: bytes


# What River's classes are is unknown to mypy: it is told not to follow them.
class InterestProfile(base.Base):  # type: ignore[misc]
    """One shopper's interest in each category, now and in the long run.

    A share is the mean of a short memory, which follows the session, and a long
    one, which remembers taste. Time is what events say; no clock is read.

    Parameters
    ----------
    short_half_life
        Seconds of event time in which a weight of the short memory halves.
    long_half_life
        The same for the long memory. Both must be positive.
    slots
        Categories remembered at once, 1 to 512; the least of the long memory makes room.

    Examples
    --------
    >>> profile = InterestProfile(short_half_life=60, long_half_life=120)
    >>> profile.update("jazz", at=0)
    >>> profile.update("rock", at=120)
    >>> round(profile.share("rock"), 3)
    0.733

    The short memory holds 1/4 of jazz and 1 of rock, the long one 1/2 and 1:
    rock's share is (4/5 + 2/3) / 2.
    """

    def __init__(
        self, short_half_life: float = 3600.0, long_half_life: float = 3e6, slots: int = 32
    ) -> None:
        for name, value in [("short", short_half_life), ("long", long_half_life)]:
            if not value > 0:
                raise ValueError(f"{name}_half_life must be positive, got {value}")
        if not 1 <= slots <= 512:
            raise ValueError(f"slots must be from 1 to 512, got {slots}")
        self.short_half_life = short_half_life
        self.long_half_life = long_half_life
        self.slots = slots
        self._numbers: dict[str, int] = {}
        self._row = zeros(1, layout(slots), InterestRow)

    def update(self, category: str, at: float, weight: float = 1.0) -> None:
        """Count one event at Unix seconds `at`; its weight is 0 or more."""
        if not math.isfinite(at):
            raise ValueError(f"at must be finite, got {at}")
        if not 0.0 <= weight < math.inf:
            raise ValueError(f"weight must be 0 or more and finite, got {weight}")
        number = self._numbers.setdefault(category, len(self._numbers))
        short, long = float(self.short_half_life), float(self.long_half_life)
        learn(self._row[0], number, float(weight), float(at), short, long)

    def share(self, category: str) -> float:
        """From 0 to 1; asking changes nothing, and an unknown category has 0."""
        return float(share(self._row[0], self._numbers.get(category, -1)))

    def snapshot(self) -> bytes:
        """All of it, parameters included."""
        parameters = (float(self.short_half_life), float(self.long_half_life), int(self.slots))
        stored = _Stored(parameters, list(self._numbers), rows.pack(self._row))
        return msgspec.msgpack.encode(stored)

    @classmethod
    def restore(cls, snapshot: bytes) -> Self:
        """The profile that `snapshot` shows."""
        stored = msgspec.msgpack.decode(snapshot, type=_Stored)
        profile = cls(*stored.parameters)
        profile._numbers = {name: number for number, name in enumerate(stored.categories)}
        profile._row = rows.unpack(stored.row, layout(profile.slots), InterestRow)
        return profile
