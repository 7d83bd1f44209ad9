"""How well the category of a shopper's next event is predicted, beside simple methods."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from stream.core.rows import Float64s
from stream.evaluation.bootstrap import by_shopper
from stream.evaluation.logs import Log
from stream.evaluation.next_category_baselines import METHODS, simple
from stream.evaluation.next_category_engine import predicted
from stream.evaluation.next_category_judge import Walk, walk
from stream.evaluation.plots import reliability
from stream.evaluation.report import OURS, Report
from stream.settings import Settings

LEARNED_ONLY = 4 / 9
"""The first part of a log's time is learned from and not reported: there things are tuned."""
LAG = 1000
BINS = 8
Verdicts = NDArray[np.void]
Flags = NDArray[np.bool_]


def tables(logs: Sequence[Log], seed: int, report: Report, say: Callable[[str], None]) -> None:
    """Predict each event of the logs, then learn it; report the later part."""
    for log in logs:
        _table(log, seed, report, say)


def _table(log: Log, seed: int, report: Report, say: Callable[[str], None]) -> None:
    steps = walk(log)
    table, told = f"Next category, {log.name}", _reported(steps)
    say(f"{table}: {int(told.sum()):,} of {len(told):,} events are reported")
    settings = Settings()
    ours = predicted(steps, settings)
    verdicts = {OURS: np.asarray(ours.verdicts)}
    verdicts[f"{OURS}, time of asking unknown"] = np.asarray(
        predicted(steps, settings, gaps=False).verdicts
    )
    verdicts[f"{OURS}, shop {LAG:,} events late"] = np.asarray(
        predicted(steps, settings, adopt_every=LAG).verdicts
    )
    for number, name in enumerate(METHODS):
        say(f"{table}: {name}")
        verdicts[name] = np.asarray(simple(steps, number))
    for name, found in verdicts.items():
        _rows(report, table, name, found, told, steps, seed)
        if name not in (OURS,):
            _gain(report, table, name, verdicts[OURS], found, told, steps, seed)
    _gate(report, table, ours.gates, verdicts[OURS], told)


def _reported(steps: Walk) -> Flags:
    """The events after the first part of the log's time."""
    first, last = float(steps.at.min()), float(steps.at.max())
    return np.asarray(steps.at >= first + LEARNED_ONLY * (last - first))


def _rows(
    report: Report, table: str, name: str, found: Verdicts, told: Flags, steps: Walk, seed: int
) -> None:
    """Log-loss and hit rates: of all, of changes, of returns and entries among their own."""
    asked = told & (found["step"] >= 0)
    changed = asked & (found["step"] > 0)
    views = [
        ("all", asked, "loss", "rank"),
        ("changes, without the current one", changed, "", "change_rank"),
        ("returns, among own", asked & (found["step"] == 1), "among_loss", "among_rank"),
        ("entries, among others", asked & (found["step"] == 2), "among_loss", "among_rank"),
    ]
    for setting, chosen, loss, rank in views:
        shoppers = steps.shoppers[chosen]
        if loss:
            measured = by_shopper(found[loss][chosen], shoppers, seed)
            report.put(table, name, setting, "log_loss", measured)
        for place in (1, 5, 10):
            hits = (found[rank][chosen] <= place).astype(np.float64)
            report.put(table, name, setting, f"hr@{place}", by_shopper(hits, shoppers, seed))


def _gain(
    report: Report, table: str, name: str, ours: Verdicts, other: Verdicts, told: Flags,
    steps: Walk, seed: int,
) -> None:  # fmt: skip
    """Ours less the other, event by event: below 0 nats is better, above 0 hits is."""
    asked = told & (ours["step"] >= 0)
    shoppers = steps.shoppers[asked]
    setting = "interest-drift less this, paired"
    nats = ours["loss"][asked] - other["loss"][asked]
    report.put(table, name, setting, "log_loss", by_shopper(nats, shoppers, seed))
    for place in (1, 5, 10):
        mine, its = ours["rank"][asked] <= place, other["rank"][asked] <= place
        hits = mine.astype(np.float64) - its.astype(np.float64)
        report.put(table, name, setting, f"hr@{place}", by_shopper(hits, shoppers, seed))


def _gate(report: Report, table: str, gates: Float64s, found: Verdicts, told: Flags) -> None:
    """Whether staying, returning and entering come as often as they are held likely."""
    asked = told & (found["step"] >= 0)
    curves: dict[str, tuple[list[float], list[float], list[int]]] = {}
    for step, name in enumerate(("stay", "return", "enter")):
        said, came = gates[asked, step], found["step"][asked] == step
        parts = np.array_split(np.argsort(said, kind="stable"), BINS)
        curves[name] = (
            [float(said[part].mean()) for part in parts],
            [float(came[part].mean()) for part in parts],
            [len(part) for part in parts],
        )
    caption = "Stay, return or enter: what was held likely, and how often it came."
    report.plot(caption, reliability(curves), table)
