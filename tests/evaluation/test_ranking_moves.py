"""Known moves, and how soon lists follow them."""

from itertools import pairwise

import numpy as np
import pytest

from stream.evaluation import (
    ranking,
    ranking_held,
    ranking_moves,
    ranking_published,
    ranking_splices,
)
from stream.evaluation.logs import Log
from stream.evaluation.ranking import Plan
from stream.evaluation.ranking_held import followed
from stream.evaluation.ranking_moves import DEAF, TOLD, USUALLY_DEAF, Sink, deaf
from stream.evaluation.ranking_published import USUAL, Published
from stream.evaluation.ranking_splices import BEFORE, LOOKED, Moved, spliced
from stream.evaluation.ranking_walk import walk
from stream.evaluation.report import OURS, Report
from stream.settings import Settings
from tests.evaluation.toy_log import DAY, START, toy_log, viewed
from tests.reference import slow_lists

SETTINGS = Settings(hot_users=64, adopt_every=10)
EACH = 3


def shop(shoppers: int = 24, days: int = 8) -> Log:
    """Shoppers who keep to a few categories of three items each."""
    log = toy_log(shoppers, categories=8, days=days)
    items = log.categories * EACH + np.arange(len(log.at)) % EACH
    names = [f"item {number}" for number in range(8 * EACH)]
    return log._replace(items=items.astype(np.int32), item_names=names)


def moved_of(log: Log) -> Moved:
    found = spliced(log, walk(log), 1)
    assert found is not None
    return found


def by_hand(shares: list[list[bool]]) -> Moved:
    """One mover, who takes item 1 before the move and 1, 2, 3, 0, 1 and so on after it.

    Each item has a category of its own, of which `shares` tells what is new.
    """
    count = LOOKED + 1
    at = START + DAY * np.array([0, *range(1, count + 1)])
    items = np.maximum(1, np.arange(count + 1)) % 4
    log = viewed(np.zeros(count + 1), items, at)
    names = [f"item {number}" for number in range(4)]
    log = log._replace(items=items.astype(np.int32), item_names=names)
    none = np.zeros(1, np.int32)
    events = np.arange(1, count + 1)[None]
    had = [np.ones(1, np.int32)]
    return Moved(log, walk(log), none, events, had, np.array(shares), log, none)


def test_a_splice_lets_shoppers_go_on_as_others_and_moves_nothing_else() -> None:
    log = shop()
    moved = moved_of(log)
    assert len(moved.shoppers) == 24
    assert moved.log.items.tolist() == log.items.tolist()
    assert moved.log.at.tolist() == log.at.tolist()
    for shopper, events in zip(moved.shoppers, moved.events, strict=True):
        assert (log.shoppers[: events[0]] == shopper).sum() >= BEFORE
        (other,) = set(log.shoppers[events].tolist())
        assert other != shopper
        assert set(moved.log.shoppers[events].tolist()) == {shopper}
        # All of this shopper's days that come later are the other's.
        assert log.at[events[0]] >= moved.log.at[moved.events.min()]


def test_told_of_a_move_the_shopper_is_another_from_then_on() -> None:
    moved = moved_of(shop())
    for shopper, other, events in zip(
        moved.shoppers, moved.told_shoppers, moved.events, strict=True
    ):
        own = np.flatnonzero(moved.told.shoppers == shopper)
        assert own.max() < events[0]
        assert np.flatnonzero(moved.told.shoppers == other)[: LOOKED + 1].tolist() == list(events)
        assert moved.told.shopper_names[other] == f"shopper {shopper}, moved"


def test_new_is_what_has_a_larger_share_than_before() -> None:
    log = shop()
    moved = moved_of(log)
    shopper, events = int(moved.shoppers[0]), moved.events[0]
    own = moved.log.shoppers[: events[0]] == shopper
    before = log.categories[: events[0]][own]
    assert moved.had[0].tolist() == log.items[: events[0]][own].tolist()
    after = log.categories[events]
    for category in range(8):
        rises = (after == category).mean() > (before == category).mean()
        assert moved.fresh[0, category] == rises


def test_few_busy_shoppers_are_not_spliced() -> None:
    log = shop(shoppers=9)
    assert spliced(log, walk(log), 1) is None
    report = Report("toy")
    ranking_moves.in_log(log, walk(log), SETTINGS, Sink(1, report, lambda line: None))
    assert not report.rows
    assert "too few shoppers" in report.notes[0][1]


def test_without_a_log_the_simulated_shop_is_measured_alone() -> None:
    report, plan = Report("none"), Plan(simulated=3)
    ranking.tables([], 1, report, lambda line: None, plan)
    assert report.notes[0] == (None, "Of 3 simulated shoppers too few moved to measure lists.")


