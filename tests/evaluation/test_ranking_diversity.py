"""How far lists are from what shoppers care about, as the log goes on."""

import numpy as np
import pytest

from stream.evaluation import ranking_diversity
from stream.evaluation.ranking_diversity import calibration_errors, mean_error
from stream.evaluation.ranking_engine import LONGER
from stream.evaluation.ranking_moves import Sink
from stream.evaluation.ranking_published import Published
from stream.evaluation.ranking_walk import walk
from stream.evaluation.report import Report
from stream.settings import Settings
from tests.evaluation.test_ranking import pairs
from tests.evaluation.test_ranking_baselines import A, B, C, D, took
from tests.reference import slow_ranking

SETTINGS = Settings()


def sent(*lists: tuple[int, int, list[int]]) -> Published:
    """Lists by the event after which they were sent, whose they are, and what they hold."""
    items = np.zeros((len(lists), LONGER), np.int32)
    for number, (_, _, held) in enumerate(lists):
        items[number, : len(held)] = held
    return Published(
        np.array([after for after, _, _ in lists], np.int64),
        np.array([shopper for _, shopper, _ in lists], np.int32),
        items,
        np.array([len(held) for _, _, held in lists], np.int32),
        *np.zeros((2, len(lists)), np.bool_),
    )


def test_a_list_is_held_against_what_came_up_to_the_event_that_it_was_sent_with() -> None:
    """A and C are of one category, B and D of two others; all within one hour of two shoppers."""
    log = took([(0, A), (0, B), (1, D)], [(0, C)])
    log = log._replace(
        categories=np.array([0, 1, 2, 0], np.int32),
        category_names=["a", "b", "d"],
        at=np.array([1e9, 1e9, 1e9, 1e9 + 86_400]),
    )
    lists = sent((0, 0, [A, C]), (1, 0, [A, C]), (1, 1, [D]), (2, 1, [D, B]), (3, 0, []))
    found = calibration_errors(walk(log), lists, SETTINGS)

    category_of = {"A": "a", "B": "b", "C": "a", "D": "d"}
    whole = slow_ranking.divergence(["A", "C"], category_of, {"a": 1.0})
    half = slow_ranking.divergence(["A", "C"], category_of, {"a": 0.5, "b": 0.5})
    other = slow_ranking.divergence(["D", "B"], category_of, {"d": 1.0})
    # Nothing was known of shopper 1 when the third was sent, and the last one is empty.
    assert found == pytest.approx([whole, half, np.nan, other, np.nan], nan_ok=True)
    assert mean_error(walk(log), lists, SETTINGS) == pytest.approx((whole + half + other) / 3)


def test_a_log_without_categories_has_no_table() -> None:
    log, report = pairs(4), Report("Lists", {})
    log = log._replace(categories=np.full(len(log.at), -1, np.int32))
    ranking_diversity.table(log, walk(log), Settings(), Sink(1, report, lambda line: None))
    assert report.tables() == []
