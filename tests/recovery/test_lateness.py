"""Repeats count once, and what comes late counts for its time."""

from functools import cache

import pytest

from tests.recovery.lateness import (
    Left,
    disturbed,
    furthest,
    left_by,
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


@pytest.mark.parametrize("in_turn", [False, True])
def test_counts_of_moves_are_equal(in_turn: bool) -> None:
    assert arriving(in_turn).moves == clean().moves


def test_recent_items_and_alerts_are_nearly_the_same() -> None:
    late = arriving(False)
    both, one, two = same_alerts(clean(), late)

    assert same_recent(clean(), late) > 0.97
    assert both >= 0.8 * max(one, two) > 0
