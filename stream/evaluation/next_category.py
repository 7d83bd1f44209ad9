"""How well the category of a shopper's next event is predicted, beside simple methods."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from stream.core.decay import DAY
from stream.evaluation.bootstrap import by_shopper, share
from stream.evaluation.logs import Log
from stream.evaluation.next_category_baselines import METHODS, POPULARITY, Tuning, simple, tuned
from stream.evaluation.next_category_bilinear import NAME as BILINEAR
from stream.evaluation.next_category_bilinear import bilinear
from stream.evaluation.next_category_engine import Predicted, predicted
from stream.evaluation.next_category_graph import NAME as GRAPH
from stream.evaluation.next_category_graph import by_graph
from stream.evaluation.next_category_judge import Walk, walk
from stream.evaluation.plots import reliability
from stream.evaluation.report import OURS, Metric, Report
from stream.settings import Settings

LEARNED_ONLY = 4 / 9
"""The first part of a log's time is learned from and not reported: there things are tuned."""
LAG = 1000
TIMELESS, LATE = f"{OURS}, time of asking unknown", f"{OURS}, shop {LAG:,} events late"
BINS = 8
SLOTS = Settings().prediction_slots
ABOUT = (
    "Each event's category is predicted, then learned. All categories of the log are known from "
    "the start, as from a catalog. The first four ninths of the time are learned from and not "
    "reported; half-lives and priors of the simple methods are picked there. Log-loss is in nats; "
    "of categories held equally likely, the true one takes the middle rank. Returns are told among "
    "the shopper's other categories, entries among those the shopper never touched. Intervals "
    "draw whole shoppers."
)
Verdicts = NDArray[np.void]
Flags = NDArray[np.bool_]


def tables(logs: Sequence[Log], seed: int, report: Report, say: Callable[[str], None]) -> None:
    """Predict each event of the logs, then learn it; report the later part."""
    report.measure("predicted", Metric("held likely"))
    report.measure("observed", Metric("came"))
    for log in logs:
        _table(log, seed, report, say)


def _table(log: Log, seed: int, report: Report, say: Callable[[str], None]) -> None:
    steps = walk(log)
    table, told = f"Next category, {log.name}", _reported(steps)
    say(f"{table}: {int(told.sum()):,} of {len(told):,} events are reported")
    report.describe(table, ABOUT)
    settings = Settings()
    ours = predicted(steps, settings)
    verdicts = {
        OURS: np.asarray(ours.verdicts),
        TIMELESS: np.asarray(predicted(steps, settings, gaps=False).verdicts),
        LATE: np.asarray(predicted(steps, settings, adopt_every=LAG).verdicts),
    }
    for number, name in enumerate(METHODS):
        say(f"{table}: {name}")
        tuning = tuned(steps, number, int((~told).sum()))
        if tuning.half_life < math.inf or tuning.prior != 1.0:
            report.note(f"{name}: {_said(number, tuning)}.", table)
        verdicts[name] = np.asarray(simple(steps, number, tuning))
    say(f"{table}: {BILINEAR}")
    verdicts[BILINEAR] = np.asarray(bilinear(steps))
    say(f"{table}: {GRAPH}")
    verdicts[GRAPH] = np.asarray(by_graph(steps))
    for name, found in verdicts.items():
        _rows(report, table, name, found, told, steps, seed)
        if name != OURS:
            _gain(report, table, name, verdicts[OURS], found, told, steps, seed)
    _gate(report, log.name, ours, told)


def _said(method: int, tuning: Tuning) -> str:
    """How a method was set, in words."""
    seconds = method == POPULARITY
    half_life = tuning.half_life / DAY if seconds else tuning.half_life
    parts = []
    if half_life < math.inf:
        parts.append(f"half-life {half_life:g} {'days' if seconds else 'events of the shopper'}")
    if not seconds:
        parts.append(f"popularity counts as {tuning.prior:g} events")
    return ", ".join(parts)


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


def _gate(report: Report, log: str, ours: Predicted, told: Flags) -> None:
    """Whether staying, returning and entering come as often as they are held likely."""
    asked, table = told & (ours.steps >= 0), f"Stay, return or enter, {log}"
    report.describe(
        table,
        f"Predictions in {BINS} groups of equal size by what was held likely. Own categories are "
        f"those in the shopper's {SLOTS} slots.",
    )
    curves: dict[str, tuple[list[float], list[float], list[int]]] = {}
    for step, name in enumerate(("stay", "return", "enter")):
        said, came = ours.gates[asked, step], ours.steps[asked] == step
        parts = np.array_split(np.argsort(said, kind="stable"), BINS)
        groups = [part for part in parts if len(part)]
        for number, part in enumerate(groups, 1):
            setting = f"{name}, group {number}"
            report.put(table, OURS, setting, "predicted", float(said[part].mean()))
            report.put(table, OURS, setting, "observed", share(int(came[part].sum()), len(part)))
        curves[name] = (
            [float(said[part].mean()) for part in groups],
            [float(came[part].mean()) for part in groups],
            [len(part) for part in groups],
        )
    caption = "Stay, return or enter: what was held likely, and how often it came."
    report.plot(caption, reliability(curves), table)
