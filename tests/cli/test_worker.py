"""What `drift worker` takes: where it answers, with what token, and what its log looks like."""

import json
import logging
from pathlib import Path

import pytest

from stream.cli import main
from stream.cli.log_lines import JsonLines

ASKED = ["worker", "--state", "nowhere", "--broker", "127.0.0.1:1"]


def refused(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*ASKED, *options])
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("given", ["nine", "70000", "0", "host:", "1.2.3.4:x"])
def test_an_address_without_a_port_is_refused(
    given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "--http", given)
    assert f"'{given}': give PORT or HOST:PORT, the port from 1 to 65535" in said


def test_a_token_file_that_holds_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "token"
    said = refused(capsys, "--http-token-file", str(file))
    assert said == f"drift: --http-token-file: can't read {file}: No such file or directory\n"
    file.write_text("\n")
    said = refused(capsys, "--http-token-file", str(file))
    assert said == f"drift: --http-token-file: {file} is empty: write the token into it\n"


def test_a_line_of_the_log_is_a_json_object() -> None:
    record = logging.makeLogRecord(
        {"name": "stream.topology.lane", "levelname": "INFO", "msg": "ready after %d", "args": (7,)}
    )
    record.created, record.partition = 1_700_000_000.25, 3
    assert json.loads(JsonLines().format(record)) == {
        "time": "2023-11-14T22:13:20.250+00:00",
        "level": "info",
        "logger": "stream.topology.lane",
        "message": "ready after 7",
        "partition": 3,
    }


def test_a_bug_in_the_log_is_one_line_too() -> None:
    try:
        raise KeyError("row")
    except KeyError as error:
        info = (KeyError, error, error.__traceback__)
    line = JsonLines().format(logging.makeLogRecord({"msg": "bug", "exc_info": info}))
    assert "\n" not in line
    assert json.loads(line)["exception"].endswith("KeyError: 'row'")
