"""Searches in the product: they move lists and predictions, and never the strict state."""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core.shop import ShopModel
from stream.core.updates import packed
from stream.messages import RankQuestion, RecommendationDelta
from stream.on_demand import Strangers
from stream.replay import Replay
from stream.shard import LogRecord, Shard
from stream.stored import StoredPartition
from tests.test_laws import opened, strict
from tests.toy_shop import SMALL, START, touch, walked

TEXTS = ["tents", "big boats", "drum", "lamps", "儿童推车", "tens", "?"]
WORDS = st.lists(st.integers(-3, len(TEXTS) - 1), min_size=120, max_size=120)
"""By record what it searches for, below 0 for a record that stays as it is."""
ROOMY = msgspec.structs.replace(SMALL, query_buckets=4096, session_gap=1800.0, delta_interval=1e6)
ANN = 100_000.0
"""When Ann comes, long after the others."""


def searching(records: Sequence[LogRecord], words: Sequence[int], told: bool) -> list[LogRecord]:
    """The same records, some of them searches, which are `told` what for or not."""
    made = []
    for one, word in zip(records, words, strict=True):
        text = one.value or b""
        if word >= 0 and text.startswith(b'{"user_id"'):
            more: dict[str, object] = {"query": TEXTS[word]} if told else {}
            fields = json.loads(text) | {"event_type": "search"} | more
            made.append(one._replace(value=json.dumps(fields).encode()))
        else:
            made.append(one)
    return made


def search(offset: int, at: float, text: str, user: str = "ann", **more: object) -> LogRecord:
    return touch(offset, user, at, event_type="search", query=text, **more)


def shopping(searched: str = "stroller") -> list[LogRecord]:
    """Each of thirty shoppers searches, looks at one of three strollers, and at tents later."""
    records: list[LogRecord] = []
    for number in range(30):
        user, at = f"shopper {number}", 2000.0 * number
        records.append(search(len(records), at, searched, user))
        stroller, tent = f"stroller {number % 3}", f"tent {number % 3}"
        records.append(touch(len(records), user, at + 5, "strollers", item_id=stroller))
        records.append(search(len(records), at + 1000, "tents", user))
        records.append(touch(len(records), user, at + 1005, "tents", item_id=tent))
    return records


def lists(records: Sequence[LogRecord], folder: Path) -> list[RecommendationDelta]:
    """What Ann is sent for these records, after the others did their shopping."""
    replay = Replay(folder, 1, ROOMY)
    replay.feed(shopping())
    first = replay.next_offsets()[0]
    own = [one._replace(offset=first + number) for number, one in enumerate(records)]
    deltas = replay.feed(own).deltas
    replay.save()
    replay.close()
    return [delta for delta in deltas if delta.user_id == "ann"]


VIEWS = [touch(number, "ann", ANN + 9 * number, "tents", item_id="tent 0") for number in range(3)]


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), words=WORDS)
def test_the_strict_state_is_the_same_whatever_is_searched_for(seed: int, words: list[int]) -> None:
    records = walked(seed, 120)
    with_words = strict([searching(records, words, told=True)])
    without = strict([searching(records, words, told=False)])
    assert with_words[:2] == without[:2]


