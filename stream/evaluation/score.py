"""How many true moves the alerts found, how soon, and how many alerts were false."""

from collections.abc import Iterable, Sequence
from statistics import median

from msgspec import Struct

from stream.evaluation.scenarios import Move
from stream.messages import MigrationAlert


class Score(Struct, frozen=True):
    """What detected alerts were worth on a stream whose moves are known."""

    moves: int
    found: int
    """Moves with an alert for that shopper at or after them."""
    right_from: int
    """Of those found, how many name the category that was left."""
    right_to: int
    """Of those found, how many name the category that took its place."""
    repeated: int
    """Further alerts after a move that was found."""
    false_alarms: int
    """Alerts for shoppers who never moved, or before they did."""
    events: int
    median_delay: float | None
    """Seconds of event time from the move to its first alert; None where none was found."""

    @property
    def found_share(self) -> float:
        return self.found / self.moves if self.moves else 0.0

    @property
    def false_alarms_per_10k(self) -> float:
        return 10_000 * self.false_alarms / self.events if self.events else 0.0


def score(moves: Sequence[Move], alerts: Iterable[MigrationAlert], events: int) -> Score:
    """Hold alerts against the truth.

    Parameters
    ----------
    moves
        At most one a shopper.
    alerts
        In any order; of those with one id, the last revision counts.
    events
        All events of the stream, which the rate of false alarms is told of.
    """
    moved = {move.user_id: move for move in moves}
    first: dict[str, MigrationAlert] = {}
    after = false = 0
    newest = {alert.id: alert for alert in sorted(alerts, key=lambda alert: alert.revision)}
    for alert in sorted(newest.values(), key=lambda alert: (alert.occurred_at, alert.id)):
        move = moved.get(alert.user_id)
        if move is None or alert.occurred_at < move.moved_at:
            false += 1
        else:
            after += 1
            first.setdefault(alert.user_id, alert)
    pairs = [(moved[user], alert) for user, alert in first.items()]
    return Score(
        moves=len(moves),
        found=len(first),
        right_from=sum(move.from_category == alert.from_category for move, alert in pairs),
        right_to=sum(move.to_category == alert.to_category for move, alert in pairs),
        repeated=after - len(first),
        false_alarms=false,
        events=events,
        median_delay=median([a.occurred_at - m.moved_at for m, a in pairs]) if pairs else None,
    )
