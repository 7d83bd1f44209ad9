"""How good recommendation lists are, live and frozen within periods, beside simple methods."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from stream.core.decay import DAY
from stream.evaluation import (
    ranking_baselines,
    ranking_diversity,
    ranking_engine,
    ranking_published,
    ranking_river,
)
from stream.evaluation.logs import Log
from stream.evaluation.plots import lines
from stream.evaluation.ranking_baselines import GRIDS, METHODS, PLAIN, Judged, Protocol, Tuning
from stream.evaluation.ranking_judge import SIZE
from stream.evaluation.ranking_scores import (
    PLACES,
    WHOLE,
    WITH,
    WITHOUT,
    Scores,
    View,
    asked,
    gained,
    less_others,
)
from stream.evaluation.ranking_walk import Flags, Walk, parts, span, until, walk
from stream.evaluation.report import OURS, Metric, Report
from stream.settings import Settings

USUAL = f"{OURS}, usual emission"
PARTITIONS = (4, 16)
POINTS, WINDOW = 60, 20
"""Points of a curve, each over a twentieth of the log."""
ASKED = (
    "Asked are events whose item came in an earlier period, of shoppers who had such an item "
    "before. Ranks are among all candidates, of equals the middle one; an item that is no "
    "candidate is missed. Numbers are means over periods: weeks, or days of a log of fewer than "
    "three. What has settings took them from the early periods. Intervals draw whole shoppers. "
    "ISGD is asked of one event in ten. "
)
LIVE = (
    "The newest list that the shopper had been sent before each event, of the product itself "
    "replayed over the log; the other methods rank just before the event. Then it is learned. "
)
FROZEN = (
    "A period is ranked with what was known at its start; its own events only show what each "
    "shopper has now, and items new in it are left out. Then it is learned. "
)
LESS = f"{OURS} less the other method, event by event; above 0, {OURS} is better."
HELD = (
    "Of the live lists of 20: the share of all items that were ever listed, distinct categories "
    "among entries that have one, -log2 of an entry's share of all events, and the share of "
    "items that are less popular than an entry. Popularity is that of the whole log. Methods asked "
    "of fewer events have shown fewer lists, and so fewer items."
)
SPLIT = (
    "The same log in several partitions: with one shop model for all, as the workers have it, "
    "and with one of its own in each. Early periods alone."
)


class Run(NamedTuple):
    """One log, its walk, and where to put what is found."""

    log: Log
    walk: Walk
    seed: int
    report: Report
    say: Callable[[str], None]


def tables(logs: Sequence[Log], seed: int, report: Report, say: Callable[[str], None]) -> None:
    """Rank before each event of the logs, then learn it."""
    report.measure("coverage", Metric("items listed, %", 1, 100.0))
    report.measure("diversity", Metric("distinct categories, %", 1, 100.0))
    report.measure("novelty", Metric("novelty, bits"))
    report.measure("popularity_bias", Metric("less popular items, %", 1, 100.0))
    for place in PLACES:
        report.measure(f"recall@{place}", Metric(f"recall@{place}, %", 2, 100.0, 1))
        report.measure(f"mrr@{place}", Metric(f"MRR@{place}, %", 2, 100.0, 1))
    for log in logs:
        run = Run(log, walk(log), seed, report, say)
        say(f"{log.name}: {int(run.walk.asked.sum()):,} of {len(run.walk.at):,} events are asked")
        _frozen(run)
        _live(run)
        _partitions(run)
        ranking_diversity.table(log, run.walk, seed, report, say)


def _frozen(run: Run) -> None:
    table = f"Ranking frozen within periods, {run.log.name}"
    run.say(f"{table}: {OURS}")
    found = {OURS: ranking_engine.frozen(run.log, run.walk, Settings())}
    found |= _baselines(run, table, ranking_baselines.frozen)
    for view in (WITH, WITHOUT):
        _table(run, table, FROZEN + ASKED, found, view)


def _live(run: Run) -> None:
    table, found = f"Ranking live, {run.log.name}", {}
    for name, settings in [
        (OURS, ranking_published.every_change(Settings())),
        (USUAL, ranking_published.usual(Settings())),
    ]:
        run.say(f"{table}: {name}")
        lists = ranking_published.published(run.log, run.walk, settings)
        found[name] = ranking_published.judged(run.walk, lists)
        run.report.note(f"{name}: {len(lists.after):,} lists were sent.", table)
    found |= _baselines(run, table, ranking_baselines.live)
    asked_of_all = dict(found)
    for name, ranker in ranking_river.rankers(run.seed).items():
        run.say(f"{table}: {name}")
        found[name] = ranking_river.live(run.walk, ranker)
    count = len(ranking_river.sample(run.walk))
    run.report.note(f"River's rankers are asked of {count:,} events, spread evenly.", table)
    for view in (WITH, WITHOUT):
        _table(run, table, LIVE + ASKED, found, view)
    _table(run, table, LIVE, asked_of_all, WHOLE)
    _curves(run, table, found)
    _held(run, found)


def _baselines(run: Run, table: str, protocol: Protocol) -> dict[str, Judged]:
    """Each simple method, set as did best in the early periods."""
    found = {}
    for number, name in enumerate(METHODS):
        run.say(f"{table}: {name}")
        tuning = ranking_baselines.tuned(run.walk, number, protocol, parts(run.walk)[0], run.seed)
        if GRIDS[number] != PLAIN:
            _note_tuning(run, table, number, tuning)
        found[name] = protocol(run.walk, number, tuning, run.seed, None)
    return found


def _note_tuning(run: Run, table: str, number: int, tuning: Tuning) -> None:
    """Say how a method was set, and if no period is held out."""
    where = "" if len(parts(run.walk)) > 1 else ", by the only period that is reported"
    run.report.note(f"{METHODS[number]}: {_said(number, tuning)}{where}.", table)


def _said(number: int, tuning: Tuning) -> str:
    """How a method was set, in words."""
    if number == ranking_baselines.DECAYED:
        return f"half-life {tuning.half_life / DAY:g} days"
    if number == ranking_baselines.NEIGHBORS:
        return f"{tuning.neighbors} sessions"
    return f"step size {tuning.rate:g}"


def _table(run: Run, table: str, about: str, found: Mapping[str, Judged], view: View) -> None:
    """Recall and MRR by part of the log, and a table of ours less the others'."""
    scores, name = Scores(run.walk, run.seed, run.report), table + view.words
    run.report.describe(name, f"{about}{view.about}")
    run.report.describe(less_others(name), f"{LESS} {view.about}")
    for setting, inside in _settings(run.walk, view).items():
        for method, judged in found.items():
            scores.put(name, method, setting, view, judged, inside)
    for setting, inside in _settings(run.walk, view).items():
        for method, judged in found.items():
            if method != OURS:
                ours = found[OURS]
                scores.put_gain(less_others(name), method, setting, view, ours, judged, inside)


