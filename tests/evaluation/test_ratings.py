"""The table of ratings on a toy world whose answer you can see."""

import numpy as np
import pytest

from stream.errors import StreamError
from stream.evaluation import ratings
from stream.evaluation.logs import Log
from stream.evaluation.ratings import Rated, RunningMean, foretold, rated, tuned
from stream.evaluation.ratings_svd import TruncatedSVD
from stream.evaluation.report import OURS, Report
from tests.evaluation.toy_log import viewed

EVENTS, PEOPLE, FILMS = 4000, 20, 30


def two_tastes() -> Log:
    """Each user loves the films of one kind and hates those of the other."""
    generator = np.random.default_rng(1)
    users, films = generator.integers(0, PEOPLE, EVENTS), generator.integers(0, FILMS, EVENTS)
    log = viewed(users, np.zeros(EVENTS), 1e9 + 60.0 * np.arange(EVENTS))
    return log._replace(
        items=films.astype(np.int32),
        item_names=[f"film {number}" for number in range(FILMS)],
        ratings=np.where(users % 2 == films % 2, 5.0, 1.0),
    )


def test_factors_pay_where_tastes_differ_and_biases_see_nothing() -> None:
    report = Report("toy")
    ratings.tables([two_tastes()], 1, report, lambda line: None)

    found = {row.method: row.value for row in report.rows if row.metric == "rmse"}
    assert found[OURS] is not None
    assert found[OURS] < 0.5
    for name in (ratings.MEAN, ratings.BIASES, "River Baseline"):
        assert found[name] == pytest.approx(2.0, abs=0.2)
    assert {"River BiasedMF", "TruncatedSVD, every 1,000"} < found.keys()
    gains = {row.method: row.value for row in report.rows if row.metric == "squared_error"}
    assert gains.keys() == found.keys() - {OURS}
    assert gains[ratings.MEAN] == pytest.approx(found[OURS] ** 2 - found[ratings.MEAN] ** 2)


def test_a_rating_is_foretold_before_it_is_learned() -> None:
    told = Rated(*np.zeros((2, 3), np.int32), np.array([1.0, 5.0, 3.0]), 1.0, 5.0)
    assert foretold(told, RunningMean()).tolist() == [1.0, 1.0, 3.0]


def test_a_method_is_set_as_did_best_early() -> None:
    told = rated(two_tastes())
    method = ratings.methods(told, 1)["River BiasedMF"]
    said = [foretold(told, method.make(one), told.early) for one in method.settings]
    errors = [float(((one - told.values[: told.early]) ** 2).sum()) for one in said]
    assert tuned(told, method) == method.settings[int(np.argmin(errors))]


def test_a_refit_sees_the_tastes_of_what_came_before_it() -> None:
    told, model = rated(two_tastes()), TruncatedSVD(PEOPLE, FILMS, 1, 1000)
    errors = np.abs(foretold(told, model) - told.values)
    assert errors[:1000].mean() > 1.5
    assert errors[3000:].mean() < 0.5


def test_ratings_without_an_item_do_not_count() -> None:
    log = two_tastes()
    items = log.items.copy()
    items[:10] = -1
    assert len(rated(log._replace(items=items)).values) == EVENTS - 10


@pytest.mark.parametrize("values", [np.zeros(0), np.full(EVENTS, np.nan), np.full(EVENTS, 3.0)])
def test_a_log_without_ratings_is_refused_in_one_line(values: np.ndarray) -> None:
    with pytest.raises(StreamError, match=r"no event of toy has .*--map rating="):
        rated(two_tastes()._replace(ratings=values))
