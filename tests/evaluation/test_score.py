"""Alerts held against known moves, in a world of three shoppers."""

from stream.evaluation.scenarios import Move
from stream.evaluation.score import Score, score
from stream.messages import MigrationAlert


def move(user, at):
    return Move(user, "tents", "strollers", at, 0, 100, 20)


def alert(user, at, to="strollers"):
    return MigrationAlert(
        id=f"{user}@{at}", user_id=user, from_category="tents", to_category=to, pattern="move",
        strength=0.5, score=0.9, evidence=3e4, threshold=2e4, changes=[], occurred_at=at,
        began_at=at, session_started_at=at, session_events=5, delta_id="d", source_offset=1,
        settings="s",
    )  # fmt: skip


def test_an_alert_after_the_move_finds_it_and_all_others_are_false():
    moves = [move("ann", 100), move("bob", 200)]
    alerts = [alert("ann", 150), alert("bob", 199), alert("eve", 300)]
    assert score(moves, alerts, events=20_000) == Score(
        moves=2, found=1, right_from=1, right_to=1, repeated=0, false_alarms=2, events=20_000,
        median_delay=50.0,
    )  # fmt: skip


def test_only_the_first_alert_after_a_move_counts_whatever_the_order():
    alerts = [alert("ann", 170), alert("ann", 150, to="lamps")]
    result = score([move("ann", 100)], alerts, events=1000)
    assert (result.found, result.right_to, result.repeated) == (1, 0, 1)
    assert result.median_delay == 50


def test_rates_are_shares_of_moves_and_of_ten_thousand_events():
    result = score([move("ann", 100), move("bob", 1)], [alert("ann", 1), alert("bob", 2)], 5000)
    assert result.found_share == 0.5
    assert result.false_alarms_per_10k == 2.0


def test_nothing_to_find_is_no_division_by_zero():
    result = score([], [], events=0)
    assert (result.found_share, result.false_alarms_per_10k, result.median_delay) == (0, 0, None)
