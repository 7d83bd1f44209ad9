"""What is a behavior event, what it says, and what is refused with which words."""

import json

import pytest

from stream.core.events import (
    BUY,
    CLICKED,
    KEEP,
    RETURNED,
    SHOWN,
    VIEW,
    Decoder,
    Forget,
    Ignored,
    Touch,
)
from stream.core.ids import identify
from stream.errors import BadRecord
from stream.settings import Settings

AT = 1_700_000_000
decode = Decoder(Settings())


def value(**fields: object) -> bytes:
    return json.dumps({"user_id": "ann", "event_type": "view", "occurred_at": AT} | fields).encode()


def touches(decoder: Decoder = decode, **fields: object) -> list[Touch]:
    decoded = decoder(value(**fields))
    assert isinstance(decoded, list)
    return decoded


def refusal(record: bytes | None, decoder: Decoder = decode) -> str:
    with pytest.raises(BadRecord) as refused:
        decoder(record)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_view_is_one_touch() -> None:
    found = touches(item_id="dome", category="tents", session_id="s", event_id="e")
    assert found == [
        Touch("ann", float(AT), "dome", "tents", 1.0, VIEW, identify("s"), identify("e"))
    ]


def test_a_request_to_forget_is_no_event() -> None:
    assert decode(value(event_type="forget")) == Forget("ann", float(AT))


def test_all_items_of_an_event_say_the_same_of_marketing() -> None:
    assert [touch.marketing for touch in touches(item_id="dome")] == [0]
    basket = [{"item_id": "dome"}, {"item_id": "peg"}]
    assert [touch.marketing for touch in touches(items=basket, marketing=False)] == [2, 2]


@pytest.mark.parametrize(
    ("event_type", "list_id", "feedback", "sequence"),
    [
        ("view_item_list", "behavior-events-2-48211-delta-0", SHOWN, 48_211),
        ("select_item", "behavior-events-2-48211-delta-3", CLICKED, 48_211),
        ("purchase", "behavior-events-2-48211-delta-0", 0, -1),
        ("select_item", "winter sale", 0, -1),
        ("select_item", "behavior-events-2-99999999999999999999-delta-0", 0, -1),
        ("select_item", None, 0, -1),
    ],
)
def test_impressions_and_clicks_name_a_list_of_ours(
    event_type: str, list_id: str | None, feedback: int, sequence: int
) -> None:
    (found,) = touches(event_type=event_type, list_id=list_id, item_id="dome", position=4)
    assert (found.feedback, found.sequence, found.place) == (feedback, sequence, 4)


def test_each_item_of_an_impression_has_a_place_of_its_own() -> None:
    shown = [
        {"item_id": "dome", "position": 0},
        {"item_id": "peg"},
        {"item_id": "b", "position": -7},
    ]
    found = touches(event_type="view_item_list", list_id="e-0-5-delta-0", items=shown)
    assert [touch.place for touch in found] == [0, -1, -1]


def test_a_quantity_is_the_items_own_and_one_where_none_is_given() -> None:
    basket = [{"item_id": "dome", "quantity": 2.5}, {"item_id": "peg"}]

    assert [touch.quantity for touch in touches(items=basket, quantity=9)] == [2.5, 1.0]
    assert touches(item_id="dome", quantity=9)[0].quantity == 9.0


@pytest.mark.parametrize(
    "time",
    [AT, AT * 1000, float(AT), "2023-11-14T22:13:20Z", "2023-11-15T00:13:20+02:00"],
    ids=str,
)
def test_times_in_seconds_milliseconds_and_words_mean_the_same(time: object) -> None:
    assert touches(occurred_at=time)[0].occurred_at == AT


@pytest.mark.parametrize(
    ("event_type", "weight", "action"),
    [
        ("pv", 1.0, VIEW),
        ("search", 1.0, VIEW),
        ("fav", 2.0, KEEP),
        ("add_to_cart", 3.0, KEEP),
        ("buy", 5.0, BUY),
        ("impression", 0.0, VIEW),
        ("return", 0.0, RETURNED),
    ],
)
def test_types_by_any_of_their_names_have_weights_and_actions(
    event_type: str, weight: float, action: int
) -> None:
    found = touches(event_type=event_type)[0]
    assert (found.weight, found.action) == (weight, action)


def test_settings_name_and_weigh_types() -> None:
    decoder = Decoder(Settings(event_types={"pdp": "view_item"}, event_weights={"view_item": 0.5}))
    assert touches(decoder, event_type="pdp")[0].weight == 0.5


