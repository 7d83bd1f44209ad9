"""How good recommendation lists are, live and frozen within periods, beside simple methods."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from stream.core.decay import DAY
from stream.evaluation import (
    content_world,
    ranking_baselines,
    ranking_content,
    ranking_diversity,
    ranking_engine,
    ranking_graph,
    ranking_moves,
    ranking_published,
    ranking_queries,
    ranking_river,
    ranking_windows,
    ranking_with_factors,
)
from stream.evaluation.logs import Log
from stream.evaluation.ranking_baselines import GRIDS, METHODS, PLAIN, Judged, Protocol, Tuning
from stream.evaluation.ranking_content import Case
from stream.evaluation.ranking_moves import Sink
from stream.evaluation.ranking_published import USUAL
from stream.evaluation.ranking_scores import (
    PLACES,
    WHOLE,
    WITH,
    WITHOUT,
    Scores,
    View,
    less_others,
)
from stream.evaluation.ranking_walk import Flags, Walk, parts, span, until, walk
from stream.evaluation.report import OURS, Metric, Report
from stream.messages import CatalogEntries
from stream.settings import Settings

ASKED = (
    "Asked are events whose item came in an earlier period, of shoppers who had such an item "
    "before. Ranks are among all candidates, of equals the middle one; an item that is no "
    "candidate is missed. Numbers are means over periods: weeks, or days of a log of fewer than "
    "three. What has settings took them from the early periods. Intervals draw whole shoppers. "
    "ISGD and LightGCN are asked of one event in ten. "
)
LIVE = (
    "The newest list that the shopper had been sent before each event, of the product itself "
    "replayed over the log; the other methods rank just before the event. Then it is learned. "
)
FROZEN = (
    "A period is ranked with what was known at its start; its own events only show what each "
    "shopper has now, and items new in it are left out. Then it is learned. "
)
LESS = (
    f"{OURS} less the other method, event by event; above 0, {OURS} is better. Intervals draw "
    "whole shoppers. McNemar's test looks at the events that only one of the two hits at 20, each "
    "the same, and takes them as independent, which those of one shopper are not: where the two "
    "disagree, trust the interval."
)
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


class Plan(NamedTuple):
    """What is measured, and with which settings."""

    settings: Settings = Settings()
    prequential: bool = True
    """Published lists, also in several partitions and after a move."""
    frozen: bool = True
    partitions: tuple[int, ...] = (1, 4, 16)
    simulated: int = 300
    """Shoppers of the simulated shop, 0 for none."""
    catalog: tuple[CatalogEntries, ...] = ()
    """What the shop says of the logs' items."""


WHOLE_PLAN = Plan()


class Run(NamedTuple):
    """One log, its walk, and where to put what is found."""

    log: Log
    walk: Walk
    plan: Plan
    seed: int
    report: Report
    say: Callable[[str], None]


def tables(
    logs: Sequence[Log],
    seed: int,
    report: Report,
    say: Callable[[str], None],
    plan: Plan = WHOLE_PLAN,
) -> None:
    """Rank before each event of the logs, then learn it; then of shoppers known to move."""
    _measures(report)
    if others := plan.settings.unusual():
        report.note("Settings other than the defaults: " + ", ".join(others) + ".")
    for log in logs:
        run = Run(log, walk(log), plan, seed, report, say)
        say(f"{log.name}: {int(run.walk.asked.sum()):,} of {len(run.walk.at):,} events are asked")
        if plan.frozen:
            _frozen(run)
        if plan.prequential:
            _live(run)
            _partitions(run)
            sink = Sink(seed, report, say)
            ranking_diversity.table(log, run.walk, plan.settings, sink)
            ranking_moves.in_log(log, run.walk, plan.settings, sink)
            if plan.catalog:
                _new_items(run, plan.catalog)
    if plan.prequential and plan.simulated:
        sink = Sink(seed, report, say)
        ranking_moves.in_simulated_shop(plan.simulated, plan.settings, sink)
        ranking_queries.table(plan.simulated, plan.settings, sink)
        styles, catalog = content_world.made(seed)
        _new_items(Run(styles, walk(styles), plan, seed, report, say), catalog)


