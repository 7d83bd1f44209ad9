"""A ranking of dicts and Python floats, made of what a shop model's rows say."""

import math

from stream.core.ranking import RankingWeights
from stream.core.shop import ShopModel
from stream.core.transitions import BACKWARD, FORWARD

Shopper = list[tuple[str, int]]
"""Recent items, newest first, each with the strongest action."""


def channels(
    model: ShopModel, shopper: Shopper, now: float, half_life: float
) -> dict[str, list[float]]:
    """For each candidate its part of follows, precedes, recent, similar."""
    names, rows, factors = model.items.names, model.items.rows, model.factors
    parts: dict[str, list[float]] = {}
    query, total = [0.0] * model.settings.factors, 0.0
    for lag, (name, _) in enumerate(shopper[:5]):
        if name in names:
            row = rows[names.index(name)]
            left = 2.0 ** (-max(0.0, now - row.transitions.updated_at) / half_life)
            strength = math.exp(-0.5 * lag) / (float(row.transitions.total) * left + 1) ** 0.75
            for slot in range(row.transitions.used):
                part = parts.setdefault(names[row.transitions.neighbors[slot]], [0.0] * 4)
                part[0] += strength * left * float(row.transitions.weights[slot, FORWARD])
                part[1] += strength * left * float(row.transitions.weights[slot, BACKWARD])
            known = sum(other in names for other, _ in shopper[:lag])
            total += 0.7**known
            inward = factors[names.index(name)].inward
            query = [q + 0.7**known * float(v) for q, v in zip(query, inward, strict=True)]
    for place, (name, _) in enumerate(shopper):
        if name in names:
            parts.setdefault(name, [0.0] * 4)[2] = 1 / (place + 1)
    if total:
        for name, part in parts.items():
            outward = factors[names.index(name)].outward
            part[3] = math.exp(
                sum(q / total * float(v) for q, v in zip(query, outward, strict=True))
            )
    return parts


def scores(
    model: ShopModel, shopper: Shopper, weights: RankingWeights, now: float, half_life: float
) -> dict[str, list[float]]:
    """For each item that may be listed, the parts of its score."""
    parts = channels(model, shopper, now, half_life)
    left_out = {name for name, action in shopper if action == 2}
    if shopper and not weights.with_current:
        left_out.add(shopper[0][0])
    listed = {name: part for name, part in parts.items() if name not in left_out}
    sums = [sum(part[channel] for part in listed.values()) for channel in range(4)]
    return {
        name: [w * x / s if s else 0.0 for w, x, s in zip(weights[:4], part, sums, strict=True)]
        for name, part in listed.items()
    }
