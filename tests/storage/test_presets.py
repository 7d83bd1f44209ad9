"""Each well-known log becomes the events that its owner would have meant."""

import gzip
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.events import Decoder
from stream.errors import WrongUse
from stream.settings import Settings
from stream.storage import event_log
from stream.storage.event_log import PRESETS, Accepted, IgnoredType, Record, Rejected
from stream.storage.event_log.records import MOST_TYPES, OTHERS

LAYOUT = "user_id=uid,event_type=event,occurred_at=timestamp,price=price,properties=properties"
Read = Callable[..., list[Record]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The records of a file of that name and text."""

    def records(name: str, text: str, **options: Any) -> list[Record]:
        path = tmp_path / name
        path.write_text(text)
        options = {"settings": Settings(), "say": lambda line: None} | options
        return list(event_log.read([str(path)], **options))

    return records


def events(records: list[Record]) -> list[dict[str, Any]]:
    for record in records:
        if isinstance(record, Accepted):
            assert isinstance(Decoder(Settings())(record.value), list)
    return [msgspec.json.decode(r.value) for r in records if isinstance(r, Accepted)]


TAOBAO = {
    "user_id": "1",
    "event_type": "view_item",
    "occurred_at": 1511544070,
    "item_id": "2268318",
    "category": "2520377",
}


@pytest.mark.parametrize(
    "text",
    [
        "1,2268318,2520377,pv,1511544070\n",
        "user_id,item_id,category_id,behavior_type,timestamp\n1,2268318,2520377,pv,1511544070\n",
        "behavior;Timestamp;user;item;category\npv;1511544070;1;2268318;2520377\n",
    ],
)
def test_taobao_is_read_with_and_without_a_header(read: Read, text: str) -> None:
    (record,) = read("log.csv", text, preset="taobao")
    assert events([record]) == [TAOBAO]
    assert isinstance(record, Accepted)
    assert (record.key, record.timestamp) == (b"1", 1511544070000)


def test_taobaos_four_behaviors_are_events_of_four_types(read: Read) -> None:
    text = "".join(f"1,2,3,{kind},1511544070\n" for kind in ["pv", "cart", "fav", "buy"])
    assert [e["event_type"] for e in events(read("log.csv", text, preset="taobao"))] == [
        "view_item",
        "add_to_cart",
        "add_to_wishlist",
        "purchase",
    ]


REES46 = (
    "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
)


def test_rees46_prefers_the_category_code_to_its_number(read: Read) -> None:
    rows = [
        REES46,
        "2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,s1",
        "2019-10-01 00:00:01 UTC,remove_from_cart,3900821,2053013552326770905,"
        "appliances.environment.water_heater,aqua,33.20,554748717,s2",
    ]
    first, second = events(read("log.csv", "\n".join(rows), preset="rees46"))
    assert first["category"] == "2103807459595387724"
    assert first["occurred_at"] == "2019-10-01T00:00:00Z"
    assert (first["brand"], first["price"], first["session_id"]) == ("shiseido", 35.79, "s1")
    assert second["category"] == "appliances > environment > water_heater"
    assert second["event_type"] == "remove_from_cart"


def test_rees46_is_read_without_a_header_too(read: Read) -> None:
    row = "2019-10-01 00:00:00 UTC,cart,1,2,a.b,,1.5,3,s"
    (event,) = events(read("log.csv", row, preset="rees46"))
    assert (event["user_id"], event["item_id"], event["category"]) == ("3", "1", "a > b")


def test_retailrocket_finds_categories_in_its_item_properties(read: Read, tmp_path: Path) -> None:
    properties = tmp_path / "item_properties_part1.csv"
    properties.write_text(
        "timestamp,itemid,property,value\n1,355908,888,x\n1,355908,categoryid,1173\n"
    )
    text = (
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n1433224214164,992329,addtocart,248676,\n"
        "1433221955914,599528,transaction,356475,4000\n"
    )
    found = events(read("events.csv", text, preset="retailrocket", catalog=properties))
    assert found[0] == {
        "user_id": "257597",
        "event_type": "view_item",
        "occurred_at": 1433221332117,
        "item_id": "355908",
        "category": "1173",
    }
    assert [e["event_type"] for e in found[1:]] == ["add_to_cart", "purchase"]
    assert "category" not in found[1]


def ga4(name: str, **more: Any) -> str:
    row = {
        "event_timestamp": "1609459200123456",
        "event_name": name,
        "user_pseudo_id": "12.34",
        "event_params": [{"key": "ga_session_id", "value": {"int_value": "77"}}],
        "items": [],
    }
    return msgspec.json.encode(row | more).decode() + "\n"


TENT = {
    "item_id": "tent",
    "item_category": "Outdoor",
    "item_category2": "Tents",
    "item_category3": "(not set)",
    "price": 99.5,
    "quantity": "2",
}


def test_ga4_events_carry_session_item_and_category_path(read: Read) -> None:
    (event,) = events(read("log.jsonl", ga4("view_item", items=[TENT]), preset="ga4"))
    assert event == {
        "user_id": "12.34",
        "event_type": "view_item",
        "occurred_at": 1609459200.123456,
        "session_id": "77",
        "item_id": "tent",
        "category": "Outdoor > Tents",
        "price": 99.5,
        "quantity": 2.0,
    }


def test_ga4_baskets_stay_one_event(read: Read) -> None:
    items = [TENT, {"item_id": "mat", "item_category": "(not set)"}]
    (event,) = events(read("log.jsonl", ga4("purchase", items=items, user_id="me"), preset="ga4"))
    assert event["user_id"] == "me"
    assert [item["item_id"] for item in event["items"]] == ["tent", "mat"]
    assert "category" not in event["items"][1]


def test_of_a_flood_of_event_types_the_rest_are_counted_together() -> None:
    tally = event_log.Tally()
    for line in range(3 * MOST_TYPES):
        tally.add(event_log.IgnoredType("a.jsonl", line, f"type {line}"))
    assert tally.lines == 3 * MOST_TYPES
    assert len(tally.ignored) == MOST_TYPES + 1
    assert tally.ignored[OTHERS] == 2 * MOST_TYPES


def test_ga4_pages_and_scrolls_are_ignored_by_type(read: Read) -> None:
    records = read("log.jsonl", ga4("page_view") + ga4("scroll"), preset="ga4")
    assert [r.event_type for r in records if isinstance(r, IgnoredType)] == ["page_view", "scroll"]


def test_ga4_is_read_from_parquet_as_from_json(tmp_path: Path, read: Read) -> None:
    text = ga4("view_item", items=[TENT])
    path = tmp_path / "export.parquet"
    pq.write_table(pa.Table.from_pylist([msgspec.json.decode(text)]), path)
    found = list(event_log.read([str(path)], settings=Settings(), preset="ga4", say=print))
    assert events(found) == events(read("log.jsonl", text, preset="ga4"))


def segment(event: str, **properties: Any) -> str:
    row = {
        "type": "track",
        "event": event,
        "anonymousId": "anon",
        "messageId": "m1",
        "timestamp": "2024-02-03T04:05:06.789Z",
        "properties": properties,
    }
    return msgspec.json.encode(row).decode() + "\n"


def test_segment_views_orders_and_searches(read: Read) -> None:
    text = (
        segment("Product Viewed", product_id=7, category="Tents", price="19.99")
        + segment("Order Completed", products=[{"product_id": "a"}, {"product_id": "b"}])
        + segment("Products Searched", query="tent")
    )
    view, order, search = events(read("log.jsonl", text, preset="segment"))
    assert view == {
        "user_id": "anon",
        "event_type": "view_item",
        "occurred_at": "2024-02-03T04:05:06.789Z",
        "event_id": "m1",
        "item_id": "7",
        "category": "Tents",
        "price": 19.99,
    }
    assert order["event_type"] == "purchase"
    assert order["items"] == [{"item_id": "a"}, {"item_id": "b"}]
    assert (search["event_type"], search["query"]) == ("search", "tent")


def test_segment_calls_that_are_no_shopping_are_ignored(read: Read) -> None:
    page = '{"type": "page", "anonymousId": "a", "timestamp": "2024-02-03T04:05:06Z"}\n'
    records = read("log.jsonl", page + segment("Signed Up"), preset="segment")
    assert [r.event_type for r in records if isinstance(r, IgnoredType)] == ["page", "Signed Up"]


@pytest.mark.parametrize("preset", ["ga4", "segment"])
def test_objects_of_another_shape_are_rejected_not_fatal(read: Read, preset: str) -> None:
    text = (
        '{"items": 5, "properties": 5}\n{"items": [5]}\n7\n{"event_params": [{"value": 1}]}\n{}\n'
    )
    records = read("log.jsonl", text, preset=preset)
    assert [type(record) for record in records] == [Rejected] * 5


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ratings.csv", "userId,movieId,rating,timestamp\n196,242,3.0,881250949\n"),
        ("u.data", "196\t242\t3\t881250949\n"),
        ("ratings.dat", "196::242::3::881250949\n"),
        (
            "ml-100k.inter",
            "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n",
        ),
    ],
)
def test_movielens_ratings_are_views_in_all_its_editions(read: Read, name: str, text: str) -> None:
    # MovieLens 100k is of 1997.
    (record,) = read(name, text, preset="movielens", settings=Settings(first_year=1990))
    assert isinstance(record, Accepted)
    event = msgspec.json.decode(record.value)
    assert event == {
        "user_id": "196",
        "event_type": "view_item",
        "occurred_at": 881250949,
        "item_id": "242",
        "rating": 3.0,
    }


def test_completejourney_joins_departments_from_its_products(tmp_path: Path) -> None:
    sales, products = tmp_path / "transactions.parquet", tmp_path / "products.parquet"
    at = pa.array([1483271606 * 10**9]).cast(pa.timestamp("ns"))
    sold = {"household_id": [900], "store_id": [330], "basket_id": [31198570044]}
    sold |= {"product_id": [1095275], "quantity": [1], "sales_value": [0.5]}
    pq.write_table(pa.table(sold | {"transaction_timestamp": at}), sales)
    row = {"product_id": 1095275, "department": "PASTRY", "product_category": "ROLLS"}
    pq.write_table(pa.Table.from_pylist([row | {"product_type": None}]), products)
    (event,) = events(
        list(
            event_log.read(
                [str(sales)],
                settings=Settings(),
                preset="completejourney",
                catalog=products,
                say=print,
            )
        )
    )
    assert event == {
        "user_id": "900",
        "event_type": "purchase",
        "occurred_at": 1483271606,
        "item_id": "1095275",
        "session_id": "31198570044",
        "quantity": 1.0,
        "category": "PASTRY > ROLLS",
    }


MONDAY = 1_451_865_600
WEEK = 7 * 86_400


def test_session_item_spreads_the_sessions_of_a_period_over_its_week(read: Read) -> None:
    first, second = events(read("period_2.txt", "9 4\n7 4\n", preset="session-item"))
    assert first == {
        "user_id": "2-9",
        "event_type": "view_item",
        "occurred_at": MONDAY + 2 * WEEK,
        "session_id": "2-9",
        "item_id": "4",
    }
    assert (second["user_id"], second["occurred_at"]) == ("2-7", MONDAY + 2.5 * WEEK)


def test_session_item_is_read_packed_and_tells_of_lines_that_are_no_pairs(
    read: Read, tmp_path: Path
) -> None:
    packed = tmp_path / "period_0.txt.gz"
    packed.write_bytes(gzip.compress(b"9 4\n9\n\n1 2 3\n"))
    options: dict[str, Any] = {"preset": "session-item", "say": print}
    found = list(event_log.read([str(packed)], settings=Settings(), **options))
    assert [(type(one), one.line) for one in found] == [
        (Accepted, 1), (Rejected, 2), (IgnoredType, 3), (Rejected, 4),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["log.txt", "period_x.txt.gz", "period_1.csv", "period_99999.txt"])
def test_session_item_needs_files_that_name_their_period(read: Read, name: str) -> None:
    with pytest.raises(WrongUse, match=r"named period_N\.txt or period_N\.txt\.gz"):
        read(name, "1 2\n", preset="session-item")


def test_session_item_still_goes_by_its_old_name(read: Read) -> None:
    lines = [
        events(read("period_2.txt", "9 4\n", preset=name)) for name in ("ader", "session-item")
    ]
    assert lines[0] == lines[1]


KEYS = ["user_id", "event_name", "event_timestamp", "event_params", "items", "key", "value"]
KEYS += ["userId", "event", "timestamp", "properties", "products", "product_id", "price", "uid"]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
LEAVES |= st.sampled_from(["purchase", "Product Viewed", 1_600_000_000, 1_600_000_000_000_000])
OBJECTS = st.dictionaries(
    st.sampled_from(KEYS),
    st.recursive(
        LEAVES,
        lambda part: (
            st.lists(part, max_size=4) | st.dictionaries(st.sampled_from(KEYS), part, max_size=4)
        ),
        max_leaves=12,
    ),
    max_size=8,
)


@given(rows=st.lists(OBJECTS, max_size=5))
@pytest.mark.parametrize(
    "layout",
    [{"preset": "ga4"}, {"preset": "segment"}, {"mapping": LAYOUT}, {}],
    ids=["ga4", "segment", "map", "none"],
)
def test_whatever_an_object_holds_it_is_one_record(layout: Any, rows: list[Any]) -> None:
    first = {"uid": "u", "event": "view", "timestamp": 1_600_000_000}
    text = b"".join(msgspec.json.encode(row) + b"\n" for row in [first, *rows])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        path.write_bytes(text)
        records = list(event_log.read([str(path)], settings=Settings(), say=len, **layout))
    assert [record.line for record in records] == list(range(1, len(rows) + 2))
    events(records)


def test_settings_name_further_types_of_a_preset(read: Read) -> None:
    settings = Settings(event_types={"gaze": "view_item"})
    known, unknown = read("log.csv", "1,2,3,gaze,1511544070\n1,2,3,nod,1511544070\n",
                          preset="taobao", settings=settings)  # fmt: skip
    assert isinstance(known, Accepted)
    assert unknown == IgnoredType(unknown.source, 2, "nod")


def test_an_unknown_preset_is_refused_with_the_known_ones(read: Read) -> None:
    with pytest.raises(WrongUse, match=f"no preset 'amazon'; there are: {', '.join(PRESETS)}"):
        read("log.csv", "", preset="amazon")


def test_a_preset_of_objects_does_not_read_csv(read: Read) -> None:
    with pytest.raises(WrongUse, match="JSONL or Parquet"):
        read("log.csv", "a,b\n", preset="ga4")
