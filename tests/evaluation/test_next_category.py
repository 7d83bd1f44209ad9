"""The next-category table on a toy log with an answer you can see."""

import numpy as np
import pytest

from stream.errors import StreamError
from stream.evaluation import next_category
from stream.evaluation.logs import Log
from stream.evaluation.next_category_baselines import (
    METHODS,
    OWN_SHORT,
    POPULARITY,
    simple,
    tuned,
)
from stream.evaluation.next_category_bilinear import NAME, bilinear
from stream.evaluation.next_category_engine import predicted
from stream.evaluation.next_category_graph import NAME as GRAPH
from stream.evaluation.next_category_graph import by_graph
from stream.evaluation.next_category_judge import walk
from stream.evaluation.report import OURS, Report
from stream.settings import Settings
from tests.evaluation.toy_log import viewed

EVENTS = 400


def alternating() -> Log:
    """Two shoppers, each going to and fro between two categories of their own."""
    number = np.arange(EVENTS)
    shopper = number % 2
    return viewed(shopper, 2 * shopper + (number // 2) % 2, 1e9 + 60.0 * number)


def test_markov_and_we_know_what_comes_next_and_popularity_does_not() -> None:
    report = Report("toy")
    next_category.tables([alternating()], 1, report, lambda line: None)

    found = {
        row.method: row.value for row in report.rows if (row.setting, row.metric) == ("all", "hr@1")
    }
    assert found["Markov"] == found[OURS] == 1.0
    assert found["popularity"] is not None
    assert found["popularity"] < 0.6
    assert {*METHODS, NAME, GRAPH} < found.keys()
    gate = [row for row in report.rows if row.metric == "observed" and "stay" in row.setting]
    assert [row.value for row in gate] == [0.0] * len(gate)


def test_the_graph_knows_which_categories_go_together() -> None:
    """Popularity holds all four alike; after one of a pair, the pair is more than half."""
    verdicts = np.asarray(by_graph(walk(alternating())))[EVENTS // 2 :]
    assert verdicts["rank"].max() <= 2.0
    assert verdicts["loss"].mean() < np.log(2.0) + 0.1


def test_every_method_gives_chances_that_sum_to_one() -> None:
    """A log-loss below 0 would be a chance above 1; that of 27 nats a category held impossible."""
    steps = walk(alternating())
    ways = [np.asarray(simple(steps, number)) for number in range(len(METHODS))]
    ways += [np.asarray(way(steps)) for way in (bilinear, by_graph)]
    ways += [np.asarray(predicted(steps, Settings()).verdicts)]
    for verdicts in ways:
        losses = verdicts["loss"][verdicts["step"] >= 0]
        assert losses.min() >= 0.0
        assert losses.max() < 27.0


def test_a_method_is_set_as_did_best_before_what_is_reported() -> None:
    """All is one category for long, then all is another: the shorter memory serves better."""
    log = alternating()
    moved = np.where(np.arange(EVENTS) < EVENTS // 2, 0, 1).astype(np.int32)
    steps = walk(log._replace(categories=moved, at=1e9 + 86_400.0 * np.arange(EVENTS)))

    assert tuned(steps, POPULARITY, EVENTS).half_life <= 7 * 86_400.0
    assert tuned(steps, OWN_SHORT, EVENTS).half_life == 2.0


def test_a_shop_late_by_many_events_knows_less() -> None:
    """Each shopper takes tents, then boats; only other shoppers could have told."""
    number = np.arange(EVENTS)
    shoppers, categories = (number // 2).astype(np.int32), (number % 2).astype(np.int32)
    steps = walk(alternating()._replace(shoppers=shoppers, categories=categories))._replace(known=4)
    late = np.asarray(predicted(steps, Settings(), adopt_every=EVENTS).verdicts)
    soon = np.asarray(predicted(steps, Settings()).verdicts)

    asked = soon["step"] >= 0
    assert soon["loss"][asked].mean() < late["loss"][asked].mean()


def test_a_log_without_categories_is_refused() -> None:
    log = alternating()
    with pytest.raises(StreamError, match="no event of toy has a category"):
        walk(log._replace(categories=np.full(EVENTS, -1, np.int32)))
