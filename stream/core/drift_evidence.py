"""What was expected of a session, and the evidence that it tells of a change.

In formulas, for the session that closes: m events, d distinct categories, w_b the share
of category b, p_b its expected share, n slots taken. A slot's arrays are L `reference`,
s `short`, R1 `gain_slow`, R2 `gain_fast` and RM `move`; N, S, V and RR are
`reference_total`, `short_total`, `novelty` and `restart`.
"""

import math

import numpy as np

from stream.core.compiled import kernel
from stream.core.drift_session import DriftRow, distinct, new_share, session_share

# A category without history counts as so many sessions.
PRIOR = 0.1
SLOW, FAST, TAKEN = 0.1, 0.35, 0.6
MOST_RATIO = 30.0
LEAD = 1.5
NEW_INTEREST = 8.0
RARE = 0.005
LEAST_GROWTH, MOST_GROWTH = -50.0, 3.0
# Far above any threshold, and float32 still holds it.
MOST_EVIDENCE = 1e30
# Evidence below this part of the threshold is quiet: no change has begun.
QUIET = 1e-2


@kernel
def weight(row: DriftRow, slot: int) -> float:
    """The slot's reference weight and its prior. A new slot's debt counts as none."""
    return max(np.float64(row.reference[slot]), 0.0) + PRIOR


@kernel
def expected_novelty(row: DriftRow) -> float:
    """p_new = (V + 1) / (N + 2), the expected share of categories without a slot."""
    return (row.novelty + 1.0) / (row.reference_total + 2.0)


@kernel
def share_of_weight(row: DriftRow) -> float:
    """What one unit of `weight` is expected to have of a session: (1 - p_new) / sum."""
    total = 0.0
    for slot in range(row.used):
        total += weight(row, slot)
    if total <= 0.0:
        return 0.0
    return (1.0 - expected_novelty(row)) / total


@kernel
def lead(row: DriftRow) -> None:
    """Let `top` name the slot of the largest reference; a new one must lead by half."""
    largest = 0
    for slot in range(1, row.used):
        if row.reference[slot] > row.reference[largest]:
            largest = slot
    if row.top == 0 or row.reference[largest] > LEAD * np.float64(row.reference[row.top - 1]):
        row.top = largest + 1
        for slot in range(row.used):
            row.move[slot] = 0.0


@kernel
def bounded(evidence: float) -> float:
    """Evidence that float32 can hold; no threshold is as high."""
    return min(evidence, MOST_EVIDENCE)


@kernel
def surprise(row: DriftRow, slot: int, unit: float) -> float:
    """r_b = min(w_b / p_b, 30): how far the session exceeds what was expected."""
    return min(session_share(row, slot) / (unit * weight(row, slot)), MOST_RATIO)


@kernel
def gain(row: DriftRow, unit: float) -> float:
    """Evidence that some category grew, to a tenth or a third of all.

    R <- R (1 - θ + θ r_b) + m / (6 n), for θ of 0.1 and 0.35; returns the sum over slots.
    """
    total, start = 0.0, row.events / (6.0 * max(int(row.used), 1))
    for slot in range(row.used):
        ratio = surprise(row, slot, unit)
        slow = bounded(np.float64(row.gain_slow[slot]) * (1.0 - SLOW + SLOW * ratio) + start)
        fast = bounded(np.float64(row.gain_fast[slot]) * (1.0 - FAST + FAST * ratio) + start)
        row.gain_slow[slot] = slow
        row.gain_fast[slot] = fast
        total += slow + fast
    return total


@kernel
def move(row: DriftRow, unit: float) -> float:
    """Evidence that some category took 0.6 of what the leading one had.

    RM <- RM (1 + 0.6 (p_top r_b - w_top)) + m / (3 n); returns the sum over slots.
    """
    total, start, top = 0.0, row.events / (3.0 * max(int(row.used), 1)), row.top - 1
    expected, seen = unit * weight(row, top), session_share(row, top)
    for slot in range(row.used):
        if slot != top:
            growth = 1.0 + TAKEN * (expected * surprise(row, slot, unit) - seen)
            taken = bounded(np.float64(row.move[slot]) * growth + start)
            row.move[slot] = taken
            total += taken
    return total


@kernel
def recent_excess(row: DriftRow, slot: int) -> float:
    """x_b = max(0, s_b - S L_b / N): what the last few sessions hold beyond the reference."""
    if row.reference_total <= 0.0:
        return 0.0
    usual = row.short_total * max(np.float64(row.reference[slot]), 0.0) / row.reference_total
    return max(np.float64(row.short[slot]) - usual, 0.0)


@kernel
def likelihood_of_restart(row: DriftRow, unit: float) -> float:
    """ℓ, the session's log likelihood ratio for a shopper who started over.

    With X the sum of x_b, c = 8 and H_b = min(0.005, p_b):
    ℓ = w_new ln(c (1 - min(0.9, 0.005 n)) / (X + c) / p_new)
      + Σ w_b ln((x_b + c H_b) / (X + c) / p_b).
    """
    total = NEW_INTEREST
    for slot in range(row.used):
        total += recent_excess(row, slot)
    unknown = NEW_INTEREST * (1.0 - min(0.9, RARE * int(row.used)))
    ratio = new_share(row) * math.log(unknown / total / expected_novelty(row))
    for slot in range(row.used):
        if row.counts[slot] > 0:
            expected = unit * weight(row, slot)
            recent = recent_excess(row, slot) + NEW_INTEREST * min(RARE, expected)
            ratio += session_share(row, slot) * math.log(recent / total / expected)
    return ratio


@kernel
def restart(row: DriftRow, unit: float) -> float:
    """Evidence that the shopper started over: RR <- RR exp(√d ℓ) + m / 3, returned."""
    growth = math.sqrt(distinct(row)) * likelihood_of_restart(row, unit)
    factor = math.exp(min(max(growth, LEAST_GROWTH), MOST_GROWTH))
    row.restart = bounded(row.restart * factor + row.events / 3.0)
    return row.restart


@kernel
def date(row: DriftRow, evidence: float, threshold: float, started_at: float) -> None:
    """Note the start of the first session after evidence was last quiet."""
    if evidence < QUIET * threshold:
        row.rising = 0
    elif row.rising == 0:
        row.rising = 1
        row.began_at = started_at
