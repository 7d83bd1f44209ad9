"""Precision by bins against sorted lists; reach against counting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import precision, reach
from stream.core.precision import BINS, PRECISION, PrecisionRow
from stream.core.reach import CELLS, REACH, ReachRow
from stream.core.rows import zeros

Told = tuple[float, bool, float]
TOLD = st.lists(
    st.tuples(st.floats(0.002, 1.0), st.booleans(), st.sampled_from([1.0, 2.0])), max_size=80
)


def recorded(told: list[Told]) -> PrecisionRow:
    row = zeros(1, PRECISION, PrecisionRow)[0]
    for probability, came, weight in told:
        precision.record(row, probability, came, weight)
    return row


@given(told=TOLD, times=st.sampled_from([1, 5, 60]), target=st.sampled_from([0.2, 0.5, 0.9]))
def test_the_limit_is_the_lowest_edge_from_which_the_target_was_met(
    told: list[Told], times: int, target: float
) -> None:
    told, fits = told * times, [2.0]
    for place in range(BINS - 1):
        edge = 2.0 ** (-(place + 1) / 4)
        upper = edge * 2**0.25 if place else 1.1
        sure = [(came, weight) for probability, came, weight in told if probability >= edge]
        weights = sum(weight for _, weight in sure)
        came = sum(weight for came, weight in sure if came)
        here = any(edge <= probability < upper for probability, _, _ in told)
        if here and len(sure) >= 50 and came >= target * weights:
            fits.append(edge)

    assert precision.limit(recorded(told), target) == pytest.approx(min(fits))


@given(told=TOLD, times=st.sampled_from([1, 60]), asked=st.floats(0.002, 1.0))
def test_trust_counts_those_as_sure_or_surer_and_more_where_they_are_few(
    told: list[Told], times: int, asked: float
) -> None:
    told, bins = told * times, range(BINS)
    of = {place: [one for one in told if precision.bin_of(one[0]) == place] for place in bins}
    upto = precision.bin_of(asked)
    while upto < BINS - 1 and sum(len(of[place]) for place in range(upto + 1)) < 50:
        upto += 1
    sure = [one for place in range(upto + 1) for one in of[place]]
    share, matured = precision.trust(recorded(told), asked)

    assert matured == len(sure)
    weights = sum(weight for _, _, weight in sure)
    came = sum(weight for _, came, weight in sure if came)
    assert share == pytest.approx(came / weights if weights else 0.0)


def test_every_edge_begins_its_own_bin() -> None:
    assert [precision.bin_of(precision.edge(place)) for place in range(BINS)] == list(range(BINS))
    assert precision.bin_of(1.0) == 0
    assert precision.bin_of(0.0) == BINS - 1


def test_with_too_few_matured_predictions_nothing_is_sure_enough() -> None:
    told = [(0.9, True, 1.0)] * 49

    assert precision.limit(recorded(told), 0.3) == 2.0
    assert precision.limit(recorded([*told, told[0]]), 0.3) == pytest.approx(2**-0.25)


def test_a_period_forgets_a_tenth_of_those_before() -> None:
    row = recorded([(0.5, True, 2.0)] * 10)
    precision.fade(row)
    precision.record(row, 0.5, False, 1.0)

    share, matured = precision.trust(row, 0.5)
    assert matured == 10
    assert share == pytest.approx(18 / 19)


def test_reach_is_the_share_of_shoppers_with_enough_events() -> None:
    row = zeros(1, REACH, ReachRow)[0]
    active, idle = reach.cell(50.0, 0.9), reach.cell(1.0, 0.1)
    assert reach.share(row, active) == 0.5
    for _ in range(1000):
        reach.record(row, active, True)
        reach.record(row, idle, False)

    assert reach.share(row, active) == pytest.approx(1.0, abs=0.01)
    assert reach.share(row, idle) == pytest.approx(0.0, abs=0.01)
    # Of a cell without shoppers of its own, the share of all is told.
    assert reach.share(row, reach.cell(7.0, 0.5)) == pytest.approx(0.5, abs=0.01)


def test_cells_tell_apart_how_active_a_shopper_is_and_what_is_left() -> None:
    cells = [
        reach.cell(events, left)
        for events in (0.0, 3.0, 7.0, 15.0, 30.0, 1e9)
        for left in (0.1, 0.3, 0.6, 1.0)
    ]

    assert cells == list(range(CELLS))
