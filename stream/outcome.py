"""What came of a batch of records, as the messages to publish."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import numpy as np

from stream.core import drift
from stream.core.candidates import CATEGORY, NEW
from stream.core.drift_confidence import confidence, log_excess, score
from stream.core.engine_rows import PLACES, Event, Results
from stream.core.ids import NONE
from stream.core.ranking import REASONS, SEARCHED, RankedRow
from stream.core.rows import Rows
from stream.core.shop import ShopModel
from stream.core.updates import LAYOUT as UPDATE
from stream.foretold import DIGITS, Foretold
from stream.messages import (
    DeadLetter,
    MigrationAlert,
    Moved,
    RankedItem,
    Reason,
    RecommendationDelta,
    ShareChange,
)
from stream.settings import Settings

MOST_CHANGES = 5
SMALLEST_CHANGE = 0.005
FRESH_NAMES = 8192
"""Names that are kept until it is looked up which of them the shop model has."""
MOST_UNLEARNED = 65_536
"""Of more names than these that it has not, as a flood of new ids brings, the last are kept."""


OF_CATEGORY = (CATEGORY, NEW, SEARCHED)
"""Reasons that rest on a category, not on an item."""


class Alarm(NamedTuple):
    """A detected move, before it has its number among those of its record.

    `told_by` is the offset of the record behind what is told now. `number` counts the
    shopper's own alerts of the record until all of the record are known, so does
    `returns_number`.
    """

    told_by: int
    revision: int
    offset: int
    number: int
    delta: int
    returns_offset: int
    returns_number: int
    user: str
    marketing: bool
    pattern: int
    from_category: int
    to_category: int
    source: int
    strength: float
    first_strength: float
    evidence: float
    occurred_at: float
    began_at: float
    session_started_at: float
    session_events: int
    shares: list[tuple[int, float, float]]
    """Category, share before, share after."""


class Names(NamedTuple):
    """Which alert and which delta of its record an alert is, and which it takes back."""

    number: int
    delta: int
    returns: int


Numbered = tuple[str, int, Names]
"""A shopper, the record behind the last alert, and what it turned out to be called."""


class Alerts(NamedTuple):
    """Alerts, and for each the offset of the record with which it is told.

    `numbered` is what the rows of shoppers must be told of their last alert's numbers.
    """

    alerts: list[MigrationAlert]
    told_by: list[int]
    numbered: list[Numbered]


Entry = tuple[int, float, int, float, int]
"""Item, score, reason, the reason's share, and the recent item behind it (or 0)."""


class Forgotten(NamedTuple):
    """A shopper to be forgotten by whoever reads the outputs, and the record that asked for it."""

    user: str
    offset: int


class SentList(NamedTuple):
    """A list that the loop sent, before its entries have names."""

    offset: int
    user: str
    occurred_at: float
    full: bool
    entries: list[Entry]
    previous: list[int]


@dataclass
class Outcome:
    """The messages of a batch, in the order of its records."""

    alerts: list[MigrationAlert] = field(default_factory=list)
    told_by: list[int] = field(default_factory=list)
    """For each alert the offset of its record; an alert told again has a later one."""
    foretold: list[Foretold] = field(default_factory=list)
    deltas: list[RecommendationDelta] = field(default_factory=list)
    forgotten: list[Forgotten] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    updates: np.ndarray = field(default_factory=lambda: np.zeros(0, UPDATE))
    """What the batch taught about the shop: one row an event."""
    names: dict[int, str] = field(default_factory=dict)
    """The names behind the ids of items and categories in `updates`."""

    def add(
        self,
        updates: np.ndarray,
        alerts: Alerts,
        deltas: Sequence[RecommendationDelta],
    ) -> None:
        """Take what came of the next records."""
        self.updates = np.concatenate([self.updates, updates]) if len(self.updates) else updates
        self.alerts += alerts.alerts
        self.told_by += alerts.told_by
        self.deltas += deltas


