"""The tests behind population alerts agree with SciPy's, and with sums made by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stream.core import flow_tests

COUNTS = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), min_size=1, max_size=8)
CHANCES = st.lists(st.floats(0, 1), max_size=30)


def test_the_share_test_is_the_chi_squared_test_of_a_table() -> None:
    z = flow_tests.z_shares(np.array([40.0]), 1000.0, np.array([90.0]), 1200.0)
    table = [[40, 960], [90, 1110]]
    assert z[0] ** 2 == pytest.approx(stats.chi2_contingency(table, correction=False).statistic)
    assert z[0] > 0


def test_what_nobody_or_everybody_does_says_nothing() -> None:
    z = flow_tests.z_shares(np.array([0.0, 50.0]), 50.0, np.array([0.0, 60.0]), 60.0)
    assert z.tolist() == [0.0, 0.0]


def test_a_flow_that_grows_as_all_others_do_has_no_interaction() -> None:
    columns = [np.array([float(n)]) for n in (100, 1000, 200, 1000, 1000, 10_000, 2000, 10_000)]
    assert abs(flow_tests.z_interaction(*columns)[0]) < 0.05


def test_the_interaction_by_hand() -> None:
    columns = [np.array([float(n)]) for n in (10, 300, 40, 320, 200, 5000, 210, 5100)]
    lift = math.log(40.5 / 320) - math.log(10.5 / 300)
    elsewhere = math.log(210.5 / 5100) - math.log(200.5 / 5000)
    spread = math.sqrt(1 / 40.5 + 1 / 10.5 + 1 / 200.5 + 1 / 210.5)
    assert flow_tests.z_interaction(*columns)[0] == pytest.approx((lift - elsewhere) / spread)


@given(st.floats(-8, 8))
def test_the_chance_of_a_z_is_both_tails_of_the_normal(z: float) -> None:
    expected = 2 * stats.norm.sf(abs(z))
    assert flow_tests.two_sided(np.array([z]))[0] == pytest.approx(expected, rel=1e-9)


@given(CHANCES, st.sampled_from([0.01, 0.05, 0.2]))
def test_discoveries_are_those_of_scipy(chances: list[float], rate: float) -> None:
    passed = flow_tests.benjamini_hochberg(np.array(chances), rate)
    if not chances:
        assert len(passed) == 0
        return
    adjusted = stats.false_discovery_control(chances)
    clear = abs(adjusted - rate) > 1e-9
    assert (passed[clear] == (adjusted <= rate)[clear]).all()


@given(COUNTS)
def test_the_g_test_of_a_row_is_that_of_its_pooled_table(counts: list[tuple[int, int]]) -> None:
    before, now = [a for a, _ in counts], [b for _, b in counts]
    g, degrees, chance = flow_tests.g_test_row(before, now)
    table = pooled(before, now)
    if len(table) < 2 or not all(sum(side) for side in zip(*table, strict=True)):
        assert chance == 1.0 or degrees >= 1
        return
    expected = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    assert g == pytest.approx(expected.statistic, abs=1e-7)
    assert degrees == expected.dof
    assert chance == pytest.approx(expected.pvalue, abs=1e-7)


def pooled(before: list[int], now: list[int]) -> list[tuple[int, int]]:
    """Rows of at least three expected in each window, and one of all the others."""
    total_before, total_now = sum(before), sum(now)
    total = total_before + total_now
    large, small = [], [0, 0]
    for a, b in zip(before, now, strict=True):
        if total and min(total_before, total_now) * (a + b) / total >= 3:
            large.append((a, b))
        else:
            small = [small[0] + a, small[1] + b]
    return [row for row in [*large, (small[0], small[1])] if sum(row)]


@given(st.floats(0.01, 60), st.integers(1, 40))
def test_the_tail_of_chi_squared_is_scipys(statistic: float, degrees: int) -> None:
    expected = stats.chi2.sf(statistic, degrees)
    assert flow_tests.chi_squared(statistic, degrees) == pytest.approx(expected, abs=1e-10)
