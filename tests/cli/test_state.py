"""`drift state snapshot|restore|rebuild|verify` on a folder that a replay left."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from stream.cli.replay import replay
from stream.cli.state import state as command
from stream.errors import StreamError, WrongUse
from stream.replay import Replay
from stream.storage.claim import Claim
from stream.stored import partition_folder
from tests.toy_shop import SMALL, walked


@pytest.fixture
def state(tmp_path: Path) -> Path:
    replay = Replay(tmp_path / "state", 2, SMALL)
    replay.feed(walked(1, 200, 2))
    replay.save()
    replay.close()
    return tmp_path / "state"


def drift_state(*arguments: object) -> Any:
    """What it prints with --json; what it raises is raised."""
    done = CliRunner().invoke(command, [*map(str, arguments), "--json"], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return json.loads(done.stdout)


def hashes(state: Path) -> Any:
    return drift_state("hash", "--state", state)


def test_what_was_copied_comes_back(state: Path, tmp_path: Path) -> None:
    made = drift_state("snapshot", "--state", state, "--to", tmp_path / "shared")
    assert [one["part"] for one in made] == ["partition-0", "partition-1", "shop"]
    back = drift_state("restore", "--from", tmp_path / "shared", "--state", tmp_path / "back")
    assert back == made
    assert hashes(tmp_path / "back") == hashes(state)
    drift_state(
        "restore", "--from", tmp_path / "shared", "--state", tmp_path / "a", "--partition", 1
    )
    assert list(hashes(tmp_path / "a")["partition_hashes"]) == ["1"]
    with pytest.raises(WrongUse, match="holds state already"):
        drift_state("restore", "--from", tmp_path / "shared", "--state", state)
    with pytest.raises(StreamError, match="there are none in"):
        drift_state("restore", "--from", tmp_path / "x", "--state", tmp_path / "b")


def test_all_that_is_damaged_is_named(state: Path) -> None:
    drift_state("snapshot", "--state", state, "--to", state / "snapshots")
    assert drift_state("verify", "--state", state) == {"problems": []}
    damaged = [
        *partition_folder(state, 0).glob("*.sst"),
        *partition_folder(state, 1).glob("MANIFEST-*"),
        state / "shop" / "shop.model",
        *(state / "snapshots" / "partition-1").glob("*/CURRENT"),
    ]
    for path in damaged:
        stored = bytearray(path.read_bytes())
        stored[len(stored) // 2] ^= 1
        path.write_bytes(stored)
    done = CliRunner().invoke(command, ["verify", "--state", str(state), "--json"])
    problems = json.loads(done.stdout)["problems"]
    assert len(problems) == len(damaged) == 4
    for path, problem in zip(damaged, problems, strict=True):
        assert str(path.parent) in problem
        assert "\n" not in problem


def test_a_rebuilt_partition_is_kept_aside_and_begins_anew(state: Path) -> None:
    (made,) = drift_state("rebuild", "--state", state, "--partition", 1)
    assert made["kept"].startswith(f"{state}/partition-1.aside-")
    assert list(hashes(state)["partition_hashes"]) == ["0"]
    with pytest.raises(WrongUse, match="--partition 7: there is none"):
        drift_state("rebuild", "--state", state, "--partition", 7)
    made = drift_state("rebuild", "--state", state)
    assert [one["part"] for one in made] == ["partition-0", "partition-1", "shop", "replay.msgpack"]
    replay = Replay(state, 2, SMALL)
    assert replay.next_offsets() == [0, 0]
    replay.close()


@pytest.mark.parametrize("what", ["snapshot --to x", "restore --from x", "rebuild"])
def test_a_folder_that_a_worker_uses_is_left_alone(state: Path, tmp_path: Path, what: str) -> None:
    drift_state("snapshot", "--state", state, "--to", tmp_path / "x")
    name, *options = what.replace("x", str(tmp_path / "x")).split()
    with Claim(state), pytest.raises(StreamError, match="another worker uses"):
        drift_state(name, "--state", state, *options)


def test_neither_does_a_replay_touch_it(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").touch()
    state = ["--state", str(tmp_path / "state"), "--out", str(tmp_path / "out")]
    with Claim(tmp_path / "state"):
        done = CliRunner().invoke(
            replay, [str(tmp_path / "none.jsonl"), *state], standalone_mode=False
        )
    assert "another worker uses" in str(done.exception)
