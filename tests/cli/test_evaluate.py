"""`drift evaluate` from the outside: which log it reads, and what it refuses."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from stream.cli import drift, main
from stream.cli.evaluate import TITLES, print_report
from stream.cli.log_options import StoredLogs
from stream.cli.source_options import Sources
from stream.errors import WrongUse
from stream.evaluation.bootstrap import Interval
from stream.evaluation.report import OURS, Report
from stream.settings import Settings

EVENTS = "user_id,event_type,occurred_at,category\n" + "".join(
    f"ann,view,{1_700_000_000 + at},food > bread\n" for at in range(10)
)
RANKING_IN = ["ranking", "l.csv", "--out", "o", "--partitions"]


def logs(path: Path, parts: tuple[int, ...] | None = (), **more: object) -> StoredLogs:
    none = dict.fromkeys(Sources._fields) | {"names": (str(path),), "sort": False}
    return StoredLogs(Sources(**(none | more)), parts)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "shop.csv").write_text(EVENTS)
    return tmp_path / "shop.csv"


def test_one_source_is_one_log_named_after_its_file(path: Path) -> None:
    (log,) = logs(path).read(Settings())
    assert (log.name, len(log.at), list(log.category_names)) == ("shop", 10, ["food > bread"])


def test_each_part_of_the_category_path_is_a_log_of_its_own(path: Path) -> None:
    first, second = logs(path, parts=(1, 2)).read(Settings())
    assert (list(first.category_names), list(second.category_names)) == (["food"], ["bread"])


def test_a_file_is_cut_by_time(path: Path) -> None:
    (log,) = logs(path, start="1700000002", end="2023-11-14T22:13:25Z").read(Settings())
    assert (log.at - 1_700_000_000).tolist() == [2, 3, 4]
    with pytest.raises(WrongUse, match="no event lies in the range"):
        logs(path, start="1800000000").read(Settings())


def test_no_source_is_no_log(path: Path) -> None:
    assert logs(path, names=()).read(Settings()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demand", "--out", "o"], "drift evaluate demand needs a SOURCE"),
        (["migration", "--out", "o"], "drift evaluate migration needs a SOURCE"),
        (["weather", "--out", "o"], "'weather' is not one of"),
        (["drift", "missing.csv", "--out", "o"], "can't read missing.csv"),
        (["drift", "--out", "taken/o"], "--out: can't make taken/o"),
        (["drift", "--out", "o", "--protocol", "frozen"], "--protocol frozen is for ranking"),
        (["demand", "l.csv", "--out", "o", "--partitions", "4"], "--partitions 4 is for ranking"),
        (["ranking", "--out", "o", "--protocol", "frozen"], "--protocol frozen needs a SOURCE"),
        (["ranking", "l.csv", "--out", "o", "--protocol", "live"], "'live' is not one of"),
        ([*RANKING_IN, "0"], "--partitions: '0' is no number from 1 to 256: give some"),
        ([*RANKING_IN, "1,four"], "--partitions: 'four' is no number"),
        ([*RANKING_IN, ""], "--partitions: '' is no number"),
        ([*RANKING_IN, "4", "--protocol", "frozen"], "give --protocol prequential"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("")
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", *arguments])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_ranking_takes_protocol_partitions_and_settings(tmp_path: Path) -> None:
    """Two days of three shoppers, who take the same two items in turn."""
    lines = [
        f"u{shopper},view,{1_700_000_000 + 86_400 * day + 60 * step},tea,{'AB'[step % 2]}\n"
        for day in range(2)
        for step in range(4)
        for shopper in range(3)
    ]
    log, settings = tmp_path / "shop.csv", tmp_path / "drift.toml"
    log.write_text("user_id,event_type,occurred_at,category,item_id\n" + "".join(lines))
    settings.write_text("full_list_every = 10\nadopt_every = 5\n")
    arguments = ["ranking", str(log), "--out", str(tmp_path / "out"), "--settings", str(settings)]
    ran = CliRunner().invoke(drift, ["evaluate", *arguments, "--protocol", "frozen"])
    assert ran.exit_code == 0, ran.output
    said = " ".join(ran.output.split())
    assert "Settings other than the defaults: adopt_every = 5, full_list_every = 10." in said
    assert "Ranking frozen within periods, shop" in said
    assert "Ranking live" not in said


def test_the_help_names_what_can_be_measured() -> None:
    said = CliRunner().invoke(drift, ["evaluate", "--help"]).output
    assert all(what in said for what in TITLES)
    assert "Example: drift evaluate drift" in said


def test_tables_and_notes_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("Finding moves")
    report.put("Streams", OURS, "weak", "missed", Interval(0.05, 0.02, 0.1, 300))
    report.note("Nothing moved on Sundays.")
    report.write(tmp_path)
    print_report(report, tmp_path, as_json=False)
    said = capsys.readouterr().out
    assert "5.0 2.0 to 10.0" in said
    assert "Nothing moved on Sundays." in said
    print_report(report, tmp_path, as_json=True)
    assert capsys.readouterr().out == (tmp_path / "report.json").read_text()
