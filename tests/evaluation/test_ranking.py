"""Our lists on toy logs: what they know, when they know it, and the report of them."""

import numpy as np
import pytest

from stream.evaluation import (
    ranking,
    ranking_diversity,
    ranking_engine,
    ranking_published,
    ranking_river,
)
from stream.evaluation.logs import Log
from stream.evaluation.ranking_baselines import METHODS
from stream.evaluation.ranking_published import Published, every_change
from stream.evaluation.ranking_walk import period_of, until, walk
from stream.evaluation.report import OURS, Report
from stream.settings import Settings
from tests.evaluation.test_ranking_baselines import A, B, C, D, ranks, took
from tests.evaluation.toy_log import DAY, START

SETTINGS = Settings(hot_users=64, adopt_every=10)


def pairs(days: int, shoppers: int = 6) -> Log:
    """Each day new shoppers take A, then B; or C, then D."""
    return took(
        *[
            [
                (shopper, item)
                for shopper in range(day * shoppers, (day + 1) * shoppers)
                for item in ((A, B) if shopper % 2 else (C, D))
            ]
            for day in range(days)
        ]
    )


def test_frozen_our_lists_know_what_followed_in_earlier_periods() -> None:
    log = pairs(3)
    found = ranks(walk(log), ranking_engine.frozen(log, walk(log), Settings()), "novel_rank")
    assert len(found) == 12
    assert set(found.values()) == {1.0}


def test_frozen_nothing_of_a_period_is_known_within_it() -> None:
    """The day's other shopper goes on otherwise, and no rank of this one changes."""
    seen = [(shopper, item) for shopper in range(8) for item in (A, B, C, D)[shopper % 3 :]]
    own = [(10, A), (10, C), (10, B), (10, D)]
    found = []
    for other in ([(11, A), (11, B), (11, A), (11, B)], [(11, D), (11, C), (11, D), (11, D)]):
        log = took(seen, other * 5 + own)
        found.append(ranks(walk(log), ranking_engine.frozen(log, walk(log), Settings())))
    mine = [{event: one[event] for event in one if event >= len(seen) + 20} for one in found]
    assert mine[0] == mine[1]
    assert len(mine[0]) == 3


def test_frozen_a_period_is_learned_once_it_is_over() -> None:
    """B never followed A on the first day, and always did on the second."""
    log = took([(0, A), (1, B)], [(n, i) for n in range(2, 9) for i in (A, B)], [(9, A), (9, B)])
    log = log._replace(categories=np.full(len(log.at), -1, np.int32))
    found = ranks(walk(log), ranking_engine.frozen(log, walk(log), Settings()))
    assert found[3] == 0.0
    assert found[len(log.at) - 1] > 0.0


def published(log: Log) -> Published:
    return ranking_published.published(log, walk(log), every_change(SETTINGS))


def test_a_published_list_does_not_know_what_comes_after_it() -> None:
    log = pairs(2)
    items = log.items.copy()
    items[-1] = A
    one, other = published(log), published(log._replace(items=items))
    earlier = [lists.after < len(log.at) - 1 for lists in (one, other)]
    assert earlier[0].any()
    assert one.items[earlier[0]].tolist() == other.items[earlier[1]].tolist()
    assert one.after[earlier[0]].tolist() == other.after[earlier[1]].tolist()


def test_the_newest_list_sent_before_an_event_is_what_it_is_judged_by() -> None:
    """What is sent with event 3 itself comes too late for it."""
    log = took([(0, A), (0, B), (1, A), (1, B)], [(0, B), (0, A)])
    lists = np.zeros((3, ranking_engine.LONGER), np.int32)
    lists[:, :2] = [[A, B], [B, A], [A, B]]
    sent = Published(
        after=np.array([1, 4, 5]),
        shopper=np.zeros(3, np.int32),
        items=lists,
        used=np.full(3, 2, np.int32),
    )
    judged = ranking_published.judged(walk(log), sent)
    assert ranks(walk(log), judged) == {4: 2.0, 5: 2.0}
    assert np.asarray(judged.verdicts)["listed"][[4, 5]].tolist() == [2, 2]
    assert judged.shown.tolist() == [2, 2]


