"""Which interests enter within a day, four weeks or a quarter: ours beside simple baselines."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.core.calendar import Calendar
from stream.core.horizon_counts import PACES
from stream.core.rows import Float64s, Int32s
from stream.evaluation import plots
from stream.evaluation.bootstrap import by_shopper
from stream.evaluation.horizon_replay import METHODS, Asked, Replay, Span
from stream.evaluation.logs import Log
from stream.evaluation.report import OURS, Report, Row
from stream.messages import Period

PERSISTENCE = METHODS[2]
LENGTHS: dict[str, tuple[Period, int, int, int, int]] = {
    "next day": ("day", 1, 3, 5, 62),
    "next week": ("week", 7, 2, 28, 200),
    "next 4 weeks": ("month", 28, 4, 140, 100_000),
    "next quarter": ("quarter", 91, 2, 273, 100_000),
}
"""Whose pace, days, periods learned before the first report, and days of log: least and most."""
QUIET = 0.1
"""Days at a log's ends are left out that have less than this part of a usual day's events."""
EDGES = (0.0, 1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.01)
TARGETS = (0.1, 0.15, 0.2, 0.3)
LEVEL = 0.9
"""Of intervals."""
LEAST_SHOWN = 20
"""Bins with fewer cases are not drawn."""
METRICS = ("hr@5", "precision@10", "auc", "average_precision")
Bools = NDArray[np.bool_]


class Verdict(NamedTuple):
    """How a method ranked what entered, one line a shopper and period: metrics in columns."""

    shoppers: Int32s
    metrics: Float64s


def tables(logs: Sequence[Log], seed: int, report: Report, say: Callable[[str], None]) -> None:
    """Put the horizon model's tables and plots in the report, for every log long enough."""
    for log in logs:
        found = spans(log)
        if not found:
            say(f"{log.name}: under {LENGTHS['next day'][3]} days, too few for any horizon")
        for span in found:
            say(f"{log.name}: {span.name}")
            _span(log, span, seed, report)


def spans(log: Log) -> list[Span]:
    """The horizons that a log is long enough for, with its days cut to equal periods."""
    calendar = Calendar(log.time_zone)
    first, last = usual_days(calendar.days_of(log.at))
    found = []
    for name, (pace, days, learned, least, most) in LENGTHS.items():
        count = (last + 1 - first) // days
        if least <= last + 1 - first <= most and count > learned:
            cuts = [calendar.begin(first + days * number) for number in range(count + 1)]
            found.append(Span(name, np.array(cuts), learned, *PACES[pace]))
    return found


def usual_days(days: Int32s) -> tuple[int, int]:
    """The first and last day that are about as busy as the day of the median event."""
    values, counts = np.unique(days, return_counts=True)
    usual = np.median(np.repeat(counts, counts))
    busy = values[counts >= QUIET * usual]
    return int(busy[0]), int(busy[-1])


def _span(log: Log, span: Span, seed: int, report: Report) -> None:
    table = f"What enters the three largest: {span.name}, {log.name}"
    replay, verdicts = Replay(log, span, seed), dict[tuple[str, str], list[Verdict]]()
    chances, truths = [], []
    for asked in replay.periods():
        for number, method in enumerate(METHODS):
            for setting, among in (("all", asked.open_to), ("never seen", unseen(asked))):
                verdict = judged(asked, number, among, replay.tie)
                verdicts.setdefault((setting, method), []).append(verdict)
        chances.append(asked.scores[0][asked.open_to])
        truths.append(asked.entered[asked.open_to])
    put_ranking(report, table, {key: _joined(parts) for key, parts in verdicts.items()}, seed)
    put_chances(report, table, np.concatenate(chances), np.concatenate(truths))
    report.describe(
        table,
        "Asked at each shopper's first event of a period, before it counts: which categories, "
        "outside the three that the shopper had most of, will be among the period's three "
        f"largest? Of shoppers with 10 events before and {span.least} in the period. Everything "
        f"is learned on the way, from what came before; the first {span.first} periods are not "
        f"reported, the {len(chances)} after them are. 90 % intervals over shoppers.",
    )
    put_alerts(report, log, span, seed)


def unseen(asked: Asked) -> Bools:
    """What the shopper never had."""
    return asked.open_to & ~asked.seen


def judged(asked: Asked, method: int, among: Bools, tie: NDArray[np.int64]) -> Verdict:
    """How a method ranks what entered, among the categories asked for; ties by id."""
    entered = asked.entered & among
    rows = np.flatnonzero(entered.any(1))
    scores = np.where(among, asked.scores[method], -np.inf)
    lines = []
    for row in rows.tolist():
        ranks = ranks_of(scores[row], np.flatnonzero(entered[row]), tie)
        lines.append(measured(ranks, int(among[row].sum())))
    return Verdict(asked.shoppers[rows], np.array(lines).reshape(len(rows), len(METRICS)))


