"""Clicks on simulated lists: places and reasons are told apart, whatever the order."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stream.core import clicks
from stream.core.clicks import PLACES, REASONS, Clicks
from stream.core.ranking import SEARCHED

EXAMINED = 1.0 / (1.0 + 0.35 * np.arange(20))
APPEAL = np.array([0.30, 0.10, 0.20, 0.20, 0.20, 0.20, 0.20])
Told = list[tuple[int, int, bool]]


def lists(count: int, seed: int = 3) -> Told:
    """Impressions and clicks; what appeals most mostly stands low, what does least high."""
    draw = np.random.default_rng(seed)
    told: Told = []
    for number in range(count):
        reasons = np.repeat([1, 2, 3, 4, 5, 6, 0], [5, 2, 2, 2, 2, 2, 5])
        if number % 3 == 0:
            draw.shuffle(reasons)
        for place, reason in enumerate(reasons):
            told.append((int(place), int(reason), False))
            if draw.random() < EXAMINED[place] * APPEAL[reason]:
                told.append((int(place), int(reason), True))
    return told


def learned(told: Told) -> Clicks:
    own = Clicks.of()
    for place, reason, clicked in told:
        clicks.show(own.rows[0], place, reason, clicked)
    return own


def rates(told: Told) -> NDArray[np.float64]:
    """Clicks to impressions of each reason, wherever it stood."""
    shown, clicked = np.zeros(REASONS), np.zeros(REASONS)
    for _, reason, hit in told:
        (clicked if hit else shown)[reason] += 1
    return clicked / np.maximum(shown, 1)


def test_examination_and_appeal_are_found_though_what_appeals_stands_low() -> None:
    told = lists(6000)
    row = learned(told).rows[0]
    naive = rates(told)

    assert naive[0] < naive[2]
    assert row.appeal[0] > 1.3 * row.appeal[2]
    assert row.examined[10] / row.examined[0] == pytest.approx(EXAMINED[10], abs=0.08)
    worth = row.appeal / row.appeal[2:SEARCHED].mean()
    assert worth[:2] == pytest.approx([1.5, 0.5], abs=0.25)


def test_the_order_of_what_is_told_leaves_no_trace_in_the_counts() -> None:
    told = lists(50)
    late = [one for one in told if not one[2]] + [one for one in told if one[2]]

    for field in ("shown", "clicked"):
        np.testing.assert_array_equal(
            getattr(learned(told).rows[0], field), getattr(learned(late).rows[0], field)
        )


def test_few_clicks_change_little_and_many_no_more_than_a_factor_of_two() -> None:
    few = learned([(0, 1, False)] * 63 + [(0, 1, True)]).rows[0]
    assert few.worth.tolist() == pytest.approx([1.0] * REASONS, abs=0.35)

    many = learned([(3, 0, True), *[(3, 1, False)] * 9] * 2000).rows[0]
    assert (many.worth[0], many.worth[1]) == (2.0, 0.5)


def test_a_click_of_what_was_never_shown_counts_as_both() -> None:
    row = learned([(2, 4, True)]).rows[0]
    assert (row.shown[2, 4], row.clicked[2, 4]) == (1.0, 1.0)


def test_places_far_down_are_as_the_last() -> None:
    row = learned([(99, 0, False)]).rows[0]
    assert row.shown[PLACES - 1, 0] == 1.0


def test_old_counts_fade() -> None:
    own = Clicks.of()
    own.rows[0].shown[0, 0] = 2 * clicks.ENOUGH
    clicks.fit(own.rows[0])
    assert own.rows[0].shown[0, 0] == clicks.ENOUGH


def test_it_is_stored_and_found_again() -> None:
    own = learned(lists(20))
    assert Clicks.of().restored(own.pack()).pack() == own.pack()
    with pytest.raises(ValueError, match="another layout"):
        Clicks.of().restored(b"\0" * len(own.pack()))
