"""What an evaluation found, as JSON and as a page."""

import json
import math

import pytest

from stream.evaluation.bootstrap import Interval, by_shopper, mean, rate, share, within
from stream.evaluation.plots import bars, lines, reliability
from stream.evaluation.report import OURS, Metric, Report, Row, metric_of, shown


def small_report():
    report = Report("Finding moves", {"seed": "1"})
    report.describe("Streams", "What <stands> here.")
    report.put("Streams", OURS, "weak", "mean_delay", Interval(12.25, 10.0, 14.5, 300))
    report.put("Streams", "alarm every N events", "weak", "mean_delay", Interval(90, 80, 99, 9))
    report.put("Streams", OURS, "weak", "hr@5", 0.41)
    report.put("Streams", OURS, "weak", "missed", math.nan)
    report.note("Nothing moved on Sundays.", "Streams")
    return report


def test_the_json_holds_every_number_with_its_interval(tmp_path):
    small_report().write(tmp_path)
    rows = json.loads((tmp_path / "report.json").read_text())["rows"]
    assert rows[0] == {
        "table": "Streams", "method": "interest-drift", "setting": "weak",
        "metric": "mean_delay", "value": 12.25, "low": 10.0, "high": 14.5, "n": 300,
    }  # fmt: skip
    assert [row["value"] for row in rows] == [12.25, 90.0, 0.41, None]


def test_the_page_needs_nothing_else_and_shows_what_it_is_told(tmp_path):
    report = small_report()
    report.plot("Curves by method.", lines({OURS: ([1, 2], [3, 4])}, "events", "found"), "Streams")
    report.write(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "http-equiv" not in page
    assert 'src="http' not in page
    assert "What &lt;stands&gt; here." in page
    assert "<b>12.2</b><small>10.0 to 14.5</small>" in page
    assert "Nothing moved on Sundays." in page
    assert "Curves by method." in page


def test_a_report_without_plots_carries_no_script(tmp_path):
    small_report().write(tmp_path)
    assert "<script" not in (tmp_path / "report.html").read_text()


def test_lines_are_by_setting_and_method_and_the_best_is_known():
    table = small_report().table("Streams")
    assert [(setting, method) for setting, method, _ in table.lines()] == [
        ("weak", OURS),
        ("weak", "alarm every N events"),
    ]
    assert table.best("weak", "mean_delay", -1) == 12.25
    assert table.best("weak", "hr@5", 1) is None


def test_a_metric_that_says_itself_what_is_better_needs_no_entry():
    report = small_report()
    assert metric_of(report, "recall@20").best == 1
    report.measure("said", Metric("said, %", 1, 100.0))
    assert shown(Row("t", "m", "s", "said", 0.5), metric_of(report, "said")) == ("50.0", "")


def test_intervals_hold_what_they_should():
    assert share(0, 20).low == 0.0 < share(0, 20).high < 0.2
    assert rate(0, 10_000, per=10_000).low == 0.0
    assert mean([1.0, 2.0, 3.0]).value == 2.0
    assert math.isnan(mean([1.0]).low)
    assert share(0, 0).n == 0


def test_ends_lie_where_the_number_can():
    assert within(mean([0.0, 0.1]), 0.0, 1.0).low == 0.0
    assert math.isnan(within(mean([0.5]), 0.0, 1.0).low)


def test_shoppers_are_drawn_as_wholes():
    # Two shoppers, of whom each is of one mind: however many events, it is two opinions.
    values, shoppers = [1.0] * 500 + [0.0] * 500, [7] * 500 + [9] * 500
    measured = by_shopper(values, shoppers, seed=3, draws=200)
    assert (measured.value, measured.low, measured.high, measured.n) == (0.5, 0.0, 1.0, 2)
    assert by_shopper(values, shoppers, seed=3, draws=200) == measured


def test_weights_count_in_a_mean_by_shopper():
    measured = by_shopper([1.0, 0.0], [1, 2], seed=1, weights=[3.0, 1.0], draws=50)
    assert measured.value == 0.75


@pytest.mark.parametrize(
    "figure",
    [
        reliability({OURS: ([0.1, 0.9], [0.2, 0.8], [10, 20])}),
        bars({OURS: {"weak": 1.0}}, "change", "delay"),
    ],
)
def test_figures_name_the_methods(figure):
    assert OURS in [trace.name for trace in figure.data]
