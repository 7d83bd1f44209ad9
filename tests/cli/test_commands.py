"""The command line as a person meets it: help, and one line for what is wrong."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from stream.cli import COMMANDS, drift

HEAVY = ["numpy", "numba", "faust", "kafka", "aiokafka", "river", "rocksdict", "pyarrow", "rich"]
NESTED = ["state show", "state hash", "state verify", "topics create", "topics check"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stream", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from stream.cli import drift; drift.main(['--help'], standalone_mode=False);"
        f"sys.exit(', '.join(name for name in {HEAVY!r} if name in sys.modules))"
    )

    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert "Commands:" in asked.stdout
    assert asked.stderr.strip() == ""


@pytest.mark.parametrize("command", [*sorted(COMMANDS), *NESTED])
def test_every_command_has_help_with_an_example(command: str) -> None:
    asked = CliRunner().invoke(drift, [*command.split(), "--help"])

    assert asked.exit_code == 0
    assert "Example: drift " in asked.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("fly", "No such command 'fly'"),
        ("replay", "Missing argument 'SOURCE...'"),
        ("replay a.csv", "Missing option '--out'"),
        ("replay a.csv --out o --batch-size 0", "0 is not in the range"),
        ("replay missing.csv --preset taobao --out o", "missing.csv"),
        ("replay a.txt --out o", "a.txt"),
        ("replay a.csv --out o --settings missing.toml", "missing.toml"),
        ("replay a.csv --out o --skip-seen", "--skip-seen needs --state"),
        ("state show --state nowhere", "no partitions in nowhere"),
        ("state show --state nowhere --user u --item i", "name one of"),
        ("topics fly", "No such command 'fly'"),
        ("forget", "name a USER, or a --file"),
        ("forget u --file missing.txt", "--file: can't read missing.txt"),
        (f"forget {'u' * 513}", "is no user id: it has 1 to 512 characters"),
        ("simulate --out o --users 0", "0"),
    ],
)
def test_what_is_asked_wrongly_gets_one_line(
    arguments: str, said: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    asked = run(*arguments.split())

    assert asked.returncode == 2
    assert asked.stderr.startswith("drift: ")
    assert said in asked.stderr
    assert asked.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command", ["topics check", "worker --state s", "watch", "publish a.jsonl", "forget u"]
)
def test_no_broker_is_one_line_that_says_how_to_get_one(
    command: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    event = '{"user_id": "u", "event_type": "view", "occurred_at": 1700000000}\n'
    with open("a.jsonl", "w") as file:
        file.write(event)

    asked = run(*command.split(), "--broker", "127.0.0.1:1")

    assert asked.returncode == 1
    assert asked.stderr.splitlines()[-1].startswith("drift: no broker answers at 127.0.0.1:1")
    assert "Traceback" not in asked.stderr


def test_settings_are_refused_by_name(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setenv("DRIFT_LIST_SIZE", "1000")
    with open("a.jsonl", "w") as file:
        file.write("{}\n")

    asked = run("replay", "a.jsonl", "--out", "o")

    assert asked.returncode == 2
    assert "list_size" in asked.stderr
