"""The shop model: what everybody's events tell of items and categories, learned from one log."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from stream.core import (
    candidates,
    factorization,
    forgetting,
    knowledge,
    ranking,
    selection,
    shelf,
    standing,
)
from stream.core.bits import LOW
from stream.core.candidates import CandidateRow, DeskRow
from stream.core.catalog import Catalog
from stream.core.content import Content
from stream.core.events import cutter
from stream.core.factorization import RingRow, ScratchRow
from stream.core.ids import identify
from stream.core.knowledge import (
    TOTALS,
    UPDATE,
    CategoryRow,
    ItemRow,
    ProfileRow,
    TotalsRow,
    Update,
)
from stream.core.numbering import Identified, Numbering, find_all
from stream.core.queries import Queries
from stream.core.ranking import RankedRow
from stream.core.rows import Int32s, Int64s, Layout, Rows, UInt8s, copied, fingerprint, grown, zeros
from stream.core.selection import ChoiceRow
from stream.core.standing import BARRED, BARRED_CATEGORY, Barred
from stream.core.table import Cell
from stream.core.updates import Columns, columns_of
from stream.errors import StreamError
from stream.messages import CatalogCategory, CatalogEntries, ShopRecord, ShopUpdates
from stream.settings import Settings

VERSION = 4
PREFIX = 8
"""Bytes that say how long a stored header is."""
Row = TypeVar("Row", bound=Identified)


class ShopView(NamedTuple):
    """What a shard reads of the model, and room for a ranking to work and answer in.

    It shows the arrays of the moment: take a new one after each `apply`. `lately` are the ids
    that a partition has of what is not learned yet: give it those of the partition.
    """

    items: Rows[ItemRow]
    profiles: Rows[ProfileRow]
    cells: Rows[Cell]
    categories: Rows[CategoryRow]
    totals: Rows[TotalsRow]
    content: Content
    queries: Queries
    candidates: Rows[CandidateRow]
    desks: Rows[DeskRow]
    choices: Rows[ChoiceRow]
    ranked: Rows[RankedRow]
    lately: Int64s


class Header(Struct, frozen=True, kw_only=True):
    """What stands before the arrays of a stored model."""

    version: int
    settings: str
    position: int
    applied: int
    highest: dict[int, int]
    item_names: list[str]
    category_names: list[str]
    entries: list[CatalogCategory]
    vector_sources: list[str]
    layouts: list[bytes]
    sizes: list[int]
    digest: bytes


class Snapshot(NamedTuple):
    """A copy of the whole model at `position`, to be written by any thread at leisure."""

    header: Header
    arrays: list[bytes]

    @property
    def position(self) -> int:
        return self.header.position

    def parts(self) -> Iterator[bytes]:
        """What to write, one after another."""
        digest = _digest(self.arrays)
        header = msgspec.msgpack.encode(msgspec.structs.replace(self.header, digest=digest))
        yield len(header).to_bytes(PREFIX, "little")
        yield header
        yield from self.arrays

    def pack(self) -> bytes:
        """All of it in one piece."""
        return b"".join(self.parts())


class ShopModel:
    """One replica of what is known about the shop.

    It is a function of the settings and the update rows that it was shown, however they
    were cut into messages, as long as it has not more than `most_items`: then the least
    touched are forgotten before the next record. Rows of a partition at or below the highest
    position applied from it are skipped, so that repeats do no harm.

    Parameters
    ----------
    settings
        Sizes of the rows, half-lives, learning rate and seed.

    Examples
    --------
    >>> model = ShopModel(Settings())
    >>> model.position, model.items.used
    (0, 0)
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.position = 0
        """Offset of the next record of shop-updates."""
        self.applied = 0
        """Rows learned so far."""
        self.highest: dict[int, int] = {}
        """The highest position learned from each partition."""
        self.entries: dict[str, CatalogCategory] = {}
        """What the catalog says of categories."""
        self._cut = cutter(settings.category_level)
        self._rates = knowledge.rates(settings)
        self._barred = Barred.by(settings)
        self.profiles = zeros(1, knowledge.profile_layout(settings), ProfileRow)
        """One row to each of `items`, under the same number."""
        self.items = Numbering(knowledge.item_layout(settings), ItemRow, self._begin)
        self.categories = Numbering(knowledge.category_layout(settings), CategoryRow, self._welcome)
        self.catalog = Catalog(settings)
        """What the shop says of its items."""
        self.queries = Queries.of(settings)
        """Which categories are touched after the words of queries."""
        self._totals = zeros(1, TOTALS, TotalsRow)
        self._ring = zeros(1, factorization.ring_layout(), RingRow)
        scratch = factorization.scratch_layout(settings.factors, settings.negatives)
        self._scratch = zeros(1, scratch, ScratchRow)
        self._room = (
            zeros(candidates.ROOM, candidates.CANDIDATE, CandidateRow),
            zeros(1, candidates.desk_layout(settings.factors, settings.recent_items), DeskRow),
            zeros(1, selection.layout(settings.list_size, settings.interest_slots), ChoiceRow),
            zeros(ranking.LISTS * settings.list_size, ranking.RANKED, RankedRow),
            np.zeros(1, np.int64),
        )

    def apply(self, record: ShopRecord, offset: int | None = None) -> None:
        """Learn one record; without an offset it is the next one. One before it is known.

        New ids are numbered row by row: the row's own, then its recent ones, newest first.

        Raises
        ------
        StreamError
            If the record is malformed; nothing of it is learned then.
        """
        offset = self.position if offset is None else offset
        if offset < self.position:
            return
        if self.items.used > self.settings.most_items:
            self._forget()
        if isinstance(record, CatalogEntries):
            self._take_entries(record)
        else:
            columns = columns_of(record)
            self._refuse_beyond(columns)
            self._learn(self._unseen(columns, record.partition), record)
        self.position = offset + 1

    @property
    def view(self) -> ShopView:
        """What a ranking reads, and where it works and answers."""
        items, categories = self.items, self.categories
        return ShopView(
            items.rows,
            self.profiles,
            items.cells,
            categories.rows,
            self._totals,
            self.catalog.content,
            self.queries,
            *self._room,
        )

    def category_numbers(self, ids: Int64s) -> Int32s:
        """The row number of each category by its id, -1 where none came yet."""
        numbers = np.empty(len(ids), np.int32)
        find_all(self.categories.cells, ids, numbers)
        return numbers

    def item_names(self, ids: Iterable[int]) -> dict[int, str]:
        """The names of these items by id, "" where none came yet."""
        return _names_of(self.items, ids)

    def item_names_by_low(self, lows: Iterable[int]) -> dict[int, str]:
        """The names of the items whose ids have these low halves, of those that there are."""
        halves = np.asarray(self.items.used_rows())["id"] & LOW
        numbers = np.flatnonzero(np.isin(halves, list(lows)))
        names = [self.items.names[number] for number in numbers.tolist()]
        return dict(zip(halves[numbers].tolist(), names, strict=True))

    def category_names(self, ids: Iterable[int]) -> dict[int, str]:
        """The same for categories."""
        return _names_of(self.categories, ids)

    def hash(self) -> str:
        """32 hex digits of everything learned; equal positions of a log give equal hashes."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(msgspec.msgpack.encode(self._known()))
        for array in self._arrays():
            digest.update(array.data)
        return digest.hexdigest()

    def snapshot(self) -> Snapshot:
        """A copy of the model; it costs a copy of the arrays and no more."""
        arrays = [array.tobytes() for array in self._arrays()]
        applied, highest, item_names, category_names, entries, sources = self._known()
        header = Header(
            version=VERSION,
            settings=self.settings.fingerprint(),
            position=self.position,
            applied=applied,
            highest=highest,
            item_names=item_names,
            category_names=category_names,
            entries=entries,
            vector_sources=sources,
            layouts=[fingerprint(layout) for layout in self._layouts()],
            sizes=[len(array) for array in arrays],
            digest=b"",
        )
        return Snapshot(header, arrays)

    @classmethod
    def restore(cls, stored: bytes, settings: Settings) -> "ShopModel":
        """The model that `Snapshot.pack` stored.

        Raises
        ------
        StreamError
            If it was stored with other settings, by another version, or not to its end.
        """
        model = cls(settings)
        header, start = _header(stored)
        model._refuse_others(header)
        ends = list(accumulate(header.sizes, initial=start))
        arrays = [memoryview(stored)[a:b] for a, b in pairwise(ends)]
        if len(stored) != ends[-1] or _digest(arrays) != header.digest:
            raise StreamError("the stored shop model is damaged; delete it, the log rebuilds it")
        model._take(header, arrays)
        return model

    def _begin(self, items: Rows[ItemRow], first: int, last: int) -> None:
        if last > len(self.profiles):
            self.profiles = grown(self.profiles, last)
        knowledge.begin(self.profiles, items, first, last, self.settings.seed)
        _bar(self.profiles, first, last, self._barred.items, BARRED)

    def _welcome(self, categories: Rows[CategoryRow], first: int, last: int) -> None:
        knowledge.welcome(self._totals[0], last - first)
        _bar(categories, first, last, self._barred.categories, BARRED_CATEGORY)

    def _unseen(self, columns: Columns, partition: int) -> Columns:
        """The rows above the highest position seen before each."""
        before = np.append(self.highest.get(partition, -1), columns.position)
        reached = np.maximum.accumulate(before)
        self.highest[partition] = int(reached[-1])
        return columns.only(columns.position > reached[:-1])

    def _learn(self, columns: Columns, message: ShopUpdates) -> None:
        if not len(columns.position):
            return
        updates = zeros(len(columns.position), UPDATE, Update)
        table = np.asarray(updates)
        table["occurred_at"], table["step"] = columns.occurred_at, columns.step
        answers = np.flatnonzero(columns.asked >= 0)
        queries = columns.queries[columns.asked[answers]]
        table["asked"][answers] = (queries >= 0).sum(axis=1)
        table["buckets"][answers] = queries
        item_of = _numbered(self.items, columns.ids, columns.item, columns.recent_items)
        table["item_index"] = item_of[columns.item]
        table["recent_items"] = item_of[columns.recent_items]
        category_of = _numbered(
            self.categories, columns.ids, columns.category, columns.recent_categories
        )
        table["category_index"] = category_of[columns.category]
        table["recent_categories"] = category_of[columns.recent_categories]
        _name(self.items, item_of, columns.item, message.names)
        _name(self.categories, category_of, columns.category, message.names)
        knowledge.learn_updates(
            self.items.rows, self.profiles, self.categories.rows, self._totals,
            self.queries.rows, self.catalog.content, self._ring, updates, self.applied,
            self._rates, self._scratch,
        )  # fmt: skip
        self.applied += len(updates)

    def _forget(self) -> None:
        """Keep the items that are touched most, all under new numbers."""
        used, profiles = self.items.used_rows(), np.asarray(self.profiles)[: self.items.used]
        map = forgetting.renumbering(
            used, profiles, self.settings.most_items, self._rates.popularity_half_life
        )
        names = [self.items.names[number] for number in map.kept.tolist()]
        rows = forgetting.kept_rows(used, map)
        forgetting.relink(rows, map)
        profiles = forgetting.kept_rows(profiles, map)
        self.items.refill(rows, names)
        self.profiles = copied(profiles, max(1, len(profiles)))
        forgetting.restock(self.categories.used_rows(), map)
        forgetting.rewrite(np.asarray(self._ring)[0], map)
        self.catalog.keep(map)

    def _take_entries(self, entries: CatalogEntries) -> None:
        """Learn a piece of the catalog: new items and categories get their numbers and names."""
        for entry in entries.categories:
            self.entries[self._cut(entry.category) or entry.category] = entry
        items = [item.item_id for item in entries.items]
        categories = [self._cut(item.category) for item in entries.items]
        numbers = _met(self.items, items)
        named = sorted({name for name in categories if name}, key=categories.index)
        number_of = dict(zip(named, _met(self.categories, named).tolist(), strict=True))
        for number, category, item in zip(numbers.tolist(), categories, entries.items, strict=True):
            row, new = self.items.rows[number], not self.catalog.listed(number)
            self.catalog.take(number, item)
            knowledge.tell(self.profiles[number], standing.of(item))
            if category is None:
                continue
            knowledge.categorize(self.profiles[number], self.categories.rows, number_of[category])
            if new and row.popularity.weight == 0.0:
                shelf.arrive(self.categories.rows[number_of[category]].arrivals, number)

    def _known(
        self,
    ) -> tuple[int, dict[int, int], list[str], list[str], list[CatalogCategory], list[str]]:
        """What is no array, in a fixed order."""
        highest = dict(sorted(self.highest.items()))
        entries = [self.entries[name] for name in sorted(self.entries)]
        names = list(self.items.names), list(self.categories.names)
        return self.applied, highest, *names, entries, list(self.catalog.sources)

    def _layouts(self) -> list[Layout]:
        known = [self.items.rows, self.profiles, self.categories.rows]
        own = [self._totals, self._ring, self.queries.rows]
        return [*(table.dtype for table in [*known, *own]), *self.catalog.layouts()]

    def _arrays(self) -> list[UInt8s]:
        """Views of the bytes that count."""
        profiles = np.asarray(self.profiles)[: self.items.used]
        items, categories = self.items.used_rows(), self.categories.used_rows()
        own = [self._totals, self._ring, self.queries.rows, *self.catalog.tables()]
        arrays = [items, profiles, categories, *(np.asarray(rows) for rows in own)]
        return [array.view(np.ndarray).view(np.uint8).reshape(-1) for array in arrays]

    def _refuse_beyond(self, columns: Columns) -> None:
        """Refuse words of queries that have no place here."""
        most = int(columns.queries.max(initial=-1))
        if most >= self.settings.query_buckets:
            raise StreamError(
                f"shop-updates: a query has bucket {most}, query_buckets is "
                f"{self.settings.query_buckets}; give all workers of the log the same settings"
            )

    def _refuse_others(self, header: Header) -> None:
        if header.settings != self.settings.fingerprint():
            raise StreamError(
                f"the stored shop model was made with settings {header.settings}, these are "
                f"{self.settings.fingerprint()}; use those, or delete it: the log rebuilds it"
            )
        if header.layouts != [fingerprint(layout) for layout in self._layouts()]:
            raise StreamError(
                "the stored shop model has rows of another version; delete it, the log rebuilds it"
            )

    def _take(self, header: Header, arrays: list[memoryview]) -> None:
        items, profiles, categories, totals, ring, queries, contents, bridges = (
            np.frombuffer(array, layout)
            for array, layout in zip(arrays, self._layouts(), strict=True)
        )
        self.items.refill(items, header.item_names)
        self.profiles = copied(profiles, max(1, len(profiles)))
        self.categories.refill(categories, header.category_names)
        self._totals = copied(totals, 1)
        self._ring = copied(ring, 1)
        self.queries = self.queries._replace(rows=copied(queries, len(queries)))
        self.catalog = self.catalog.restored(contents, bridges, header.vector_sources)
        self.position, self.applied = header.position, header.applied
        self.highest = dict(header.highest)
        self.entries = {self._cut(one.category) or one.category: one for one in header.entries}


def _bar(rows: Rows[Row], first: int, last: int, barred: Int64s, flag: int) -> None:
    """Flag those of the new rows that the settings bar."""
    if len(barred):
        new = np.asarray(rows)[first:last]
        new["standing"][np.isin(new["id"], barred)] |= flag


def _names_of(numbering: Numbering[Row], ids: Iterable[int]) -> dict[int, str]:
    wanted = list(ids)
    if not wanted:
        return {}
    numbers = np.empty(len(wanted), np.int32)
    find_all(numbering.cells, np.array(wanted, np.int64), numbers)
    return {
        id: numbering.names[number] if number >= 0 else ""
        for id, number in zip(wanted, numbers.tolist(), strict=True)
    }


def _met(numbering: Numbering[Row], names: list[str]) -> Int32s:
    """The row number of each name; new ones in their order, and all named."""
    distinct = list(dict.fromkeys(names))
    ids = np.array([identify(name) for name in distinct], np.int64)
    numbers = numbering.numbers(ids, np.arange(len(ids), dtype=np.int32))[:-1]
    numbering.name(numbers, distinct)
    place = {name: number for number, name in enumerate(distinct)}
    return numbers[[place[name] for name in names]]


def _numbered(numbering: Numbering[Row], ids: Int64s, own: Int32s, recent: Int32s) -> Int32s:
    """The row number of each id that these columns name; new ones row by row, own id first."""
    order = np.concatenate([own[:, np.newaxis], recent], axis=1).ravel()
    return numbering.numbers(ids, order)


def _name(numbering: Numbering[Row], number_of: Int32s, own: Int32s, names: list[str]) -> None:
    """Take the names of the rows' own ids."""
    indexes = own[own >= 0]
    numbering.name(number_of[indexes], names, indexes)


def _digest(arrays: list[bytes] | list[memoryview]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(array)
    return digest.digest()


def _header(stored: bytes) -> tuple[Header, int]:
    """The header of a stored model, and where the arrays start."""
    start = PREFIX + int.from_bytes(stored[:PREFIX], "little")
    try:
        header = msgspec.msgpack.decode(stored[PREFIX:start], type=Header)
    except msgspec.DecodeError:
        raise StreamError("this is no stored shop model; delete it, the log rebuilds it") from None
    if header.version != VERSION:
        raise StreamError(
            f"the stored shop model has version {header.version}, this reads {VERSION}; "
            "delete it, the log rebuilds it"
        )
    return header, start
