"""How recall goes over the time of a log, and how far ours is ahead at each time."""

from collections.abc import Mapping, Sequence

import numpy as np

from stream.core.decay import DAY
from stream.evaluation.bootstrap import by_shopper
from stream.evaluation.plots import lines, ranges
from stream.evaluation.ranking_baselines import Judged
from stream.evaluation.ranking_judge import SIZE
from stream.evaluation.ranking_scores import GROUPS, WITH, asked, gained
from stream.evaluation.ranking_walk import Walk
from stream.evaluation.report import OURS, Report

POINTS, WINDOW = 60, 20
"""Points of a curve, each over a twentieth of the log."""
DRAWS = 200
FEWEST = 20
"""Events in a window, for an interval to mean anything."""


def curves(walk: Walk, report: Report, table: str, found: Mapping[str, Judged]) -> None:
    """Recall over time, each point over a twentieth of what was asked."""
    drawn: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
    for name, judged in found.items():
        chosen = asked(walk, judged, WITH)
        hits = gained(judged, chosen, WITH, "recall", SIZE)
        if len(hits) < POINTS * WINDOW:
            continue
        width = len(hits) // WINDOW
        sums = np.concatenate([[0.0], np.cumsum(hits)])
        ends = np.linspace(width, len(hits), POINTS).astype(np.int64)
        days = (walk.at[chosen][ends - 1] - walk.at[0]) / DAY
        drawn[name] = (days.tolist(), ((sums[ends] - sums[ends - width]) / width).tolist())
    if drawn:
        figure = lines(drawn, "days of the log", "recall@20")
        report.plot("Recall@20 in a sliding window, a twentieth of the events.", figure, table)


def gains(walk: Walk, report: Report, table: str, found: Mapping[str, Judged], seed: int) -> None:
    """Our recall less each other's, event by event, in 20 windows of as many events each."""
    drawn = {}
    for name, judged in found.items():
        both = asked(walk, found[OURS], WITH) & asked(walk, judged, WITH)
        if name == OURS or both.sum() < FEWEST * WINDOW:
            continue
        mine, its = (gained(one, both, WITH, "recall", SIZE) for one in (found[OURS], judged))
        at, shoppers = walk.at[both], walk.shoppers[both] % GROUPS
        drawn[name] = [
            (float(at[part].mean() - walk.at[0]) / DAY,
             *by_shopper((mine - its)[part], shoppers[part], seed, draws=DRAWS)[:3])
            for part in np.array_split(np.arange(len(at)), WINDOW)
        ]  # fmt: skip
    if drawn:
        caption = (
            f"Recall@20 of {OURS} less the other method's in each twentieth of the events, with "
            "95 % intervals that draw whole shoppers. Of twenty, one may miss the truth by chance."
        )
        report.plot(caption, ranges(drawn, "days of the log", "difference in recall@20"), table)
