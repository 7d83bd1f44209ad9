"""What River's rankers over our kernels share: ids, recent items, order, stored form."""

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, ClassVar, Self, TypeVar

import msgspec
import numpy as np
from river.reco.base import Ranker

from stream.core import rows
from stream.core.ids import identify
from stream.core.numbering import Identified, Numbering
from stream.core.rows import Int32s, Layout, Rows, fingerprint

RECENT = 5
Row = TypeVar("Row", bound=Identified)
Id = TypeVar("Id", bound=Hashable)


class ImplicitRanker(Ranker):  # type: ignore[misc]  # River's types are not checked here
    """Learns from what users took, and ranks items for them.

    Ids may be anything whose `str` is its own. With `y` false nothing is learned: not
    taking an item says little. `x` may hold `occurred_at`, Unix seconds; without it, it
    is as late as at the latest event. Asking changes nothing, and ties go to the lower id.
    """

    settings: ClassVar[tuple[str, ...]]
    """The parameters, by name."""

    def __init__(self, layout: Layout, row: type[Row], seed: int | None = None) -> None:
        super().__init__(seed)
        self._items: Numbering[Any] = Numbering(layout, row, self._begin)
        self._recent: dict[str, list[int]] = {}
        self._latest = 0.0

    def learn_one(
        self, user: Hashable, item: Hashable, y: Any = True, x: Mapping[str, Any] | None = None
    ) -> None:
        """Learn that the user took the item."""
        if not y:
            return
        at, name = self._time(x), str(item)
        self._latest = max(self._latest, at)
        self._meet(user)
        ids = np.array([identify(name)], np.int64)
        numbers = self._items.numbers(ids, np.zeros(1, np.int32))[:1]
        self._items.name(numbers, [name])
        number = int(numbers[0])
        self._learn(self._recent_of(user), number, at)
        others = [other for other in self._recent.get(str(user), []) if other != number]
        self._recent[str(user)] = [number, *others][:RECENT]

    def predict_one(
        self, user: Hashable, item: Hashable, x: Mapping[str, Any] | None = None
    ) -> float:
        """The item's score for the user: the higher, the likelier; 0 for what is not known."""
        number = self._items.number_of(identify(str(item)))
        return self._score(self._recent_of(user), number, self._time(x)) if number >= 0 else 0.0

    def rank(
        self, user: Hashable, items: Iterable[Id], x: Mapping[str, Any] | None = None
    ) -> list[Id]:
        """The items, the likeliest first."""
        return sorted(
            items, key=lambda item: (-self.predict_one(user, item, x), identify(str(item)))
        )

    def snapshot(self) -> bytes:
        """All of it, as `restore` takes it."""
        parameters = {name: getattr(self, name) for name in self.settings}
        tables = [(fingerprint(table.dtype), table.tobytes()) for table in self._tables()]
        used = (fingerprint(self._items.rows.dtype), self._items.used_rows().tobytes())
        return msgspec.msgpack.encode(
            (parameters, self._latest, self._recent, self._items.names, used, tables)
        )

    @classmethod
    def restore(cls, snapshot: bytes) -> Self:
        """The estimator of which `snapshot` was taken."""
        parameters, latest, recent, names, used, tables = msgspec.msgpack.decode(snapshot)
        ranker = cls(**parameters)
        ranker._latest, ranker._recent = latest, recent
        dtype = ranker._items.rows.dtype
        ranker._items.refill(np.asarray(_unpacked(used, dtype)), names)
        for mine, stored in zip(ranker._tables(), tables, strict=True):
            np.asarray(mine)[:] = np.asarray(_unpacked(stored, mine.dtype))
        return ranker

    @abstractmethod
    def _learn(self, recent: Int32s, item: int, at: float) -> None:
        """Learn that the item came after the recent ones; all are row numbers, -1 for none."""

    @abstractmethod
    def _score(self, recent: Int32s, item: int, at: float) -> float:
        """How likely the item comes after the recent ones."""

    def _meet(self, user: Hashable) -> None:
        """Make sure that there is what is kept of a user beside the recent items."""

    def _begin(self, items: Rows[Any], first: int, last: int) -> None:
        """Prepare new rows."""

    def _tables(self) -> list[Rows[Any]]:
        """What there is beside the items' rows."""
        return []

    def _recent_of(self, user: Hashable) -> Int32s:
        recent = np.full(RECENT, -1, np.int32)
        known = self._recent.get(str(user), [])
        recent[: len(known)] = known
        return recent

    def _time(self, x: Mapping[str, Any] | None) -> float:
        return float((x or {}).get("occurred_at", self._latest))


def _unpacked(stored: list[bytes], layout: Layout) -> Rows[Any]:
    kind, data = stored
    if kind != fingerprint(layout):
        raise ValueError(f"the snapshot has another layout than {layout.names}; learn anew")
    return rows.copied(np.frombuffer(data, layout), len(data) // layout.itemsize)
