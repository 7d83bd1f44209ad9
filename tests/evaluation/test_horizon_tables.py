"""The horizon model's tables, on a small shop whose interests take turns."""

import random

import numpy as np
import pytest

from stream.evaluation import horizon_tables
from stream.evaluation.horizon_replay import METHODS, Replay
from stream.evaluation.horizon_tables import measured, ranks_of, reliability, spans, usual_days
from stream.evaluation.logs import Log
from stream.evaluation.report import OURS, Report
from tests.evaluation.toy_log import viewed

DAY = 86_400.0
START = 1_577_836_800.0


def toy(days: int = 9, shoppers: int = 15, categories: int = 12, seed: int = 1) -> Log:
    """Each shopper has two lasting interests, and two that take turns day by day."""
    draw, lines = random.Random(seed), []
    for day in range(days):
        for hour in range(14):
            for shopper in range(shoppers):
                own = [shopper % categories, (shopper + 1) % categories]
                today = (shopper + 2 + (day + shopper) % 2) % categories
                category = draw.choice([*own, *own, today, today, draw.randrange(categories)])
                lines.append((shopper, category, START + day * DAY + hour * 3600 + shopper))
    return viewed(*zip(*lines, strict=True))


LOG = toy()


def test_the_tables_say_that_ours_beats_persistence_where_interests_take_turns() -> None:
    report, said = Report("toy"), list[str]()
    horizon_tables.tables([LOG], 7, report, said.append)
    rows = {(row.table, row.method, row.setting, row.metric): row for row in report.rows}
    table = "What enters the three largest: next day, toy"

    assert said == ["toy: next day"]
    for method in METHODS:
        for metric in ("hr@5", "precision@10", "auc", "average_precision"):
            row = rows[table, method, "all", metric]
            assert row.value is not None
            assert row.low is not None
            assert row.low <= row.value <= (row.high or 0.0)
            assert row.n == 15
    ours, theirs = (rows[table, who, "all", "average_precision"] for who in (OURS, "popularity"))
    assert (ours.value or 0.0) > (theirs.value or 0.0)
    loss, base = (rows[table, who, "all", "log_loss"] for who in (OURS, "base rate"))
    assert (loss.value or 9.0) < (base.value or 0.0)
    settings = {row.setting for row in report.rows if row.table.startswith("Predicted alerts")}
    assert "prediction_precision = 0.3" in settings
    assert len(report.plots) == 1


def test_the_same_seed_gives_the_same_tables() -> None:
    reports = [Report("toy"), Report("toy")]
    for report in reports:
        horizon_tables.tables([LOG], 7, report, lambda text: None)

    assert reports[0].rows == reports[1].rows


def test_a_log_that_is_too_short_is_said_to_be() -> None:
    report, said = Report("toy"), list[str]()
    horizon_tables.tables([toy(days=4)], 7, report, said.append)

    assert report.rows == []
    assert said == ["toy: under 5 days, too few for any horizon"]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (9, ["next day"]),
        (40, ["next day", "next week"]),
        (140, ["next week", "next 4 weeks"]),
        (300, ["next 4 weeks", "next quarter"]),
    ],
)
def test_horizons_are_those_for_which_the_log_is_long_enough(
    days: int, expected: list[str]
) -> None:
    log = LOG._replace(at=np.linspace(START, START + days * DAY - 1, len(LOG.at)))

    assert [span.name for span in spans(log)] == expected


def test_days_with_hardly_any_events_at_the_ends_are_left_out() -> None:
    days = np.array([3] + [10] * 50 + [11] * 2 + [12] * 60 + [40] * 4, np.int32)

    assert usual_days(days) == (10, 12)


def test_what_entered_is_what_was_largest_and_had_not_been() -> None:
    (span,) = spans(LOG)
    asked = list(Replay(LOG, span, 1).periods())

    assert len(asked) == 6
    for period in asked:
        assert period.scores.shape == (len(METHODS), 15, 12)
        assert (period.open_to.sum(1) == 12 - 3).all()
        assert not (period.entered & ~period.open_to).any()
    # The interest of yesterday makes way for that of today.
    due = [(shopper + 2 + (8 + shopper) % 2) % 12 for shopper in range(15)]
    entered = asked[-1].entered[np.arange(15), due] | ~asked[-1].open_to[np.arange(15), due]
    assert entered.mean() > 0.8


def test_metrics_follow_from_the_ranks() -> None:
    scores = np.array([0.1, 0.9, 0.5, 0.5, -np.inf])
    tie = np.array([0, 1, 3, 2, 4])

    assert ranks_of(scores, np.array([2]), tie).tolist() == [3.0]
    assert ranks_of(scores, np.array([3, 1]), tie).tolist() == [1.0, 2.0]
    assert measured(np.array([1.0, 2.0]), 4) == (1.0, 0.2, 1.0, 1.0)
    assert measured(np.array([4.0]), 4) == (1.0, 0.1, 0.0, 0.25)
    assert measured(np.array([6.0, 11.0]), 12) == pytest.approx((0, 0.1, 0.3, (1 / 6 + 2 / 11) / 2))


def test_reliability_holds_what_was_told_against_what_came() -> None:
    chance = np.array([0.15] * 10 + [0.25] * 4)
    came = np.array([True] * 2 + [False] * 8 + [True] + [False] * 3)

    assert list(reliability(chance, came)) == [
        (0.1, 0.2, pytest.approx(0.15), 0.2, 10),
        (0.2, 0.3, pytest.approx(0.25), 0.25, 4),
    ]