def ranks_of(scores: Float64s, places: NDArray[np.int64], tie: NDArray[np.int64]) -> Float64s:
    """The ranks of these places, from 1, the best first."""
    ranks = []
    for place in places.tolist():
        before = (scores > scores[place]) | ((scores == scores[place]) & (tie < tie[place]))
        ranks.append(1.0 + np.count_nonzero(before))
    return np.sort(np.array(ranks))


def measured(ranks: Float64s, among: int) -> tuple[float, float, float, float]:
    """The metrics of a ranking of `among` in which what is right has these ranks.

    >>> measured(np.array([1.0, 4.0]), 5)
    (1.0, 0.2, 0.666..., 0.75)
    """
    count = len(ranks)
    above = ranks.sum() - count * (count + 1) / 2
    return (
        float(ranks[0] <= 5),
        float(np.count_nonzero(ranks <= 10) / 10),
        float(1 - above / (count * (among - count))) if among > count else 1.0,
        float((np.arange(1, count + 1) / ranks).mean()),
    )


def _joined(parts: list[Verdict]) -> Verdict:
    return Verdict(
        np.concatenate([part.shoppers for part in parts]),
        np.concatenate([part.metrics for part in parts]),
    )


def put_ranking(
    report: Report, table: str, verdicts: dict[tuple[str, str], Verdict], seed: int
) -> None:
    """A row a metric, and what ours gains over persistence with the same shoppers."""
    for (setting, method), verdict in verdicts.items():
        for number, metric in enumerate(METRICS):
            values = verdict.metrics[:, number]
            measured = by_shopper(values, verdict.shoppers, seed, level=LEVEL)
            report.put(table, method, setting, metric, measured)
    for setting in ("all", "never seen"):
        ours, theirs = verdicts[setting, OURS], verdicts[setting, PERSISTENCE]
        gain = ours.metrics[:, 0] - theirs.metrics[:, 0]
        measured = by_shopper(gain, ours.shoppers, seed, level=LEVEL)
        report.put(table, OURS, setting, f"hr@5 minus {PERSISTENCE}", measured)


def put_chances(report: Report, table: str, chance: Float64s, entered: Bools) -> None:
    """Log-loss for each category asked for, beside that of the base rate, and reliability."""
    base = np.full(1, entered.mean())
    report.add(Row(table, OURS, "all", "log_loss", log_loss(chance, entered), n=len(chance)))
    report.add(Row(table, "base rate", "all", "log_loss", log_loss(base, entered), n=len(chance)))
    reliable = table.replace("What enters the three largest", "Reliability")
    bins = list(reliability(chance, entered))
    for low, high, told, came, count in bins:
        setting = f"{low:g} to {min(high, 1.0):g}"
        report.add(Row(reliable, OURS, setting, "told", told, n=count))
        report.add(Row(reliable, OURS, setting, "came", came, n=count))
    report.describe(reliable, "Probabilities, and how often what they were told of came true.")
    shown = [bin for bin in bins if bin[4] >= LEAST_SHOWN]
    curve = [bin[2] for bin in shown], [bin[3] for bin in shown], [bin[4] for bin in shown]
    figure = plots.reliability({OURS: curve}, end=0.5)
    report.plot("What was predicted, and what came true.", figure, reliable)


def log_loss(chance: Float64s, entered: Bools) -> float:
    """The mean surprise in nats."""
    return float(-np.where(entered, np.log(chance), np.log1p(-chance)).mean())


def reliability(
    chance: Float64s, entered: Bools
) -> Iterator[tuple[float, float, float, float, int]]:
    """For each range of probabilities with some: its ends, what was told, what came, how often."""
    place = np.digitize(chance, EDGES) - 1
    for number, (low, high) in enumerate(pairwise(EDGES)):
        here = place == number
        if here.any():
            told, came = float(chance[here].mean()), float(entered[here].mean())
            yield low, high, told, came, int(np.count_nonzero(here))


def put_alerts(report: Report, log: Log, span: Span, seed: int) -> None:
    """What alerts would have been sent at several settings of the precision, and came true."""
    table = f"Predicted alerts: {span.name}, {log.name}"
    quick = span._replace(first=len(span.cuts))
    for target in TARGETS:
        replay = Replay(log, quick, seed, target)
        for _ in replay.periods():
            pass
        settled = [one for period in replay.settled for one in period]
        setting, sent = f"prediction_precision = {target:g}", len(settled)
        report.add(Row(table, OURS, setting, "alerts", float(sent), n=sent))
        if sent:
            told = float(np.mean([one.probability for one in settled]))
            came = float(np.mean([one.came_true for one in settled]))
            report.add(Row(table, OURS, setting, "told", told, n=sent))
            report.add(Row(table, OURS, setting, "came", came, n=sent))
    report.describe(
        table,
        "Alerts are sent from that probability on from which, so far, the set share came true. "
        "A shopper with too few events in the period counts as one for whom it did not.",
    )
