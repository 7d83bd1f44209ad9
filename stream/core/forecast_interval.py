"""Intervals that hold as often as they should: a tracker for each category, and one for all.

An interval reaches `scale * stretch * pull / usual` to both sides of a forecast. `scale` is the
decayed mean of |error|. `stretch`, of one category, and `pull`, of all together, grow with
each outcome that an interval of their size would have missed and shrink with each that it
would have held.
"""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from stream.core.compiled import kernel
from stream.core.rows import Layout

SCALE_RATE = 0.1
STRETCH_RATE = 0.05
PULL_RATE = 0.4
LEAST_SCALE = 0.02
LEAST_STRETCH = 0.2
LEAST_PULL = 0.05
START = 1.3
"""In mean |errors|: so far to both sides hold 80 % of errors that are spread like a bell."""


class Aim(NamedTuple):
    """How often an interval may miss, and the stretch that it begins with."""

    miss: float
    usual: float


def aim(interval: float) -> Aim:
    """What intervals aim at that should hold the share `interval` of all outcomes.

    >>> aim(0.8)
    Aim(miss=0.2, usual=1.3)
    """
    bell = NormalDist()
    wider = bell.inv_cdf(0.5 + interval / 2) / bell.inv_cdf(0.9)
    return Aim(round(1.0 - interval, 12), round(START * wider, 12))


class TrackRow:
    """How far one category's forecasts of one horizon are off; `scale` is 0 before the first."""

    scale: float
    stretch: float


TRACK: Layout = np.dtype([("scale", "f8"), ("stretch", "f8")], align=True)


@kernel
def begin(track: TrackRow, expected: float, periods: float, aim: Aim) -> None:
    """Before any error is known: that of counts, of which `expected` is a mean over `periods`."""
    if track.scale == 0.0:
        track.scale = 0.8 * math.sqrt(max(expected, 0.25) / periods)
        track.stretch = aim.usual


@kernel
def reach(track: TrackRow, pull: float, aim: Aim) -> float:
    """How far the interval goes to both sides."""
    return max(track.scale, LEAST_SCALE) * track.stretch * pull / aim.usual


@kernel
def learn(track: TrackRow, error: float, scale: float, pull: float, aim: Aim) -> bool:
    """Learn |error| of a forecast that was made at `scale`; whether today's interval missed it."""
    missed = error > scale * track.stretch * pull / aim.usual
    step = STRETCH_RATE * ((1.0 if missed else 0.0) - aim.miss)
    track.stretch = max(track.stretch + step, LEAST_STRETCH)
    track.scale += SCALE_RATE * (error - track.scale)
    return missed


def pulled(pull: float, missed: int, matured: int, aim: Aim) -> float:
    """The pull after `missed` of `matured` outcomes were missed; as it was if there were none."""
    if matured == 0:
        return pull
    return max(pull + PULL_RATE * (missed / matured - aim.miss), LEAST_PULL)
