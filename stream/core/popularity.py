"""How much something is touched by everybody: one decayed count."""

import numpy as np

from stream.core.compiled import kernel
from stream.core.decay import DAY, remaining
from stream.core.implicit import ImplicitRanker
from stream.core.rows import Int32s, Layout


class PopularityRow:
    """A count in which every event halves each half-life; `weight` holds as of `updated_at`."""

    updated_at: float
    weight: np.float32


LAYOUT: Layout = np.dtype([("updated_at", "f8"), ("weight", "f4")], align=True)


@kernel
def learn(row: PopularityRow, at: float, half_life: float) -> None:
    """Count one event. A late one weighs what it would weigh by now."""
    # Time begins with the first event, whatever its sign.
    if row.weight == 0.0:
        row.updated_at = at
    if at > row.updated_at:
        row.weight *= np.float32(remaining(at - row.updated_at, half_life))
        row.updated_at = at
    row.weight += np.float32(remaining(row.updated_at - at, half_life))


@kernel
def weight_at(row: PopularityRow, at: float, half_life: float) -> float:
    """What the count is at time `at`; reading changes nothing."""
    return np.float64(row.weight) * remaining(at - row.updated_at, half_life)


class CountedRow:
    """An item of a `DecayedPopularity`."""

    id: int
    popularity: PopularityRow


class DecayedPopularity(ImplicitRanker):
    """What everybody takes most these days: the baseline that a recommender must beat.

    Parameters
    ----------
    half_life
        Seconds of event time in which an event's weight halves. Must be positive.

    Examples
    --------
    >>> popularity = DecayedPopularity(half_life=60)
    >>> popularity.learn_one("u", "tent", x={"occurred_at": 0})
    >>> popularity.learn_one("v", "tent", x={"occurred_at": 60})
    >>> popularity.predict_one("w", "tent")
    1.5
    >>> popularity.predict_one("w", "tent", x={"occurred_at": 120})
    0.75
    """

    settings = ("half_life",)

    def __init__(self, half_life: float = 120 * DAY) -> None:
        if not half_life > 0:
            raise ValueError(f"half_life must be positive, got {half_life}")
        row = np.dtype([("id", "i8"), ("popularity", LAYOUT)], align=True)
        super().__init__(row, CountedRow)
        self.half_life = half_life

    def _learn(self, recent: Int32s, item: int, at: float) -> None:
        learn(self._items.rows[item].popularity, at, float(self.half_life))

    def _score(self, recent: Int32s, item: int, at: float) -> float:
        return float(weight_at(self._items.rows[item].popularity, at, float(self.half_life)))
