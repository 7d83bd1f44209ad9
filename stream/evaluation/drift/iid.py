"""The table of simulated shoppers: known laws, known changes, one false-alarm budget for all."""

from collections.abc import Callable
from functools import partial

import numpy as np

from stream.core.rows import Float64s
from stream.evaluation import bootstrap
from stream.evaluation.bootstrap import Interval
from stream.evaluation.drift import methods, simulated
from stream.evaluation.drift.contest import FULL, Contestant, Effort, contestants
from stream.evaluation.drift.judging import judge
from stream.evaluation.drift.methods import EVERY, Ours
from stream.evaluation.drift.simulated import BENCHES, SHIFTS, Bench
from stream.evaluation.drift.streams import Streams
from stream.evaluation.report import Report

PER_10K = 1.0


def tables(seed: int, report: Report, say: Callable[[str], None], effort: Effort = FULL) -> None:
    """One table a bench, one setting for each size of the change."""
    for number, bench in enumerate(BENCHES):
        say(f"simulated shoppers: {bench.name}")
        table = f"Simulated: {bench.name}"
        report.describe(table, _description(bench, effort.trials))
        # Benches and the roles of streams draw apart from each other.
        draws = np.random.SeedSequence((seed, number)).generate_state(3 + len(SHIFTS)).tolist()
        quiet = simulated.nulls(bench, effort.nulls, draws[0])
        fresh = simulated.nulls(bench, effort.nulls, draws[1])
        moved = {
            shift: simulated.moves(bench, shift, effort.trials, draw)
            for shift, draw in zip(SHIFTS, draws[3:], strict=True)
        }
        ours = Ours(np.full(bench.categories, 1.0 / bench.categories, np.float32))
        tuning = simulated.moves(bench, "medium", effort.nulls, draws[2])
        for contestant in contestants(ours, quiet, tuning, PER_10K, draws[2], effort.slow):
            _put(report, table, contestant, fresh, moved)


def _put(
    report: Report,
    table: str,
    contestant: Contestant,
    fresh: Streams,
    moved: dict[str, Streams],
) -> None:
    quiet = fresh.some(contestant.most)
    alarms = bootstrap.rate(contestant.run(quiet).number, quiet.events, methods.PER_10K)
    for shift, streams in moved.items():
        some = streams.some(contestant.most)
        verdict = judge(some, contestant.found(some))
        delays = verdict.delay[np.isfinite(verdict.delay)]
        named_at_all = contestant.name != EVERY
        put = partial(report.put, table, contestant.name, shift)
        put("mean_delay", delay(delays))
        put("missed", bootstrap.share(some.number - len(delays), some.number))
        put("false_alarms_per_10k", alarms)
        if named_at_all:
            put("right_from", bootstrap.share(int(verdict.right_from.sum()), len(delays)))
            put("right_to", bootstrap.share(int(verdict.right_to.sum()), len(delays)))


def delay(delays: Float64s) -> Interval:
    """The mean of so many delays, of those found."""
    return bootstrap.within(bootstrap.mean(delays), 1.0, float(simulated.AFTER))


def _description(bench: Bench, trials: int) -> str:
    sizes = ", ".join(f"{name} .{large * 100:.0f}/.{small * 100:02.0f}"
                      for name, (large, small) in SHIFTS.items())  # fmt: skip
    also = " A third category holds 40 % throughout." if bench.overshadowed else ""
    also += (
        " Sessions have 6 events on average; 70 % repeat the one before." if bench.bursts else ""
    )
    return (
        f"{bench.categories} categories; after {bench.before} events two of them change places "
        f"({sizes}; the others share the rest), {simulated.AFTER} events follow.{also} "
        f"Every method has one threshold for all three, tuned to {PER_10K:g} false alarm per "
        f"10,000 events on other shoppers; the rate it then had on fresh ones is beside. Delays "
        f"are of the {trials} (ADWIN fewer: see n) that were found, with 95 % intervals."
    )
