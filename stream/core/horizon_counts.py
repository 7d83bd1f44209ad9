"""What a shopper did in the open period of a horizon, and before: the counts that predict."""

import numpy as np

from stream.core import levels
from stream.core.codes import CodeRow
from stream.core.compiled import kernel
from stream.core.decay import DAY
from stream.core.rows import Int32s, Layout, Rows, UInt8s, UInt16s
from stream.messages import Period

SLOTS, WIDE_SLOTS = 46, 36
"""Categories of one shopper: as many as 400 bytes hold, with codes of 16 or 32 bits."""
NARROW = 65_534
"""The highest code that 16 bits hold; others are not followed."""
TOP = 3
FEW, MANY = 127, 255
"""Where whole counts stop: a shopper's in a period, and a category's."""
WEEK = 7 * DAY


class HorizonRow:
    """One shopper's categories as one horizon sees them: 400 bytes.

    The first `used` slots count. `long` and `short` are levels of decayed counts, as of
    `long_at` and `short_at`; `ever` are all events while the slot was held; `now` and `events`
    are those of the open `period`, 0 before the first. Codes are one more than the category's.
    `last_top` are the three largest of `last_period`, 0 where there were no more; the
    latter is 0 if it had too few events to tell.
    """

    long_at: float
    short_at: float
    period: int
    last_period: int
    last_top: Int32s
    events: int
    used: int
    codes: Int32s
    long: UInt16s
    short: UInt16s
    ever: UInt8s
    now: UInt8s


def layout(wide: bool = False, slots: int | None = None) -> Layout:
    """A row with codes up to 65,534, or `wide`; without a number of slots, 400 bytes."""
    code = "i4" if wide else "u2"
    slots = slots or (WIDE_SLOTS if wide else SLOTS)
    return np.dtype(
        [
            ("long_at", "f8"),
            ("short_at", "f8"),
            ("period", "i4"),
            ("last_period", "i4"),
            ("last_top", code, TOP),
            ("events", "i1"),
            ("used", "i1"),
            ("codes", code, slots),
            ("long", "u2", slots),
            ("short", "u2", slots),
            ("ever", "u1", slots),
            ("now", "u1", slots),
        ],
        align=True,
    )


class OpenRow:
    """A horizon's open period, 0 before there is one, and how the horizon counts.

    It lasts from `began_at` up to `ends_at`, Unix seconds. `long` and `short` are half-lives in
    seconds, `least` how many events of a shopper in a period it takes to tell what was largest.
    """

    period: int
    least: int
    began_at: float
    ends_at: float
    long: float
    short: float


OPEN: Layout = np.dtype(
    [
        ("period", "i4"),
        ("least", "i4"),
        ("began_at", "f8"),
        ("ends_at", "f8"),
        ("long", "f8"),
        ("short", "f8"),
    ],
    align=True,
)
# Half-lives, and the least events, by which the horizons were measured.
PACES: dict[Period, tuple[float, float, int]] = {
    "day": (4 * DAY, 0.5 * DAY, 5),
    "week": (8 * DAY, 2 * DAY, 5),
    "month": (26 * WEEK, 4 * WEEK, 10),
    "quarter": (26 * WEEK, 6 * WEEK, 20),
}


def paced(horizon: Period) -> tuple[float, ...]:
    """A horizon's row before its first period."""
    long, short, least = PACES[horizon]
    return (0, least, 0.0, 0.0, long, short)


@kernel
def code_in(row: HorizonRow, slot: int) -> int:
    """The category in a slot, -1 for none."""
    return int(row.codes[slot]) - 1 if slot >= 0 else -1


@kernel
def larger(
    values: UInt16s | UInt8s, row: HorizonRow, codes: Rows[CodeRow], slot: int, other: int
) -> bool:
    """Whether a slot comes before another, which may be -1; the lower id of equals does."""
    if other < 0 or values[slot] > values[other]:
        return True
    if values[slot] < values[other]:
        return False
    return codes[code_in(row, slot)].id < codes[code_in(row, other)].id


@kernel
def largest(
    values: UInt16s | UInt8s, row: HorizonRow, codes: Rows[CodeRow]
) -> tuple[int, int, int]:
    """The slots of the three largest values above 0, -1 where there are fewer."""
    first, second, third = -1, -1, -1
    for slot in range(row.used):
        if values[slot] == 0:
            continue
        if larger(values, row, codes, slot, first):
            first, second, third = slot, first, second
        elif larger(values, row, codes, slot, second):
            second, third = slot, second
        elif larger(values, row, codes, slot, third):
            third = slot
    return first, second, third


