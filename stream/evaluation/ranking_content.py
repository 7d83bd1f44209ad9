"""Items that nobody took yet: what the catalog says of them, beside their category's popularity.

A tenth of the catalog's items is held out: no event of them is learned. Then, at each event
that took one, all of them are ranked by what the catalog says alone.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from stream.core import content, factorization, recents
from stream.core.content import ATTRIBUTE, SOURCES, TEXT, VECTOR, Content, FitRow
from stream.core.engine_rows import PLACES
from stream.core.ids import identify
from stream.core.recents import RecentsRow
from stream.core.rows import Float64s, Int32s, zeros
from stream.core.shop import ShopModel
from stream.core.updates import LAYOUT as UPDATE
from stream.core.updates import RECENT, packed
from stream.evaluation.bootstrap import by_shopper
from stream.evaluation.ranking_walk import Walk
from stream.evaluation.report import OURS, Report
from stream.messages import CatalogEntries
from stream.settings import Settings

HELD = 10
"""One item in so many is held out, by its id."""
LEAST = 20
"""With fewer items held out, there is nothing to rank."""
LEARNED = 0.3
"""The part of the log of which nothing is asked."""
MOST = 3000
"""Events asked at most, spread evenly."""
STEP = 1000
"""Events between two times that the model learns, as in a replay."""
CATEGORY_POPULARITY = "popularity in category"
ABOUT = (
    "One in ten of the catalog's items is held out: no event of them is learned. At each event "
    "that took one, after the first 30 % of the log, all held out are ranked by what the catalog "
    "says of them, for a shopper of whom other items are known. As in the lists, ours is how well "
    "an item fits times the chance of its category, here as the simple method has it. "
)


class Case(NamedTuple):
    """A log, its catalog, and what is held out of it."""

    walk: Walk
    names: Sequence[str]
    """Of items, by their number in the walk."""
    entries: Sequence[CatalogEntries]
    settings: Settings


class Asked(NamedTuple):
    """Who took an item that was held out, and its rank by each method; one entry an event."""

    shoppers: Int32s
    ranks: Mapping[str, Float64s]


def table(name: str, case: Case, seed: int, report: Report, say: Callable[[str], None]) -> None:
    """Recall at 20 and MRR among items that nobody took before."""
    title = f"New items, {name}"
    say(title)
    held = held_out(case)
    if len(held) < LEAST:
        report.note(f"{title}: fewer than {LEAST} of its items are held out.")
        return
    found = ranks(case, held)
    report.note(
        ABOUT + f"{len(held):,} items are held out, {len(found.shoppers):,} events ask. Of equal "
        f"ones the middle rank counts. {CATEGORY_POPULARITY}: items of the shopper's last five "
        "items' categories, the newer the more, then of popular categories.",
        title,
    )
    for method, rank in found.ranks.items():
        hit = rank <= 20
        for metric, gained in (
            ("recall@20", hit.astype(np.float64)),
            ("mrr@20", np.where(hit, 1.0 / rank, 0.0)),
        ):
            measured = by_shopper(gained, found.shoppers, seed)
            report.put(title, method, "items held out", metric, measured)


def held_out(case: Case) -> list[int]:
    """The numbers of the log's items that the catalog has and no event teaches."""
    listed = {item.item_id for piece in case.entries for item in piece.items}
    return [
        number
        for number, name in enumerate(case.names)
        if name in listed and identify(name, case.settings.seed) % HELD == 0
    ]


def ranks(case: Case, held: Sequence[int]) -> Asked:
    """The rank of each held out item that was taken, by each method."""
    model = ShopModel(case.settings)
    for piece in case.entries:
        model.apply(piece)
    judge = _Judge(case, model, held)
    walk, first = case.walk, 0
    for last in range(STEP, len(walk.at) + STEP, STEP):
        judge.follow(range(first, min(last, len(walk.at))))
        first = last
    return judge.asked()


