"""The next-category table on a toy log with an answer you can see."""

import numpy as np

from stream.evaluation import next_category
from stream.evaluation.logs import Log
from stream.evaluation.next_category_baselines import METHODS, simple
from stream.evaluation.next_category_engine import predicted
from stream.evaluation.next_category_judge import walk
from stream.evaluation.report import OURS, Report
from stream.settings import Settings

EVENTS = 400


def alternating() -> Log:
    """Two shoppers, each going to and fro between two categories of their own."""
    number = np.arange(EVENTS)
    shopper = (number % 2).astype(np.int32)
    category = (2 * shopper + (number // 2) % 2).astype(np.int32)
    return Log(
        name="toy",
        shoppers=shopper,
        categories=category,
        items=np.full(EVENTS, -1, np.int32),
        at=1e9 + 60.0 * number,
        sessions=np.zeros(EVENTS, np.int64),
        actions=np.zeros(EVENTS, np.int8),
        quantities=np.ones(EVENTS),
        shopper_names=["ann", "bob"],
        category_names=["tents", "boats", "lamps", "drums"],
        item_names=[],
    )


def test_markov_and_we_know_what_comes_next_and_popularity_does_not() -> None:
    report = Report("toy")
    next_category.tables([alternating()], 1, report, lambda line: None)

    found = {
        row.method: row.value for row in report.rows if (row.setting, row.metric) == ("all", "hr@1")
    }
    assert found["Markov"] == found[OURS] == 1.0
    assert found["popularity"] is not None
    assert found["popularity"] < 0.6
    assert set(METHODS) < found.keys()


def test_every_method_gives_chances_that_sum_to_one() -> None:
    """A log-loss below 0 would be a chance above 1; that of 27 nats a category held impossible."""
    steps = walk(alternating())
    ways = [np.asarray(simple(steps, number)) for number in range(len(METHODS))]
    for verdicts in [*ways, np.asarray(predicted(steps, Settings()).verdicts)]:
        losses = verdicts["loss"][verdicts["step"] >= 0]
        assert losses.min() >= 0.0
        assert losses.max() < 27.0