@kernel
def top(row: HorizonRow, codes: Rows[CodeRow]) -> tuple[int, int, int]:
    """The slots of the three categories that the shopper has most of, over the long memory."""
    return largest(row.long, row, codes)


@kernel
def roll(row: HorizonRow, codes: Rows[CodeRow], period: int, least: int) -> None:
    """Begin a period; of the one before, only its three largest are kept."""
    first, second, third = largest(row.now, row, codes)
    row.last_period = row.period if row.events >= least else 0
    row.last_top[0] = code_in(row, first) + 1
    row.last_top[1] = code_in(row, second) + 1
    row.last_top[2] = code_in(row, third) + 1
    row.period = period
    row.events = 0
    for slot in range(row.used):
        row.now[slot] = 0


@kernel
def decay(row: HorizonRow, at: float, open: OpenRow) -> None:
    """Bring both memories to time `at`, or some steps before; a late `at` leaves them."""
    # Time begins with the first event, whatever its sign.
    if row.used == 0:
        row.long_at, row.short_at = at, at
    long = levels.steps_between(at, row.long_at, open.long)
    short = levels.steps_between(at, row.short_at, open.short)
    if long > 0 or short > 0:
        for slot in range(row.used):
            row.long[slot] = levels.lowered(int(row.long[slot]), long)
            row.short[slot] = levels.lowered(int(row.short[slot]), short)
        row.long_at = levels.moved(row.long_at, at, long, open.long)
        row.short_at = levels.moved(row.short_at, at, short, open.short)


@kernel
def slot_of(row: HorizonRow, code: int) -> int:
    """The slot of a category, -1 if it has none."""
    for slot in range(row.used):
        if row.codes[slot] == code + 1:
            return slot
    return -1


@kernel
def victim(row: HorizonRow) -> int:
    """The slot to give up: the least of the long memory, the first of equals.

    What is large in the open period is not small there, so labels are hardly touched.
    """
    slot = 0
    for other in range(1, row.used):
        if row.long[other] < row.long[slot]:
            slot = other
    return slot


@kernel
def claim(row: HorizonRow, code: int) -> int:
    """The slot of a category: its own, a free one, or that of the one to give up, emptied."""
    slot = slot_of(row, code)
    if slot >= 0:
        return slot
    if row.used < len(row.codes):
        slot = int(row.used)
        row.used += 1
    else:
        slot = victim(row)
    row.codes[slot] = code + 1
    row.long[slot] = 0
    row.short[slot] = 0
    row.ever[slot] = 0
    row.now[slot] = 0
    return slot


@kernel
def follows(row: HorizonRow, code: int) -> bool:
    """Whether the row can hold this category's code."""
    return code <= NARROW or row.codes.itemsize > 2


@kernel
def count(row: HorizonRow, codes: Rows[CodeRow], code: int, at: float, open: OpenRow) -> None:
    """Count one event in the open period, whatever its time says.

    A late one weighs in the memories what it would weigh by now. One of a category that the
    row cannot follow is an event of the period, and no more.
    """
    if row.period != open.period:
        roll(row, codes, open.period, open.least)
    if row.events < FEW:
        row.events += 1
    if not follows(row, code):
        return
    decay(row, at, open)
    slot = claim(row, code)
    row.long[slot] = levels.raised(int(row.long[slot]), at, row.long_at, open.long)
    row.short[slot] = levels.raised(int(row.short[slot]), at, row.short_at, open.short)
    if row.ever[slot] < MANY:
        row.ever[slot] += 1
    if row.now[slot] < MANY:
        row.now[slot] += 1


@kernel
def known(row: HorizonRow) -> int:
    """How many events the slots hold."""
    total = 0
    for slot in range(row.used):
        total += int(row.ever[slot])
    return total


@kernel
def names(codes: Rows[CodeRow], id: int, code: int) -> bool:
    """Whether the category with this code, or -1, has this id."""
    return code >= 0 and codes[code].id == id


@kernel
def label(row: HorizonRow, codes: Rows[CodeRow], id: int, period: int, least: int) -> int:
    """Whether a category was among the period's three largest: 1 or 0, -1 with too few events.

    It can be told in the period itself, and then until the shopper has events in a second one.
    `period` is above 0.
    """
    if row.period == period and row.events >= least:
        first, second, third = largest(row.now, row, codes)
        one, two, three = code_in(row, first), code_in(row, second), code_in(row, third)
    elif row.period != period and row.last_period == period:
        one, two = int(row.last_top[0]) - 1, int(row.last_top[1]) - 1
        three = int(row.last_top[2]) - 1
    else:
        return -1
    found = names(codes, id, one) or names(codes, id, two)
    return 1 if found or names(codes, id, three) else 0