class _Judge:
    """Follows shoppers through the log, asks, and lets the model learn."""

    def __init__(self, case: Case, model: ShopModel, held: Sequence[int]) -> None:
        self._case, self._model = case, model
        self._ids = [identify(name) for name in case.names]
        self._name_of = dict(zip(self._ids, case.names, strict=True))
        self._place = {number: place for place, number in enumerate(held)}
        self._rows = np.array([model.items.number_of(self._ids[n]) for n in held], np.int32)
        self._groups = np.asarray(model.profiles)["category"][self._rows]
        layout = recents.layout(2 * RECENT)
        self._recents: dict[int, RecentsRow] = defaultdict(lambda: zeros(1, layout, RecentsRow)[0])
        groups = np.asarray(model.profiles)["category"]
        self._sizes = np.bincount(groups)[self._groups]
        self._taken = np.zeros(model.categories.used + 1)
        self._shoppers: list[int] = []
        self._ranks: dict[str, list[float]] = defaultdict(list)
        self._fits = zeros(1, content.fit_layout(case.settings.factors, len(held)), FitRow)
        begins = int(LEARNED * len(case.walk.at))
        taken = begins + np.flatnonzero(np.isin(case.walk.items[begins:], held))
        self._asked = set(taken[:: max(1, len(taken) // MOST)].tolist())

    def follow(self, events: range) -> None:
        """Ask and remember event by event, then learn all."""
        walk, rows, count = self._case.walk, np.zeros(len(events), UPDATE), 0
        for event in events:
            item, row = int(walk.items[event]), self._recents[int(walk.shoppers[event])]
            if item in self._place:
                if event in self._asked and row.used:
                    self._ask(event, item, row)
                continue
            update = rows[count]
            update["position"], update["occurred_at"] = event * PLACES, walk.at[event]
            update["item_id"], update["step"] = self._ids[item], -1
            newest = _newest(row)
            update["recent_items"][: len(newest)] = newest
            count += 1
            recents.push(row, self._ids[item], int(walk.actions[event]))
            self._count(item)
        self._model.apply(packed(rows[:count], 0, lambda id: self._name_of.get(id, "")))

    def asked(self) -> Asked:
        """All that was asked so far."""
        found = {name: np.array(values) for name, values in self._ranks.items()}
        return Asked(np.array(self._shoppers, np.int32), found)

    def _count(self, item: int) -> None:
        number = self._model.items.number_of(self._ids[item])
        if number >= 0:
            self._taken[int(self._model.profiles[number].category)] += 1.0

    def _ask(self, event: int, item: int, row: RecentsRow) -> None:
        model, place = self._model, self._place[item]
        recent = np.array([model.items.number_of(id) for id in _newest(row)], np.int32)
        query = np.zeros(self._case.settings.factors, np.float32)
        if not factorization.look(query, model.profiles, recent) > 0.0:
            return
        self._shoppers.append(int(self._case.walk.shoppers[event]))
        for name, scores in self._scores(query, recent):
            self._ranks[name].append(_rank(scores, place))

    def _scores(self, query: np.ndarray, recent: Int32s) -> Iterable[tuple[str, Float64s]]:
        known = self._model.catalog.content._replace(fits=self._fits)
        fits, categories = self._fit(known, query, recent), self._by_category(recent)
        yield OURS, fits * (categories / self._sizes + 1e-9)
        yield "content alone", fits
        weights = np.array(known.bridges[0].weights)
        for source in range(SOURCES):
            if self._has(known, source):
                known.bridges[0].weights[:] = np.where(np.arange(SOURCES) == source, 1.0, 0.0)
                yield f"{self._called(source)} alone", self._fit(known, query, recent)
        known.bridges[0].weights[:] = weights
        yield CATEGORY_POPULARITY, categories

    def _fit(self, known: Content, query: np.ndarray, recent: Int32s) -> Float64s:
        room = known.fits[0]
        room.used = len(self._rows)
        room.items[:] = self._rows
        content.fit(known, query, recent)
        return np.array(room.fits)

    def _has(self, known: Content, source: int) -> bool:
        return any(content.has(known.rows, int(row), source) for row in self._rows)

    def _called(self, source: int) -> str:
        named = {TEXT: "title", ATTRIBUTE: "attributes"}
        return named.get(source) or f"vector {self._model.catalog.sources[source - VECTOR]}"

    def _by_category(self, recent: Int32s) -> Float64s:
        groups = np.asarray(self._model.profiles)["category"]
        wanted = self._taken / max(1.0, self._taken.sum()) * 1e-3
        for lag, row in enumerate(recent.tolist()):
            if row >= 0 and groups[row] > 0:
                wanted[groups[row]] += factorization.FADING**lag
        return np.where(self._groups > 0, wanted[self._groups], 0.0)


def _rank(scores: Float64s, place: int) -> float:
    """One more than are better, and half of the equals."""
    mine = scores[place]
    return 1.0 + float((scores > mine).sum()) + (float((scores == mine).sum()) - 1.0) / 2.0


def _newest(row: RecentsRow) -> list[int]:
    """The ids of a shopper's newest items."""
    return [recents.item_at(row, place) for place in range(min(int(row.used), RECENT))]