def test_searches_teach_the_shop_what_its_log_holds(tmp_path: Path) -> None:
    """Else the law above would hold in a shop that hears no query."""
    words = [number % 7 if number % 3 == 0 else -1 for number in range(120)]
    with opened(tmp_path) as shard:
        records = searching(walked(3, 120), words, told=True)
        updates = shard.apply(records, ShopModel(SMALL)).updates
    assert (updates["asked"] > 0).sum() > 5


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), words=WORDS, cut=st.integers(0, 120))
def test_what_is_learned_of_queries_is_the_same_after_a_silent_catch_up(
    seed: int, words: list[int], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    records, folder = searching(walked(seed, 120), words, told=True), tmp_path_factory.mktemp("x")
    with opened(folder) as shard:
        whole = shard.apply(records, ShopModel(SMALL)).updates
    folder = tmp_path_factory.mktemp("y")
    with opened(folder) as shard:
        shard.apply(records[:cut], ShopModel(SMALL), muted=True)
        shard.checkpoint()
    with opened(folder) as shard:
        rest = shard.apply(records[cut:], ShopModel(SMALL)).updates
    for name in rest.dtype.names:
        np.testing.assert_array_equal(rest[name], whole[len(whole) - len(rest) :][name])


def test_a_list_follows_a_search_at_once_and_says_so(tmp_path: Path) -> None:
    before, after = lists([*VIEWS, search(3, ANN + 30, "tents")], tmp_path)
    assert all("stroller" in item.item_id for item in before.items)
    found = [(item.item_id, item.reason) for item in after.items[:2]]
    assert {item for item, _ in found} == {"tent 1", "tent 2"}
    assert {reason.because for _, reason in found} == {"searched"}
    assert {reason.category for _, reason in found} == {"tents"}


def test_a_mistyped_search_is_followed_too(tmp_path: Path) -> None:
    after = lists([*VIEWS, search(3, ANN + 30, "tennts")], tmp_path)[-1]
    assert after.items[0].reason.category == "tents"


def test_a_search_that_nobody_made_before_asks_for_no_list(tmp_path: Path) -> None:
    assert len(lists([*VIEWS, search(3, ANN + 30, "xylophone")], tmp_path)) == 1


def test_a_newcomer_who_only_searches_gets_a_list(tmp_path: Path) -> None:
    (only,) = lists([search(0, ANN, "Stroller!")], tmp_path)
    assert only.items[0].reason.category == "strollers"


def test_who_asks_for_a_list_may_say_what_is_searched_for(tmp_path: Path) -> None:
    replay = Replay(tmp_path, 1, ROOMY)
    replay.feed([*shopping(), *(one._replace(offset=120 + one.offset) for one in VIEWS)])
    (shard,), shop = replay.shards, replay.shop
    plain = shard.ranking("ann", shop).items
    searched = shard.ranking("ann", shop, query="stroller").items
    strangers = Strangers(ROOMY).ranking(RankQuestion(query="stroller"), shop).items
    again = shard.ranking("ann", shop).items
    replay.close()
    assert again == plain != searched
    assert searched[0].reason.category == strangers[0].reason.category == "strollers"


def test_the_next_categories_shown_are_those_searched_for(tmp_path: Path) -> None:
    lists([*VIEWS, search(3, ANN + 30, "stroller")], tmp_path)
    (folder,) = tmp_path.glob("partition-*")
    stored, shop = StoredPartition(folder), taught_by(shopping(), tmp_path / "other")
    chances = stored.next_categories("ann", shop)
    stored.close()
    assert next(iter(chances)) == "strollers"
    assert sum(chances.values()) == pytest.approx(1.0, abs=1e-3)


def taught_by(records: Sequence[LogRecord], folder: Path) -> ShopModel:
    replay = Replay(folder, 1, ROOMY)
    replay.feed(records)
    replay.close()
    return replay.shop


@pytest.mark.parametrize(
    ("between", "heard"),
    [
        ({"occurred_at": START + 5, "session_id": "one"}, 2),
        ({"occurred_at": START + 5, "session_id": "two"}, 0),
        ({"occurred_at": START + 1900, "session_id": "one"}, 0),
        ({"occurred_at": START - 5, "session_id": "one"}, 0),
        ({"occurred_at": START + 5, "event_type": "view_item_list"}, 0),
    ],
)
def test_the_first_touch_of_the_session_answers_a_query(
    between: dict[str, object], heard: int, tmp_path: Path
) -> None:
    shard = Shard(tmp_path, 0, 1, ROOMY)
    records = [
        search(0, 0.0, "tent", session_id="one"),
        touch(1, "ann", 0.0, "tents", **between),
        touch(2, "ann", 6.0, "boats", session_id="three"),
    ]
    updates = shard.apply(records, ShopModel(ROOMY)).updates
    shard.close()
    asked = {int(row["position"]) // 1024: int(row["asked"]) for row in updates}
    assert bool(asked.get(1)) == bool(heard)
    assert not asked.get(2)
    assert not any(name.encode() == b"tent" for name in packed(np.asarray(updates), 0, str).names)
