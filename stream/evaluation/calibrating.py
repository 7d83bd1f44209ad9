"""Thresholds that spend a budget of false alarms exactly, from a shop's stored history."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from stream.calibration import Budget, Calibration
from stream.core.drift_stream import Limits
from stream.evaluation.calibrating_material import Half, Material, material
from stream.evaluation.drift import methods
from stream.evaluation.drift.confidence import Examples, examples, fit, together
from stream.evaluation.drift.contest import SHARE
from stream.evaluation.drift.histories import SESSION_GAP, Shuffle
from stream.evaluation.drift.methods import OFF
from stream.evaluation.drift.streams import Found, Streams
from stream.evaluation.logs import Log

BUDGETS = (0.5, 1.0, 2.0, 5.0, 10.0)


class Choices(NamedTuple):
    """What a person decides of a calibration."""

    budgets: Sequence[float] = BUDGETS
    """False alarms for each 10,000 events."""
    share: float = SHARE
    """The part of each that the ring may spend; 0 leaves it off."""
    shuffle: Shuffle = "day"
    """What is put in random order, and stays together: a session's events, or a day's."""
    session_gap: float = SESSION_GAP
    slots: int = 32
    events: int = 1_000_000
    """Events of shuffled history for thresholds, as far as 10 shuffles of each go."""
    seed: int = 1


def calibrate(log: Log, choices: Choices, say: Callable[[str], None]) -> Calibration:
    """The calibration of a log; the same log and choices give the same.

    Thresholds are set on shuffled histories, in which nothing moves. What they cost and
    how sure an alert is are judged by cross-fitting: thresholds set on half of the
    shoppers, judged on the others, and the other way around.

    Raises
    ------
    StreamError
        If there is too little history, naming what there is and what it takes.
    """
    of = material(
        log, choices.shuffle, choices.session_gap, choices.slots, choices.events, choices.seed
    )
    budgets = []
    for per_10k in sorted(set(choices.budgets)):
        say(f"setting thresholds for {per_10k:g} false alarms per 10,000 events")
        budgets.append(_budget(of, per_10k, choices.share))
    return Calibration(
        made_from=log.name,
        shoppers=of.shoppers,
        events=of.events,
        ring_share=choices.share,
        budgets=budgets,
        popularity=of.table.met,
        others=of.table.others,
    )


def _budget(of: Material, per_10k: float, share: float) -> Budget:
    limits = methods.calibrated(of.ours, of.quiet, per_10k, share)
    first, second = of.halves
    crossed = [_crossed(of, *pair, per_10k, share) for pair in ((first, second), (second, first))]
    false = sum(found.number for found, _ in crossed)
    events = first.quiet.events + second.quiet.events
    return Budget(
        false_alarms_per_10k_events=per_10k,
        threshold=limits.threshold,
        ring_threshold=None if limits.ring_threshold == OFF else limits.ring_threshold,
        realized_per_10k_events=methods.PER_10K * false / events,
        alerts_per_day=of.ours(of.whole, limits).number / of.days,
        shoppers_alerted=_alerted(of, of.own, limits),
        shoppers_by_chance=_alerted(of, of.quiet, limits),
        confidence=fit(together([seen for _, seen in crossed])),
    )


def _crossed(
    of: Material, fitted: Half, judged: Half, per_10k: float, share: float
) -> tuple[Found, Examples]:
    """False alarms, and alarms to learn confidence from, of shoppers not used for thresholds."""
    limits = methods.calibrated(of.ours, fitted.quiet, per_10k, share)
    false = of.ours(judged.quiet, limits)
    return false, examples(judged.quiet, false, judged.moved, of.ours(judged.moved, limits))


def _alerted(of: Material, streams: Streams, limits: Limits) -> float:
    """The share of streams with an alarm."""
    return len(set(of.ours(streams, limits).stream.tolist())) / streams.number
