"""How far predictions can be trusted: what came of those that were as sure."""

import math

import numpy as np

from stream.core.compiled import kernel
from stream.core.rows import Float64s, Layout

BINS = 40
PER_OCTAVE = 4
"""Bins from a probability to its half: edges at 1, .84, .71, .59, .5, .42 ... .001."""
SUPPORT = 50.0
"""Matured predictions on which a precision must rest."""
KEPT = 0.9
"""Of what earlier periods told, when the next one has matured."""


class PrecisionRow:
    """Matured predictions by their probability, the surest bin first.

    `told` and `came` are weighted: predictions, and those that came true. `count` is the
    number of predictions that these rest on.
    """

    told: Float64s
    came: Float64s
    count: Float64s


PRECISION: Layout = np.dtype(
    [("told", "f8", BINS), ("came", "f8", BINS), ("count", "f8", BINS)], align=True
)


@kernel
def bin_of(probability: float) -> int:
    """Where a probability belongs: in the first bin whose edge it reaches, or in the last."""
    if probability < 1e-6:
        return BINS - 1
    # The edges themselves, rounded as they are, belong to the bins that they begin.
    place = math.ceil(-PER_OCTAVE * math.log2(probability) - 1e-9) - 1
    return min(max(int(place), 0), BINS - 1)


@kernel
def edge(place: int) -> float:
    """The lowest probability of a bin.

    >>> edge(3), edge(7)
    (0.5, 0.25)
    """
    return math.exp2(-(place + 1.0) / PER_OCTAVE)


@kernel
def fade(row: PrecisionRow) -> None:
    """Forget a tenth, before the next period's predictions are recorded."""
    for place in range(BINS):
        row.told[place] *= KEPT
        row.came[place] *= KEPT
        row.count[place] *= KEPT


@kernel
def record(row: PrecisionRow, probability: float, came: bool, weight: float) -> None:
    """Note what became of a prediction that stands for `weight` of its kind."""
    place = bin_of(probability)
    row.told[place] += weight
    row.came[place] += weight if came else 0.0
    row.count[place] += 1.0


@kernel
def limit(row: PrecisionRow, target: float) -> float:
    """The lowest probability from which the target's share came true; 2 if there is none.

    Of the predictions with at least that probability there must be 50, and some in
    the lowest bin itself: nothing is said of probabilities that were not seen.
    """
    told, came, count, lowest = 0.0, 0.0, 0.0, 2.0
    for place in range(BINS - 1):
        told += row.told[place]
        came += row.came[place]
        count += row.count[place]
        if row.told[place] > 0.0 and count >= SUPPORT and came >= target * told:
            lowest = edge(place)
    return lowest


@kernel
def trust(row: PrecisionRow, probability: float) -> tuple[float, int]:
    """Of predictions as sure as this one or surer: the share that came true, and their number.

    Where these are too few to tell, those that were a little less sure are counted too.
    """
    told, came, count, own = 0.0, 0.0, 0.0, bin_of(probability)
    for place in range(BINS):
        if place > own and count >= SUPPORT:
            break
        told += row.told[place]
        came += row.came[place]
        count += row.count[place]
    return (came / told if told > 0.0 else 0.0), int(count)
