"""SOURCE... and its options, as `replay` and `publish` share them."""

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from stream.cli import drift, main
from stream.cli.source_options import Sources, progress
from stream.settings import Settings
from stream.storage.event_log import PRESETS, Meter


def test_the_help_names_every_preset() -> None:
    said = CliRunner().invoke(drift, ["publish", "--help"]).stdout
    assert [preset for preset in PRESETS if preset not in said] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["absent.csv"], "drift: can't read absent.csv: No such file or directory"),
        (["log.csv", "--preset", "amazon"], "drift: no preset 'amazon'; there are: taobao, "),
        (["log.csv", "--from", "5"], "drift: --from and --to cut a kafka:// source"),
        (["kafka://h:1/t", "--sort"], "drift: --preset, --map, --catalog and --sort are for files"),
        (["kafka://h:1/t", "log.csv"], "drift: a kafka:// source is read alone"),
    ],
)
def test_what_is_asked_wrongly_is_one_line_and_exit_code_2(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("log.csv").write_text("user_id,event_type,occurred_at\n")
    with pytest.raises(SystemExit) as ended:
        main(["publish", *arguments])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(said)
    assert error.count("\n") == 1


def test_what_to_know_on_the_way_goes_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.csv"
    path.write_text("1,2,3,pv,1511544071\n1,2,3,pv,1511544070\n")
    sources = Sources((str(path),), "taobao", None, None, False, None, None)
    assert len(list(sources.read(Settings()))) == 2
    assert "line 2: earlier than an event before it" in capsys.readouterr().err


def test_records_of_files_have_as_many_partitions_as_asked() -> None:
    sources = Sources(("log.csv",), None, None, None, False, None, None)
    assert (sources.partitions(None), sources.partitions(4)) == (1, 4)


def test_nothing_is_drawn_for_what_is_quick(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("reading", Meter(10)) as tell:
        tell(5)
    assert capsys.readouterr().err == ""


def test_a_bar_is_drawn_for_what_takes_its_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress("reading", Meter(10, 5), after=0.0) as tell:
        tell(1234)
        time.sleep(0.5)
    assert "reading" in capsys.readouterr().err
