"""Weekly forecasts, slowly: every week, each expert is worked out anew from the whole history."""

import math

EXPERTS = 6


def smoothed(values: list[float], rate: float) -> float:
    level = 0.0
    for number, value in enumerate(values):
        level += max(rate, 1 / (number + 1)) * (value - level)
    return level


def trend(values: list[float], span: int) -> float:
    level, slope = values[0], 0.0
    for number, value in enumerate(values[1:], start=1):
        ahead = level + 0.8 * slope
        now = ahead + max(0.29, 1 / (number + 1)) * (value - ahead)
        change = now - level - 0.8 * slope
        slope = 0.8 * slope + (0.10 * change if number >= 4 else 0.0)
        level = now
    steps = [sum(0.8**week for week in range(1, ahead + 1)) for ahead in range(1, span + 1)]
    return max(level + sum(steps) / span * slope, 0.0)


def said(shares: list[float], span: int) -> list[float]:
    """What the six experts say after these weeks."""
    recent = shares[-span:]
    return [
        shares[-1],
        sum(recent) / len(recent),
        smoothed(shares, 1 - 0.5 ** (1 / 2)),
        smoothed(shares, 1 - 0.5 ** (1 / 8)),
        sum(shares) / len(shares),
        trend(shares, span),
    ]


def agreed(shares: list[float], span: int, silent: int, sharpness: float = 0.5) -> float:
    """The share on which they agree, given how wrong they were on all that has matured.

    The first `silent` weeks are those before the first sale.
    """
    losses = [0.0] * EXPERTS
    for origin in range(5 + silent, len(shares) - span + 1):
        truth = sum(shares[origin : origin + span]) / span
        errors = [abs(one - truth) for one in said(shares[:origin], span)]
        mean = sum(errors) / EXPERTS
        losses = [0.9 * losses[n] + errors[n] / (mean + 1e-9) for n in range(EXPERTS)]
    weights = [math.exp(-sharpness * (loss - min(losses))) for loss in losses]
    told = said(shares, span)
    return sum(w * t for w, t in zip(weights, told, strict=True)) / sum(weights)


def expected(history: dict[str, list[float]], span: int) -> dict[str, float]:
    """The mean of a week of the next `span`: categories by name, weekly quantities from week 0.

    A category's weeks begin with the one before the first in which it sells.
    """
    weeks = len(next(iter(history.values())))
    totals = [sum(quantities[week] for quantities in history.values()) for week in range(weeks)]
    shares = {}
    for name, quantities in history.items():
        first = next((week for week, sold in enumerate(quantities) if sold > 0), None)
        if first is not None:
            own = [q / t if t else 0.0 for q, t in zip(quantities, totals, strict=True)]
            silent = min(first, 1)
            shares[name] = agreed(own[first - silent :], span, silent)
    whole = sum(shares.values())
    total = smoothed(totals, 1 - 0.5 ** (1 / 4))
    return {name: share / whole * total for name, share in shares.items()}
