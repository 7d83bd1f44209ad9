"""What the words of searches are worth: the category touched next, and the list in hand."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec
import numpy as np

from stream.core import queries
from stream.core.features import words
from stream.core.rows import Float64s
from stream.evaluation.bootstrap import by_shopper
from stream.evaluation.ranking_moves import Sink
from stream.evaluation.ranking_scores import less_others
from stream.evaluation.report import OURS
from stream.evaluation.scenarios import DAY, STARTS_AT, Shop
from stream.messages import BehaviorEvent, RecommendationDelta
from stream.replay import Replay
from stream.settings import Settings
from stream.shard import LogRecord

DAYS, SEARCHES = 60.0, 0.3
SIZE = 20
LEARNING = 0.1
"""The first part of the searches, which is only learned."""
LEFT = 0.1
"""What each method leaves to the categories as all events have them."""
WITHOUT, EXACT, POPULARITY = f"{OURS}, queries removed", "the same text before", "popularity"
SEEN, NEW, UNKNOWN = "asked before, word for word", "new, of known words", "with an unknown word"
TABLE = "After a search, simulated shop"
ABOUT = (
    "A simulated shop in which three sessions of ten begin with a search: the name of a category, "
    "or an item's title, in whole or in part, a third with a word that fits anywhere, a seventh "
    "mistyped. Nine of ten lead to the category they are about. Asked is for the first item after "
    "a search, just before it comes. Each method leaves a tenth, and what it does not know, to the "
    "categories as all events have them. Of lists, it is the last one that the shopper was sent; "
    "with queries removed the same log is replayed without them. Intervals draw whole shoppers."
)


class Case(NamedTuple):
    """The first item after a search: whose it is, the words, and what came."""

    user: str
    text: str
    kind: str
    category: str
    item: str


class Found(NamedTuple):
    """Case by case: the chance of the category, and one over its place and the item's, 0 for none.

    Empty columns are of methods that don't say it.
    """

    chances: Float64s
    places: Float64s
    listed: Float64s


def table(users: int, settings: Settings, sink: Sink) -> None:
    """The table of a simulated shop with so many shoppers."""
    shop = Shop(users=users, seed=sink.seed, days=DAYS, searches=SEARCHES)
    events = list(shop.before(STARTS_AT + DAYS * DAY))
    values = [msgspec.json.decode(event.value, type=BehaviorEvent) for event in events]
    cases = _cases(values)
    sink.say(f"{TABLE}: {len(cases):,} searches")
    found = _ours(values, cases, settings) | _simple(values, cases)
    _report(cases, found, sink)


def _cases(values: Sequence[BehaviorEvent]) -> dict[int, Case]:
    """The cases by the number of the event that comes."""
    cases: dict[int, Case] = {}
    waiting: dict[str, str] = {}
    texts, known = set[str](), set[str]()
    for number, value in enumerate(values):
        text = waiting.pop(value.user_id, "")
        if text and value.item_id and value.category:
            kind = SEEN if text in texts else (NEW if known.issuperset(words(text)) else UNKNOWN)
            cases[number] = Case(value.user_id, text, kind, value.category, value.item_id)
            texts.add(text)
            known.update(words(text))
        if value.query and value.category is None:
            waiting[value.user_id] = value.query
    return cases


def _ours(
    values: Sequence[BehaviorEvent], cases: Mapping[int, Case], settings: Settings
) -> dict[str, Found]:
    """What the product makes of the log, with its queries and without."""
    silent = [msgspec.structs.replace(value, query=None) for value in values]
    without = _replayed(silent, cases, settings)._replace(chances=np.zeros(0))
    return {OURS: _replayed(values, cases, settings), WITHOUT: without}


def _records(values: Sequence[BehaviorEvent]) -> Iterator[LogRecord]:
    for offset, value in enumerate(values):
        at = round(float(value.occurred_at) * 1000)
        yield LogRecord(0, offset, at, value.user_id.encode(), msgspec.json.encode(value))


def _replayed(
    values: Sequence[BehaviorEvent], cases: Mapping[int, Case], settings: Settings
) -> Found:
    """Each case just before it comes; the lists are those that were sent until then."""
    records, held = list(_records(values)), dict[str, RecommendationDelta]()
    popular, chances, places, listed, done = Counter[str](), [], [], [], 0
    chosen = msgspec.structs.replace(settings, list_size=SIZE)
    with TemporaryDirectory(prefix="drift-queries-") as folder:
        replay = Replay(Path(folder), 1, chosen)
        try:
            for number, case in cases.items():
                held |= {delta.user_id: delta for delta in replay.feed(records[done:number]).deltas}
                popular.update(value.category for value in values[done:number] if value.category)
                done = number
                names = replay.shop.categories.names
                said = queries.likely(replay.shop.view, case.text, SIZE)
                shares = {names[category]: share for category, share in said}
                chance, place = _judged(shares, popular, case)
                chances.append(chance)
                places.append(place)
                listed.append(_place(held.get(case.user), case.item))
        finally:
            replay.close()
    return Found(np.array(chances), np.array(places), np.array(listed))


def _judged(shares: Mapping[str, float], popular: Counter[str], case: Case) -> tuple[float, float]:
    """The chance of the category that came, and one over its place among all, 0 for none."""
    total = popular.total()
    part = {name: count / total for name, count in popular.items()}
    rest = LEFT + (1.0 - LEFT) * (1.0 - sum(shares.values()))
    chance = {name: rest * own + (1.0 - LEFT) * shares.get(name, 0.0) for name, own in part.items()}
    mine = chance.get(case.category, 0.0)
    return mine, 1.0 / (1 + sum(one > mine for one in chance.values())) if mine else 0.0


def _place(held: RecommendationDelta | None, item: str) -> float:
    """One over the place of an item in a list, 0 where it is not there."""
    items = [entry.item_id for entry in held.items] if held else []
    return 1.0 / (1 + items.index(item)) if item in items else 0.0


def _simple(values: Sequence[BehaviorEvent], cases: Mapping[int, Case]) -> dict[str, Found]:
    """What came after the very same text before, and what all events have most of."""
    table, popular, done = defaultdict[str, Counter[str]](Counter), Counter[str](), 0
    found: dict[str, list[tuple[float, float]]] = {EXACT: [], POPULARITY: []}
    for number, case in cases.items():
        popular.update(value.category for value in values[done:number] if value.category)
        done, came = number, table[case.text]
        shares = {name: count / came.total() for name, count in came.items()}
        found[EXACT].append(_judged(shares, popular, case))
        found[POPULARITY].append(_judged({}, popular, case))
        came[case.category] += 1
    columns = {name: np.array(pairs).T for name, pairs in found.items()}
    return {name: Found(pair[0], pair[1], np.zeros(0)) for name, pair in columns.items()}


def _report(cases: Mapping[int, Case], found: Mapping[str, Found], sink: Sink) -> None:
    sink.report.describe(TABLE, ABOUT)
    sink.report.describe(less_others(TABLE), f"{OURS} less the other method, search by search.")
    all_cases = list(cases.values())
    late = np.arange(len(all_cases)) >= LEARNING * len(all_cases)
    for kind in ("all", SEEN, NEW, UNKNOWN):
        chosen = late & np.array([kind in ("all", case.kind) for case in all_cases])
        for method, one in found.items():
            measured = _measured(one)
            _put(sink, TABLE, method, kind, measured, all_cases, chosen)
            if method != OURS:
                ours = _measured(found[OURS])
                less = {name: ours[name] - value for name, value in measured.items()}
                _put(sink, less_others(TABLE), method, kind, less, all_cases, chosen)


def _measured(one: Found) -> dict[str, Float64s]:
    """What is told of each case, by metric."""
    told: dict[str, Float64s] = {}
    if len(one.chances):
        told["log_loss"] = -np.log(np.maximum(one.chances, math.exp(-20.0)))
        told["hr@1"] = (one.places == 1.0).astype(np.float64)
        told["hr@5"] = (one.places >= 1.0 / 5).astype(np.float64)
    if len(one.listed):
        told[f"recall@{SIZE}"] = (one.listed > 0.0).astype(np.float64)
        told[f"mrr@{SIZE}"] = one.listed
    return told


def _put(
    sink: Sink, table: str, method: str, kind: str, values: Mapping[str, Float64s],
    cases: Sequence[Case], chosen: np.ndarray,
) -> None:  # fmt: skip
    shoppers = np.array([case.user for case in cases])[chosen]
    for metric, value in values.items():
        sink.report.put(table, method, kind, metric, by_shopper(value[chosen], shoppers, sink.seed))
