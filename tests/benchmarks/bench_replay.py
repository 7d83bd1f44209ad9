"""`drift replay` from a file to its results: events a second on one core, all models on."""

import contextlib
import io
import tempfile
import time
from itertools import islice
from pathlib import Path

import orjson

from stream.cli.process import prepare
from stream.cli.replay import replay
from stream.evaluation.scenarios import Shop
from stream.settings import Settings
from tests.benchmarks.report import Report, Row, median_run

WANTED = 30_000
USERS, ITEMS = 50_000, 20_000


def run(report: Report, taobao: Path | None, quick: bool) -> None:
    """Replay a real log, if there is one, and a simulated shop."""
    prepare(Settings())
    runs = 1 if quick else 3
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="drift-bench-") as folder:
        if taobao is None:
            report.say("replay: no Taobao log: give --taobao FILE or DRIFT_TAOBAO to replay it too")
        else:
            rows.append(
                median_run(runs, lambda: _replay("taobao", [str(taobao), "--preset", "taobao"]))
            )
        shop = Path(folder) / "events.jsonl"
        _simulate(report, shop, 30_000 if quick else 300_000)
        rows.append(median_run(runs, lambda: _replay("simulated shop", [str(shop)])))
    report.show(
        "Replay of a file, one process",
        rows,
        f"Wanted: {WANTED:,} events a CPU second or more. Reading the file and writing alerts, "
        f"deltas and state hash are in it; median of {runs}, kernels compiled before.",
    )


def _simulate(report: Report, path: Path, count: int) -> None:
    started = time.perf_counter()
    with path.open("wb") as file:
        file.writelines(event.value + b"\n" for event in islice(Shop(USERS, ITEMS), count))
    report.say(
        f"replay: simulated {count:,} events of {USERS:,} users and {ITEMS:,} items "
        f"in {time.perf_counter() - started:.1f} s"
    )


def _replay(name: str, source: list[str]) -> Row:
    with tempfile.TemporaryDirectory(prefix="drift-bench-") as out:
        used = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            replay.main([*source, "--out", out], standalone_mode=False)
        used = time.process_time() - used
        summary = orjson.loads((Path(out) / "summary.json").read_bytes())
    events = int(summary["accepted"])
    return {
        "log": name,
        "events": events,
        "deltas": int(summary["deltas"]),
        "events a CPU second": events / used,
        "CPU us an event": used / events * 1e6,
        "events/s": float(summary["events_per_second"]),
        "cores used": used / float(summary["seconds"]),
    }
