"""From verdicts on lists to recall and MRR with intervals."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from stream.core.rows import Float64s
from stream.evaluation.bootstrap import Interval, by_shopper
from stream.evaluation.ranking_baselines import Judged
from stream.evaluation.ranking_judge import SIZE
from stream.evaluation.ranking_walk import Flags, Walk
from stream.evaluation.report import OURS, Report

PLACES = (5, 10, SIZE)
GROUPS = 2000
"""Of more shoppers, intervals draw so many groups of whole shoppers."""


class View(NamedTuple):
    """Which events and which of their ranks count.

    `words` are added to a table's name, `about` to what is said of it. With `whole`, every
    judged event counts, and each the same; else those asked, and each period the same.
    """

    rank: str
    words: str
    about: str
    whole: bool = False


WITH = View("rank", "", "Lists may hold the item on the screen, and taking it again counts.")
WITHOUT = View(
    "novel_rank",
    ", without the item on the screen",
    "The item on the screen is taken out of the lists, and taking it again does not count.",
)
WHOLE = View(
    "rank",
    ", every event",
    "Here all events count but each shopper's first, also of items that no list can hold since "
    "they are new; all periods, and each event the same.",
    whole=True,
)


class Scores(NamedTuple):
    """Where the numbers of one log go."""

    walk: Walk
    seed: int
    report: Report

    def put(self, table: str, name: str, setting: str, view: View, judged: Judged,
            inside: Flags) -> None:  # fmt: skip
        """Recall and MRR at 5, 10 and 20; those at 20 with intervals."""
        chosen = inside & asked(self.walk, judged, view)
        weights = weights_of(self.walk, chosen, view)
        for metric in ("recall", "mrr"):
            for place in PLACES:
                values = gained(judged, chosen, view, metric, place)
                measured: Interval | float = np.nan
                if place == SIZE:
                    measured = self._interval(chosen, values, weights)
                elif len(values):
                    measured = float((values * weights).sum() / weights.sum())
                self.report.put(table, name, setting, f"{metric}@{place}", measured)

    def put_gain(self, table: str, name: str, setting: str, view: View, ours: Judged,
                 other: Judged, inside: Flags) -> None:  # fmt: skip
        """Ours less the other, event by event; above 0 is better."""
        chosen = inside & asked(self.walk, ours, view) & asked(self.walk, other, view)
        weights = weights_of(self.walk, chosen, view)
        for metric in ("recall", "mrr"):
            mine, its = (gained(one, chosen, view, metric, SIZE) for one in (ours, other))
            measured = self._interval(chosen, mine - its, weights)
            self.report.put(table, name, setting, f"{metric}@{SIZE}", measured)
        hits = [gained(one, chosen, view, "recall", SIZE) > 0.0 for one in (ours, other)]
        paired = mcnemar(*hits)
        for metric, value in paired._asdict().items():
            self.report.put(table, name, setting, metric, value)

    def _interval(self, chosen: Flags, values: Float64s, weights: Float64s) -> Interval:
        shoppers = self.walk.shoppers[chosen]
        people = len(np.unique(shoppers))
        groups = shoppers if people <= GROUPS else shoppers % GROUPS
        return by_shopper(values, groups, self.seed, weights)._replace(n=people)


class Paired(NamedTuple):
    """Events that only one of two methods hit, and how likely it is that chance alone does it."""

    only_ours: int
    only_other: int
    mcnemar_p: float


def mcnemar(ours: Flags, other: Flags) -> Paired:
    """McNemar's test of two methods' hits of the same events, two-sided and exact.

    It takes events as independent, which those of one shopper are not.

    >>> mcnemar(np.array([True, True, True, False]), np.array([False, False, False, False]))
    Paired(only_ours=3, only_other=0, mcnemar_p=0.25)

    References
    ----------
    McNemar 1947. Note on the sampling error of the difference between correlated proportions.
    Psychometrika 12.
    """
    mine, its = int((ours & ~other).sum()), int((other & ~ours).sum())
    chance = float(stats.binomtest(mine, mine + its).pvalue) if mine + its else 1.0
    return Paired(mine, its, chance)


def less_others(table: str) -> str:
    """What the table of differences is called."""
    return f"{table}, {OURS} less others"


def asked(walk: Walk, judged: Judged, view: View) -> Flags:
    """The judged events that count in a view."""
    verdicts = np.asarray(judged.verdicts)
    found: Flags = verdicts["asked"] > 0
    if not view.whole:
        found &= walk.asked
    return found if view.rank == "rank" else found & (verdicts["fresh"] > 0)


def gained(judged: Judged, chosen: Flags, view: View, metric: str, place: int) -> Float64s:
    """What each of the chosen events adds to recall or MRR."""
    ranks = np.asarray(judged.verdicts)[view.rank][chosen]
    hit = (ranks > 0.0) & (ranks <= place)
    if metric == "recall":
        return hit.astype(np.float64)
    return np.where(hit, 1.0 / np.maximum(ranks, 1.0), 0.0)


def weights_of(walk: Walk, chosen: Flags, view: View) -> Float64s:
    """What makes each period, or each event, count the same."""
    periods = walk.periods[chosen]
    if view.whole:
        return np.ones(len(periods))
    return np.asarray(1.0 / np.bincount(periods)[periods])
