"""What the shop says of items and categories, as records for shop-updates."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from stream.core.content import VECTORS
from stream.errors import WrongUse
from stream.messages import CatalogCategory, CatalogEntries, CatalogItem
from stream.storage.event_log import files
from stream.storage.event_log.catalog import JOURNEY, category_of, table
from stream.storage.event_log.files import Fields
from stream.storage.event_log.mapping import Layout, found_columns, text

COLUMNS = Layout(
    {
        "title": ("title", "name", "product_name", "product_title"),
        "brand": ("brand", "brand_name", "manufacturer"),
        "price": ("price",),
        "vectors": ("vectors",),
        "in_stock": ("in_stock", "available"),
        "blocked": ("blocked",),
        "adult": ("adult",),
    }
)
JOURNEY_TITLE = ("product_type", "package_size")
"""completejourney's products have no title; these two tell them apart best."""
PIECE_BYTES = 512 << 10


def entries(path: Path) -> Iterator[CatalogEntries]:
    """The catalog in pieces small enough for a record, in the order of its lines.

    A line with an item's id is an item; one with a category's name or parent alone is that.

    Raises
    ------
    WrongUse
        If the file can't be read, or a line is not of a catalog: it names line and value.
    """
    return _pieces(_lines(path))


def _lines(path: Path) -> Iterator[CatalogItem | CatalogCategory]:
    files.check(path)
    columns, rows = table(path)
    category, found = category_of(columns, path), found_columns(COLUMNS, columns)
    sources: set[str] = set()
    journey = {name.lower() for name in columns} >= {*JOURNEY, *JOURNEY_TITLE}
    for number, row in enumerate(rows, 1):
        item, named = category(row)
        said = {field: row.get(column) for field, column in found.items()}
        if journey:
            said["title"] = " ".join(filter(None, (text(row.get(one)) for one in JOURNEY_TITLE)))
        if item:
            entry = _read(CatalogItem, {"item_id": item, "category": named} | said, path, number)
            sources.update(entry.vectors or ())
            if len(sources) > VECTORS:
                raise WrongUse(
                    f"--catalog {path} has vectors of {', '.join(sorted(sources))}: there is room "
                    f"for at most {VECTORS} sources of vectors; leave the least telling ones out"
                )
            yield entry
        elif named and (row.get("name") or row.get("parent")):
            of_category = {"name": row.get("name"), "parent": row.get("parent")}
            yield _read(CatalogCategory, {"category": named} | of_category, path, number)


def _read(kind: Any, fields: Fields, path: Path, number: int) -> Any:
    """The entry; what is empty is left out, and text of a CSV is taken for what it means."""
    known = {name: value for name, value in fields.items() if value not in (None, "")}
    try:
        return msgspec.convert(known, kind, strict=False)
    except msgspec.ValidationError as error:
        which = fields.get("item_id") or fields.get("category")
        raise WrongUse(f"--catalog {path}, entry {number} ({which}): {error}") from None


def _pieces(lines: Iterable[CatalogItem | CatalogCategory]) -> Iterator[CatalogEntries]:
    items: list[CatalogItem] = []
    categories: list[CatalogCategory] = []
    size = 0
    for line in lines:
        if isinstance(line, CatalogItem):
            items.append(line)
        else:
            categories.append(line)
        size += len(msgspec.msgpack.encode(line))
        if size >= PIECE_BYTES:
            yield CatalogEntries(items, categories)
            items, categories, size = [], [], 0
    if items or categories:
        yield CatalogEntries(items, categories)
