"""Decayed counts in 16 bits: a weight's logarithm, from which time takes whole steps.

A level counts 2048 steps a doubling from 2^-16 up. A half-life takes 2048 from every level, so
decay is an exact subtraction of whole steps, however often it is done; only adding rounds, by
.02 % at most.
"""

import math

from stream.core.compiled import kernel

STEPS = 2048
LOWEST = -16.0
HIGHEST = 65_535
LN_2 = math.log(2.0)


@kernel
def weight_of(level: int) -> float:
    """The weight that a level stands for; 0 for level 0.

    >>> weight_of(0), weight_of(16 * 2048), weight_of(17 * 2048)
    (0.0, 1.0, 2.0)
    """
    return math.exp2(level / STEPS + LOWEST) if level > 0 else 0.0


@kernel
def level_of(weight: float) -> int:
    """The level nearest to a weight; 0 for less than 2^-16, and 65,536 counts as the most.

    >>> level_of(1.0), level_of(0.0)
    (32768, 0)
    """
    if weight < 1.6e-5:
        return 0
    level = math.floor(STEPS * (math.log(weight) / LN_2 - LOWEST) + 0.5)
    return int(min(max(level, 0.0), float(HIGHEST)))


@kernel
def steps_between(at: float, landmark: float, half_life: float) -> int:
    """How many whole steps time has gone on from a landmark, 0 if it has not.

    No more than leave nothing of any level.
    """
    if at <= landmark:
        return 0
    return int(min((at - landmark) / half_life * STEPS, float(HIGHEST)))


@kernel
def moved(landmark: float, at: float, steps: int, half_life: float) -> float:
    """The landmark for levels that were lowered by so many steps."""
    return at if steps >= HIGHEST else landmark + steps * (half_life / STEPS)


@kernel
def lowered(level: int, steps: int) -> int:
    """A level after so many steps."""
    return level - steps if steps < level else 0


@kernel
def raised(level: int, at: float, landmark: float, half_life: float) -> int:
    """A level with one more event at `at`, when levels are as of `landmark`."""
    # Less than a step later than the landmark, if at all; huge times would round to more.
    doublings = min((at - landmark) / half_life, 1.0 / STEPS)
    return level_of(weight_of(level) + math.exp2(doublings))
