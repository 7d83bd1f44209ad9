"""Splices and shuffles of small histories, in which one can see what was done."""

import numpy as np

from stream.core.rows import Int64s
from stream.evaluation.drift.histories import (
    History,
    Sizes,
    histories,
    own,
    popularity,
    shuffled,
    sizes_of,
    spliced,
    usable,
)
from stream.evaluation.drift.parts import parted
from stream.evaluation.drift.simulated import BENCHES, Bench, law, moves, nulls
from stream.evaluation.drift.streams import NO_CHANGE, concatenated
from stream.evaluation.logs import Log

DAY = 86_400.0
SIZES = Sizes(before=6, after=6, least=6)


def numbered(category, days, each=3):
    """A shopper who visits one category, `each` events a day, in sessions of one event."""
    events = days * each
    sessions = np.arange(events, dtype=np.int64)
    return History(np.full(events, category, np.int32), sessions, sessions // each)


def small_log(at, shoppers, categories, sessions=None, actions=None):
    count = len(at)
    return Log(
        "shop", np.array(shoppers, np.int32), np.array(categories, np.int32),
        np.full(count, -1, np.int32), np.array(at, np.float64),
        np.array(sessions if sessions else [0] * count, np.int64),
        np.array(actions if actions else [0] * count, np.int8), np.ones(count),
        ["ann", "bob"], ["tents", "boats"], [],
    )  # fmt: skip


def steps(numbers: Int64s):
    return np.diff(numbers).tolist()


def test_a_session_ends_with_another_id_or_after_half_an_hour():
    by_gap, by_id = histories(
        small_log([0, 60, 1900, 0, 60, 99_999], [0, 0, 0, 1, 1, 1], [0] * 6, [0, 0, 0, 5, 6, 6])
    )
    assert steps(by_gap.sessions) == [0, 1]
    assert steps(by_id.sessions) == [1, 0]


def test_events_without_a_category_and_refunds_are_no_part_of_a_history():
    (ann,) = histories(small_log([0, 1, 2], [0, 0, 0], [1, -1, 0], actions=[0, 0, 3]))
    assert ann.categories.tolist() == [1]


def test_days_begin_where_the_shop_is():
    at = [15.5 * 3600, 16.5 * 3600]
    log = small_log(at, [0, 0], [0, 0])
    assert steps(histories(log)[0].days) == [0]
    assert steps(histories(log._replace(time_zone="Asia/Shanghai"))[0].days) == [1]


def test_a_shuffle_keeps_days_whole_and_brings_each_once():
    history = History(
        np.arange(12, dtype=np.int32), np.arange(12, dtype=np.int64), np.arange(12) // 3
    )
    streams = shuffled([history], "day", 6, 20, seed=1)
    assert streams.number == 20
    assert (streams.changes == NO_CHANGE).all()
    for categories, _ in streams.each():
        assert sorted(categories.tolist()) == list(range(12))
        days = categories.reshape(4, 3)
        assert (np.diff(days, axis=1) == 1).all()
    assert len({tuple(categories.tolist()) for categories, _ in streams.each()}) > 5


def test_a_shuffle_by_session_breaks_days_apart():
    streams = shuffled([numbered(0, 4)], "session", 6, 1, seed=1)
    assert streams.number == 1
    assert steps(streams.sessions) == [1] * 11


def test_a_history_in_few_days_is_not_shuffled():
    assert not usable(numbered(0, 3), "day", 6)
    assert usable(numbered(0, 4), "day", 6)
    assert not usable(numbered(0, 4), "day", 13)
    assert own([numbered(0, 3), numbered(1, 4)], "day", 6).categories.tolist() == [1] * 12


def test_a_splice_is_one_shopper_and_then_another():
    streams = spliced([numbered(0, 5), numbered(1, 5)], "day", SIZES, 10, seed=4)
    assert streams.number == 10
    assert streams.changes.tolist() == [6] * 10
    for (categories, sessions), left, came in zip(
        streams.each(), streams.left, streams.came, strict=True
    ):
        assert len(set(categories[:6].tolist())) == 1
        assert len(set(categories[6:].tolist())) == 1
        assert (left[0], came[0]) == (categories[0], categories[6])
        assert sessions[6] > sessions[5]


def test_a_tail_follows_a_splice_but_does_not_say_what_came():
    found = [numbered(0, 5), numbered(1, 5)]
    longer = spliced(found, "day", SIZES, 5, seed=4, tail=6)
    assert np.diff(longer.first).tolist() == [18] * 5
    assert (longer.came == spliced(found, "day", SIZES, 5, seed=4).came).all()


def test_popularity_is_of_events_and_never_zero():
    shares = popularity([numbered(0, 1), numbered(2, 1)], 3)
    assert shares.tolist() == np.array([3.5, 0.5, 3.5], np.float32).__truediv__(7.5).tolist()


def test_parts_share_no_shopper_and_follow_the_seed():
    found = [numbered(number, 4) for number in range(40)]
    parts = parted(found, seed=1)
    taken = [one.categories[0] for part in parts[:3] for one in part]
    assert sorted(taken) == list(range(40))
    assert [len(part) for part in parts[:3]] == [10, 15, 15]
    assert parted(found, seed=1).test[0].categories[0] == parts.test[0].categories[0]
    assert sizes_of(found).before == 80


def test_the_laws_are_chances_and_swap_two_categories():
    for bench in BENCHES:
        before, after = law(bench, 0, 1, "weak"), law(bench, 1, 0, "weak")
        assert abs(before.sum() - 1) < 1e-12
        assert before[0] == after[1] > before[1] == after[0]
        assert (before[2:] == after[2:]).all()


def test_simulated_shoppers_follow_the_law():
    streams = moves(Bench("small", categories=4, before=4000), "strong", 3, seed=2)
    categories = streams.categories.reshape(3, -1)
    assert (streams.changes == 4000).all()
    assert abs((categories[:, :4000] == 0).mean() - 0.5) < 0.03
    assert abs((categories[:, 4000:] == 1).mean() - 0.5) < 0.05
    assert (nulls(BENCHES[0], 2, seed=1).changes == NO_CHANGE).all()


def test_bursts_repeat_within_sessions():
    streams = moves(Bench("bursts", categories=50, before=5000, bursts=True), "weak", 1, seed=2)
    same = streams.categories[1:] == streams.categories[:-1]
    within = np.diff(streams.sessions) == 0
    assert abs(same[within].mean() - 0.73) < 0.04
    assert same[~within].mean() < 0.2


def test_streams_put_together_stay_apart():
    one, two = (moves(Bench("b", before=5), "weak", 2, seed=seed) for seed in (1, 2))
    both = concatenated([one, two])
    assert [list(part[0]) for part in both.each()] == [
        list(part[0]) for streams in (one, two) for part in streams.each()
    ]
    assert both.some(1).categories.tolist() == one.some(1).categories.tolist()
