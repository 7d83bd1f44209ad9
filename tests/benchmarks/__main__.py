"""Speed, measured: `python -m tests.benchmarks PART`; --help says which parts there are."""

from pathlib import Path

import click

from stream.errors import StreamError
from tests.benchmarks import (
    bench_drift,
    bench_items,
    bench_lists,
    bench_migration,
    bench_rank,
    bench_replay,
    bench_replica,
    bench_state,
    bench_worker,
)
from tests.benchmarks.report import Report, Row

PARTS = ("replay", "worker", "rank", "lists", "state", "drift", "migration", "replica", "items")


@click.command(epilog="Example: python -m tests.benchmarks replay --taobao UserBehavior.csv.gz")
@click.argument("part", type=click.Choice([*PARTS, "all"]), default="all")
@click.option("--quick", is_flag=True, help="Small and once: to see that all of it runs.")
@click.option(
    "--taobao",
    envvar="DRIFT_TAOBAO",
    show_envvar=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A log of Taobao's user behavior to replay as well, and to share among workers.",
)
@click.option(
    "--sessions",
    envvar="DRIFT_SESSIONS",
    show_envvar=True,
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A weekly file of lines 'session item', for lists and replica; give several.",
)
@click.option(
    "--peers",
    default=",".join(bench_worker.PEER_NAMES),
    show_default=True,
    metavar="NAMES",
    help="Which peers run beside our worker.",
)
@click.option(
    "--json",
    "results",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the numbers here too.",
)
def main(
    part: str,
    quick: bool,
    taobao: Path | None,
    sessions: tuple[Path, ...],
    peers: str,
    results: Path | None,
) -> None:
    """Measure how fast replay, worker, state, the shift detector and the predictor are,
    what lists cost as events come and on demand, how good those of two workers are beside those
    of one, and what a million items cost.

    Peers whose libraries are not ours get an environment in the cache folder, once.
    """
    names = [name for name in peers.split(",") if name]
    for name in names:
        if name not in bench_worker.PEER_NAMES:
            known = ", ".join(bench_worker.PEER_NAMES)
            raise click.UsageError(f"{name!r} is no peer; known are {known}")
    report = Report()
    runs = {
        "replay": lambda: bench_replay.run(report, taobao, quick),
        "worker": lambda: bench_worker.run(report, names, quick),
        "rank": lambda: bench_rank.run(report, quick),
        "lists": lambda: bench_lists.run(report, sessions),
        "state": lambda: bench_state.run(report, quick),
        "drift": lambda: _drift(report, quick),
        "migration": lambda: bench_migration.run(report, quick),
        "replica": lambda: bench_replica.run(report, taobao, sessions),
        "items": lambda: bench_items.run(report, quick),
    }
    try:
        for name in PARTS if part == "all" else [part]:
            runs[name]()
    except StreamError as error:
        raise click.ClickException(str(error)) from None
    finally:
        if results:
            report.write(results)


def _drift(report: Report, quick: bool) -> None:
    trials = 50 if quick else 300
    rows: list[Row] = []
    for budget in (1.0, 10.0):
        found = {
            name: bench_drift.delays(name, budget, trials, 12) for name in bench_drift.STRENGTHS
        }
        row: Row = {"budget per 10k": budget}
        row["false alarms per 10k"] = bench_drift.false_alarms(budget, trials, 11)
        row |= {f"{name}, events until found": delay for name, (delay, _) in found.items()}
        row |= {f"{name}, % missed": 100 * missed for name, (_, missed) in found.items()}
        rows.append(row)
    report.show("The shift detector on streams that move once", rows)
    report.show(
        "What the shift detector costs an event",
        bench_drift.costs(),
        f"CPU time, best of five: a shopper of {bench_drift.MANY} categories, 32 slots.",
    )


if __name__ == "__main__":
    main()
