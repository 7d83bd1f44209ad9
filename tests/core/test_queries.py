"""What the words of searches say of categories."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from stream.core import queries
from stream.core.ids import identify
from stream.core.query_buckets import FEATURES, buckets_of
from stream.core.rows import Rows, zeros
from stream.core.shop import ShopModel
from stream.core.updates import LAYOUT, UpdateRow, columns_of, packed, unpacked
from stream.errors import StreamError
from tests.core.worlds import NAME_OF, SMALL
from tests.reference.slow_queries import SlowQueries

WIDE = 4096
ROOMY = msgspec.structs.replace(SMALL, query_buckets=WIDE)
CATEGORIES = {"tent": "camping", "stove": "camping", "kite": "sport", "drum": "music"}
HEARD = [
    ("tent", "tent"), ("big tent", "tent"), ("camping stove", "stove"), ("kite", "kite"),
    ("big drum", "drum"), ("drums", "drum"), ("tents", "tent"), ("big kites", "kite"),
]  # fmt: skip


def answers(
    heard: Sequence[tuple[str, str]], first: int = 0, buckets: int = WIDE
) -> Rows[UpdateRow]:
    """Rows of items, all touched at one time, each the first touch after a query."""
    rows = zeros(len(heard), LAYOUT, UpdateRow)
    for place, (text, item) in enumerate(heard):
        row, found = rows[place], buckets_of(text, WIDE)
        row.position, row.occurred_at, row.step = first + place, 1e9, 0
        row.item_id, row.category_id = identify(item), identify(CATEGORIES[item])
        row.asked = len(found)
        row.buckets[: len(found)] = found
    return rows


def taught(heard: Sequence[tuple[str, str]]) -> ShopModel:
    model = ShopModel(ROOMY)
    model.apply(packed(answers(heard), 0, NAME_OF.__getitem__))
    return model


def said(model: ShopModel, text: str, count: int = 10) -> dict[str, float]:
    names = model.categories.names
    return {names[number]: share for number, share in queries.likely(model.view, text, count)}


def test_a_query_leads_where_its_words_led() -> None:
    model = taught(HEARD)
    assert next(iter(said(model, "tent"))) == "camping"
    assert next(iter(said(model, "drum"))) == "music"
    assert list(said(model, "tent", 1)) == ["camping"]


def test_a_mistyped_word_is_known_by_its_pieces() -> None:
    model = taught(HEARD * 5)
    assert next(iter(said(model, "kiite"))) == "sport"
    assert next(iter(said(model, "drm"))) == "music"


def test_words_that_nobody_used_say_nothing() -> None:
    model = taught(HEARD)
    assert said(model, "xylophone") == {}
    assert said(model, "") == {}
    assert said(ShopModel(ROOMY), "tent") == {}


def test_a_word_that_leads_anywhere_says_little_beside_one_that_does_not() -> None:
    shares = said(taught(HEARD * 5), "big drum")
    assert shares["music"] > 3 * shares["camping"]


def test_pairs_of_chinese_characters_are_words() -> None:
    assert set(buckets_of("推车", WIDE)) < set(buckets_of("儿童推车", WIDE))


def test_no_query_has_more_buckets_than_fit() -> None:
    assert len(buckets_of("the very longest query that anybody would ever type " * 99, WIDE)) == (
        FEATURES
    )


def test_shares_are_those_of_the_slow_reference() -> None:
    model, slow = taught(HEARD), SlowQueries()
    for text, item in HEARD:
        slow.learn(buckets_of(text, WIDE), CATEGORIES[item])
    view = model.view
    events = dict.fromkeys(model.categories.names, 0.02)
    for _, item in HEARD:
        events[CATEGORIES[item]] += 1.0
    parts = {name: count / sum(events.values()) for name, count in events.items()}
    for text in ["big", "tent", "big stove", "kites and drums", "tint"]:
        expected = slow.shares(buckets_of(text, WIDE), parts)
        assert said(model, text) == pytest.approx(expected, rel=1e-5)
    assert view.queries.hints[0].used == 0


def test_asking_changes_nothing() -> None:
    model = taught(HEARD)
    before = model.hash()
    assert said(model, "big tent") == said(model, "big tent")
    assert model.hash() == before


def test_replicas_learn_queries_alike_however_they_come_and_repeats_do_no_harm() -> None:
    whole, parts = taught(HEARD), ShopModel(ROOMY)
    for first, last in [(0, 3), (0, 5), (3, 5), (2, 8)]:
        parts.apply(packed(answers(HEARD[first:last], first), 0, NAME_OF.__getitem__))
    assert parts.hash() == whole.hash()
    again = ShopModel.restore(whole.snapshot().pack(), ROOMY)
    assert again.hash() == whole.hash()
    assert said(again, "big tent") == said(whole, "big tent")
    assert taught([("other words", item) for _, item in HEARD]).hash() != whole.hash()


def test_an_item_that_came_without_category_teaches_that_of_its_row() -> None:
    rows = answers([("tent", "tent"), ("yurt", "tent")])
    rows[1].category_id = 0
    rows[1].step = -1
    model = ShopModel(ROOMY)
    model.apply(packed(rows, 0, NAME_OF.__getitem__))
    assert list(said(model, "yurt")) == ["camping"]


def test_rows_come_back_from_the_wire_and_hold_no_words() -> None:
    rows = answers([("big tent", "tent"), ("", "stove"), ("kites", "kite")])
    message = packed(rows, 0, NAME_OF.__getitem__)
    assert np.asarray(unpacked(message)).tobytes() == np.asarray(rows).tobytes()
    assert columns_of(message).asked.tolist() == [0, -1, 1]
    assert len(message.queries) == 2 * FEATURES * 4
    assert packed(answers([("", "tent")]), 0, NAME_OF.__getitem__).queries == b""


def test_words_of_other_settings_are_refused() -> None:
    message = packed(answers([("tents and stoves", "tent")]), 0, NAME_OF.__getitem__)
    model = ShopModel(SMALL)
    with pytest.raises(StreamError, match="query_buckets is 64"):
        model.apply(message)
    assert model.position == 0
