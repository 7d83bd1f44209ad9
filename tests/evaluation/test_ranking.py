"""Our lists on toy logs: what they know, when they know it, and the report of them."""

import numpy as np
import pytest
from msgspec.structs import replace

from stream.core.graph_ranker import GraphPropagation
from stream.evaluation import (
    ranking,
    ranking_baselines,
    ranking_diversity,
    ranking_engine,
    ranking_graph,
    ranking_published,
    ranking_river,
    ranking_windows,
    ranking_with_factors,
)
from stream.evaluation.logs import Log
from stream.evaluation.ranking import Plan
from stream.evaluation.ranking_baselines import METHODS, Tuning
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
        full=np.zeros(3, np.bool_),
        told=np.zeros(3, np.bool_),
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
    no = np.zeros(1, np.bool_)
    sent = Published(np.array([1]), np.zeros(1, np.int32), lists, np.array([2], np.int32), no, no)
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


def test_the_graph_ranks_a_log_as_its_ranker_does() -> None:
    log = pairs(4)
    steps, model = walk(log), GraphPropagation()
    found = ranks(steps, ranking_graph.live(log, steps, model, every=1))
    taken: set[int] = set()
    for event, (shopper, item) in enumerate(zip(steps.shoppers, steps.items, strict=True)):
        if event in found:
            scores = [model.predict_one(shopper, log.item_names[other]) for other in taken]
            mine = model.predict_one(shopper, log.item_names[item])
            above, equal = sum(s > mine for s in scores), sum(s == mine for s in scores)
            assert found[event] == 1 + above + (equal - 1) / 2
        model.learn_one(shopper, log.item_names[item], True, {"occurred_at": steps.at[event]})
        taken.add(int(item))
    assert sum(rank == 1.0 for rank in found.values()) > len(found) / 2


def reported(plan: Plan, log: Log) -> Report:
    report = Report("toy")
    ranking.tables([log], 1, report, lambda line: None, plan._replace(simulated=0))
    return report


def test_the_report_has_each_method_in_both_protocols() -> None:
    report = reported(Plan(), pairs(5))
    tables = report.tables()
    assert tables[0] == "Ranking frozen within periods, toy"
    live = {row.method for row in report.rows if row.table == "Ranking live, toy"}
    others = {*METHODS, ranking_graph.NAME, *ranking_river.rankers(1)}
    assert live == {OURS, ranking_published.USUAL, *others}

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
    factors = "With and without factors, toy"
    ways = {row.method for row in report.rows if row.table == factors}
    assert ways == {OURS, *ranking_with_factors.WAYS}
    assert value(factors, ranking_with_factors.BARE, "periods 1 to 4") is not None
    for way in ranking_diversity.WAYS:
        assert value("Diversity, toy", OURS, way) is not None
        # All items are of one category, and so are all lists.
        assert value("Diversity, toy", OURS, way, "calibration") in (0.0, None)
    assert value("Partitions, toy", OURS, "16 partitions, one shop model") is not None
    less = f"{tables[0]}, {OURS} less others"
    setting = "periods 3 to 4 (held out)"
    assert value(less, "popularity", setting, "mcnemar_p") == 1.0
    alone = [value(less, "recency", setting, f"only_{who}") for who in ("ours", "other")]
    assert alone == [12.0, 0.0]
    assert value(less, "recency", setting, "mcnemar_p") == 2.0**-11


def test_one_protocol_is_measured_alone() -> None:
    tables = reported(Plan(prequential=False), pairs(3)).tables()
    assert tables
    frozen = ("Ranking frozen within periods", "With and without factors")
    assert all(table.startswith(frozen) for table in tables)


def test_partitions_are_those_asked_for_and_settings_are_the_ones_given() -> None:
    plan = Plan(settings=every_change(SETTINGS), frozen=False, partitions=(2,))
    report = reported(plan, pairs(3))
    assert not any("frozen" in table for table in report.tables())
    assert report.table("Partitions, toy").settings == [
        "2 partitions, one shop model",
        "2 partitions, a shop model each",
    ]
    (said,) = [text for _, text in report.notes if text.startswith("Settings other")]
    assert "delta_interval = 0.0" in said
    assert "adopt_every = 10" in said
    # Each change is the usual emission here.
    less = report.table(f"Ranking live, toy, {OURS} less others")
    gains = [row for *_, cells in less.lines() for row in cells if row]
    usual = [row.value for row in gains if row.method == ranking_published.USUAL]
    assert set(usual) == {0.0, 1.0}


@pytest.mark.parametrize("every", [2, 3])
def test_the_usual_emission_sends_every_so_many_lists_whole(every: int) -> None:
    """Of one shopper's lists the first is whole, and each so many later."""
    log = took([(0, A), (1, B), (1, C), (1, D)], [(0, B), (0, C), (0, D), (0, A), (0, B), (0, C)])
    settings = ranking_published.usual(
        replace(SETTINGS, full_list_every=every, delta_interval=60.0, adopt_every=1)
    )
    lists = ranking_published.published(log, walk(log), settings)
    whole = lists.full[lists.shopper == 0].tolist()
    assert len(whole) > every
    assert whole == [number % every == 0 for number in range(len(whole))]


def test_the_window_plot_draws_what_ours_gains() -> None:
    """Ours hits every event and recency none, in each of twenty windows."""
    log = pairs(5, shoppers=200)
    report, steps = Report("toy"), walk(log)
    found = {
        OURS: ranking_engine.frozen(log, steps, Settings()),
        "recency": ranking_baselines.frozen(steps, ranking_baselines.RECENCY, Tuning(), 1),
    }
    ranking_windows.gains(steps, report, "Live", found, 1)
    ((figure, *_),) = report.plots
    (curve,) = figure.data
    assert curve.name == "recency"
    assert list(curve.y) == [1.0] * 20
    assert list(curve.error_y.array) == [0.0] * 20
