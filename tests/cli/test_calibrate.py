"""`drift calibrate` from the outside: a log in, a file that settings take."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from stream.calibration import read_calibration
from stream.cli import drift, main
from stream.settings import load
from tests.evaluation.toy_log import lines_of, toy_log


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "events.jsonl").write_bytes(lines_of(toy_log()))
    arguments = ["calibrate", str(folder / "events.jsonl"), "--out", str(folder / "c.json")]
    done = CliRunner().invoke(drift, [*arguments, "--budget", "20", "--budget", "50"])
    assert done.exit_code == 0, done.output
    return folder, done.stdout


def test_it_prints_a_line_for_each_budget_and_what_chance_does(made: tuple[Path, str]) -> None:
    _, said = made
    assert "alerts" in said
    assert "chance alone would alert as many as" in said
    assert "420 shoppers, 16 categories" in said


def test_the_settings_read_the_file_it_writes(made: tuple[Path, str]) -> None:
    folder, _ = made
    (folder / "drift.toml").write_text(
        'calibration = "c.json"\nfalse_alarms_per_10k_events = 20.0\n'
    )
    settings = load(folder / "drift.toml", environment={})
    assert settings.calibration == read_calibration(folder / "c.json")
    named = load(None, environment={"DRIFT_CALIBRATION": str(folder / "c.json"),
                                    "DRIFT_FALSE_ALARMS_PER_10K_EVENTS": "50"})  # fmt: skip
    assert named.calibration == settings.calibration


def test_nothing_but_the_file_is_left_behind(made: tuple[Path, str]) -> None:
    folder, _ = made
    assert {path.name for path in folder.iterdir()} - {"drift.toml"} == {"events.jsonl", "c.json"}


def test_the_budget_that_the_settings_ask_for_must_be_there(made: tuple[Path, str]) -> None:
    folder, _ = made
    with pytest.raises(Exception, match="knows false_alarms_per_10k_events of 20, 50, not 1"):
        load(None, environment={"DRIFT_CALIBRATION": str(folder / "c.json")})


def test_too_little_history_is_one_line_with_what_it_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "events.jsonl"
    log.write_bytes(lines_of(toy_log(shoppers=20)))
    with pytest.raises(SystemExit) as ended:
        main(["calibrate", str(log), "--out", str(tmp_path / "c.json")])
    assert ended.value.code == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("drift: too little history to calibrate on: of 20 shoppers")
    assert not (tmp_path / "c.json").exists()


def test_as_json_it_prints_what_each_budget_takes(made: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = made
    arguments = ["calibrate", str(folder / "events.jsonl"), "--out", str(tmp_path / "c.json")]
    done = CliRunner().invoke(drift, [*arguments, "--budget", "50", "--share", "0", "--json"])
    (budget,) = json.loads(done.stdout)["budgets"]
    assert budget["false_alarms_per_10k_events"] == 50.0
    assert budget["ring_threshold"] is None
