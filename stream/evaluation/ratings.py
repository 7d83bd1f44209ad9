"""How well ratings are foretold, one by one as they come, beside simple methods."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple, Protocol

import numpy as np
from river import optim, reco

from stream.core.rated_ranker import RatedFactorization
from stream.core.rows import Float64s, Int32s
from stream.errors import StreamError
from stream.evaluation.bootstrap import Interval, by_shopper
from stream.evaluation.logs import Log
from stream.evaluation.ratings_svd import TruncatedSVD
from stream.evaluation.report import OURS, Metric, Report

EARLY = 0.3
"""The first part of the ratings, on which methods are tuned; it is not reported."""
REFITS, LEAST_BETWEEN = 100, 1000
"""A batch method is made anew so often in a log, but after no fewer ratings."""
STEPS = (0.025, 0.05, 0.1)
MEAN, BIASES = "running mean", f"{OURS}, biases alone"
ABOUT = (
    "Each rating is foretold, then learned, in the order of time. The first 30 % of the ratings "
    "are learned from and not reported; there each method's settings are picked by squared "
    "error. All predictions are cut to the scale. The SVD's biases of users go on between refits. "
    "Intervals draw whole shoppers."
)
LESS = f"{OURS} less this method, rating by rating: below 0, {OURS} is better."


class Rater(Protocol):
    """What foretells ratings, in River's words."""

    def predict_one(self, user: Any, item: Any) -> float: ...
    def learn_one(self, user: Any, item: Any, y: float) -> None: ...


class RunningMean:
    """The mean of all ratings so far."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0

    def predict_one(self, user: Any, item: Any) -> float:
        return self._sum / max(1, self._count)

    def learn_one(self, user: Any, item: Any, y: float) -> None:
        self._sum += y
        self._count += 1


class Rated(NamedTuple):
    """The ratings of a log in order of time, and their scale."""

    users: Int32s
    items: Int32s
    values: Float64s
    lowest: float
    highest: float

    @property
    def early(self) -> int:
        """How many are not reported."""
        return int(EARLY * len(self.values))


class Method(NamedTuple):
    """What makes a method anew, for each of the settings that are tried."""

    make: Callable[[Any], Rater]
    settings: Sequence[Any] = (None,)
    words: str = ""


def rated(log: Log) -> Rated:
    """The events of a log that say what somebody thinks of an item.

    The scale is that of the early part: what is reported might show more of it.

    Raises
    ------
    StreamError
        If there are none, or all are alike.
    """
    having = np.zeros(len(log.at), np.bool_)
    if len(log.ratings):
        having = ~np.isnan(log.ratings) & (log.items >= 0)
    values = log.ratings[having] if having.any() else np.zeros(0)
    early = values[: max(1, int(EARLY * len(values)))]
    if not len(values) or early.min() == early.max():
        which = "has two different ratings" if len(values) else "has a rating"
        raise StreamError(
            f"no event of {log.name} {which}: is --preset movielens or --map rating=... missing?"
        )
    ends = float(early.min()), float(early.max())
    return Rated(log.shoppers[having], log.items[having], values, *ends)


def methods(told: Rated, seed: int) -> Mapping[str, Method]:
    """All that foretell ratings, ours first."""
    users, items = int(told.users.max()) + 1, int(told.items.max()) + 1
    every = max(LEAST_BETWEEN, len(told.values) // REFITS)

    def ours(factors: int, drift: float) -> Rater:
        return RatedFactorization(factors, told.lowest, told.highest, drift, seed)

    def biased(rates: tuple[float, float]) -> Rater:
        steps = {"bias_optimizer": optim.SGD(rates[0]), "latent_optimizer": optim.SGD(rates[1])}
        model: Rater = reco.BiasedMF(n_factors=10, l2_latent=0.02, seed=seed, **steps)
        return model

    drifts = (0.0, 1e-5, 1e-4, 1e-3)
    return {
        OURS: Method(lambda drift: ours(8, drift), drifts, "drift"),
        BIASES: Method(lambda drift: ours(0, drift), drifts, "drift"),
        MEAN: Method(lambda _: RunningMean()),
        "River Baseline": Method(
            lambda rate: reco.Baseline(optimizer=optim.SGD(rate)), STEPS, "step size"
        ),
        "River BiasedMF": Method(
            biased, tuple(product(STEPS, STEPS)), "step sizes of biases and factors"
        ),
        f"TruncatedSVD, every {every:,}": Method(
            lambda factors: TruncatedSVD(users, items, factors, every), (2, 5, 10), "factors"
        ),
    }


def foretold(told: Rated, rater: Rater, count: int | None = None) -> Float64s:
    """What the rater says before each of the first `count` ratings, or of all."""
    columns = (told.users.tolist(), told.items.tolist(), told.values.tolist())
    found = []
    for user, item, value in list(zip(*columns, strict=True))[:count]:
        found.append(float(rater.predict_one(user, item)))
        rater.learn_one(user, item, value)
    return np.asarray(np.clip(np.array(found), told.lowest, told.highest))


def tuned(told: Rated, method: Method) -> Any:
    """Of a method's settings, that of least squared error over the early ratings."""
    if len(method.settings) == 1:
        return method.settings[0]
    errors = []
    for setting in method.settings:
        said = foretold(told, method.make(setting), told.early)
        errors.append(float(((said - told.values[: told.early]) ** 2).sum()))
    return method.settings[errors.index(min(errors))]


