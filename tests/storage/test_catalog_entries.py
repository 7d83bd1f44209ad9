"""A catalog file becomes records that say all of it, or one line says what is wrong."""

from pathlib import Path

import pytest

from stream.errors import WrongUse
from stream.messages import CatalogCategory, CatalogEntries, CatalogItem
from stream.storage.event_log import catalog_entries, entries


def read(folder: Path, name: str, text: str) -> CatalogEntries:
    path = folder / name
    path.write_text(text)
    (piece,) = entries(path)
    return piece


def test_lines_are_items_and_categories(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "c.jsonl",
        '{"category": "tents", "name": "Tents and tarps", "parent": "outdoor"}\n'
        '{"item_id": "dome", "category": "tents", "title": "Dome 4", '
        '"vectors": {"image": [1, 2]}}\n'
        '{"item_id": "mug", "in_stock": false, "adult": true, "blocked": true, "price": 3}\n',
    )

    assert found.categories == [CatalogCategory("tents", "Tents and tarps", "outdoor")]
    assert found.items == [
        CatalogItem("dome", "tents", "Dome 4", vectors={"image": [1.0, 2.0]}),
        CatalogItem("mug", price=3.0, in_stock=False, adult=True, blocked=True),
    ]


def test_a_csv_says_it_in_text_and_what_is_empty_is_left_out(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "c.csv",
        "sku,category,product_name,brand,price,available\n"
        "dome,tents,Dome 4,Nordhal,178.90,false\nmug,,,,,\n",
    )

    assert found.items == [
        CatalogItem("dome", "tents", "Dome 4", "Nordhal", 178.9, in_stock=False),
        CatalogItem("mug"),
    ]


def test_products_of_complete_journey_have_a_path_and_a_title_made_of_columns(
    tmp_path: Path,
) -> None:
    found = read(
        tmp_path,
        "c.csv",
        "product_id,department,brand,product_category,product_type,package_size\n"
        "7,GROCERY,National,SOUP,CANNED SOUP,10 OZ\n",
    )

    assert found.items == [
        CatalogItem("7", "GROCERY > SOUP > CANNED SOUP", "CANNED SOUP 10 OZ", "National")
    ]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"c\.jsonl.*no such file|c\.jsonl.*No such file"):
        list(entries(tmp_path / "c.jsonl"))


def test_a_large_catalog_comes_in_pieces_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_entries, "PIECE_BYTES", 200)
    path = tmp_path / "c.csv"
    path.write_text("item_id,category\n" + "".join(f"item {n},tents\n" for n in range(50)))
    pieces = list(entries(path))

    assert len(pieces) > 5
    assert [i.item_id for piece in pieces for i in piece.items] == [f"item {n}" for n in range(50)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"item_id": "dome", "price": "dear"}', r"entry 1 \(dome\): Expected `float.*\$.price"),
        ('{"item_id": "dome", "vectors": {"image": []}}', r"\(dome\): .*vectors"),
        ('{"item_id": "dome", "vectors": {"image": ["x"]}}', r"\(dome\): .*vectors"),
        ('{"item_id": "dome", "title": 7}', r"\(dome\): .*`str.*title"),
        ('{"category": "tents", "name": ["x"]}', r"entry 1 \(tents\): Expected `str.*name"),
        ('{"item_id": "dome"', "line 1: "),
        (
            '{"item_id": "d", "vectors": {"a": [1], "b": [1], "c": [1], "d": [1]}}',
            "a, b, c, d: .* at most 3 sources of vectors",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_value(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(WrongUse, match=why):
        read(tmp_path, "c.jsonl", f"{line}\n")
