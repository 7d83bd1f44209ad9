"""Plain forecasts of weekly demand, to hold ours against.

Each function takes quantities or shares of weeks, shape (weeks, categories), and gives for each
week what it would have said at its end of the mean of the next `span`, of the same shape.
"""

import numpy as np

from stream.core.rows import Float64s, Int32s


def smoothed(weeks: Float64s, half_life: float) -> Float64s:
    """An exponentially weighted level; a plain mean at first."""
    rate, level, out = 1.0 - 0.5 ** (1.0 / half_life), weeks[0].copy(), np.zeros_like(weeks)
    for week in range(len(weeks)):
        level += max(rate, 1.0 / (week + 1)) * (weeks[week] - level)
        out[week] = level
    return out


def rolled(weeks: Float64s, count: int) -> Float64s:
    """The mean of the last `count` weeks."""
    return np.array(
        [weeks[max(0, week - count + 1) : week + 1].mean(0) for week in range(len(weeks))]
    )


def damped_trend(
    weeks: Float64s, span: int, rate: float = 0.29, trend_rate: float = 0.10, damping: float = 0.8
) -> Float64s:
    """Holt's level and damped trend."""
    steps = np.cumsum(damping ** np.arange(1, span + 1)).mean()
    level, trend, out = weeks[0].copy(), np.zeros(weeks.shape[1]), np.zeros_like(weeks)
    for week in range(len(weeks)):
        ahead = level + damping * trend
        now = ahead + max(rate, 1.0 / (week + 1)) * (weeks[week] - ahead)
        change = trend_rate * (now - level - damping * trend) if week > 3 else 0.0
        trend, level = damping * trend + change, now
        out[week] = np.maximum(level + steps * trend, 0.0)
    out[0] = weeks[0]
    return out


def drifted(
    shares: Float64s, weeks: Int32s, shoppers: Int32s, categories: Int32s, span: int
) -> Float64s:
    """The shares of the last `span` weeks, moved as shoppers moved between the last two such.

    `weeks`, `shoppers` and `categories` are those of the events.
    """
    out, size = rolled(shares, span), (int(shoppers.max()) + 1, shares.shape[1])
    edges = np.searchsorted(weeks, np.arange(len(shares) + 1))

    def counted(first: int, last: int) -> Float64s:
        events = slice(edges[first], edges[last])
        counts = np.zeros(size)
        np.add.at(counts, (shoppers[events], categories[events]), 1.0)
        return counts

    for week in range(2 * span - 1, len(shares)):
        before, now = (
            counted(week + 1 - 2 * span, week + 1 - span),
            counted(week + 1 - span, week + 1),
        )
        stayed = (before.sum(1) >= 5) & (now.sum(1) >= 5)
        mixes, later = (part[stayed] / part[stayed].sum(1, keepdims=True) for part in (before, now))
        moves = mixes.T @ later
        moves /= np.maximum(moves.sum(1, keepdims=True), 1e-12)
        out[week] = now.sum(0) / max(now.sum(), 1.0) @ moves
    return out