def tables(logs: Sequence[Log], seed: int, report: Report, say: Callable[[str], None]) -> None:
    """Foretell each rating of the logs, then learn it; report the later part."""
    report.measure("rmse", Metric("RMSE", 4, best=-1))
    report.measure("mae", Metric("MAE", 4, best=-1))
    report.measure("squared_error", Metric("squared error", 4))
    for log in logs:
        _table(log, seed, report, say)


def _table(log: Log, seed: int, report: Report, say: Callable[[str], None]) -> None:
    told, table = rated(log), f"Ratings, {log.name}"
    say(f"{table}: {len(told.values) - told.early:,} of {len(told.values):,} are reported")
    report.describe(table, ABOUT)
    report.describe(f"{table}, {OURS} less others", LESS)
    misses: dict[str, Float64s] = {}
    for name, method in methods(told, seed).items():
        say(f"{table}: {name}")
        setting = tuned(told, method)
        if method.words:
            report.note(f"{name}: {method.words} {setting}.", table)
        said = foretold(told, method.make(setting))
        misses[name] = (said - told.values)[told.early :]
        _put(report, table, name, misses, told.users[told.early :], seed)


def _put(
    report: Report, table: str, name: str, misses: Mapping[str, Float64s], users: Int32s, seed: int
) -> None:
    """A method's errors, and ours less its."""
    squares, sizes = misses[name] ** 2, np.abs(misses[name])
    report.put(table, name, "the later 70 %", "rmse", rooted(by_shopper(squares, users, seed)))
    report.put(table, name, "the later 70 %", "mae", by_shopper(sizes, users, seed))
    if name != OURS:
        paired = f"{table}, {OURS} less others"
        ours = misses[OURS]
        gains = {"squared_error": ours**2 - squares, "mae": np.abs(ours) - sizes}
        for metric, gain in gains.items():
            report.put(paired, name, "the later 70 %", metric, by_shopper(gain, users, seed))


def rooted(squares: Interval) -> Interval:
    """The root of a mean of squares, and of the ends of its interval.

    >>> rooted(Interval(4.0, 1.0, 9.0, 10))
    Interval(value=2.0, low=1.0, high=3.0, n=10)
    """
    value, low, high, n = squares
    return Interval(math.sqrt(value), math.sqrt(low), math.sqrt(high), n)
