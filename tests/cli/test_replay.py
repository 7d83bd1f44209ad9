"""`drift replay` from the outside: files in, files out, and the same bytes however it is run."""

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from stream.evaluation.scenarios import Shop

RESULTS = ["migration-alerts.jsonl", "recommendation-deltas.jsonl", "dead-letters.jsonl"]
DATA = Path(os.environ.get("DRIFT_DATA", Path(__file__).parents[3] / "shared" / "data"))
TAOBAO = DATA / "taobao" / "userbehavior_first100k_rows.csv.gz"
SENSITIVE = {"DRIFT_FALSE_ALARMS_PER_10K_EVENTS": "100"}


def replay(out: Path, *arguments: str | Path, **variables: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "stream", "replay", *map(str, arguments), "--out", str(out)]
    environment = os.environ | SENSITIVE | variables
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return summary


def hashes(summary: dict[str, Any]) -> tuple[object, ...]:
    return summary["state_hash"], summary["partition_hashes"], summary["model_hash"]


def results(*outs: Path) -> list[bytes]:
    return [b"".join((out / name).read_bytes() for out in outs) for name in RESULTS]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4,000 events of 40 shoppers, three lines that are none, and one of a foreign type."""
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    lines = [event.value for event in islice(Shop(users=40, items=200, seed=3), 4000)]
    lines[100:100] = [b"not json", b'{"user_id": "u"}', b""]
    lines[200:200] = [b'{"user_id": "u", "event_type": "page_view", "occurred_at": 1700000000}']
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.fixture(scope="module")
def whole(log: Path) -> tuple[dict[str, Any], Path]:
    out = log.parent / "whole"
    return replay(out, log, "--partitions", "3"), out


def test_every_line_is_accounted_for(whole: tuple[dict[str, Any], Path]) -> None:
    summary, out = whole

    assert summary["lines"] == 4004
    assert (summary["accepted"], summary["rejected"], summary["ignored"]) == (4000, 2, 2)
    letters = [json.loads(line) for line in (out / RESULTS[2]).read_bytes().splitlines()]
    assert [letter["offset"] for letter in letters] == [101, 102]
    assert "user_id" in json.dumps(letters[1]) or "event_type" in letters[1]["reason"]


def test_alerts_and_deltas_come_out(whole: tuple[dict[str, Any], Path]) -> None:
    summary, out = whole
    alerts = [json.loads(line) for line in (out / RESULTS[0]).read_bytes().splitlines()]
    deltas = [json.loads(line) for line in (out / RESULTS[1]).read_bytes().splitlines()]

    assert len(alerts) == summary["alerts"] > 0
    assert len(deltas) == summary["deltas"] > len(alerts)
    ids = {delta["id"] for delta in deltas}
    assert {alert["delta_id"] for alert in alerts} <= ids


@pytest.mark.parametrize("size", ["1", "7", "5000"])
def test_the_batch_size_leaves_no_trace(
    size: str, log: Path, whole: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    again = replay(tmp_path, log, "--partitions", "3", "--batch-size", size)

    assert hashes(again) == hashes(whole[0])
    assert results(tmp_path) == results(whole[1])


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_hash_seed_of_python_leaves_no_trace(
    seed: str, log: Path, whole: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    again = replay(tmp_path, log, "--partitions", "3", PYTHONHASHSEED=seed)

    assert hashes(again) == hashes(whole[0])
    assert results(tmp_path) == results(whole[1])


@pytest.mark.parametrize("cut", [1, 777, 3999])
def test_a_cut_replay_goes_on_where_it_was(
    cut: int, log: Path, whole: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    first, rest = tmp_path / "first.jsonl", tmp_path / "rest.jsonl"
    first.write_bytes(b"".join(lines[:cut]))
    rest.write_bytes(b"".join(lines[cut:]))
    state = tmp_path / "state"

    replay(tmp_path / "a", first, "--partitions", "3", "--state", state)
    resumed = replay(tmp_path / "b", rest, "--partitions", "3", "--state", state)

    assert hashes(resumed) == hashes(whole[0])
    together = results(tmp_path / "a", tmp_path / "b")
    assert together[:2] == results(whole[1])[:2]


def test_the_same_source_again_skips_what_was_seen(
    log: Path, whole: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    first = tmp_path / "first.jsonl"
    first.write_bytes(b"".join(lines[:1500]))
    state = tmp_path / "state"

    replay(tmp_path / "a", first, "--partitions", "3", "--state", state)
    resumed = replay(tmp_path / "b", log, "--partitions", "3", "--state", state, "--skip-seen")

    assert hashes(resumed) == hashes(whole[0])


def test_results_can_be_parquet(log: Path, tmp_path: Path) -> None:
    import pyarrow.parquet

    summary = replay(tmp_path, log, "--format", "parquet")

    table = pyarrow.parquet.read_table(tmp_path / "recommendation-deltas.parquet")
    assert table.num_rows == summary["deltas"]
    assert not (tmp_path / "recommendation-deltas.jsonl").exists()


def test_state_tells_what_a_replay_left(
    log: Path, whole: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    state = tmp_path / "state"
    summary = replay(tmp_path / "out", log, "--partitions", "3", "--state", state)

    def ask(*arguments: str) -> Any:
        command = [sys.executable, "-m", "stream", "state", *arguments, "--state", str(state)]
        done = subprocess.run([*command, "--json"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    told = ask("hash")
    assert told["partition_hashes"] == summary["partition_hashes"]
    assert told["state_hash"] == summary["state_hash"]
    assert told["model_hash"] == summary["model_hash"]
    assert ask("verify") == {"problems": []}
    user = json.loads(log.read_bytes().splitlines()[0])["user_id"]
    shopper = ask("show", "--user", user)
    assert shopper["user_id"] == user
    assert sum(shopper["interest"].values()) == pytest.approx(1.0, abs=0.01)
    item = ask("show", "--item", shopper["recent_items"][0])
    assert item["popularity"] > 0
    assert sum(ask("show")["partitions"][n]["accepted"] for n in "012") == 4000


def test_a_file_without_any_event_is_no_success(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.jsonl"
    foreign.write_text('{"uid": "ann", "sku": "tent"}\n' * 3)
    command = [sys.executable, "-m", "stream", "replay", str(foreign), "--out", str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "none of the 3 lines is a behavior event" in done.stderr
    assert len((tmp_path / "dead-letters.jsonl").read_bytes().splitlines()) == 3


@pytest.mark.skipif(not TAOBAO.exists(), reason=f"needs the Taobao log: {TAOBAO}, or DRIFT_DATA")
def test_the_taobao_log_is_replayed_whole(tmp_path: Path) -> None:
    once = replay(tmp_path / "a", TAOBAO, "--preset", "taobao")
    again = replay(tmp_path / "b", TAOBAO, "--preset", "taobao", "--batch-size", "777")

    assert once["lines"] == once["accepted"] == 100_001
    assert hashes(again) == hashes(once)
    assert results(tmp_path / "a") == results(tmp_path / "b")
