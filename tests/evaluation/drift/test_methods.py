"""The usual methods against slow, obvious versions of them; tuning; judging."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists

from stream.core.drift_stream import Limits
from stream.evaluation.drift import methods
from stream.evaluation.drift.comparators import named, unnamed
from stream.evaluation.drift.contest import contestants
from stream.evaluation.drift.judging import judge
from stream.evaluation.drift.methods import EVERY, NO_RING, UNCALIBRATED, Ours
from stream.evaluation.drift.simulated import Bench, moves, nulls
from stream.evaluation.drift.streams import Found, Piece, joined
from stream.evaluation.report import OURS

SMALL = Bench("small", categories=6, before=300)


def streams_of(*categories):
    return joined(
        [Piece(np.array(c, np.int32), np.arange(len(c), dtype=np.int64)) for c in categories]
    )


def slow_ratio(categories, recent, before, threshold):
    alarms, start = [], 0
    for event in range(len(categories)):
        now = categories[max(start, event + 1 - recent) : event + 1]
        past = categories[max(start, event + 1 - recent - before) : event + 1 - recent]
        if len(now) < recent or event + 1 - recent - start < before // 2:
            continue
        both = Counter(now) + Counter(past)
        ratio = sum(
            count * math.log(count / len(part) / (both[category] / (len(now) + len(past))))
            for part in (now, past)
            for category, count in Counter(part).items()
        )
        if ratio > threshold + 1e-9:
            alarms.append(event)
            start = event + 1
    return alarms


@given(lists(lists(integers(0, 4), max_size=60), min_size=1, max_size=3))
def test_the_two_window_ratio_is_what_its_formula_says(categories):
    found = methods.two_windows(streams_of(*categories), 3.0, recent=5, before=8)
    slow = [(n, e) for n, c in enumerate(categories) for e in slow_ratio(c, 5, 8, 3.0)]
    assert list(zip(found.stream.tolist(), found.event.tolist(), strict=True)) == slow


def slow_page_hinkley(categories, threshold):
    counts, novelties, surprise = Counter(), 1, []
    for number, category in enumerate(categories):
        fresh = novelties / (number + 2)
        chance = (1 - fresh) * counts[category] / number if counts[category] else fresh
        novelties += not counts[category]
        counts[category] += 1
        surprise.append(min(8.0, -math.log(chance)))
    alarms, seen, total, least = [], [], 0.0, 0.0
    for event, value in enumerate(surprise):
        seen.append(value)
        if len(seen) <= 30:
            continue
        total += value - sum(seen) / len(seen) - 0.1
        least = min(least, total)
        if total - least > threshold:
            alarms.append(event)
            seen, total, least = [], 0.0, 0.0
    return alarms


@given(lists(integers(0, 30), max_size=120))
def test_page_hinkley_is_what_its_formula_says(categories):
    streams = streams_of([0] * 40 + categories)
    assert methods.page_hinkley(streams, 2.345).event.tolist() == slow_page_hinkley(
        [0] * 40 + categories, 2.345
    )


def test_adwin_finds_that_a_category_takes_over():
    (event,) = methods.adwin(streams_of([0, 1] * 100 + [1] * 100), 1.0).event.tolist()
    assert 200 < event < 240


def test_alarms_that_know_nothing_come_at_their_rate():
    streams = streams_of(*[[0] * 1000] * 50)
    found = methods.every(streams, 50.0, seed=1)
    assert methods.false_alarms(found, streams) == pytest.approx(50.0, abs=2.0)
    assert (np.diff(found.event)[np.diff(found.stream) == 0] == 200).all()


def test_the_last_thirty_events_name_the_move():
    streams = streams_of([0] * 50 + [1] * 30 + [2] * 60)
    found = named(streams, unnamed([0, 0], [79, 139]))
    assert found.from_category.tolist() == [0, 1]
    assert found.to_category.tolist() == [1, 2]


def alarms(*places):
    found = unnamed(*zip(*places, strict=True))
    return found._replace(
        from_category=np.array([3, 0, 0], np.int32), to_category=np.array([1, 4, 1], np.int32),
        amended_to=np.array([-1, 1, -1], np.int32),
    )  # fmt: skip


def test_the_first_alarm_after_the_change_is_judged():
    pieces = [Piece(np.zeros(20, np.int32), np.arange(20), 10, (0, 5), (1, 2)) for _ in range(2)]
    verdict = judge(joined(pieces), alarms((0, 9), (0, 12), (0, 15)))
    assert verdict.alarm.tolist() == [1, -1]
    assert verdict.delay.tolist() == [3, math.inf]
    assert verdict.right_from.tolist() == [True, False]
    assert verdict.right_to.tolist() == [False, False]
    assert verdict.amended_right.tolist() == [True, False]
    assert verdict.within(3).tolist() == [True, False]


def test_a_threshold_is_the_least_that_keeps_the_budget():
    streams = streams_of([0] * 100)

    def falling(_, threshold):
        count = max(0, 10 - math.floor(threshold))
        return unnamed([0] * count, range(count))

    threshold = methods.tuned(falling, streams, 300.0, 0.5, 100.0)
    assert threshold == pytest.approx(7.0, abs=0.01)
    assert methods.false_alarms(falling(streams, threshold), streams) <= 300.0


def test_calibrated_thresholds_spend_the_budget_and_the_ring_its_share():
    quiet = nulls(SMALL, 20, seed=1)
    ours = Ours(np.full(6, 1 / 6, np.float32))
    limits = methods.calibrated(ours, quiet, 20.0, 0.5)
    events = quiet.events / methods.PER_10K
    assert ours(quiet, limits).number / events == pytest.approx(20.0, abs=1.5)
    alone = ours.ring_alone(quiet, limits.ring_threshold)
    assert alone.number / events == pytest.approx(10.0, abs=1.5)
    assert (alone.source == 1).all()
    assert methods.calibrated(ours, quiet, 20.0, 0.0).ring_threshold == math.inf
    assert methods.uncalibrated(10.0) == Limits(2000.0)


def test_every_contestant_finds_a_strong_move_but_the_one_that_knows_nothing():
    quiet, moved = nulls(SMALL, 10, seed=1), moves(SMALL, "strong", 10, seed=2)
    ours = Ours(np.full(6, 1 / 6, np.float32))
    shares = {}
    for contestant in contestants(ours, quiet, moved, 10.0, seed=3, slow=10):
        verdict = judge(moved, contestant.found(moved))
        shares[contestant.name] = verdict.within(100).mean()
        if contestant.name in (OURS, NO_RING):
            assert verdict.right_from.mean() > 0.6
            assert verdict.right_to.mean() > 0.6
    assert shares.pop(EVERY) < 0.5
    assert set(shares) > {OURS, NO_RING, UNCALIBRATED}
    assert min(shares.values()) > 0.6


def test_no_alarm_at_all_is_a_result_too():
    found = Ours(np.full(2, 0.5, np.float32))(streams_of([0, 1]), Limits(math.inf))
    assert isinstance(found, Found)
    assert found.number == 0
