"""One worker on a real Kafka beside peers that only count, and its latency."""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from stream.settings import Settings
from stream.shard import warm_up
from stream.topology import topics
from stream.topology.broker import Broker
from tests.benchmarks import latency, workload
from tests.benchmarks.contestants import (
    PARTITIONS,
    PEERS,
    Field,
    Finish,
    forget_published,
    run_peer,
    run_worker,
)
from tests.benchmarks.environments import BYTEWAX, python_with
from tests.benchmarks.report import Report, Row

OURS = "interest-drift"
PEER_NAMES = ("faust", "bytewax")
WANTED = {"faust": 10.0, "bytewax": 0.2}
PEER_SECONDS, OUR_SECONDS = 20.0, 120.0

Contestant = Callable[[Field], Finish]


def run(report: Report, peers: Sequence[str], quick: bool) -> None:
    """Rounds in which each has the same backlog, one after another; then the latency."""
    events, rounds = (30_000, 1) if quick else (200_000, 3)
    contestants = {OURS: run_worker} | {name: _peer(name, report.say) for name in peers}
    warm_up(Settings())
    with tempfile.TemporaryDirectory(prefix="drift-bench-") as scratch, Broker.start() as broker:
        _publish(report, broker.address, events)
        finishes: dict[str, list[Finish]] = {name: [] for name in contestants}
        for number in range(rounds):
            for name, contestant in contestants.items():
                seconds = OUR_SECONDS if name == OURS else (5.0 if quick else PEER_SECONDS)
                folder = Path(scratch) / f"{name}-{number}"
                finish = contestant(Field(broker.address, events, folder, seconds))
                finishes[name].append(finish)
                report.say(f"worker: round {number + 1}, {name}: {finish.rate:,.0f} events/s")
        _show(report, finishes, events)
        field = Field(broker.address, events, Path(scratch) / f"{OURS}-{rounds - 1}", 0.0)
        latency.run(report, field, quick)


def _publish(report: Report, broker: str, count: int) -> None:
    started = time.perf_counter()
    forget_published(broker)
    records = list(workload.events(count))
    workload.publish(broker, topics.EVENTS, PARTITIONS, records)
    report.say(f"worker: backlog of {count:,} events in {time.perf_counter() - started:.1f} s")


def _peer(name: str, say: Callable[[str], None]) -> Contestant:
    if name == "faust":
        program = [sys.executable, str(PEERS / "stock_faust.py"), "worker", "-l", "info"]
    else:
        python = python_with("bytewax", BYTEWAX, say)
        program = [str(python), "-m", "bytewax.run", "bare_bytewax:flow"]
    return lambda field: run_peer(field, program)


def _show(report: Report, finishes: dict[str, list[Finish]], events: int) -> None:
    rows = [_row(name, runs, finishes[OURS]) for name, runs in finishes.items()]
    wanted = ", ".join(f"{share:g} x {name}" for name, share in WANTED.items())
    report.show(
        f"One worker end to end, a backlog of {events:,} events in {PARTITIONS} partitions",
        rows,
        "Wanted of interest-drift: " + wanted + ". Medians of interleaved rounds; ratios are "
        "taken within a round. From the first event counted to the last: peers look at their "
        "clock, ours is read from the records it published. Peers count, in memory (bytewax) or "
        f"RocksDB (faust, at most {PEER_SECONDS:.0f} s), and send each 50th event of a shopper.",
    )
    committed = [
        run.committed_at - run.span.started_at for run in finishes[OURS] if run.committed_at
    ]
    report.say(
        "worker: until its offsets were committed, "
        f"{events / statistics.median(committed):,.0f} events/s"
    )


def _row(name: str, runs: Sequence[Finish], ours: Sequence[Finish]) -> Row:
    rounds = list(zip(ours, runs, strict=True))
    return {
        "who": name,
        "ours / it, events/s": statistics.median(own.rate / its.rate for own, its in rounds),
        "ours / it, events a CPU second": statistics.median(
            own.rate_of_cpu / its.rate_of_cpu for own, its in rounds
        ),
        "CPU us an event": statistics.median(1e6 / run.rate_of_cpu for run in runs),
        "events/s": statistics.median(run.rate for run in runs),
        "events done": int(statistics.median(run.span.events for run in runs)),
        "peak MiB": statistics.median(run.peak_mib for run in runs),
    }