def test_simulated_movers_take_more_of_what_they_move_to() -> None:
    moved = ranking_splices.simulated(40, 3, Settings())
    assert moved is not None
    assert len(moved.shoppers) >= 10
    groups = moved.log.categories[moved.log.items >= 0]
    new = moved.fresh.argmax(axis=1)
    after = (groups[moved.events] == new[:, None]).mean()
    before = np.mean(
        [
            (groups[: events[0]][moved.walk.shoppers[: events[0]] == shopper] == category).mean()
            for shopper, events, category in zip(moved.shoppers, moved.events, new, strict=True)
        ]
    )
    assert after > 0.4
    assert before < 0.15


def test_the_list_in_hand_is_the_newest_sent_before_the_event() -> None:
    """One list is sent before the move, one with the second event after it."""
    moved = by_hand([[False, True, True, True]])
    lists = np.zeros((2, ranking_published.LONGER), np.int32)
    lists[:, :2] = [[0, 1], [2, 3]]
    no = np.zeros(2, np.bool_)
    told = np.array([False, True])
    sent = Published(
        np.array([0, 2]), np.zeros(2, np.int32), lists, np.full(2, 2, np.int32), no, told
    )
    held = ranking_held.sent(moved, moved.shoppers, sent)
    assert held[0, :4, :3].tolist() == [[0, 1, -1], [0, 1, -1], [2, 3, -1], [2, 3, -1]]
    one = followed(moved, held)
    assert one.shares[0, :3].tolist() == [0.5, 0.5, 1.0]
    assert one.hits[0, :5].tolist() == [True, False, True, False, False]
    assert one.novel[0, :3].tolist() == [False, True, True]
    assert one.reached.tolist() == [0.0]
    assert one.old[0, :3].tolist() == [0.5, 0.5, 0.0]
    assert ranking_held.alerted(moved, sent) == 1


def test_a_half_that_is_never_reached_is_infinite() -> None:
    moved = by_hand([[False, False, False, True]])
    held = np.full((1, LOOKED + 1, 20), -1, np.int32)
    assert followed(moved, held).reached.tolist() == [np.inf]
    held[0, :, :3] = [0, 1, 3]
    held[0, 7:, :3] = [0, 3, -1]
    assert followed(moved, held).reached.tolist() == [7.0]


def test_simple_lists_are_those_of_the_reference() -> None:
    moved = moved_of(shop(shoppers=12))
    steps = moved.walk
    asked = {int(event) for event in moved.events.ravel()}
    slow = slow_lists.lists(steps.shoppers.tolist(), steps.items.tolist(),
                            steps.group.tolist(), steps.order.tolist(), asked)  # fmt: skip
    recency, popularity = ranking_held.simple(moved)
    for mover, events in enumerate(moved.events.tolist()):
        for place, event in enumerate(events):
            for method, found in enumerate((recency, popularity)):
                own = found[mover, place]
                assert own[own >= 0].tolist() == slow[event][method]


def test_a_deaf_engine_alerts_nobody_and_ranks_the_same() -> None:
    log = shop()
    moved = moved_of(log)
    settings = ranking_published.every_change(SETTINGS)
    heard, unheard = (
        ranking_published.published(moved.log, moved.walk, one)
        for one in (settings, deaf(settings))
    )
    assert heard.told.any()
    assert not unheard.told.any()
    held = [ranking_held.sent(moved, moved.shoppers, lists) for lists in (heard, unheard)]
    assert (held[0] == held[1]).mean() > 0.95


@pytest.fixture(scope="module")
def report() -> Report:
    log, found = shop(shoppers=12), Report("toy")
    ranking_moves.in_log(log, walk(log), SETTINGS, Sink(1, found, lambda line: None))
    return found


def test_the_report_has_each_method_after_a_move(report: Report) -> None:
    table = "After a move, toy"
    methods = [OURS, DEAF, USUAL, USUALLY_DEAF, TOLD, "recency", "popularity"]
    assert report.table(table).methods == methods
    assert report.table(f"{table}, {OURS} less others").methods == methods[1:]
    (plot,) = report.plots
    assert [len(curve.y) for curve in plot.figure.data] == [LOOKED + 1] * len(methods)


def test_shares_reached_rise_with_the_events(report: Report) -> None:
    rows = {(row.method, row.metric): row.value for row in report.rows if row.n == 12}
    for method in (OURS, USUAL, "recency"):
        reached = [rows[method, f"reached@{events}"] or 0.0 for events in (5, 10, 20, LOOKED)]
        assert all(low <= high for low, high in pairwise(reached))
        assert reached[-1] > 0.25