def test_partitions_with_one_shop_model_know_of_each_other() -> None:
    """Who takes A takes B next; shoppers are few to a partition, and all are new."""
    log, misses = pairs(2, shoppers=16), []
    for shared in (True, False):
        lists = ranking_published.published(log, walk(log), every_change(SETTINGS), 8, shared)
        found = ranks(walk(log), ranking_published.judged(walk(log), lists))
        misses.append(sum(rank == 0.0 for rank in found.values()))
    assert misses[0] < misses[1]


def test_records_are_numbered_by_partition_in_the_order_of_the_log() -> None:
    log = pairs(2)
    every = list(ranking_published.records(log, walk(log), 3, SETTINGS))
    for partition in range(3):
        own = [one.offset for one in every if one.partition == partition]
        assert own == list(range(len(own)))
    assert [one.timestamp for one in every] == [round(at * 1000) for at in log.at]


def test_what_lists_hold_is_counted() -> None:
    """A list of A and B, of one category; a half of the items is ever listed."""
    log = took([(0, A), (0, B), (1, C), (1, D)], [(0, B)])
    lists = np.zeros((1, ranking_engine.LONGER), np.int32)
    lists[0, :2] = [A, B]
    sent = Published(np.array([1]), np.zeros(1, np.int32), lists, np.array([2], np.int32))
    judged = ranking_published.judged(walk(log), sent)
    (row,) = np.asarray(judged.verdicts)[[4]]
    assert row["variety"] == 0.5
    assert row["rarity"] == pytest.approx((np.log2(5) + np.log2(5 / 2)) / 2)
    # Nothing is less popular than A; A, C and D are than B.
    assert row["percentile"] == pytest.approx((0.0 + 0.75) / 2)
    assert (judged.shown > 0).mean() == 0.5


def test_weeks_are_periods_unless_there_are_few() -> None:
    days = START + DAY * np.arange(28)
    assert period_of(days, "UTC")[-1] in (3, 4)
    assert period_of(days[:9], "UTC").tolist() == list(range(9))
    assert period_of(START + DAY * np.array([0, 14, 500]), "UTC").tolist() == [0, 1, 2]


def test_a_log_is_cut_after_a_period() -> None:
    steps = walk(pairs(3))
    cut = until(steps, 1)
    assert len(cut.at) == len(cut.asked) == 24
    assert cut.cuts.tolist() == [0, 12, 24]
    assert cut.known == steps.known


def test_rivers_rankers_are_asked_of_a_sample() -> None:
    steps = walk(pairs(3))
    for ranker in ranking_river.rankers(1).values():
        found = ranks(steps, ranking_river.live(steps, ranker))
        assert list(found) == ranking_river.sample(steps).tolist()
        assert all(1.0 <= rank <= 4.0 for rank in found.values())


def test_the_report_has_each_method_in_both_protocols() -> None:
    report = Report("toy")
    ranking.tables([pairs(5)], 1, report, lambda line: None)
    tables = report.tables()
    assert tables[0] == "Ranking frozen within periods, toy"
    live = {row.method for row in report.rows if row.table == "Ranking live, toy"}
    assert live == {OURS, ranking.USUAL, *METHODS, *ranking_river.rankers(1)}

    def value(table: str, method: str, setting: str, metric: str = "recall@20") -> float | None:
        wanted = (table, method, setting, metric)
        (found,) = [
            row.value
            for row in report.rows
            if (row.table, row.method, row.setting, row.metric) == wanted
        ]
        return found

    assert value(tables[0], OURS, "periods 3 to 4 (held out)") == 1.0
    novel = f"{tables[0]}, without the item on the screen"
    assert value(novel, OURS, "periods 1 to 4", "mrr@20") == 1.0
    paired = [row for row in report.rows if row.table == f"{tables[0]}, {OURS} less others"]
    assert {row.method for row in paired} == set(METHODS)
    assert value("What lists hold, toy", "popularity", "all periods", "coverage") == 1.0
    assert value("Ranking live, toy, every event", "recency", "all") == 0.0
    for way in ranking_diversity.WAYS:
        assert value("Diversity, toy", OURS, way) is not None
        # Of so few records the shop learns nothing before they are over, so no list is sent.
        assert value("Diversity, toy", OURS, way, "calibration") is None
    assert value("Partitions, toy", OURS, "16 partitions, one shop model") is not None