def test_an_unknown_type_is_ignored_and_said() -> None:
    assert decode(value(event_type="scroll", occurred_at="whenever")) == Ignored("scroll")


def test_a_basket_is_a_touch_for_each_item_in_order() -> None:
    items = [{"item_id": "dome", "category": "tents"}, {"item_id": "oar"}, {"category": "lamps"}]
    found = touches(items=items, category="boats", item_id="unused", event_type="buy", event_id="e")

    assert [(t.item_id, t.category) for t in found] == [
        ("dome", "tents"),
        ("oar", "boats"),
        (None, "lamps"),
    ]
    assert {(t.weight, t.action, t.occurred_at) for t in found} == {(5.0, BUY, float(AT))}
    assert len({t.event for t in found} | {identify("e")}) == 4
    again = touches(items=items, category="boats", event_type="buy", event_id="e")
    assert [t.event for t in again] == [t.event for t in found]


def test_a_basket_without_an_id_has_no_repeats() -> None:
    assert [t.event for t in touches(items=[{}, {}])] == [0, 0]


@pytest.mark.parametrize(
    ("level", "path", "category"),
    [
        (0, "A > B > C", "A > B > C"),
        (1, "A > B > C", "A"),
        (2, "A>B  > C", "A > B"),
        (9, "A > B", "A > B"),
        (1, " > A", "A"),
        (1, " > ", None),
        (1, None, None),
    ],
)
def test_a_path_is_cut_at_the_level_set(level: int, path: str | None, category: str | None) -> None:
    assert touches(Decoder(Settings(category_level=level)), category=path)[0].category == category


NESTED = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (None, "no value"),
        (b"", "Input data was truncated"),
        (b"hello", "JSON is malformed: invalid character (byte 0)"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"event_type": "view", "occurred_at": 1}', "missing required field `user_id`"),
        (value(user_id=""), "Expected `str` of length >= 1 - at `$.user_id`"),
        (value(user_id=7), "Expected `str`, got `int` - at `$.user_id`"),
        (value(item_id=7), "Expected `str | null`, got `int` - at `$.item_id`"),
        (value(price="9"), "Expected `float | null`, got `str` - at `$.price`"),
        (value(quantity=-1), "quantity -1.0 is not from 0 to 1000000000"),
        (value(items=[{"quantity": 1e300}]), "quantity 1e+300 is not from 0"),
        (value(items=[{"item_id": 1}]), "got `int` - at `$.items[0].item_id`"),
        (value(occurred_at=True), "Expected `int | float | str`, got `bool`"),
        (value(occurred_at=0), "occurred_at 0 is outside the years 2000 to 2100"),
        (value(occurred_at=4_133_980_800), "is outside the years 2000 to 2100"),
        (value(occurred_at="1970-01-01T00:00:00Z"), "outside the years 2000 to 2100"),
        (value(occurred_at="2101-01-01T00:00:00Z"), "outside the years 2000 to 2100"),
        (value(occurred_at=10**400), "occurred_at is too large for a time"),
        (value(occurred_at=-5), "outside the years"),
        (value(occurred_at="yesterday"), "'yesterday' is no RFC 3339 time"),
        (value(occurred_at="2023-11-14T22:13:20"), "has no time zone: end it with Z or +hh:mm"),
        (value(items=[]), "0 items; 1 to 1000 fit one event - at `$.items`"),
        (value(items=[{}] * 1001), "1001 items; 1 to 1000 fit one event"),
        (value(query="x" * 2_000_000), "max_value_bytes is 1048576"),
        (value(user_id="a\0b"), "a NUL character in a string"),
        (value().replace(b"ann", b"a\0b"), "JSON is malformed"),
        (value().replace(b"ann", b"a\xffb"), "can't decode byte 0xff"),
        (value().replace(b"ann", rb"\ud800"), "JSON is malformed"),
        (value(properties={"deep": 0}).replace(b"0}", NESTED + b"}"), "nested too deep"),
        (NESTED, "Expected `object`, got `array`"),
    ],
    ids=lambda given: str(given)[:40],
)
def test_what_is_no_event_is_refused_with_the_reason(record: bytes | None, words: str) -> None:
    assert words in refusal(record)


def test_the_years_are_settings() -> None:
    decoder = Decoder(Settings(first_year=1970, last_year=1999))
    assert touches(decoder, occurred_at=0)[0].occurred_at == 0.0
    assert "outside the years 1970 to 1999" in refusal(value(), decoder)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    written = value(user_id=r"a\u0000")

    touches = Decoder(Settings())(written)

    assert isinstance(touches, list)
    assert touches[0].user_id == r"a\u0000"