def _measures(report: Report) -> None:
    """How the metrics are shown."""
    report.measure("coverage", Metric("items listed, %", 1, 100.0))
    report.measure("diversity", Metric("distinct categories, %", 1, 100.0))
    report.measure("novelty", Metric("novelty, bits"))
    report.measure("popularity_bias", Metric("less popular items, %", 1, 100.0))
    for place in PLACES:
        report.measure(f"recall@{place}", Metric(f"recall@{place}, %", 2, 100.0, 1))
        report.measure(f"mrr@{place}", Metric(f"MRR@{place}, %", 2, 100.0, 1))
    report.measure("only_ours", Metric("hit by the first alone", 0))
    report.measure("only_other", Metric("by the other alone", 0))
    report.measure("mcnemar_p", Metric("McNemar p", 4))


def _new_items(run: Run, catalog: Sequence[CatalogEntries]) -> None:
    case = Case(run.walk, run.log.item_names, catalog, run.plan.settings)
    ranking_content.table(run.log.name, case, run.seed, run.report, run.say)


def _frozen(run: Run) -> None:
    table = f"Ranking frozen within periods, {run.log.name}"
    run.say(f"{table}: {OURS}")
    found = {OURS: ranking_engine.frozen(run.log, run.walk, run.plan.settings)}
    found |= _baselines(run, table, ranking_baselines.frozen)
    for view in (WITH, WITHOUT):
        _table(run, table, FROZEN + ASKED, found, view)
    ranking_with_factors.table(
        run.log, run.walk, found[OURS], _settings(run.walk, WITH), run.plan.settings,
        Scores(run.walk, run.seed, run.report), run.say,
    )  # fmt: skip


def _live(run: Run) -> None:
    table, found = f"Ranking live, {run.log.name}", {}
    for name, settings in [
        (OURS, ranking_published.every_change(run.plan.settings)),
        (USUAL, ranking_published.usual(run.plan.settings)),
    ]:
        run.say(f"{table}: {name}")
        lists = ranking_published.published(run.log, run.walk, settings)
        found[name] = ranking_published.judged(run.walk, lists)
        run.report.note(
            f"{name}: {len(lists.after):,} lists were sent, {int(lists.full.sum()):,} of them as "
            "whole ones and the others as what changed.",
            table,
        )
    found |= _baselines(run, table, ranking_baselines.live)
    found[ranking_graph.NAME] = _graph(run, table)
    asked_of_all = dict(found)
    for name, ranker in ranking_river.rankers(run.seed).items():
        run.say(f"{table}: {name}")
        found[name] = ranking_river.live(run.walk, ranker)
    count = len(ranking_river.sample(run.walk))
    run.report.note(f"River's rankers are asked of {count:,} events, spread evenly.", table)
    for view in (WITH, WITHOUT):
        _table(run, table, LIVE + ASKED, found, view)
    _table(run, table, LIVE, asked_of_all, WHOLE)
    ranking_windows.curves(run.walk, run.report, table, found)
    ranking_windows.gains(run.walk, run.report, table, found, run.seed)
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


def _graph(run: Run, table: str) -> Judged:
    """The graph of shoppers and items, set as did best in the early periods."""
    run.say(f"{table}: {ranking_graph.NAME}")
    model = ranking_graph.tuned(run.log, run.walk, run.seed)
    run.report.note(f"{ranking_graph.NAME}: step size {model.rate:g}.", table)
    return ranking_graph.live(run.log, run.walk, model)


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
    settings = ranking_published.every_change(run.plan.settings)
    ways = [(n, way) for n in run.plan.partitions for way in (True, False) if way or n > 1]
    for count, shared in ways:
        setting = "1 partition" if count == 1 else f"{count} partitions"
        if count > 1:
            setting += ", one shop model" if shared else ", a shop model each"
        run.say(f"{table}: {setting}")
        lists = ranking_published.published(run.log, cut, settings, count, shared)
        judged = ranking_published.judged(cut, lists)
        scores = Scores(cut, run.seed, run.report)
        scores.put(table, OURS, setting, WITH, judged, span(cut, early))
