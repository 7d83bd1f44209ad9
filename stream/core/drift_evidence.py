"""What was expected of a session, and the evidence that it tells of a change.

In formulas, for the session that closes: m events, d distinct categories, w_b the share
of category b, p_b its expected share, n slots taken. A slot's arrays are L `reference`,
s `short`, R1 `gain_slow`, R2 `gain_fast` and RM `move`; N, S, V and RR are
`reference_total`, `short_total`, `novelty` and `restart`.
"""

import math

from stream.core.compiled import kernel
from stream.core.drift_work import WorkRow, distinct, new_share, session_share

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
# Evidence below this, or a tenth of a threshold under 1000, is quiet: no change has begun.
# Where nothing moves it is seldom above. A part of the threshold instead, 1 / 1000, dated
# i.i.d. moves 90 (h = 20000) to 570 events (h = 5000) off in the mean, this one 9 to 61.
QUIET = 100.0


@kernel
def weight(work: WorkRow, slot: int) -> float:
    """The slot's reference weight and its prior. A new slot's debt counts as none."""
    return float(max(work.reference[slot], 0.0) + PRIOR)


@kernel
def expected_novelty(work: WorkRow) -> float:
    """p_new = (V + 1) / (N + 2), the expected share of categories without a slot."""
    return (work.novelty + 1.0) / (work.reference_total + 2.0)


@kernel
def share_of_weight(work: WorkRow) -> float:
    """What one unit of `weight` is expected to have of a session: (1 - p_new) / sum."""
    total = 0.0
    for slot in range(work.used):
        total += weight(work, slot)
    if total <= 0.0:
        return 0.0
    return (1.0 - expected_novelty(work)) / total


@kernel
def lead(work: WorkRow) -> None:
    """Let `top` name the slot of the largest reference; a new one must lead by half."""
    largest = 0
    for slot in range(1, work.used):
        if work.reference[slot] > work.reference[largest]:
            largest = slot
    if work.top == 0 or work.reference[largest] > LEAD * work.reference[work.top - 1]:
        work.top = largest + 1
        for slot in range(work.used):
            work.move[slot] = 0.0


@kernel
def bounded(evidence: float) -> float:
    """Evidence that float32 can hold; no threshold is as high."""
    return min(evidence, MOST_EVIDENCE)


@kernel
def surprise(work: WorkRow, slot: int, unit: float) -> float:
    """r_b = min(w_b / p_b, 30): how far the session exceeds what was expected."""
    if work.counts[slot] == 0:
        return 0.0
    return min(session_share(work, slot) / (unit * weight(work, slot)), MOST_RATIO)


@kernel
def gain(work: WorkRow, unit: float) -> float:
    """Evidence that some category grew, to a tenth or a third of all.

    R <- R (1 - θ + θ r_b) + m / (6 n), for θ of 0.1 and 0.35; returns the sum over slots.
    """
    total, start = 0.0, work.events / (6.0 * max(work.used, 1))
    for slot in range(work.used):
        ratio = surprise(work, slot, unit)
        slow = bounded(work.gain_slow[slot] * (1.0 - SLOW + SLOW * ratio) + start)
        fast = bounded(work.gain_fast[slot] * (1.0 - FAST + FAST * ratio) + start)
        work.gain_slow[slot] = slow
        work.gain_fast[slot] = fast
        total += slow + fast
    return total


@kernel
def move(work: WorkRow, unit: float) -> float:
    """Evidence that some category took 0.6 of what the leading one had.

    RM <- RM (1 + 0.6 (p_top r_b - w_top)) + m / (3 n); returns the sum over slots.
    """
    total, start, top = 0.0, work.events / (3.0 * max(work.used, 1)), work.top - 1
    expected, seen = unit * weight(work, top), session_share(work, top)
    for slot in range(work.used):
        if slot != top:
            growth = 1.0 + TAKEN * (expected * surprise(work, slot, unit) - seen)
            taken = bounded(work.move[slot] * growth + start)
            work.move[slot] = taken
            total += taken
    return total


@kernel
def recent_part(work: WorkRow) -> float:
    """S / N, the last few sessions as a part of all; 0 without any."""
    if work.reference_total <= 0.0:
        return 0.0
    return work.short_total / work.reference_total


@kernel
def recent_excess(work: WorkRow, slot: int, part: float) -> float:
    """x_b = max(0, s_b - L_b S / N): what the last few sessions hold beyond the reference."""
    return float(max(work.short[slot] - max(work.reference[slot], 0.0) * part, 0.0))


@kernel
def likelihood_of_restart(work: WorkRow, unit: float) -> float:
    """ℓ, the session's log likelihood ratio for a shopper who started over.

    With X the sum of x_b, c = 8 and H_b = min(0.005, p_b):
    ℓ = w_new ln(c (1 - min(0.9, 0.005 n)) / (X + c) / p_new)
      + Σ w_b ln((x_b + c H_b) / (X + c) / p_b).
    """
    total, part = NEW_INTEREST, recent_part(work)
    for slot in range(work.used):
        total += recent_excess(work, slot, part)
    unknown = NEW_INTEREST * (1.0 - min(0.9, RARE * work.used))
    ratio = new_share(work) * math.log(unknown / total / expected_novelty(work))
    for slot in range(work.used):
        if work.counts[slot] > 0:
            expected = unit * weight(work, slot)
            recent = recent_excess(work, slot, part) + NEW_INTEREST * min(RARE, expected)
            ratio += session_share(work, slot) * math.log(recent / total / expected)
    return ratio


@kernel
def restart(work: WorkRow, unit: float) -> float:
    """Evidence that the shopper started over: RR <- RR exp(√d ℓ) + m / 3, returned."""
    growth = math.sqrt(distinct(work)) * likelihood_of_restart(work, unit)
    factor = math.exp(min(max(growth, LEAST_GROWTH), MOST_GROWTH))
    work.restart = bounded(work.restart * factor + work.events / 3.0)
    return float(work.restart)


@kernel
def date(work: WorkRow, evidence: float, threshold: float, started_at: float) -> None:
    """Note the start of the first session after evidence was last quiet."""
    if evidence < min(QUIET, 0.1 * threshold):
        work.rising = 0
    elif work.rising == 0:
        work.rising = 1
        work.began_at = started_at
