"""Detectors as one kind of thing: a threshold in, alarms out."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from stream.core.drift import SAFETY
from stream.core.drift_stream import Detector, Limits
from stream.core.rows import Float32s, Int64s
from stream.evaluation.drift import comparators
from stream.evaluation.drift.comparators import unnamed
from stream.evaluation.drift.streams import Found, Streams
from stream.evaluation.report import OURS

OFF = float("inf")
PER_10K = 10_000.0
NO_RING = f"{OURS}, no ring"
HALF_RING = f"{OURS}, ring share .5"
UNCALIBRATED = f"{OURS}, uncalibrated"
EVERY = "alarm every N events"
RATIO = "two-window likelihood ratio"
LOW_GAMMA, HIGH_GAMMA = -30.0, 120.0
STEPS = 14

Run = Callable[[Streams], Found]
Level = Callable[[Streams, float], Found]


class Method(NamedTuple):
    """A detector with one threshold, which alarms less often the higher it is."""

    name: str
    run: Level
    low: float
    high: float
    slow: bool = False

    def at(self, threshold: float) -> Run:
        """The detector with its threshold set."""
        return lambda streams: self.run(streams, threshold)


class Ours:
    """Our detector, with the shop's popularity for its ring; categories as in the streams."""

    def __init__(self, popularity: Float32s, slots: int = 32, amend_after: int = 0) -> None:
        self._detector = Detector(slots, popularity, amend_after=amend_after)

    def __call__(self, streams: Streams, limits: Limits) -> Found:
        found, numbers = [], []
        for number, (categories, sessions) in enumerate(streams.each()):
            alarms = self._detector.alarms(categories, sessions, limits)
            if len(alarms):
                found.append(alarms)
                numbers.append(np.full(len(alarms), number, np.int64))
        if not found:
            return unnamed((), ())
        rows = np.concatenate(found)
        return Found(
            np.concatenate(numbers),
            rows["event"].astype(np.int64),
            *(rows[name] for name in ("from_category", "to_category", "amended_to")),
            *(rows[name] for name in ("excess", "strength", "source")),
        )

    def ring_alone(self, streams: Streams, gamma: float) -> Found:
        return self(streams, Limits(OFF, gamma))

    def whole(self, streams: Streams, h: float, gamma: float = OFF) -> Found:
        return self(streams, Limits(h, gamma))


def uncalibrated(per_10k: float) -> Limits:
    """What our detector takes without a calibration."""
    return Limits(SAFETY * PER_10K / per_10k)


def calibrated(ours: Ours, nulls: Streams, per_10k: float, share: float) -> Limits:
    """Thresholds that spend a budget on streams in which nothing moves.

    First the ring alone may spend its share, then both together all of it.
    """
    gamma = OFF
    if share > 0.0:
        gamma = tuned(ours.ring_alone, nulls, share * per_10k, LOW_GAMMA, HIGH_GAMMA, False)
    return Limits(tuned(partial(ours.whole, gamma=gamma), nulls, per_10k, 5.0, 1e15), gamma)


def tuned(
    run: Level,
    nulls: Streams,
    per_10k: float,
    low: float,
    high: float,
    ratio: bool = True,
    steps: int = STEPS,
) -> float:
    """The least threshold at which no more than so many alarms are raised, by bisection."""
    for _ in range(steps):
        middle = (low * high) ** 0.5 if ratio else (low + high) / 2
        if false_alarms(run(nulls, middle), nulls) > per_10k:
            low = middle
        else:
            high = middle
    return high


def false_alarms(found: Found, nulls: Streams) -> float:
    """Alarms for each 10,000 events, where nothing moves."""
    return PER_10K * found.number / max(nulls.events, 1)


def ratio(recent: int, before: int) -> Method:
    """The two-window likelihood ratio; how long its windows are is not in its name."""
    return Method(RATIO, partial(two_windows, recent=recent, before=before), 2.0, 500.0)


def two_windows(streams: Streams, threshold: float, recent: int, before: int) -> Found:
    stream, event = _room(streams)
    now, past = _counts(streams), _counts(streams)
    used = comparators.two_windows(
        streams.categories, streams.first, now, past, recent, before, threshold, stream, event
    )
    return unnamed(stream[:used], event[:used])


def page_hinkley(streams: Streams, threshold: float) -> Found:
    stream, event = _room(streams)
    surprise = np.zeros(streams.events)
    comparators.surprises(streams.categories, streams.first, _counts(streams), surprise)
    used = comparators.page_hinkley(surprise, streams.first, threshold, stream, event)
    return unnamed(stream[:used], event[:used])


def adwin(streams: Streams, threshold: float) -> Found:
    """Its delta is ten to the minus `threshold`."""
    delta = 10.0**-threshold
    alarms = [comparators.one_against_rest(one, delta) for one, _ in streams.each()]
    stream = np.repeat(np.arange(len(alarms)), [len(events) for events in alarms])
    return unnamed(stream, [event for events in alarms for event in events])


PAGE_HINKLEY = Method("Page-Hinkley on surprise", page_hinkley, 0.5, 2000.0)
ADWINS = Method("12 x ADWIN, one against rest", adwin, 0.3, 100.0, slow=True)


def every(streams: Streams, per_10k: float, seed: int) -> Found:
    """Alarms that know nothing, at the same rate: what chance finds."""
    step = round(PER_10K / per_10k)
    phases = np.random.default_rng(seed).integers(0, step, streams.number)
    lengths = np.diff(streams.first)
    events = [range(phase, length, step) for phase, length in zip(phases, lengths, strict=True)]
    stream = np.repeat(np.arange(streams.number), [len(places) for places in events])
    return unnamed(stream, [place for places in events for place in places])


def _counts(streams: Streams) -> Int64s:
    return np.zeros(int(streams.categories.max(initial=0)) + 1, np.int64)


def _room(streams: Streams) -> tuple[Int64s, Int64s]:
    return np.zeros(streams.events, np.int64), np.zeros(streams.events, np.int64)
