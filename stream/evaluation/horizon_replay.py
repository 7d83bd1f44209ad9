"""A log replayed period by period: what enters each shopper's three largest, and who said so."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.core import horizon_counts, horizon_features, horizon_watch, laplace, levels
from stream.core.compiled import outlined
from stream.core.foresight import LEAST_KNOWN
from stream.core.horizon import NEVER
from stream.core.horizon_counts import TOP, HorizonRow
from stream.core.horizon_watch import Watch, World
from stream.core.ids import NONE
from stream.core.maturing import Settled
from stream.core.rows import Float64s, Int32s, Int64s
from stream.evaluation.logs import RETURNED, Log
from stream.evaluation.report import OURS

METHODS = (OURS, "popularity", "persistence", "short mix", "markov")
MOST_CELLS = 8_000_000
"""Shoppers times categories that are scored in one period; of more shoppers, a sample is."""
PANEL = 20_000
PREDICTIONS = 100_000
"""Alerts that may be open at once."""
Bools = NDArray[np.bool_]


class Span(NamedTuple):
    """Equal periods of a log: events from `cuts[n]` up to `cuts[n + 1]` are in period n."""

    name: str
    cuts: Float64s
    first: int
    """The first period that is reported; those before it are only learned."""
    long: float
    short: float
    least: int


class Asked(NamedTuple):
    """A period's shoppers, as they were before their first event in it.

    `scores` has shape (methods, shoppers, categories). `open_to` says what was not among the
    three largest, `entered` what of it was in the end, `seen` what the shopper ever had.
    """

    shoppers: Int32s
    scores: Float64s
    open_to: Bools
    entered: Bools
    seen: Bools


@outlined
def score_all(world: World, row: HorizonRow, at: float, out: Float64s, top: Int32s) -> None:
    """Score every category by every method, shape (methods, categories), for one shopper.

    Ties of the baselines fall to the long mix, then to popularity.
    """
    desk, open, learner = world.desk, world.own.opens[0], world.own.learners[0]
    horizon_features.look_at(desk, row, open, at)
    look, candidate = desk.looks[0], desk.candidates[0]
    top[0], top[1], top[2] = horizon_counts.top(row, desk.codes)
    for place in range(TOP):
        top[place] = horizon_counts.code_in(row, top[place])
    short_total = 0.0
    for slot in range(row.used):
        short_total += levels.weight_of(int(row.short[slot]))
    for category in range(out.shape[1]):
        slot = horizon_counts.slot_of(row, category)
        horizon_features.put(candidate, NONE, category, slot, 0.0)
        horizon_features.describe(desk, row, candidate)
        popular = horizon_features.popularity_of(desk, category, at)
        long, short = 0.0, 0.0
        if slot >= 0:
            long = levels.weight_of(int(row.long[slot])) / max(look.total, 1e-300)
            short = levels.weight_of(int(row.short[slot])) / max(short_total, 1e-300)
        out[0, category] = laplace.chance(learner, candidate.features)
        out[1, category] = popular
        out[2, category] = long + 1e-6 * popular
        out[3, category] = short + 1e-3 * long + 1e-6 * popular
        out[4, category] = candidate.features[3]


@outlined
def run(
    world: World,
    shoppers: Int32s,
    categories: Int32s,
    at: Float64s,
    first: int,
    last: int,
    ask: Int32s,
    scores: Float64s,
    tops: Int32s,
) -> None:
    """Learn events in order; before the event `first + n`, score as number `ask[n]`, if not -1."""
    for place in range(first, last):
        shopper, number = shoppers[place], ask[place - first]
        if number >= 0:
            row = world.shoppers[shopper].counts
            score_all(world, row, at[place], scores[number], tops[number])
        horizon_watch.learn(world, shopper, categories[place], at[place], place)


class Replay:
    """A log's events that name a category, and the shoppers and shop that it makes.

    All categories of the log are known from the start, as from a catalog.
    """

    def __init__(self, log: Log, span: Span, seed: int, target: float = NEVER) -> None:
        inside = (log.at >= span.cuts[0]) & (log.at < span.cuts[-1])
        inside &= (log.categories >= 0) & (log.actions != RETURNED)
        self.shoppers = np.ascontiguousarray(log.shoppers[inside], np.int32)
        self.categories = np.ascontiguousarray(log.categories[inside], np.int32)
        self.at = np.ascontiguousarray(log.at[inside], np.float64)
        self.span = span
        self._random = np.random.default_rng(seed)
        self._watch = Watch(span.long, span.short, span.least, PANEL, target, PREDICTIONS)
        self.settled: list[list[Settled]] = []
        """What became of the predictions sure enough to be alerts, by period, once it is over."""
        for shopper in log.shopper_names:
            self._watch.shopper(shopper)
        for category in log.category_names:
            self._watch.category(category)
        self._known = np.zeros(len(log.shopper_names), np.int64)
        ids = np.asarray(self._watch.codes)["id"][: len(log.category_names)]
        self.tie: Int64s = np.argsort(np.argsort(ids))
        """Of each category, its place in the order of ids, by which equals are told apart."""

    def periods(self) -> Iterator[Asked]:
        """Each reported period, once it is over."""
        bounds = np.searchsorted(self.at, self.span.cuts)
        for number, (first, last) in enumerate(pairwise(bounds)):
            cuts = self.span.cuts[number : number + 2]
            self.settled.append(self._watch.turn(number + 1, float(cuts[0]), float(cuts[1])))
            asked = self._period(int(first), int(last), number >= self.span.first)
            if asked is not None:
                yield asked
        self.settled.append(self._watch.turn(len(bounds), float(cuts[1]), math.inf))
        del self.settled[0]

    def _period(self, first: int, last: int, reported: bool) -> Asked | None:
        chosen = self._chosen(first, last) if reported else np.zeros(0, np.int32)
        ask, count = np.full(last - first, -1, np.int32), len(self.tie)
        for number, shopper in enumerate(chosen.tolist()):
            ask[np.argmax(self.shoppers[first:last] == shopper)] = number
        scores = np.zeros((len(chosen), len(METHODS), count))
        tops = np.full((len(chosen), TOP), -1, np.int32)
        for start in range(first, last, 1000):
            self._watch.adopt()
            end = min(start + 1000, last)
            run(
                self._watch.world(), self.shoppers, self.categories, self.at, start, end,
                ask[start - first : end - first], scores, tops,
            )  # fmt: skip
        np.add.at(self._known, self.shoppers[first:last], 1)
        if not len(chosen):
            return None
        return self._asked(chosen, scores, tops, first, last)

    def _chosen(self, first: int, last: int) -> Int32s:
        """The shoppers with enough events before the period and in it, or a sample of them."""
        now = np.bincount(self.shoppers[first:last], minlength=len(self._known))
        enough = np.flatnonzero((self._known >= LEAST_KNOWN) & (now >= self.span.least))
        most = max(MOST_CELLS // (len(METHODS) * len(self.tie)), 100)
        if len(enough) > most:
            enough = np.sort(self._random.choice(enough, most, replace=False))
        return enough.astype(np.int32)

    def _asked(
        self, chosen: Int32s, scores: Float64s, tops: Int32s, first: int, last: int
    ) -> Asked:
        shape = (len(chosen), len(self.tie))
        seen = self._counts(chosen, 0, first) > 0
        now = self._counts(chosen, first, last)
        # The largest first, of equals the lower id; what has no event is in no order.
        order = np.lexsort((np.broadcast_to(self.tie, shape), -now), axis=1)[:, :TOP]
        largest = np.zeros(shape, np.bool_)
        np.put_along_axis(largest, order, np.take_along_axis(now, order, 1) > 0, 1)
        open_to = np.ones(shape, np.bool_)
        rows, places = np.nonzero(tops >= 0)
        open_to[rows, tops[rows, places]] = False
        return Asked(chosen, np.moveaxis(scores, 1, 0), open_to, largest & open_to, seen)

    def _counts(self, chosen: Int32s, first: int, last: int) -> Int64s:
        """Events of these shoppers by category, shape (shoppers, categories)."""
        place = np.full(len(self._known), -1)
        place[chosen] = np.arange(len(chosen))
        rows = place[self.shoppers[first:last]]
        cells = rows[rows >= 0] * len(self.tie) + self.categories[first:last][rows >= 0]
        return np.bincount(cells, minlength=len(chosen) * len(self.tie)).reshape(len(chosen), -1)
