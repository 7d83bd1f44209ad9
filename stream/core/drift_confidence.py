"""How sure an alarm is: its rank among all, and its chance where a calibration knows it."""

import math

import numpy as np

from stream.calibration import Confidence
from stream.core.compiled import kernel
from stream.core.drift_alarm import RING


@kernel
def log_excess(evidence: float, threshold: float, source: int) -> float:
    """How far the evidence lies beyond its threshold: ln(T / h), or G - γ.

    G is a logarithm already, and its threshold may be negative.

    >>> log_excess(200.0, 100.0, 0), log_excess(9.0, 8.5, 1)
    (0.6931471805599453, 0.5)
    """
    if source == RING:
        return evidence - threshold
    return math.log(evidence / threshold)


def score(excess: float) -> float:
    """T / (T + h), from 0.5 where the evidence just passed: a rank, no probability.

    >>> score(math.log(3.0))
    0.75
    """
    if excess >= 0.0:
        return 1.0 / (1.0 + math.exp(-excess))
    ratio = math.exp(excess)
    return ratio / (1.0 + ratio)


def confidence(model: Confidence, excess: float, strength: float, source: int) -> float:
    """The chance that a true change is behind the alarm, as the calibration's model has it."""
    rank = model.intercept + model.evidence * excess + model.strength * strength
    if source == RING:
        rank += model.ring
    return float(np.interp(rank, model.ranks, model.chances))
