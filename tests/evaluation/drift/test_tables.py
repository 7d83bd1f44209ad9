"""The tables of an evaluation, on few shoppers: every method, every metric."""

import numpy as np
import pytest

from stream.evaluation.drift import iid, real
from stream.evaluation.drift.contest import Effort
from stream.evaluation.drift.methods import EVERY, NO_RING, UNCALIBRATED
from stream.evaluation.drift.simulated import BENCHES
from stream.evaluation.report import OURS, Report
from tests.evaluation.toy_log import toy_log

LITTLE = Effort(trials=6, nulls=2, draws=2, splices=20, events=20_000, slow=5)


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def report():
    report = Report("test")
    real.tables(toy_log(shoppers=120, days=15), 1, report, silent, LITTLE)
    return report


def test_simulated_shoppers_get_a_table_for_each_way_to_move(monkeypatch):
    monkeypatch.setattr(iid, "BENCHES", BENCHES[:1])
    report = Report("test")
    iid.tables(1, report, silent, LITTLE)
    (name,) = report.tables()
    table = report.table(name)
    assert table.settings == ["strong", "medium", "weak"]
    assert {OURS, NO_RING, UNCALIBRATED, EVERY} < set(table.methods)
    assert {"mean_delay", "missed", "false_alarms_per_10k"} < set(table.metrics)
    assert all(row.value is None or np.isfinite(row.value) for row in report.rows)


def test_a_log_is_spliced_and_shuffled(report):
    spliced = report.table("Spliced shoppers: toy")
    assert spliced.settings == ["1 per 10,000 events", "1 per 1,000 events"]
    assert len(spliced.methods) == 8
    found = {row.method: row.value for row in report.rows if row.metric == "detected@100"}
    assert found[OURS] > 0.6 > found[EVERY]


def test_naming_again_own_order_and_confidence_have_tables_of_their_own(report):
    assert {"Amending to: toy", "Own order: toy", "Confidence: toy"} < set(report.tables())
    assert report.plots


def test_the_same_seed_gives_the_same_numbers(report):
    again = Report("test")
    real.tables(toy_log(shoppers=120, days=15), 1, again, silent, LITTLE)
    assert again.rows == report.rows
