"""A catalog gives events the categories that they lack, and changes nothing else."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream.errors import WrongUse
from stream.settings import Settings
from stream.storage import event_log
from stream.storage.event_log import Accepted, Catalog, Rejected


def catalog(folder: Path, name: str, text: str) -> Catalog:
    path = folder / name
    path.write_text(text)
    return Catalog(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.jsonl", '{"item_id": "tent"}\n{"item_id": "tent", "category": "Outdoor"}\n'),
        ("c.csv", "item_id,title,category\ntent,A tent,Outdoor\nmat,A mat,\n"),
        ("c.csv", "productId;category_code\ntent;Outdoor\n"),
        ("c.csv", "movieId,title,genres\ntent,A film,Outdoor|Drama\n"),
    ],
)
def test_catalogs_come_in_the_usual_layouts(tmp_path: Path, name: str, text: str) -> None:
    found = catalog(tmp_path, name, text)
    event = {"item_id": "tent"}
    assert found.join(event)
    assert event == {"item_id": "tent", "category": "Outdoor"}
    assert not found.join({"item_id": "mat"})


def test_a_path_of_columns_ends_where_one_is_missing(tmp_path: Path) -> None:
    """A type must not pass for the category that it lacks."""
    found = catalog(
        tmp_path,
        "c.csv",
        "product_id,department,product_category,product_type\n"
        "tent,OUTDOOR,TENTS,DOME\nmat,OUTDOOR,,FOAM\n",
    )
    tent, mat = {"item_id": "tent"}, {"item_id": "mat"}
    assert found.join(tent)
    assert found.join(mat)
    assert (tent["category"], mat["category"]) == ("OUTDOOR > TENTS > DOME", "OUTDOOR")


def test_a_parquet_catalog_turns_numbers_into_ids(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    pq.write_table(pa.table({"item_id": [7], "category": [3]}), path)
    event = {"item_id": "7"}
    assert Catalog(path).join(event)
    assert event["category"] == "3"


def test_a_joined_line_keeps_all_its_fields_and_others_their_bytes(tmp_path: Path) -> None:
    items = tmp_path / "c.jsonl"
    items.write_text('{"item_id": "tent", "category": "Outdoor"}\n')
    log = tmp_path / "log.jsonl"
    head = '{"user_id": "u", "event_type": "view",  "occurred_at": 1600000000'
    log.write_text(
        f'{head}, "item_id": "tent", "of_the_shop": 1}}\n'
        f'{head}, "item_id": "tent", "category": "Own"}}\n'
        f'{head}, "items": [{{"item_id": "tent"}}, {{"item_id": "mat"}}]}}\n'
        f'{head}, "item_id": "mat"}}\n'
        "not JSON\n"
    )
    records = list(
        event_log.read([str(log)], settings=Settings(), catalog=items, say=lambda line: None)
    )
    values = [record.value for record in records]  # type: ignore[union-attr]
    assert values[0].endswith(b'"item_id":"tent","of_the_shop":1,"category":"Outdoor"}')
    lines = log.read_bytes().splitlines()
    assert values[1] == lines[1]
    assert b'[{"item_id":"tent","category":"Outdoor"},{"item_id":"mat"}]' in values[2]
    assert values[3:] == lines[3:]
    assert [type(record) for record in records] == [Accepted] * 4 + [Rejected]


@pytest.mark.parametrize(
    ("name", "text", "fix"),
    [
        ("c.csv", "name,color\n", "no column for item_id.*there are: name, color"),
        ("c.csv", "item_id,color\n", "no column for category.*there are: item_id, color"),
        ("c.jsonl", '{"item_id": "a", "category": "b"}\n{\n', "line 2"),
    ],
)
def test_a_catalog_that_says_nothing_is_refused(
    tmp_path: Path, name: str, text: str, fix: str
) -> None:
    with pytest.raises(WrongUse, match=fix):
        catalog(tmp_path, name, text)
