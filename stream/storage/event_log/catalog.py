"""Which category an item is in, from the shop's catalog file."""

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import msgspec

from stream.errors import WrongUse
from stream.messages import CatalogItem
from stream.storage.event_log import files
from stream.storage.event_log.files import Fields, Meter
from stream.storage.event_log.mapping import Layout, found_columns, text
from stream.storage.event_log.presets import dotted

COLUMNS = Layout(
    {
        "item_id": ("item_id", "itemid", "product_id", "productid", "movieid", "sku", "id"),
        "category": ("category", "category_id", "categoryid", "category_code", "genres"),
    }
)
JOURNEY = ("department", "product_category", "product_type")
"""completejourney's products: three columns make a path."""
PROPERTIES = ("itemid", "property", "value")
"""RetailRocket's item_properties: one property of an item a row."""
LONGEST = 1 << 24


class Catalog:
    """The category of each item, in memory: a dict entry an item.

    The last line of an item counts. Items without a category are left out.
    """

    def __init__(self, path: Path) -> None:
        files.check(path)
        self._category: dict[str, str] = {}
        columns, rows = table(path)
        category = category_of(columns, path)
        for row in rows:
            item, found = category(row)
            if item and found:
                self._category[item] = found

    def __len__(self) -> int:
        return len(self._category)

    def join(self, event: Fields) -> bool:
        """Give an event, and the items of its basket, the categories that it lacks; whether any."""
        joined = self._fill(event)
        items = event.get("items")
        for item in items if isinstance(items, list) else ():
            joined = (isinstance(item, dict) and self._fill(item)) or joined
        return joined

    def join_value(self, value: bytes) -> bytes:
        """The same for an event as JSON; what is none, or lacks nothing, stays as it is."""
        try:
            event = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return value
        if not isinstance(event, dict) or not self.join(event):
            return value
        return msgspec.json.encode(event)

    def _fill(self, fields: Fields) -> bool:
        item = fields.get("item_id")
        if fields.get("category") is not None or not isinstance(item, str):
            return False
        category = self._category.get(item)
        if category is None:
            return False
        fields["category"] = category
        return True


def category_of(columns: list[str], path: Path) -> Any:
    """What finds the item and the category in a row, by the columns there are."""
    there = {name.lower() for name in columns}
    if there >= set(PROPERTIES):
        return _of_property
    found = found_columns(COLUMNS, columns)
    if "item_id" in found and there >= set(JOURNEY):
        return lambda row: (text(row.get(found["item_id"])), _path(row))
    for name in COLUMNS.columns:
        if name not in found:
            raise WrongUse(
                f"--catalog {path}: no column for {name}, such as "
                f"{' or '.join(COLUMNS.columns[name])}; there are: {', '.join(columns)}"
            )
    item, category = found["item_id"], found["category"]
    read = {"category_code": dotted, "genres": _first_genre}.get(category.lower(), text)
    return lambda row: (text(row.get(item)), read(row.get(category)))


def _of_property(row: Fields) -> tuple[str | None, str | None]:
    is_category = row.get("property") == "categoryid"
    return text(row.get("itemid")), text(row.get("value")) if is_category else None


def _path(row: Fields) -> str | None:
    """It ends where a part is missing: what stands below it would be taken for that part."""
    parts = takewhile(bool, (text(row.get(name)) for name in JOURNEY))
    return " > ".join(part for part in parts if part) or None


def _first_genre(genres: Any) -> str | None:
    found = text(genres)
    return found and found.split("|")[0]


def table(path: Path) -> tuple[list[str], Iterator[Fields]]:
    """The columns of a catalog, and its rows as dicts."""
    kind = files.kind(path)
    if kind.format == "parquet":
        table = files.ParquetTable(path)
        return list(table.columns), (row for _, row in table.rows(list(table.columns), Meter()))
    numbered = files.lines(path, LONGEST, Meter())
    if kind.format == "jsonl":
        return _objects(path, numbered)
    return _csv(path, files.csv_records(numbered), kind.suffix)


def _objects(
    path: Path, numbered: Iterator[tuple[int, bytes]]
) -> tuple[list[str], Iterator[Fields]]:
    def objects() -> Iterator[Fields]:
        for number, line in numbered:
            if line.strip():
                yield _object(path, number, line)

    rows = objects()
    first = next(rows, {})
    # An item without a category may come first, or a category, so our names are taken as there.
    ours = [name for name in CatalogItem.__struct_fields__ if {"item_id", "category"} & {*first}]
    return list({**first, **dict.fromkeys(ours)}), _chained(first, rows)


def _object(path: Path, number: int, line: bytes) -> Fields:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WrongUse(f"--catalog {path}, line {number}: {error}") from None


def _chained(first: Fields, rows: Iterator[Fields]) -> Iterator[Fields]:
    yield first
    yield from rows


def _csv(
    path: Path, records: Iterator[tuple[int, bytes]], suffix: str
) -> tuple[list[str], Iterator[Fields]]:
    _, header = next(records, (0, b""))
    mark = files.delimiter(header, suffix)
    columns = _fields(path, 1, header, mark)

    def rows() -> Iterator[Fields]:
        for number, record in records:
            if record.strip():
                yield dict(zip(columns, _fields(path, number, record, mark), strict=False))

    return columns, rows()


def _fields(path: Path, number: int, record: bytes, mark: str) -> list[str]:
    try:
        return files.fields(record, mark)
    except ValueError as error:
        raise WrongUse(f"--catalog {path}, line {number}: {error}") from None
