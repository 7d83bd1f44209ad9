"""What follows what: bounded neighbor slots per item or category, decayed by event time."""

from typing import Protocol

import numpy as np

from stream.core.compiled import kernel
from stream.core.decay import DAY, remaining
from stream.core.implicit import ImplicitRanker
from stream.core.rows import Float32s, Int32s, Layout, Rows

# The two weights of an item's neighbor slot: it came after, it came before.
FORWARD, BACKWARD = 0, 1
# Those of a category's: it was next, it was within a few categories before or after.
STEP, SKIP = 0, 1


class TransitionRow:
    """What is known of the neighbors of one item or category, as of `updated_at`.

    The first `used` slots count. `weights` has shape (slots, 2). `total` is the sum of an
    item's weights, or of a category's skip weights; it also holds what evicted slots weighed.
    """

    updated_at: float
    total: np.float32
    used: int
    neighbors: Int32s
    weights: Float32s


class Linked(Protocol):
    """Any row with a part for transitions."""

    @property
    def transitions(self) -> TransitionRow: ...


class LinkedFirst(Protocol):
    """Any row with a part for transitions to what a shopper never had before."""

    @property
    def firsts(self) -> TransitionRow: ...


def layout(slots: int) -> Layout:
    """A row that knows `slots` neighbors."""
    return np.dtype(
        [
            ("updated_at", "f8"),
            ("total", "f4"),
            ("used", "i4"),
            ("neighbors", "i4", slots),
            ("weights", "f4", (slots, 2)),
        ],
        align=True,
    )


@kernel
def decay(row: TransitionRow, at: float, half_life: float) -> None:
    """Bring the row's weights to time `at`; a late `at` leaves them as they are."""
    # Time begins with the first event, whatever its sign.
    if row.used == 0:
        row.updated_at = at
    if at <= row.updated_at:
        return
    factor = np.float32(remaining(at - row.updated_at, half_life))
    for slot in range(row.used):
        row.weights[slot, 0] *= factor
        row.weights[slot, 1] *= factor
    row.total *= factor
    row.updated_at = at


@kernel
def weakest(row: TransitionRow) -> int:
    """The slot that weighs least, the first of equals."""
    least, lowest = 0, row.weights[0, 0] + row.weights[0, 1]
    for slot in range(1, row.used):
        weight = row.weights[slot, 0] + row.weights[slot, 1]
        if weight < lowest:
            least, lowest = slot, weight
    return least


@kernel
def claim(row: TransitionRow, neighbor: int) -> int:
    """The slot of `neighbor`: its own, a free one, or the weakest, emptied for it."""
    for slot in range(row.used):
        if row.neighbors[slot] == neighbor:
            return slot
    if row.used < len(row.neighbors):
        slot = int(row.used)
        row.used += 1
    else:
        slot = weakest(row)
    row.neighbors[slot] = neighbor
    row.weights[slot, 0] = 0.0
    row.weights[slot, 1] = 0.0
    return slot


@kernel
def add(
    row: TransitionRow, neighbor: int, which: int, weight: float, at: float, half_life: float
) -> None:
    """Add to one of a neighbor's weights, and to the row's total.

    A late event weighs what it would weigh by now, had it come in time.
    """
    decay(row, at, half_life)
    by_now = np.float32(weight * remaining(row.updated_at - at, half_life))
    row.weights[claim(row, neighbor), which] += by_now
    row.total += by_now


@kernel
def learn(rows: Rows[Linked], recent: Int32s, item: int, at: float, half_life: float) -> None:
    """Record that `item` followed each recent item: the newest by 1, then 1/2, 1/3, ...

    `recent` holds row numbers, newest first, -1 for none.
    """
    for lag in range(len(recent)):
        before, weight = recent[lag], 1.0 / (lag + 1)
        if before >= 0:
            add(rows[before].transitions, item, FORWARD, weight, at, half_life)
        if before >= 0 and before != item:
            add(rows[item].transitions, before, BACKWARD, weight, at, half_life)


@kernel
def change(rows: Rows[Linked], recent: Int32s, category: int, at: float, half_life: float) -> None:
    """Record a change of category: a step from the newest recent one, a skip with each.

    `recent` holds row numbers, newest first, -1 for none; the first is the one left.
    """
    for lag in range(len(recent)):
        before, weight = recent[lag], 1.0 / (lag + 1)
        if before >= 0 and before != category:
            add(rows[before].transitions, category, SKIP, weight, at, half_life)
            add(rows[category].transitions, before, SKIP, weight, at, half_life)
    if recent[0] >= 0 and recent[0] != category:
        row = rows[recent[0]].transitions
        by_now = np.float32(remaining(row.updated_at - at, half_life))
        row.weights[claim(row, category), STEP] += by_now


@kernel
def change_first(
    rows: Rows[LinkedFirst], recent: Int32s, category: int, at: float, half_life: float
) -> None:
    """Record that a shopper came upon a category for the first time: a skip with each recent."""
    for lag in range(len(recent)):
        before, weight = recent[lag], 1.0 / (lag + 1)
        if before >= 0 and before != category:
            add(rows[before].firsts, category, SKIP, weight, at, half_life)
            add(rows[category].firsts, before, SKIP, weight, at, half_life)


@kernel
def share(row: TransitionRow, neighbor: int) -> float:
    """What part of all that came after is `neighbor`, 0 if it never did.

    Decay scales all slots alike, so a share needs no time.
    """
    mine, total = 0.0, 0.0
    for slot in range(row.used):
        total += np.float64(row.weights[slot, FORWARD])
        if row.neighbors[slot] == neighbor:
            mine = np.float64(row.weights[slot, FORWARD])
    return mine / total if total > 0.0 else 0.0


class LinkedRow:
    """An item of a `TransitionCounts`."""

    id: int
    transitions: TransitionRow


class TransitionCounts(ImplicitRanker):
    """Which items come after the one that a user took last: decayed Markov counts.

    An item counts fully as the successor of the user's last one, half of the one before,
    and so on over five distinct ones. A score is the share of the last item's successors.

    Parameters
    ----------
    half_life
        Seconds of event time in which a weight halves. Must be positive.
    slots
        Neighbors remembered of each item; the one that weighs least makes room.

    Examples
    --------
    >>> counts = TransitionCounts()
    >>> for user, item in [("u", "tent"), ("u", "stove"), ("v", "tent"), ("v", "lamp")]:
    ...     counts.learn_one(user, item)
    >>> counts.learn_one("w", "tent")
    >>> counts.predict_one("w", "stove")
    0.5
    >>> sorted(counts.rank("w", {"stove", "lamp", "boat"})[:2])
    ['lamp', 'stove']
    """

    settings = ("half_life", "slots")

    def __init__(self, half_life: float = 35 * DAY, slots: int = 64) -> None:
        if not half_life > 0:
            raise ValueError(f"half_life must be positive, got {half_life}")
        if slots < 1:
            raise ValueError(f"slots must be at least 1, got {slots}")
        row = np.dtype([("id", "i8"), ("transitions", layout(slots))], align=True)
        super().__init__(row, LinkedRow)
        self.half_life = half_life
        self.slots = slots

    def _learn(self, recent: Int32s, item: int, at: float) -> None:
        learn(self._items.rows, recent, item, at, float(self.half_life))

    def _score(self, recent: Int32s, item: int, at: float) -> float:
        if recent[0] < 0:
            return 0.0
        return float(share(self._items.rows[int(recent[0])].transitions, item))
