"""Repeats count once, and what comes late counts for its time."""

from functools import cache

import pytest

from tests.recovery.lateness import (
    Left,
    disturbed,
    furthest,
    left_by,
    other_moves,
    same_alerts,
    same_recent,
    shop,
)

SEED, EVENTS, USERS = 2, 6000, 25


@cache
def clean() -> Left:
    return left_by(shop(SEED, EVENTS, USERS))


@cache
def arriving(in_turn: bool) -> Left:
    return left_by(disturbed(shop(SEED, EVENTS, USERS), SEED, in_turn))


@pytest.mark.parametrize("in_turn", [False, True])
def test_repeated_and_late_demand_is_equal_and_interest_to_a_millionth(in_turn: bool) -> None:
    late = arriving(in_turn)
    repeated = len(disturbed(shop(SEED, EVENTS, USERS), SEED, in_turn)) - EVENTS

    assert late.repeats == repeated > EVENTS / 25
    assert late.demand == clean().demand
    assert furthest(clean(), late) < 1e-6
    assert late.sessions == clean().sessions


def test_moves_are_equal_where_no_event_of_a_shopper_overtakes_another() -> None:
    assert arriving(True).moves == clean().moves
    # Else the way from category to category is another one.
    assert 0 < other_moves(clean(), arriving(False)) < 0.7


def test_recent_items_and_alerts_are_nearly_the_same() -> None:
    late = arriving(False)
    both, one, two = same_alerts(clean(), late)

    assert same_recent(clean(), late) > 0.97
    assert both >= 0.8 * max(one, two) > 0
