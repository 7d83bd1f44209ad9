"""`--map` reads foreign columns, and says what it can't find."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream.errors import WrongUse
from stream.settings import Settings
from stream.storage import event_log
from stream.storage.event_log import Accepted, Rejected

MAPPING = "user_id=uid,item_id=sku,event_type=='view',occurred_at=at"


def values(path: Path, mapping: str = MAPPING, said: list[str] | None = None) -> list[Any]:
    say = (said if said is not None else []).append
    records = event_log.read([str(path)], settings=Settings(), mapping=mapping, say=say)
    return [
        msgspec.json.decode(record.value) if isinstance(record, Accepted) else record
        for record in records
    ]


WANTED = {"event_type": "view", "user_id": "7", "occurred_at": 1600000000, "item_id": "12"}


def test_the_same_row_is_the_same_event_in_every_format(tmp_path: Path) -> None:
    table = tmp_path / "log.csv"
    table.write_text("at,uid,sku\n1600000000,7,12\n")
    lines = tmp_path / "log.jsonl"
    lines.write_text('{"uid": 7, "sku": 12, "at": 1600000000}\n')
    columns = tmp_path / "log.parquet"
    pq.write_table(pa.table({"at": [1600000000], "uid": [7], "sku": [12.0]}), columns)
    assert values(table) == values(lines) == values(columns) == [WANTED]


def test_columns_without_names_have_numbers(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("1600000000,7,12\n1600000000,7,12\n")
    assert values(path, "user_id=2,item_id=3,event_type='view',occurred_at=1") == [WANTED] * 2


def test_names_reach_into_objects(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"user": {"id": 7}, "p": {"sku": "12"}, "at": 1600000000}\n{"user": 5}\n')
    found, rejected = values(path, "user_id=user.id,item_id=p.sku,event_type==view,occurred_at=at")
    assert found == WANTED
    assert isinstance(rejected, Rejected)
    assert "user_id" in rejected.reason


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("1600000000", 1600000000),
        ("1600000000123", 1600000000123),
        ("1600000000123456", 1600000000.123456),
        ("1600000000000000000", 1600000000),
        ("2020-09-13 12:26:40", "2020-09-13T12:26:40Z"),
        ("2020-09-13T12:26:40+02:00", "2020-09-13T12:26:40+02:00"),
        ("2020-09-13", "2020-09-13T00:00:00Z"),
    ],
)
def test_times_are_read_in_usual_notations(tmp_path: Path, said: str, means: object) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"at,uid,sku\n{said},7,12\n")
    assert values(path)[0]["occurred_at"] == means


@pytest.mark.parametrize("said", ["", "soon", "nan", "1e400", "9" * 30, "9" * 400, "1969-01-01"])
def test_a_time_that_is_none_rejects_its_line(tmp_path: Path, said: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"at,uid,sku\n{said},7,12\n")
    (record,) = values(path)
    assert isinstance(record, Rejected)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("price", "cheap", "price 'cheap' is no number"),
        ("position", "1e400", "is no whole number"),
        ("position", "1.5", "position '1.5' is no whole number"),
        ("quantity", "9" * 400, "out of range"),
        ("properties", "{", "not JSON"),
    ],
)
def test_a_value_of_the_wrong_kind_rejects_its_line(
    tmp_path: Path, column: str, value: str, reason: str
) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"at,uid,sku,x\n1600000000,7,12,{value}\n")
    (record,) = values(path, f"{MAPPING},{column}=x")
    assert isinstance(record, Rejected)
    assert reason in record.reason


def test_a_wrong_column_is_refused_with_the_columns_there_are(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("at,user,sku\n1600000000,7,12\n")
    with pytest.raises(WrongUse, match="no column 'uid' for user_id; there are: at, user, sku"):
        values(path)
    lines = tmp_path / "log.jsonl"
    lines.write_text('{"user": 7, "sku": 12, "at": 1600000000}\n')
    with pytest.raises(WrongUse, match="no column 'uid' for user_id; there are: user, sku, at"):
        values(lines)


def test_an_optional_name_that_the_first_object_lacks_is_said(tmp_path: Path) -> None:
    path, said = tmp_path / "log.jsonl", list[str]()
    path.write_text('{"uid": 7, "at": 1600000000}\n{"uid": 7, "at": 1600000000, "sku": 12}\n')
    assert values(path, said=said)[1] == WANTED
    assert "the first object has no 'sku' for item_id; there are: uid, at" in said[0]


@pytest.mark.parametrize(
    ("mapping", "fix"),
    [
        ("user_id=uid", "--map needs event_type, occurred_at too"),
        ("user=uid", "'user=uid': write field=column"),
        ("user_id", "write field=column"),
    ],
)
def test_a_mapping_that_can_not_be_meant_is_refused(tmp_path: Path, mapping: str, fix: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text("uid\n")
    with pytest.raises(WrongUse, match=fix):
        values(path, mapping)


def test_our_own_csv_without_a_header_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("7,view,1600000000\n")
    with pytest.raises(WrongUse, match="without a header, say --map user_id=1"):
        list(event_log.read([str(path)], settings=Settings(), say=print))


def test_preset_and_mapping_exclude_each_other(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("a\n")
    with pytest.raises(WrongUse, match="give one of them"):
        event_log.read(
            [str(path)], settings=Settings(), preset="taobao", mapping=MAPPING, say=print
        )


def test_dates_and_decimals_of_parquet_are_read(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    row = {"uid": b"7", "sku": "12", "at": date(2020, 9, 13), "cost": Decimal("1.50")}
    pq.write_table(pa.Table.from_pylist([row]), path)
    (found,) = values(path, f"{MAPPING},price=cost")
    assert found == WANTED | {"occurred_at": 1599955200.0, "price": 1.5}


def test_nested_columns_of_parquet_become_json(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    row = {"uid": "7", "sku": "12", "at": 1600000000, "more": {"cost": Decimal("1.50")}}
    pq.write_table(pa.Table.from_pylist([row]), path)
    (found,) = values(path, f"{MAPPING},properties=more")
    assert found["properties"] == {"cost": "1.50"}


def test_a_broken_first_line_is_a_rejected_line(tmp_path: Path) -> None:
    lines = tmp_path / "log.jsonl"
    lines.write_text('{"uid"\n{"uid": 7, "sku": 12, "at": 1600000000}\n')
    table = tmp_path / "log.csv"
    table.write_bytes(b"\xff,2,3,pv,1600000000\n1,2,3,pv,1600000000\n")
    broken, found = values(lines)
    assert (broken.line, found) == (1, WANTED)
    records = event_log.read([str(table)], settings=Settings(), preset="taobao", say=print)
    assert [type(record) for record in records] == [Rejected, Accepted]


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl"])
def test_an_empty_file_is_no_lines(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("")
    assert values(path) == []


def test_a_mapped_text_that_is_a_list_rejects_its_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"uid": "7", "sku": 12, "at": 1600000000}\n{"uid": ["7"], "sku": 12}\n{\n')
    _, listed, broken = values(path)
    assert listed.reason == '["7"] is no text'
    assert isinstance(broken, Rejected)
