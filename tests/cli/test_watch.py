"""What `drift watch` shows of an alert, and which alerts it shows."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from stream.cli.alert_rows import cells
from stream.cli.category_names import category_names
from stream.cli.watch import _decoded, _matches, watch
from stream.errors import StreamError
from stream.messages import (
    FlowSource,
    MigrationAlert,
    PopulationAlert,
    PredictedAlert,
    PredictionOutcome,
    ShareChange,
)

ALERT = MigrationAlert(
    id="behavior-events-0-7-detected-0", user_id="ann", from_category="tents",
    to_category="strollers", pattern="move", strength=0.456, score=0.9, evidence=3e4,
    threshold=2e4, occurred_at=1.79e9, began_at=1.789e9, session_started_at=1.79e9,
    session_events=5, delta_id="behavior-events-0-7-delta-0", source_offset=7, settings="s",
    changes=[
        ShareChange("tents", 0.52, 0.08), ShareChange("strollers", 0.02, 0.47),
        ShareChange("lamps", 0.1, 0.13), ShareChange("rugs", 0.01, 0.0),
    ],
)  # fmt: skip


def test_a_row_tells_when_who_from_where_to_where_how_much_and_why():
    assert cells(ALERT) == (
        "2026-09-21 14:13:20", "ann", "tents", "strollers", "move", "0.46", "0.900",
        "tents 52 % -> 8 %, strollers 2 % -> 47 %, lamps 10 % -> 13 %",
    )  # fmt: skip


def test_categories_go_by_their_names_where_a_catalog_has_them(tmp_path: Path) -> None:
    path = tmp_path / "catalog.jsonl"
    path.write_text('{"category": "tents", "name": "Tents and tarps"}\n{"item_id": "a"}\n')
    row = cells(ALERT, category_names(path))

    assert (row[2], row[3]) == ("Tents and tarps", "strollers")
    assert row[-1].startswith("Tents and tarps 52 % -> 8 %, strollers")
    assert (
        cells(RISING, category_names(path))[-1] == "41 -> 90 shoppers, mostly from Tents and tarps"
    )


PREDICTED = PredictedAlert(
    id="p", user_id="ann", from_category=None, to_category="strollers", probability=0.34,
    horizon="day", period_ends_at=1.79e9, precision=0.31, matured=412, occurred_at=1.79e9,
    source_offset=7, settings="s",
)  # fmt: skip
OUTCOME = PredictionOutcome(
    id="o", user_id="ann", predicted_id="p", to_category="strollers", probability=0.34,
    horizon="day", came_true=False, occurred_at=1.79e9, source_offset=9, settings="s",
)  # fmt: skip
RISING = PopulationAlert(
    id="r", direction="rising", category="strollers", sources=[FlowSource("tents", 37, 0.41)],
    shoppers=90, shoppers_before=41, ratio=2.1, z=4.3, false_discovery_rate=0.05,
    window_started_at=1.789e9, window_ends_at=1.79e9, complete=True, settings="s",
)  # fmt: skip


@pytest.mark.parametrize(
    ("alert", "told"),
    [
        (PREDICTED, ("ann", "", "strollers", "predicted", "", "0.340",
                     "within the day; 31 % of 412 came")),
        (OUTCOME, ("ann", "", "strollers", "missed", "", "", "predicted at 0.340 for the day")),
        (RISING, ("the shop", "", "strollers", "rising", "x2.10", "",
                  "41 -> 90 shoppers, mostly from tents")),
    ],
    ids=["predicted", "outcome", "population"],
)  # fmt: skip
def test_every_kind_of_alert_has_its_row(alert, told):
    assert cells(alert) == ("2026-09-21 14:13:20", *told)
    assert _matches(alert, "strollers", alert.scope, None, 0.3)


@pytest.mark.parametrize("category", [None, "tents", "strollers"])
def test_alerts_from_or_to_the_category_are_shown(category):
    assert _matches(ALERT, category, "user", "detected", 0.9)


@pytest.mark.parametrize(
    ("category", "scope", "kind", "score"),
    [
        ("lamps", None, None, 0.0),
        (None, "population", None, 0.0),
        (None, None, "predicted", 0.0),
        (None, None, None, 0.91),
    ],
)
def test_alerts_that_differ_in_what_was_asked_are_not_shown(category, scope, kind, score):
    assert not _matches(ALERT, category, scope, kind, score)


@pytest.mark.parametrize("value", [None, b"", b'{"kind": "predicted"}', b"\xff"])
def test_a_record_that_is_no_alert_is_told_with_its_address_and_passed_over(value, capsys):
    assert list(_decoded(value, "migration-alerts[3]@12")) == []
    assert "migration-alerts[3]@12 is no alert known here" in capsys.readouterr().err


def test_no_broker_is_said_in_one_line_that_names_the_fix():
    with pytest.raises(StreamError, match=r"no broker answers at 127\.0\.0\.1:1: start one"):
        CliRunner().invoke(watch, ["--broker", "127.0.0.1:1"], catch_exceptions=False)
