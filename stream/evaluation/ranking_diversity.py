"""What diversity costs and what it brings: caps, marginal relevance and calibration, live."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.core import codes, interest, taste
from stream.core.codes import CodeRow
from stream.core.compiled import kernel, outlined
from stream.core.interest import InterestRow
from stream.core.rows import Float64s, Int32s, Rows, zeros
from stream.core.taste import TasteRow
from stream.evaluation import ranking_published
from stream.evaluation.logs import Log
from stream.evaluation.ranking_judge import SIZE
from stream.evaluation.ranking_moves import Sink
from stream.evaluation.ranking_published import TYPES, Published
from stream.evaluation.ranking_scores import WITH, Scores
from stream.evaluation.ranking_walk import Walk, parts, span, until
from stream.evaluation.report import OURS, Metric
from stream.settings import Settings

WAYS: Mapping[str, Mapping[str, object]] = {
    "no rule": {},
    "at most 3 of a category": {"list_per_category": 3},
    **{
        f"{name}, weight {weight}": {"list_diversity": name, "list_diversity_weight": weight}
        for name in ("mmr", "calibrated")
        for weight in (0.1, 0.2, 0.3, 0.5)
    },
}
"""What is compared, as settings."""
ABOUT = (
    "Live lists of the early periods under `list_per_category` and `list_diversity`. Distinct "
    "categories are among the entries of a list; the calibration error is how far a list's "
    "categories are from the shopper's interests when it was sent (Kullback and Leibler's "
    "divergence, in nats, smoothed by 1 %; below is better). "
)


class Book(NamedTuple):
    """What every shopper cares about as the log goes on, and room to compare a list with it."""

    interests: Rows[InterestRow]
    codes: Rows[CodeRow]
    tastes: Rows[TasteRow]
    entries: Int32s
    weights: Float64s
    """Of an event, by its action."""


class HalfLives(NamedTuple):
    """Of the two memories of interest, in seconds."""

    short: float
    long: float


def table(log: Log, walk: Walk, usual: Settings, sink: Sink) -> None:
    """Recall and MRR of each way beside what it is for, if the log has categories."""
    seed, report, say = sink
    if not (walk.group >= 0).any():
        return
    name, early = f"Diversity, {log.name}", parts(walk)[0]
    report.describe(name, ABOUT + WITH.about)
    report.measure("calibration", Metric("calibration error", 3, best=-1))
    cut = until(walk, early[1])
    scores = Scores(cut, seed, report)
    for way, rules in WAYS.items():
        say(f"{name}: {way}")
        settings = ranking_published.every_change(usual)
        settings = msgspec.convert(msgspec.to_builtins(settings) | dict(rules), Settings)
        lists = ranking_published.published(log, cut, settings)
        judged = ranking_published.judged(cut, lists)
        scores.put(name, OURS, way, WITH, judged, span(cut, early))
        verdicts = np.asarray(judged.verdicts)
        varied = verdicts["variety"][span(cut, early) & (verdicts["asked"] > 0)]
        report.put(name, OURS, way, "diversity", mean(varied[varied >= 0]))
        report.put(name, OURS, way, "calibration", mean_error(cut, lists, settings))


def mean_error(walk: Walk, lists: Published, settings: Settings) -> float:
    """The calibration error of the lists that were sent, NaN without one that has any."""
    errors = calibration_errors(walk, lists, settings)
    return mean(errors[~np.isnan(errors)])


def mean(values: NDArray[np.floating]) -> float:
    """NaN of none."""
    return float(values.mean()) if len(values) else math.nan


def calibration_errors(walk: Walk, lists: Published, settings: Settings) -> Float64s:
    """How far each list is from its shopper's interests, NaN where one of the two is empty."""
    slots, known = settings.interest_slots, int(max(walk.categories.max(), walk.group.max())) + 1
    weights = settings.weights()
    book = Book(
        zeros(walk.people, interest.layout(slots), InterestRow),
        zeros(max(1, known), codes.LAYOUT, CodeRow),
        zeros(1, taste.layout(slots), TasteRow),
        np.zeros(slots, np.int32),
        np.array([weights[TYPES[action]] for action in sorted(TYPES)]),
    )
    np.asarray(book.codes)["shop"] = np.arange(max(1, known))
    errors = np.full(len(lists.after), np.nan)
    half_lives = HalfLives(float(settings.short_half_life), float(settings.long_half_life))
    follow(walk, lists, book, half_lives, errors)
    return errors


@outlined
def follow(
    walk: Walk, lists: Published, book: Book, half_lives: HalfLives, errors: Float64s
) -> None:
    """Learn each event, then compare the lists that were sent with it."""
    taken = 0
    for event in range(len(walk.at)):
        category, weight = walk.categories[event], book.weights[walk.actions[event]]
        if category >= 0:
            interest.learn(
                book.interests[walk.shoppers[event]], category, weight, walk.at[event],
                half_lives.short, half_lives.long,
            )  # fmt: skip
        while taken < len(lists.after) and lists.after[taken] == event:
            errors[taken] = compare(walk, lists, book, taken)
            taken += 1


@kernel
def compare(walk: Walk, lists: Published, book: Book, number: int) -> float:
    """The divergence of one list from its shopper's interests."""
    own, size = book.tastes[0], min(int(lists.used[number]), SIZE)
    taste.note(own, book.interests[lists.shopper[number]], book.codes)
    if own.used == 0 or size == 0:
        return np.nan
    book.entries[:] = 0
    for place in range(size):
        slot = taste.slot_of(own, walk.group[lists.items[number, place]] + 1)
        if slot >= 0:
            book.entries[slot] += 1
    return taste.divergence(own, book.entries, size)
