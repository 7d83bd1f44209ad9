"""What `drift demo` says at the end: what was found, how soon, and what was false."""

import bisect
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from stream.evaluation.scenarios import DAY, Move
from stream.evaluation.score import Score, score
from stream.messages import MigrationAlert
from stream.settings import Settings

Times = Mapping[str, Sequence[float]]


def summary(moves: Sequence[Move], alerts: Sequence[MigrationAlert], times: Times) -> str:
    """A few lines for a person.

    Parameters
    ----------
    alerts
        Without repeated ids.
    times
        When each shopper did something, in order: all events of the run.
    """
    events = sum(map(len, times.values()))
    told = score(moves, alerts, events)
    head = f"\n{events:,} events of {len(times):,} shoppers, {len(alerts):,} alerts"
    if not moves:
        return f"{head}\nno shopper has moved yet: take more --seconds or a higher --rate"
    return "\n".join([head, _found(told), *_how_soon(told, moves, alerts, times), _false(told)])


def _found(told: Score) -> str:
    return (
        f"found {told.found} of {told.moves} migrations ({told.found_share:.0%}); of those "
        f"named right: from {told.right_from}, to {told.right_to}"
    )


def _how_soon(
    told: Score, moves: Sequence[Move], alerts: Iterable[MigrationAlert], times: Times
) -> list[str]:
    if told.median_delay is None:
        return []
    events = median(events_until_found(moves, alerts, times))
    return [
        f"how soon: half within {told.median_delay / DAY:.1f} days of shop time, or "
        f"{events:.0f} events of the shopper"
    ]


def _false(told: Score) -> str:
    budget = Settings().false_alarms_per_10k_events
    again = f"; {told.repeated} told a move again" if told.repeated else ""
    return (
        f"false alarms: {told.false_alarms}, that is {told.false_alarms_per_10k:.2f} per "
        f"10,000 events (the budget is {budget:g}){again}"
    )


def events_until_found(
    moves: Iterable[Move], alerts: Iterable[MigrationAlert], times: Times
) -> list[int]:
    """For each move that was found, the shopper's events from it to the session that told it."""
    moved = {move.user_id: move.moved_at for move in moves}
    found: dict[str, float] = {}
    for alert in sorted(alerts, key=lambda alert: alert.occurred_at):
        if alert.occurred_at >= moved.get(alert.user_id, float("inf")):
            found.setdefault(alert.user_id, alert.occurred_at)
    return [_between(times[user], moved[user], at) for user, at in found.items()]


def _between(times: Sequence[float], first: float, last: float) -> int:
    """How many times lie from one to another, both included.

    >>> _between([1.0, 2.0, 3.0, 4.0], first=2.0, last=3.0)
    2
    """
    return bisect.bisect_right(times, last) - bisect.bisect_left(times, first)
