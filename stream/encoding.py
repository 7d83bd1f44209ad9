"""A shard's touches as the rows that the loop reads."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stream.codebook import Codebook
from stream.core.engine_rows import EVENT, PLACES, Event
from stream.core.events import Touch
from stream.core.ids import NONE, identify
from stream.core.query_buckets import AskedRow, asked
from stream.core.rows import Rows, zeros


class Encoded(NamedTuple):
    """Rows of events whose slots are still open, and the queries that they number from 1."""

    events: Rows[Event]
    asked: Rows[AskedRow] | None


class Encoder:
    """Writes names as ids and codes; what has no code is counted."""

    def __init__(
        self, codebook: Codebook, followed: int, query_buckets: int, counts: "Counter[str]"
    ) -> None:
        self._codebook = codebook
        self._followed = followed
        self._query_buckets = query_buckets
        self._counts = counts

    def encode(
        self, touches: Sequence[Touch], positions: Sequence[int], names: dict[int, str]
    ) -> Encoded:
        """The touches as rows; their items' and categories' names are put into `names`, by id.

        `positions` holds the next touch's too, if there is one: a record may be cut here.
        """
        events = zeros(len(touches), EVENT, Event)
        columns = np.asarray(events)
        (_, times, items, categories, weights, actions, sessions, numbers, _, _, feedback,
         sequences, places, marketing, texts) = zip(*touches, strict=True)  # fmt: skip
        columns["occurred_at"] = times
        columns["weight"] = weights
        columns["position"] = positions[: len(touches)]
        columns["action"] = actions
        columns["session"] = sessions
        columns["number"] = numbers
        columns["feedback"] = feedback
        columns["sequence"] = sequences
        columns["place"] = places
        columns["marketing"] = marketing
        columns["item_id"] = [NONE if item is None else _item(item, names) for item in items]
        coded = [self._category(category, names) for category in categories]
        columns["category"] = [code for code, _ in coded]
        columns["category_id"] = [id for _, id in coded]
        records = np.array(positions) // PLACES
        columns["last"][-1] = 1
        columns["last"][: len(records) - 1] = records[1:] != records[:-1]
        return Encoded(events, self._asked(columns, texts))

    def _asked(self, columns: np.ndarray, texts: Sequence[str]) -> Rows[AskedRow] | None:
        """Hash what was searched for, if anything was."""
        searches = [place for place, text in enumerate(texts) if text]
        if not searches:
            return None
        columns["query"][searches] = np.arange(1, len(searches) + 1)
        return asked([texts[place] for place in searches], self._query_buckets)

    def _category(self, name: str | None, names: dict[int, str]) -> tuple[int, int]:
        """The partition's number of the category, in the order they came, and its id."""
        if name is None:
            self._counts["without_category"] += 1
            return -1, NONE
        known = self._codebook.code(name)
        if known is None:
            self._counts["categories_too_many"] += 1
            return -1, NONE
        if known[0] >= self._followed:
            self._counts["categories_not_followed"] += 1
        names[known[1]] = name
        return known


def _item(name: str, names: dict[int, str]) -> int:
    id = identify(name)
    names[id] = name
    return id
