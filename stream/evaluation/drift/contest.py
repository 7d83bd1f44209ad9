"""Every method with its threshold tuned to one budget on the same quiet streams."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from stream.evaluation.drift import methods
from stream.evaluation.drift.comparators import named
from stream.evaluation.drift.judging import judge
from stream.evaluation.drift.methods import (
    EVERY,
    HALF_RING,
    NO_RING,
    UNCALIBRATED,
    Method,
    Ours,
    Run,
)
from stream.evaluation.drift.streams import Found, Streams
from stream.evaluation.report import OURS

SHARE, HALF = 0.25, 0.5
"""What the ring may spend of the budget: usually, and where early moves matter more."""
WINDOWS = {True: ((50, 250), (25, 150)), False: ((20, 60), (40, 40))}
"""Pairs of windows for the ratio, where streams are long before the change, and where short."""
EARLY = 100
UNLIMITED = 1_000_000


class Effort(NamedTuple):
    """How much is run; less gives wider intervals, sooner."""

    trials: int = 300
    """Simulated shoppers who move, for each bench and size of change."""
    nulls: int = 100
    """Simulated shoppers who don't, for each of three laws."""
    draws: int = 5
    """How often a log's shoppers are parted anew."""
    splices: int = 500
    events: int = 400_000
    """Events of shuffled history for thresholds, as far as 10 shuffles of each go."""
    slow: int = 120
    """Streams that a slow method is run on."""


FULL = Effort()


class Contestant(NamedTuple):
    """A method with its threshold set, and how many streams it can be run on in time."""

    name: str
    run: Run
    most: int = UNLIMITED
    names: bool = False
    """Whether `from` and `to` are told by the last 30 events, for want of its own."""

    def found(self, streams: Streams) -> Found:
        found = self.run(streams)
        return named(streams, found) if self.names else found


def contestants(
    ours: Ours, quiet: Streams, moved: Streams, per_10k: float, seed: int, slow: int
) -> Iterator[Contestant]:
    """Ours and the usual methods, tuned on streams that are not reported on.

    The two-window ratio also takes the windows that find most of the changes in `moved`.
    A slow method is run on `slow` streams only.
    """
    for name, limits in {
        OURS: methods.calibrated(ours, quiet, per_10k, SHARE),
        HALF_RING: methods.calibrated(ours, quiet, per_10k, HALF),
        NO_RING: methods.calibrated(ours, quiet, per_10k, 0.0),
        UNCALIBRATED: methods.uncalibrated(per_10k),
    }.items():
        yield Contestant(name, partial(ours, limits=limits))
    long = bool((moved.changes >= 300).all())
    ratios = [_tuned(methods.ratio(*pair), quiet, per_10k, slow) for pair in WINDOWS[long]]
    yield max(ratios, key=lambda ratio: judge(moved, ratio.run(moved)).within(EARLY).sum())
    for method in (methods.PAGE_HINKLEY, methods.ADWINS):
        yield _tuned(method, quiet, per_10k, slow)
    yield Contestant(EVERY, partial(methods.every, per_10k=per_10k, seed=seed))


def _tuned(method: Method, quiet: Streams, per_10k: float, slow: int) -> Contestant:
    most = slow if method.slow else UNLIMITED
    some = quiet.some(most)
    threshold = methods.tuned(method.run, some, per_10k, method.low, method.high, steps=12)
    return Contestant(method.name, method.at(threshold), most, names=True)
