"""Thresholds from a toy shop's history: they spend the budget, and say what they cost."""

import math

import msgspec
import pytest

from stream.core import drift
from stream.errors import StreamError
from stream.evaluation.calibrating import Choices, calibrate
from stream.settings import Settings
from tests.evaluation.toy_log import toy_log

CHOICES = Choices(budgets=(20.0, 5.0), events=30_000)


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def made():
    return calibrate(toy_log(), CHOICES, silent)


def test_the_budget_is_spent_on_shoppers_who_were_not_used_for_it(made):
    for budget in made.budgets:
        asked = budget.false_alarms_per_10k_events
        assert 0.6 * asked < budget.realized_per_10k_events < 1.6 * asked


def test_a_larger_budget_has_lower_thresholds_and_more_alerts(made):
    less, more = made.budgets
    assert less.false_alarms_per_10k_events == 5.0
    assert less.threshold > more.threshold
    assert less.ring_threshold > more.ring_threshold
    assert less.alerts_per_day < more.alerts_per_day
    assert less.shoppers_alerted < more.shoppers_alerted


def test_where_nothing_moves_chance_explains_the_shoppers_alerted(made):
    assert all(budget.chance_share > 0.6 for budget in made.budgets)


def test_the_table_holds_each_category_met_and_one_share_for_all_others(made):
    assert len(made.popularity) == 16
    assert sum(made.popularity.values()) == pytest.approx(1.0, abs=1e-5)
    assert 0 < made.others < min(made.popularity.values())


def test_confidence_is_learned_and_its_prior_is_stated(made):
    models = [budget.confidence for budget in made.budgets]
    assert all(model.prior == 6e-4 for model in models)
    assert all(model.evidence >= 0 for model in models)


def test_the_same_log_and_seed_give_the_same_file(made):
    again = calibrate(toy_log(), CHOICES, silent)
    assert msgspec.json.encode(again) == msgspec.json.encode(made)
    assert again.fingerprint() == made.fingerprint()


def test_the_settings_take_its_thresholds(made):
    settings = Settings(calibration=made, false_alarms_per_10k_events=5.0)
    assert drift.limits(settings) == (made.budgets[0].threshold, made.budgets[0].ring_threshold)


def test_without_a_share_the_ring_stays_off():
    made = calibrate(toy_log(), Choices(budgets=(20.0,), share=0.0, events=30_000), silent)
    assert made.budgets[0].ring_threshold is None
    limits = drift.limits(Settings(calibration=made, false_alarms_per_10k_events=20.0))
    assert limits.ring_threshold == math.inf


def test_too_little_history_is_refused_with_what_there_is_and_what_it_takes():
    with pytest.raises(StreamError, match=r"of 300 shoppers, 200 .* 100 of the others .* 150 are"):
        calibrate(toy_log(shoppers=300), CHOICES, silent)
    with pytest.raises(StreamError, match="and 0 of the others have 100 events in 4 days"):
        calibrate(toy_log(days=3), CHOICES, silent)
