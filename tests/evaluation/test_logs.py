"""A stored log as columns: order, numbers and names."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from stream.errors import StreamError
from stream.evaluation.logs import at_part, between, read_log
from stream.settings import Settings
from stream.storage import event_log

START = 1_700_000_000


def event(user, at, category=None, item=None, kind="view", **more):
    fields = {"user_id": user, "event_type": kind, "occurred_at": START + at} | more
    optional = {"category": category, "item_id": item}
    return fields | {name: value for name, value in optional.items() if value}


def log_of(path: Path, events):
    path.write_bytes(b"\n".join(map(msgspec.json.encode, events)))
    source = event_log.read([str(path)], settings=Settings(), say=lambda line: None)
    return read_log("shop", source, Settings())


def test_events_are_in_time_order_and_numbered_as_they_first_appear(tmp_path):
    log = log_of(
        tmp_path / "events.jsonl",
        [
            event("bob", 30, "boats", "b1"),
            event("ann", 10, "tents"),
            event("bob", 20, None, "t1"),
            event("ann", 20, "boats"),
        ],
    )
    assert (log.at - START).tolist() == [10, 20, 20, 30]
    assert [log.shopper_names[number] for number in log.shoppers] == ["ann", "bob", "ann", "bob"]
    assert log.shoppers.tolist() == [0, 1, 0, 1]
    assert log.categories.tolist() == [0, -1, 1, 1]
    assert log.category_names == ["tents", "boats"]
    assert log.items.tolist() == [-1, 0, -1, 1]
    assert log.item_names == ["t1", "b1"]


def test_impressions_are_left_out_and_refunds_stay(tmp_path):
    log = log_of(
        tmp_path / "events.jsonl",
        [
            event("ann", 1, "tents", kind="view_item_list"),
            event("ann", 2, "tents", kind="purchase", item="t1"),
            event("ann", 3, "tents", kind="refund", item="t1"),
        ],
    )
    assert (log.at - START).tolist() in ([2, 3], [2])


def test_sessions_are_told_apart_and_none_is_zero(tmp_path):
    log = log_of(
        tmp_path / "events.jsonl",
        [event("ann", 1), event("ann", 2, session_id="a"), event("ann", 3, session_id="b")],
    )
    assert log.sessions[0] == 0
    assert len(set(log.sessions.tolist())) == 3


def test_a_part_of_the_path_is_a_category_of_its_own(tmp_path):
    paths = ["food > bread", "home > bread", "food > milk", "food"]
    log = log_of(
        tmp_path / "events.jsonl", [event("ann", at, path) for at, path in enumerate(paths)]
    )
    assert at_part(log, 1).category_names == ["food", "home"]
    assert at_part(log, 2).category_names == ["bread", "milk"]
    assert at_part(log, 2).categories.tolist() == [0, 0, 1, -1]


def test_a_cut_keeps_the_events_from_its_start_up_to_before_its_end(tmp_path):
    log = log_of(tmp_path / "events.jsonl", [event("ann", at) for at in range(5)])
    cut = between(log, START + 1, START + 3)
    assert (cut.at - START).tolist() == [1, 2]
    assert cut.shopper_names == log.shopper_names
    assert all(len(column) == 2 for column in cut if isinstance(column, np.ndarray))


def test_a_log_without_events_is_refused_and_says_what_may_be_missing(tmp_path):
    with pytest.raises(StreamError, match=r"none of the 1 lines of shop .* --preset or --map"):
        log_of(tmp_path / "events.jsonl", [{"some": "thing"}])
