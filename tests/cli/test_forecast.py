"""`drift forecast` from a log, from a replay's file, and with a stock."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from stream.cli import drift
from stream.cli.stock import Stock, reach, read_stock
from stream.core.calendar import Calendar
from stream.core.forecast import Forecaster
from stream.errors import StreamError, WrongUse
from stream.messages import DemandForecast

MONDAY = 738_522  # 2023-01-02
START = 1_672_617_600
SOLD = {"tents": 6, "rugs": 2, "boats": 1}


def write_log(path: Path, days: int, kind: str = "purchase") -> Path:
    """Each day three shoppers take the same; the first seconds of another day end the last."""
    lines = [
        {
            "user_id": f"u{place % 3}",
            "event_type": kind,
            "occurred_at": START + 86_400 * day + 3600 * place,
            "item_id": f"{category}-1",
            "category": category,
        }
        for day in range(days)
        for category, quantity in SOLD.items()
        for place in range(quantity)
    ]
    lines += [
        {"user_id": f"u{n}", "event_type": "view", "occurred_at": START + 86_400 * days + n}
        for n in range(3)
    ]
    lines.sort(key=lambda line: str(line["occurred_at"]))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "log.jsonl", 63)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(drift, ["forecast", *map(str, arguments)], catch_exceptions=False)


def result(*arguments: object) -> dict[str, list[dict[str, object]]]:
    asked = CliRunner().invoke(
        drift, ["forecast", *map(str, arguments), "--json"], catch_exceptions=False
    )
    found: dict[str, list[dict[str, object]]] = json.loads(asked.stdout)
    return found


def test_a_log_is_forecast_period_by_period(log: Path) -> None:
    found = result(log)

    told = {(f["horizon"], f["category"]): f["expected"] for f in found["forecasts"]}
    assert told["week", "tents"] == pytest.approx(42, abs=0.1)
    assert told["day", "rugs"] == pytest.approx(2, abs=0.01)
    # Nine weeks from January 2 on: eight had closed when March began.
    assert told["month", "boats"] == pytest.approx(31, abs=0.1)
    assert found["missing"] == ["quarter: 9 of 13 weeks"]


def test_a_table_shows_expected_interval_last_and_change(log: Path) -> None:
    asked = run(log, "--horizon", "week")

    lines = [line.split() for line in asked.stdout.splitlines()]
    assert asked.stdout.startswith("purchases, week 2023-03-06 to 2023-03-12; so far WAPE")
    tents = next(line for line in lines if line[:1] == ["tents"])
    assert (tents[1], tents[3], tents[5:]) == ("42.0", "to", ["42.0", "+0", "%"])
    assert [line[0] for line in lines if line and line[0] in SOLD] == ["tents", "rugs", "boats"]


def test_tables_and_plot_name_categories_as_the_catalog_does(log: Path, tmp_path: Path) -> None:
    catalog, page = tmp_path / "catalog.jsonl", tmp_path / "page.html"
    named = {"tents": "Shelters", "rugs": "Flooring", "boats": "Flooring"}
    lines = [{"category": category, "name": name} for category, name in named.items()]
    lines.append({"item_id": "tents-1", "category": "tents"})
    catalog.write_text("".join(json.dumps(line) + "\n" for line in lines))
    stock = tmp_path / "stock.csv"
    stock.write_text("category,on_hand,lead_time_days\ntents,50,7\n")

    told = ["--catalog", catalog, "--horizon", "week", "--stock", stock]
    shown = run(log, *told, "--plot", page).stdout
    assert shown.count("Shelters") == 2
    assert "Flooring (boats)" in shown
    assert "Flooring (rugs)" in page.read_text()
    assert {f["category"] for f in result(log, *told)["forecasts"]} == set(SOLD)


def test_only_what_is_asked_for_is_shown(log: Path) -> None:
    found = result(log, "--horizon", "week", "--category", "rugs")
    assert [(f["horizon"], f["category"]) for f in found["forecasts"]] == [("week", "rugs")]

    asked = run(log, "--horizon", "day", "--top", "1")
    assert "tents" in asked.stdout
    assert "rugs" not in asked.stdout
    assert "and 2 more; --top 3 shows all" in asked.stdout


def test_items_have_forecasts_of_their_own(log: Path) -> None:
    found = result(log, "--items", "--horizon", "week")

    told = {f["item_id"]: f["expected"] for f in found["forecasts"]}
    assert told == {name: pytest.approx(7 * SOLD[name[:-2]], abs=0.1) for name in told}
    assert set(told) == {"tents-1", "rugs-1", "boats-1"}


def test_views_are_another_series(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", 30, "view")

    found = result(log, "--series", "views", "--horizon", "week")
    assert {f["series"] for f in found["forecasts"]} == {"views"}
    with pytest.raises(StreamError, match="too little history of purchases: day: 0 of 14 days"):
        run(log)


def test_too_little_history_is_one_line_that_says_what_is_missing(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", 9)

    asked = subprocess.run(
        [sys.executable, "-m", "stream", "forecast", str(log)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert asked.returncode == 1
    assert asked.stderr == (
        "drift: too little history of purchases: day: 9 of 14 days, week: 1 of 4 weeks, "
        "month: 1 of 8 weeks, quarter: 1 of 13 weeks\n"
    )


def test_a_horizon_that_lacks_history_is_told_beside_those_that_do_not(log: Path) -> None:
    asked = run(log)
    assert "drift: too little history: quarter: 9 of 13 weeks" in asked.stderr
    assert "too little" not in run(log, "--horizon", "week").stderr
    with pytest.raises(StreamError, match="purchases: quarter: 9 of 13 weeks"):
        run(log, "--horizon", "quarter")


def test_a_replays_file_is_read_from_its_folder(tmp_path: Path) -> None:
    made = forecasts(70)
    lines = b"".join(msgspec.json.encode(forecast) + b"\n" for forecast in made)
    (tmp_path / "demand-forecasts.jsonl").write_bytes(lines)

    for named in (tmp_path, tmp_path / "demand-forecasts.jsonl"):
        found = result("--from", named, "--horizon", "week")
        assert [(f["category"], f["periods"]) for f in found["forecasts"]] == [("tents", 10)]
    assert "quarter: needs 13 weeks" in run("--from", tmp_path).stderr


def test_a_file_that_holds_no_forecasts_is_refused_by_line(tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").write_text("{}\n")
    with pytest.raises(WrongUse, match=r"f\.jsonl, line 1 is no forecast: .*missing"):
        run("--from", tmp_path / "f.jsonl")
    with pytest.raises(WrongUse, match=r"--from: can't read .*none\.jsonl: No such file"):
        run("--from", tmp_path / "none.jsonl")


def test_what_has_no_forecast_is_said(log: Path) -> None:
    with pytest.raises(StreamError, match="no forecast of sleds: leave out --category"):
        run(log, "--category", "sleds")


def test_no_broker_is_said_in_one_line() -> None:
    with pytest.raises(StreamError, match=r"no broker answers at 127\.0\.0\.1:1: start one"):
        run("--broker", "127.0.0.1:1")


def test_a_plot_is_one_page_with_history_and_forecast(log: Path, tmp_path: Path) -> None:
    page = tmp_path / "plot.html"
    run(log, "--plot", page)

    text = page.read_text()
    for said in ("2023-02-27", "tents, expected", "purchases, month 2023-03-01 to 2023-03-31"):
        assert said in text
    with pytest.raises(WrongUse, match="--plot: can't write"):
        run(log, "--plot", tmp_path / "none" / "plot.html")


def test_a_stock_gets_its_cover_and_chances_the_likeliest_shortage_first(
    log: Path, tmp_path: Path
) -> None:
    stock = tmp_path / "stock.csv"
    stock.write_text("Category,on_hand,lead_time_days\nrugs,140,7\ntents,21,7\nsleds,5,7\n")
    asked = run(log, "--stock", stock)
    found = {line["category"]: line for line in result(log, "--stock", stock)["stock"]}

    assert found["tents"]["days_of_cover"] == pytest.approx(3.5, abs=0.01)
    assert found["tents"]["shortage"] == pytest.approx(1.0, abs=0.01)
    assert found["rugs"]["days_of_cover"] == pytest.approx(70, abs=0.5)
    assert found["rugs"]["shortage"] == pytest.approx(0.0, abs=0.01)
    assert list(found) == ["tents", "rugs", "sleds"]
    # There is no quarter's forecast yet, and none of sleds at all.
    assert found["rugs"]["overstock"] is None
    assert found["sleds"]["days_of_cover"] is None
    assert "drift: --stock: no forecast of sleds" in asked.stderr
    assert "gamma distribution" in " ".join(asked.stdout.split())


def forecasts(days: int, quantity: float = 6.0) -> list[DemandForecast]:
    forecaster = Forecaster(Calendar())
    return [
        made
        for day in range(MONDAY, MONDAY + days)
        for made in forecaster.close_day(day, {("purchases", "tents", None): quantity})
    ]


def forecast(horizon: str, days: int, expected: float, low: float, high: float) -> DemandForecast:
    return msgspec.structs.replace(
        forecasts(14)[0], horizon=horizon, expected=expected, low=low, high=high,
        period_started_at=0.0, period_ends_at=86_400.0 * days,
    )  # fmt: skip


@cache
def week() -> DemandForecast:
    return forecast("week", 7, 70.0, 44.4, 95.6)


@cache
def quarter() -> DemandForecast:
    return forecast("quarter", 91, 910.0, 800.0, 1020.0)


def test_a_chance_is_that_of_the_intervals_distribution() -> None:
    # The interval is a bell's of standard deviation 20, so 95.6 is passed one time in ten; the
    # gamma distribution of that mean and deviation is skew, but near it.
    assert reach(Stock("tents", None, 95.6, 7), [week()]).shortage == pytest.approx(0.1, abs=0.01)
    assert reach(Stock("tents", None, 70.0, 7), [week()]).shortage == pytest.approx(0.46, abs=0.01)
    assert reach(Stock("tents", None, 0.0, 7), [week()]).shortage == 1.0
    assert reach(Stock("tents", None, 0.0, 0), [week()]).shortage == 0.0


def test_demand_of_the_lead_time_is_part_of_the_shortest_period_that_is_as_long() -> None:
    days = [
        reach(Stock("tents", None, 0, n), [quarter(), week()]).demand for n in (3.5, 7, 45.5, 182)
    ]
    assert days == pytest.approx([35, 70, 455, 1820])


def test_what_lies_beyond_the_quarters_upper_end_is_too_much() -> None:
    assert reach(Stock("tents", None, 1500, 7), [week(), quarter()]).overstock == 480
    assert reach(Stock("tents", None, 900, 7), [week(), quarter()]).overstock == 0
    assert reach(Stock("tents", None, 900, 7), [week()]).overstock is None
    assert reach(Stock("tents", None, 900, 7), [week(), quarter()]).days_of_cover == pytest.approx(
        90
    )


def test_what_does_not_sell_lasts_for_ever() -> None:
    still = forecast("week", 7, 0.0, 0.0, 0.0)
    told = reach(Stock("tents", None, 5, 7), [still])
    assert (told.days_of_cover, told.shortage) == (None, 0.0)


def test_a_stock_file_may_be_jsonl_and_name_items(tmp_path: Path) -> None:
    file = tmp_path / "stock.jsonl"
    file.write_text('{"item_id": "iglu", "category": "tents", "on_hand": 3, "lead_time_days": 2}\n')

    assert read_stock(file) == [Stock(None, "iglu", 3.0, 2.0)]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("s.csv", "category,on_hand\ntents,3\n", "line 1: no column lead_time_days"),
        ("s.csv", "", "line 1: no column on_hand"),
        ("s.csv", "category,on_hand,lead_time_days\n", "is empty"),
        (
            "s.csv",
            "category,on_hand,lead_time_days\ntents,3,7\nrugs,many,7\n",
            "line 3: on_hand must be a number from 0 up, got 'many'",
        ),
        (
            "s.csv",
            "category,on_hand,lead_time_days\ntents,3,-1\n",
            "line 2: lead_time_days must be a number from 0 up, got '-1'",
        ),
        ("s.csv", "category,on_hand,lead_time_days\ntents,3\n", "got None"),
        (
            "s.csv",
            "category,on_hand,lead_time_days\n,3,7\n",
            "line 2: name a category or an item_id",
        ),
        (
            "s.csv",
            "category,on_hand,lead_time_days\ntents,3,7\ntents,3,7\n",
            "line 3: tents has a line already",
        ),
        ("s.jsonl", "\n{]\n", "line 2: "),
        ("s.jsonl", '{"category": "a", "on_hand": NaN, "lead_time_days": 1}', "line 1: "),
        ("s.parquet", "", "give CSV or JSONL"),
        ("s.txt", "", "can't tell the format"),
    ],
)
def test_a_stock_file_is_refused_by_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    file = tmp_path / name
    file.write_text(text)

    with pytest.raises(WrongUse) as refused:
        read_stock(file)
    assert said in str(refused.value)


def test_a_stock_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"can't read .*none\.csv"):
        read_stock(tmp_path / "none.csv")
