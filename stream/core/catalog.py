"""What the shop says of its items, as rows for the models that learn from it."""

from typing import Self

import numpy as np

from stream.core import content, features, forgetting, shelf
from stream.core.candidates import LIKELY
from stream.core.content import VECTORS, BridgeRow, Content, ContentRow, FitRow
from stream.core.forgetting import Renumbering
from stream.core.rows import Layout, Rows, copied, grown, zeros
from stream.messages import CatalogItem
from stream.settings import Settings


class Catalog:
    """The content of all items that were named, and what is learned of it.

    A row of `content.rows` has the item's number in the shop model; those at or beyond its end
    have no content. `sources` are the names of the vectors that have a place.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.sources: list[str] = []
        factors = settings.factors
        bridges = zeros(1, content.bridge_layout(factors, settings.content_buckets), BridgeRow)
        content.start(bridges[0], settings.seed)
        self.content = Content(
            zeros(0, content.layout(factors), ContentRow),
            bridges,
            zeros(1, content.fit_layout(factors, LIKELY * shelf.NEWEST), FitRow),
        )

    def listed(self, number: int) -> bool:
        """Whether the catalog named the item before."""
        rows = self.content.rows
        return number < len(rows) and bool(rows[number].listed)

    def take(self, number: int, item: CatalogItem) -> None:
        """Know what is said of an item now, in place of what was said before."""
        if not self.listed(number):
            self._make_room(number)
            self.content.bridges[0].listed += 1
        seed, buckets = self._settings.seed, self._settings.content_buckets
        texts = features.text_buckets(item, buckets, seed)
        attributes = features.attribute_buckets(item, buckets, seed)
        scales = np.zeros(VECTORS, np.float32)
        vectors = np.zeros((VECTORS, self._settings.factors), np.int8)
        for source, vector in sorted((item.vectors or {}).items()):
            place = self._place(source)
            made = features.projected(source, vector, self._settings.factors, seed)
            if place >= 0 and made is not None:
                vectors[place] = made
                scales[place] = 1.0 / np.sqrt(np.square(made.astype(np.float64)).sum())
        content.put(
            self.content.rows[number],
            np.array(texts, np.int32),
            np.array(attributes, np.int32),
            scales,
            vectors,
        )

    def keep(self, map: Renumbering) -> None:
        """Take over the new numbers of the items that stay."""
        rows = forgetting.kept_rows(np.asarray(self.content.rows), map)
        self.content = self.content._replace(rows=copied(rows, len(rows)))

    def tables(self) -> tuple[Rows[ContentRow], Rows[BridgeRow]]:
        """What is stored."""
        return self.content.rows, self.content.bridges

    def restored(self, rows: np.ndarray, bridges: np.ndarray, sources: list[str]) -> Self:
        """The same, of what was stored."""
        self.sources = list(sources)
        self.content = self.content._replace(
            rows=copied(rows, len(rows)), bridges=copied(bridges, 1)
        )
        return self

    def layouts(self) -> tuple[Layout, Layout]:
        """The bytes of what is stored."""
        return self.content.rows.dtype, self.content.bridges.dtype

    def _make_room(self, number: int) -> None:
        if number >= len(self.content.rows):
            self.content = self.content._replace(rows=grown(self.content.rows, number + 1))

    def _place(self, source: str) -> int:
        """Where a source of vectors stands; -1 for one that came when there was no place left."""
        if source not in self.sources and len(self.sources) < VECTORS:
            self.sources.append(source)
        return self.sources.index(source) if source in self.sources else -1