def _settings(walk: Walk, view: View) -> dict[str, Flags]:
    """The parts of the log that are reported, by name."""
    if view.whole:
        return {"all": np.ones(len(walk.at), np.bool_)}
    return {_named(walk, part): span(walk, part) for part in parts(walk)}


def _named(walk: Walk, part: tuple[int, int]) -> str:
    """A part of the log in words."""
    first, last = part
    words = f"periods {first} to {last}" if first < last else f"period {first}"
    early = parts(walk)[0]
    if len(parts(walk)) == 1 or part == (1, parts(walk)[-1][1]):
        return words
    return f"{words} (to tune on)" if part == early else f"{words} (held out)"


def _curves(run: Run, table: str, found: Mapping[str, Judged]) -> None:
    """Recall over time, each point over a twentieth of what was asked."""
    curves: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
    for name, judged in found.items():
        chosen = asked(run.walk, judged, WITH)
        hits = gained(judged, chosen, WITH, "recall", SIZE)
        if len(hits) < POINTS * WINDOW:
            continue
        width = len(hits) // WINDOW
        sums = np.concatenate([[0.0], np.cumsum(hits)])
        ends = np.linspace(width, len(hits), POINTS).astype(np.int64)
        days = (run.walk.at[chosen][ends - 1] - run.walk.at[0]) / DAY
        curves[name] = (days.tolist(), ((sums[ends] - sums[ends - width]) / width).tolist())
    if curves:
        figure = lines(curves, "days of the log", "recall@20")
        run.report.plot("Recall@20 in a sliding window, a twentieth of the events.", figure, table)


def _held(run: Run, found: Mapping[str, Judged]) -> None:
    """What the lists held."""
    table = f"What lists hold, {run.log.name}"
    run.report.describe(table, HELD)
    put = partial(run.report.put, table)
    for name, judged in found.items():
        verdicts = np.asarray(judged.verdicts)
        lists = verdicts[(verdicts["asked"] > 0) & (verdicts["listed"] > 0)]
        if not len(lists):
            continue
        put(name, "all periods", "coverage", float((judged.shown > 0).mean()))
        varied = lists["variety"][lists["variety"] >= 0]
        if len(varied):
            put(name, "all periods", "diversity", float(varied.mean()))
        put(name, "all periods", "novelty", float(lists["rarity"].mean()))
        put(name, "all periods", "popularity_bias", float(lists["percentile"].mean()))


def _partitions(run: Run) -> None:
    """The same lists from several partitions, on the early periods."""
    table, early = f"Partitions, {run.log.name}", parts(run.walk)[0]
    run.report.describe(table, SPLIT + " " + LIVE + ASKED + WITH.about)
    cut = until(run.walk, early[1])
    settings = ranking_published.every_change(Settings())
    for count, shared in [(1, True), *((n, way) for n in PARTITIONS for way in (True, False))]:
        setting = "1 partition" if count == 1 else f"{count} partitions"
        if count > 1:
            setting += ", one shop model" if shared else ", a shop model each"
        run.say(f"{table}: {setting}")
        lists = ranking_published.published(run.log, cut, settings, count, shared)
        judged = ranking_published.judged(cut, lists)
        scores = Scores(cut, run.seed, run.report)
        scores.put(table, OURS, setting, WITH, judged, span(cut, early))