class Unlearned:
    """The names of items that the shop model has yet to learn: those of the last events."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._most = FRESH_NAMES

    def note(self, names: Mapping[int, str], shop: ShopModel) -> None:
        """Keep what a batch's events named; once in a while drop what the model knows."""
        self._names |= names
        if len(self._names) > self._most:
            known = shop.item_names(self._names)
            fresh = [(id, name) for id, name in self._names.items() if not known[id]]
            self._names = dict(fresh[-MOST_UNLEARNED:])
            self._most = FRESH_NAMES + 2 * len(self._names)

    def filled(self, names: dict[int, str]) -> dict[int, str]:
        """The names, with those that the model lacks as far as they are known here."""
        return {id: name or self._names.get(id, "") for id, name in names.items()}


class Gathering:
    """Takes results out of the loop's buffers while the slots still mean the same shoppers."""

    def __init__(self, users: list[str], ranked: Rows[RankedRow]) -> None:
        self.alarms: list[Alarm] = []
        self.lists: list[SentList] = []
        self.updates: list[np.ndarray] = []
        self._users = users
        self._ranked = np.asarray(ranked)

    def take(self, results: Results, events: Rows[Event]) -> None:
        """Empty the buffers."""
        progress = results.progress[0]
        for place in range(int(progress.alarms)):
            self._take_alarm(results, events, place)
        if progress.lists:
            self._take_lists(results, events, int(progress.lists))
        if progress.updates:
            self.updates.append(np.asarray(results.updates)[: int(progress.updates)].copy())
        progress.alarms, progress.lists, progress.updates = 0, 0, 0

    def _take_alarm(self, results: Results, events: Rows[Event], place: int) -> None:
        alarm, tipped = results.alarms[place], results.tipped[place]
        used = int(alarm.used)
        shares = zip(
            alarm.categories[:used].tolist(),
            alarm.before[:used].tolist(),
            alarm.after[:used].tolist(),
            strict=True,
        )
        self.alarms.append(
            Alarm(
                told_by=int(events[int(tipped.event)].position) // PLACES,
                revision=int(tipped.revision),
                offset=int(tipped.offset),
                number=int(tipped.number),
                delta=int(tipped.delta),
                returns_offset=int(tipped.returns_offset),
                returns_number=int(tipped.returns_number),
                user=self._users[int(tipped.slot)],
                marketing=not tipped.no_marketing,
                pattern=int(alarm.pattern),
                from_category=int(alarm.from_category),
                to_category=int(alarm.to_category),
                source=int(alarm.source),
                strength=float(alarm.strength),
                first_strength=float(tipped.strength),
                evidence=float(alarm.evidence),
                occurred_at=float(alarm.ended_at),
                began_at=float(alarm.began_at),
                session_started_at=float(alarm.started_at),
                session_events=int(alarm.session_events),
                shares=list(shares),
            )
        )

    def _take_lists(self, results: Results, events: Rows[Event], count: int) -> None:
        size = results.lists.dtype["previous"].shape[0]
        entries = entries_of(self._ranked[: count * size])
        rows, whole = np.asarray(results.lists)[:count], np.asarray(events)
        at_event = rows["event"]
        columns = zip(
            range(0, count * size, size),
            (whole["position"][at_event] // PLACES).tolist(),
            rows["slot"].tolist(),
            whole["occurred_at"][at_event].tolist(),
            rows["full"].tolist(),
            rows["used"].tolist(),
            rows["previous"].tolist(),
            rows["previous_used"].tolist(),
            strict=True,
        )
        for first, offset, slot, at, full, used, previous, before in columns:
            own = entries[first : first + used]
            self.lists.append(
                SentList(offset, self._users[slot], at, bool(full), own, previous[:before])
            )

    def all_updates(self) -> np.ndarray:
        return np.concatenate(self.updates) if self.updates else np.zeros(0, UPDATE)


def entries_of(ranked: np.ndarray) -> list[Entry]:
    """Entries of lists, taken out of the shop's room for them."""
    return list(
        zip(
            ranked["item_id"].tolist(),
            ranked["score"].astype(np.float64).round(DIGITS).tolist(),
            ranked["reason"].tolist(),
            ranked["share"].astype(np.float64).round(DIGITS).tolist(),
            ranked["because"].tolist(),
            strict=True,
        )
    )


class Writer:
    """Turns what was gathered into messages, with ids that a repeat would have too."""

    def __init__(
        self, topic: str, partition: int, settings: Settings, categories: list[str]
    ) -> None:
        self._prefix = f"{topic}-{partition}"
        self._settings = settings.fingerprint()
        self._limits = drift.limits(settings)
        self._categories = categories
        self._unlearned = Unlearned()
        calibration, asked = settings.calibration, settings.false_alarms_per_10k_events
        budget = calibration.budget(asked) if calibration else None
        self._model = budget.confidence if budget else None
        chance = budget.chance_share if budget else None
        self._chance_share = None if chance is None else round(chance, DIGITS)

    def alerts(self, alarms: Sequence[Alarm]) -> Alerts:
        """Alerts in the order of records, those of one record in the order of user ids."""
        # Sorting is stable: two of one shopper stay in the order in which they were raised.
        ordered = sorted(alarms, key=lambda alarm: (alarm.told_by, alarm.user))
        first = [alarm for alarm in ordered if alarm.revision == 0]
        numbers = _numbers(first)
        last = {alarm.user: alarm for alarm in first}
        numbered = [(alarm.user, alarm.offset, _named(alarm, numbers)) for alarm in last.values()]
        foreseen = {alarm.user: _foreseen(alarm) for alarm in last.values()}
        return Alerts(
            [self._alert(alarm, _named(alarm, numbers)) for alarm in ordered],
            [alarm.told_by for alarm in ordered],
            [one for one in numbered if one[2] != foreseen[one[0]]],
        )

    def _alert(self, alarm: Alarm, names: Names) -> MigrationAlert:
        ring = alarm.source == drift.RING
        threshold = self._limits.ring_threshold if ring else self._limits.threshold
        excess = log_excess(alarm.evidence, threshold, alarm.source)
        returns = alarm.returns_offset >= 0
        return MigrationAlert(
            id=self._alert_id(alarm.offset, names.number),
            revision=alarm.revision,
            user_id=alarm.user,
            from_category=self._categories[alarm.from_category],
            to_category=self._categories[alarm.to_category],
            pattern=drift.PATTERNS[alarm.pattern],
            strength=round(alarm.strength, DIGITS),
            score=round(score(excess), DIGITS),
            confidence=self._confidence_of(alarm, excess),
            prior=self._model.prior if self._model else None,
            # Up, so that it stays above the threshold that it exceeded.
            evidence=math.ceil(alarm.evidence * 10) / 10,
            threshold=threshold,
            changes=self._changes(alarm),
            occurred_at=alarm.occurred_at,
            began_at=alarm.began_at,
            session_started_at=alarm.session_started_at,
            session_events=alarm.session_events,
            source=drift.SOURCES[alarm.source],
            returns_to=self._alert_id(alarm.returns_offset, names.returns) if returns else None,
            marketing=alarm.marketing,
            chance_share=self._chance_share,
            delta_id=f"{self._prefix}-{alarm.offset}-delta-{names.delta}",
            source_offset=alarm.offset,
            settings=self._settings,
        )

    def _alert_id(self, offset: int, number: int) -> str:
        return f"{self._prefix}-{offset}-detected-{number}"

    def _confidence_of(self, alarm: Alarm, excess: float) -> float | None:
        if self._model is None:
            return None
        sure = confidence(self._model, excess, alarm.first_strength, alarm.source)
        return round(sure, DIGITS)

    def _changes(self, alarm: Alarm) -> list[ShareChange]:
        """The shares that changed most, but for what rounding could have done."""
        by_size = sorted(
            alarm.shares, key=lambda share: (-abs(share[2] - share[1]), self._categories[share[0]])
        )
        return [
            ShareChange(self._categories[code], round(before, DIGITS), round(after, DIGITS))
            for code, before, after in by_size[:MOST_CHANGES]
            if abs(after - before) >= SMALLEST_CHANGE
        ]

    def meet(self, names: Mapping[int, str], shop: ShopModel) -> None:
        """Know the names in a batch's events, also where the model has yet to learn them."""
        self._unlearned.note(names, shop)

    def deltas(
        self, lists: Sequence[SentList], alerts: Sequence[MigrationAlert], shop: ShopModel
    ) -> list[RecommendationDelta]:
        """Deltas in the order in which they were made, each under the id its alert names."""
        asked: dict[tuple[int, str], MigrationAlert] = {}
        alerted: dict[int, set[str]] = {}
        for alert in alerts:
            if alert.revision:
                continue
            asked.setdefault((alert.source_offset, alert.user_id), alert)
            alerted.setdefault(alert.source_offset, set()).add(alert.user_id)
        entries = [entry for sent in lists for entry in sent.entries]
        previous = chain.from_iterable(sent.previous for sent in lists)
        names = self._unlearned.filled(shop.item_names(_ids(entries).union(previous)))
        categories = shop.category_names(_categories(entries))
        return [
            self._delta(
                sent,
                asked.get((sent.offset, sent.user)),
                len(alerted.get(sent.offset, ())),
                names,
                categories,
                shop.position,
            )
            for sent in lists
        ]

    def items(self, entries: Sequence[Entry], shop: ShopModel) -> list[RankedItem]:
        """The entries of one list by their names, with those that the model has yet to learn."""
        names = self._unlearned.filled(shop.item_names(_ids(entries)))
        return named_items(entries, names, shop.category_names(_categories(entries)))

    def _delta(
        self,
        sent: SentList,
        alert: MigrationAlert | None,
        alerted: int,
        names: dict[int, str],
        categories: dict[int, str],
        model_position: int,
    ) -> RecommendationDelta:
        own = f"{self._prefix}-{sent.offset}-delta-{alerted}"
        items = named_items(sent.entries, names, categories)
        now = {item.item_id: place for place, item in enumerate(items)}
        before = {names[id]: place for place, id in enumerate(sent.previous) if names[id]}
        return RecommendationDelta(
            id=alert.delta_id if alert else own,
            user_id=sent.user,
            sequence=sent.offset,
            occurred_at=sent.occurred_at,
            full=sent.full,
            items=items,
            entered=[name for name in now if name not in before],
            left=[name for name in before if name not in now],
            moved=[
                Moved(name, before[name], place)
                for name, place in now.items()
                if before.get(name, place) != place
            ],
            model_position=model_position,
            alert_id=alert.id if alert else None,
            settings=self._settings,
        )


def named_items(
    entries: Sequence[Entry], names: Mapping[int, str], categories: Mapping[int, str]
) -> list[RankedItem]:
    """Entries as messages have them.

    One without a name came in an event whose teaching the model has yet to read.
    """
    return [
        # Written out: a call for each of a list's items costs a fifth of a delta.
        RankedItem(
            names[item],
            score,
            Reason(
                REASONS[reason],
                share,
                None if because == NONE or reason in OF_CATEGORY else names[because],
                (categories[because] or None) if reason in OF_CATEGORY else None,
            ),
        )
        for item, score, reason, share, because in entries
        if names[item]
    ]


Key = tuple[int, str, int]
"""Of an alert: the record, the shopper, and which it was of the shopper's own."""


def _numbers(alarms: Sequence[Alarm]) -> dict[Key, tuple[int, int]]:
    """Which of its record's alerts each is, and which of the shoppers it alerts."""
    numbers: dict[Key, tuple[int, int]] = {}
    number, users, last = 0, 0, (-1, "")
    for alarm in alarms:
        same_record = alarm.offset == last[0]
        number = number + 1 if same_record else 0
        users = (users + (alarm.user != last[1])) if same_record else 0
        last = (alarm.offset, alarm.user)
        numbers[alarm.offset, alarm.user, alarm.number] = (number, users)
    return numbers


def _foreseen(alarm: Alarm) -> Names:
    """What the shopper's row says as long as it is told nothing else."""
    return Names(alarm.number, alarm.delta, alarm.returns_number)


def _named(alarm: Alarm, numbers: dict[Key, tuple[int, int]]) -> Names:
    """The final numbers: those of earlier batches are, those of this one are among `numbers`."""
    number, delta = numbers.get(
        (alarm.offset, alarm.user, alarm.number), (alarm.number, alarm.delta)
    )
    earlier = (alarm.returns_offset, alarm.user, alarm.returns_number)
    returns, _ = numbers.get(earlier, (alarm.returns_number, 0))
    return Names(number, delta, returns)


def _ids(entries: Iterable[Entry]) -> set[int]:
    """Every item that these entries speak of."""
    ids = {entry[0] for entry in entries}
    ids.update(entry[4] for entry in entries if entry[2] not in OF_CATEGORY)
    return ids


def _categories(entries: Iterable[Entry]) -> set[int]:
    """Every category that is a reason."""
    return {entry[4] for entry in entries if entry[2] in OF_CATEGORY}
