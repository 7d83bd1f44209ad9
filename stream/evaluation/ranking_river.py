"""River's own rankers in the same run, asked of a sample: each scores every item in Python."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from river import reco

from stream.core.rows import Float64s, Int64s, zeros
from stream.evaluation.ranking_baselines import Judged
from stream.evaluation.ranking_judge import VERDICT, VerdictRow, board, clear, judge
from stream.evaluation.ranking_walk import Walk

SCORES = 10_000_000
"""About so many scores are asked of each ranker; a score takes a microsecond."""
MOST_ASKED = 2000


class Ranker(Protocol):
    """What River calls one."""

    def learn_one(self, user: Any, item: Any, y: Any) -> None: ...
    def predict_one(self, user: Any, item: Any) -> Any: ...


def rankers(seed: int) -> Mapping[str, Ranker]:
    """As River sets them. Each event counts as a rating of 1, so they know no dislike."""
    return {
        "River Baseline": reco.Baseline(),
        "River FunkMF": reco.FunkMF(seed=seed),
        "River BiasedMF": reco.BiasedMF(seed=seed),
    }


def sample(walk: Walk) -> Int64s:
    """The events that are asked of, spread evenly."""
    asked = np.flatnonzero(walk.asked)
    count = min(len(asked), MOST_ASKED, max(1, SCORES // walk.known))
    return asked[np.linspace(0, len(asked) - 1, count).astype(np.int64)]


def live(walk: Walk, ranker: Ranker) -> Judged:
    """Each event is learned; before those of the sample, all items taken so far are ranked."""
    desk, verdicts = board(walk.known), zeros(len(walk.at), VERDICT, VerdictRow)
    wanted = set(sample(walk).tolist())
    looking: dict[int, int] = {}
    taken: dict[int, None] = {}
    for event, (shopper, item) in enumerate(
        zip(walk.shoppers.tolist(), walk.items.tolist(), strict=True)
    ):
        if event in wanted:
            known = np.array(list(taken), np.int32)
            desk.amounts[known] = scores(ranker, shopper, list(taken))
            desk.touched[: len(known)] = known
            judge(verdicts[event], desk, walk, len(known), item, looking[shopper])
            clear(desk, len(known))
        ranker.learn_one(shopper, item, 1.0)
        looking[shopper] = item
        taken[item] = None
    return Judged(verdicts, desk.shown)


def scores(ranker: Ranker, shopper: int, items: list[int]) -> Float64s:
    """What the ranker says of each item, moved so that all are positive."""
    found = np.array([float(ranker.predict_one(shopper, item)) for item in items])
    return np.asarray(found - found.min() + 1.0)
