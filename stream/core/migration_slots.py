"""A shopper's own categories by recency: where a next category is looked for first."""

import numpy as np
from numpy.typing import NDArray

from stream.core.compiled import kernel
from stream.core.knowledge import ENTER, RETURN, STAY
from stream.core.rows import Float32s, Int32s, Layout

UInt32s = NDArray[np.uint32]

LONG_EVENTS, SHORT_EVENTS = 100.0, 5.0
"""In so many further events of the shopper the two weights halve."""
STEP_EVENTS = 10.0
"""In so many events the count of a step halves."""
LONG_LEFT, SHORT_LEFT = np.float32(0.5 ** (1 / LONG_EVENTS)), np.float32(0.5 ** (1 / SHORT_EVENTS))
STEP_LEFT = np.float32(0.5 ** (1 / STEP_EVENTS))
LATEST = 4_294_967_295.0
"""The last second that a slot can hold, in 2106."""


class MigrationRow:
    """One shopper's categories, newest first: 480 bytes with 28 slots.

    Slot 0 is the current one; the first `used` count. `long` and `short` count its events,
    decayed by the shopper's further ones, and `touched` is the whole Unix second of the latest.
    `run` is how many events the current category has lasted, `distinct` how often a category
    took a slot: a return after an eviction is one more. `steps` counts, decayed, how often the
    shopper stayed, returned and entered.
    """

    last_at: float
    run: int
    distinct: int
    used: int
    steps: Float32s
    codes: Int32s
    long: Float32s
    short: Float32s
    touched: UInt32s


def layout(slots: int) -> Layout:
    """A row that remembers `slots` categories."""
    return np.dtype(
        [
            ("last_at", "f8"),
            ("run", "i4"),
            ("distinct", "i4"),
            ("used", "i4"),
            ("steps", "f4", 3),
            ("codes", "i4", slots),
            ("long", "f4", slots),
            ("short", "f4", slots),
            ("touched", "u4", slots),
        ],
        align=True,
    )


@kernel
def slot_of(row: MigrationRow, code: int) -> int:
    """The slot of a category, which is its rank by recency, -1 if it has none."""
    for slot in range(row.used):
        if row.codes[slot] == code:
            return slot
    return -1


@kernel
def step_of(row: MigrationRow, code: int) -> int:
    """What an event in this category does: 0 stay, 1 return to an own one, 2 enter one."""
    slot = slot_of(row, code)
    if slot < 0:
        return ENTER
    return STAY if slot == 0 else RETURN


@kernel
def gap_of(row: MigrationRow, at: float) -> float:
    """Seconds since the shopper's latest event, 0 for a late one; below 0 before the first."""
    return max(0.0, at - row.last_at) if row.used else -1.0


@kernel
def second_of(at: float) -> int:
    """The whole Unix second of a time, of one that a slot can hold."""
    return int(min(max(at, 0.0), LATEST))


@kernel
def age_of(row: MigrationRow, slot: int, at: float) -> float:
    """Seconds since the latest event in a slot, 0 for a late time."""
    return max(0.0, min(at, LATEST) - np.float64(row.touched[slot]))


@kernel
def victim(row: MigrationRow) -> int:
    """The slot to give up: of the older half, what weighs least in the long run."""
    first = len(row.codes) // 2
    slot = first
    for other in range(first + 1, len(row.codes)):
        if row.long[other] <= row.long[slot]:
            slot = other
    return slot


@kernel
def fade(row: MigrationRow) -> None:
    """Let one more event of the shopper pass."""
    for slot in range(row.used):
        row.long[slot] *= LONG_LEFT
        row.short[slot] *= SHORT_LEFT
    for step in range(len(row.steps)):
        row.steps[step] *= STEP_LEFT


@kernel
def claim(row: MigrationRow) -> int:
    """A slot for a new category: the next free one, or the one to give up, emptied."""
    slot = victim(row) if row.used == len(row.codes) else int(row.used)
    row.used = min(int(row.used) + 1, len(row.codes))
    row.long[slot] = 0.0
    row.short[slot] = 0.0
    row.touched[slot] = 0
    row.distinct += 1
    return slot


@kernel
def to_front(row: MigrationRow, slot: int, code: int) -> None:
    """Move what a slot holds to slot 0, as the category `code`, and the newer slots one back."""
    long, short, touched = row.long[slot], row.short[slot], row.touched[slot]
    while slot > 0:
        row.codes[slot] = row.codes[slot - 1]
        row.long[slot] = row.long[slot - 1]
        row.short[slot] = row.short[slot - 1]
        row.touched[slot] = row.touched[slot - 1]
        slot -= 1
    row.codes[0] = code
    row.long[0] = long
    row.short[0] = short
    row.touched[0] = touched


@kernel
def push(row: MigrationRow, code: int, at: float) -> int:
    """Count one event, put its category in front, and return the step that it was.

    A late event leaves times as they are.
    """
    step, slot = step_of(row, code), slot_of(row, code)
    fade(row)
    if row.used:
        row.steps[step] += np.float32(1.0)
    row.last_at = max(float(row.last_at), at) if row.used else at
    row.run = row.run + 1 if step == STAY else 1
    to_front(row, claim(row) if slot < 0 else slot, code)
    row.long[0] += np.float32(1.0)
    row.short[0] += np.float32(1.0)
    row.touched[0] = max(int(row.touched[0]), second_of(at))
    return step
