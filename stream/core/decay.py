"""What time does to a weight."""

import math

from stream.core.compiled import kernel

DAY = 86_400.0


@kernel
def remaining(elapsed: float, half_life: float) -> float:
    """The share of a weight that is left after `elapsed` seconds, 1 if none passed.

    >>> remaining(120.0, 60.0)
    0.25
    >>> remaining(-5.0, 60.0)
    1.0
    """
    if elapsed <= 0.0:
        return 1.0
    return math.exp2(-elapsed / half_life)
