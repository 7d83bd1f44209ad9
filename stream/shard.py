"""One partition of shoppers: skip what is known, apply what is new, store it."""

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from stream import on_demand
from stream.codebook import Codebook
from stream.core import engine, engine_rows, sessions
from stream.core.clicks import ReasonRecord
from stream.core.engine import GONE, ROW, TURN
from stream.core.engine_rows import EVENT, PLACES, SLICE, Event, Progress
from stream.core.events import Forget, Touch
from stream.core.horizon import Horizons, Pending, Standing
from stream.core.ids import NONE, identify
from stream.core.lately import Lately
from stream.core.rows import Int64s, Rows, zeros
from stream.core.sessions import DEADLINE, WITNESSES, Deadline
from stream.core.shop import ShopModel, ShopView
from stream.core.shoppers import layout
from stream.core.tallies import Tallies, Told
from stream.core.updates import LAYOUT as UPDATE
from stream.core.updates import packed
from stream.encoding import Encoder
from stream.erasure import Erasures, without_deadlines, without_witness
from stream.foretold import Foreteller
from stream.lessons import Lessons
from stream.messages import EVENTS, Period, PredictedAlert, Ranking, RankQuestion
from stream.on_demand import Asked, Strangers
from stream.outcome import Forgotten, Gathering, Numbered, Outcome, Writer
from stream.reception import Reception
from stream.settings import Settings
from stream.storage import codec, headers
from stream.storage.checkpoint import Checkpoint
from stream.storage.codec import Erasure, Header, RowCodec
from stream.storage.inactive import Inactive, Sweep
from stream.storage.residence import Residence
from stream.stored import partition_folder, stored_hash
from stream.witnesses import Witnesses

log = logging.getLogger(__name__)


class Record(Protocol):
    """A record of the log, as any Kafka client or file reader gives it."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class LogRecord(NamedTuple):
    """A record of a log that is not live, with its partition."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    touches: list[Touch] | None = None
    """What the value says by the same settings, where the reader has decoded it."""


class Memory(NamedTuple):
    """Rows of a shard: in memory, evicted since it was opened, changed since the checkpoint."""

    hot: int
    evicted: int
    changed: int


class Shard:
    """The shoppers of one partition: memory, and the checkpoint that it goes on from.

    Its strict state after n records is a function of the settings and those records,
    however they were grouped, and wherever it was stopped and opened again.
    """

    def __init__(
        self,
        path: Path,
        partition: int,
        partitions: int,
        settings: Settings,
        topic: str = EVENTS,
    ) -> None:
        self.settings = settings
        self.partition = partition
        self.topic = topic
        self._codec = RowCodec(layout(settings))
        self._checkpoint = Checkpoint(path)
        try:
            made_for = headers.first(settings, topic, partition, partitions)
            self.header = self._checkpoint.header() or self._begin(made_for)
            headers.check(self.header, made_for, path)
            self._load()
        except BaseException:
            # Else nobody could open the folder again, were it only to begin anew.
            self._checkpoint.close()
            raise

    def _load(self) -> None:
        """Set up memory as the checkpoint has it."""
        settings, partition, topic = self.settings, self.partition, self.topic
        self.categories = self._checkpoint.categories(self.header.categories)
        self._stored_categories = len(self.categories)
        self.counts = Counter(self.header.counts)
        self._reception = Reception(topic, partition, settings, self.counts)
        self._rules = engine_rows.rules(settings)
        self._results = engine_rows.results(settings)
        self._state = self._opened_state()
        self._codebook = Codebook(
            partition,
            self.categories,
            settings.most_categories,
            self._rules.followed,
            settings.calibration,
        )
        self._inactive = Inactive(settings)
        self._sweep = Sweep(self._checkpoint, self._inactive)
        self.erasures = Erasures(self._checkpoint, self.header)
        self._residence = Residence(self._state, self._codec, self._checkpoint, settings.seed)
        self._writer = Writer(topic, partition, settings, self.categories)
        self._horizons = Horizons(settings)
        self._horizons.restore(self._checkpoint.foresight())
        self._encoder = Encoder(
            self._codebook, self._rules.followed, settings.query_buckets, self.counts
        )
        self._lessons = Lessons(settings, self._checkpoint)
        self._asked = Asked(self._codec.layout)
        self._foreteller = Foreteller(topic, partition, self.header.settings)
        self._tallies = Tallies(settings)
        self._tallies.restore(self._checkpoint.tallies())
        self._tallies.told_at = self.header.told_at
        self._witnesses = Witnesses(self._state.clock, settings.most_ahead)
        self._lately = Lately()

    @property
    def offset(self) -> int:
        """Of the last record applied, -1 before the first."""
        return self.header.offset

    def apply(self, records: Sequence[Record], shop: ShopModel, muted: bool = False) -> Outcome:
        """Learn records in order of their offsets; those known already are skipped.

        Muted, nothing is served and the outcome is empty: it was published before.
        """
        outcome = Outcome()
        touches: list[Touch] = []
        positions: list[int] = []
        for record in records:
            if record.offset <= self.header.offset:
                continue
            known = record.touches if isinstance(record, LogRecord) else None
            decoded = self._reception.read(record, known, outcome.dead_letters)
            if isinstance(decoded, Forget):
                # What came before must have had its effect.
                self._learn(touches, positions, shop, outcome, muted)
                touches, positions = [], []
                self._forget(decoded.user_id, record, outcome, muted)
            else:
                if decoded and self._witnesses.needed(decoded[0].occurred_at):
                    # What came before says what time it is, so it goes first.
                    self._learn(touches, positions, shop, outcome, muted)
                    touches, positions = [], []
                    decoded = self._witnessed(record, decoded, outcome)
                first = record.offset * PLACES
                touches += decoded
                positions += range(first, first + len(decoded))
            headers.note(self.header, record)
        self._learn(touches, positions, shop, outcome, muted)
        self.counts["alerts"] += len(outcome.alerts)
        self.counts["deltas"] += len(outcome.deltas)
        return Outcome() if muted else outcome

    def _learn(
        self,
        touches: list[Touch],
        positions: list[int],
        shop: ShopModel,
        outcome: Outcome,
        muted: bool,
    ) -> None:
        gathering = Gathering(self._residence.users, shop.view.ranked)
        self._run(touches, positions, shop, gathering, outcome, muted)
        told = self._writer.alerts(gathering.alarms)
        self._write_numbers(told.numbered)
        self._writer.meet(outcome.names, shop)
        if not muted:
            deltas = self._writer.deltas(gathering.lists, told.alerts, shop)
            outcome.add(gathering.all_updates(), told, deltas)

    def _forget(self, user: str, record: Record, outcome: Outcome, muted: bool) -> None:
        """Let nothing be left of a shopper but what all shoppers together taught."""
        key = self._residence.key(user)
        known = self._residence.remove(user, lingering=self._inactive.drops)
        if known:
            self._drop_deadlines([key])
            without_witness(self._state.clock[0], key)
            self._horizons.forget(key)
        self.erasures.note(Erasure(record.offset, record.timestamp), key, known, muted)
        outcome.forgotten.append(Forgotten(user, record.offset))
        self.counts["forgotten"] += 1

    def _drop_deadlines(self, keys: Sequence[int]) -> None:
        progress = self._results.progress[0]
        progress.queued = without_deadlines(self._state.queue, int(progress.queued), keys)

    def meet(self, names: Mapping[int, str], shop: ShopModel) -> None:
        """Know what the model may have yet to learn, and how it is called."""
        self._writer.meet(names, shop)
        self._lately.note(names)

    def clock(self) -> float | None:
        """The partition's event time, None before three shoppers were seen."""
        time = float(sessions.now(self._state.clock[0]))
        return time if np.isfinite(time) else None

    def ranking(
        self, user: str, shop: ShopModel, k: int | None = None, query: str | None = None
    ) -> Ranking:
        """A list for a shopper as all stands now, by the rules of deltas; one who is new here
        gets what everybody takes. With a `query`, as if the shopper had just searched for it.

        Asking changes nothing: no row, none of what was learned, nor who is in memory.

        Raises
        ------
        WrongUse
            If `k` is more entries than a list has.
        """
        size, name = on_demand.list_size(k, self.settings), self._reception.name(user)
        key, now = identify(name, self.settings.seed), sessions.now(self._state.clock[0])
        known = self._residence.copy(key, self._asked.bytes) == name
        known = known and not self._inactive(self._asked.bytes.tobytes(), now)
        if not known:
            self._asked.clear()
        clock = now if math.isfinite(now) else 0.0
        at = max(clock, float(self._asked.last_at[0])) or on_demand.shop_time(shop)
        if query:
            self._asked.search(query, at, self.settings.query_buckets)
        self._codebook.meet(shop)
        told = on_demand.found(
            self._asked,
            self._codebook.rows,
            self.categories,
            self._view(shop),
            self._lessons.manner(len(shop.categories.rows)),
            size,
            at,
        )
        return Ranking(
            user_id=user,
            row="none" if not known else "memory" if self._residence.holds(key) else "disk",
            occurred_at=at,
            items=self._writer.items(told.entries, shop),
            interests=told.interests,
            partition=self.partition,
            source_offset=self.offset,
            model_position=shop.position,
            settings=self.header.settings,
        )

    def _view(self, shop: ShopModel) -> ShopView:
        return shop.view._replace(lately=self._lately.ids)

    def memory(self) -> Memory:
        """How many shoppers' rows are in memory, and what became of others."""
        residence = self._residence
        return Memory(residence.hot(), residence.evicted, residence.changed())

    def records(self) -> list[ReasonRecord]:
        """How entries of lists did, by reason, as impressions and clicks told."""
        return self._lessons.records()

    def standings(self) -> list[Standing]:
        """How the predictions of each horizon do."""
        return self._horizons.standings()

    def take_over(self, alerts: Sequence[PredictedAlert]) -> int:
        """Keep what another owner foretold of records that were applied in silence; how many.

        An outcome follows each whose period is still open.
        """
        told: dict[tuple[Period, float], list[Pending]] = {}
        for alert in alerts:
            key = self._residence.key(alert.user_id)
            one = self._foreteller.told(alert, key)
            if one is not None and not self.erasures.came_later(key, alert.source_offset):
                told.setdefault((alert.horizon, alert.period_ends_at), []).append(one)
        return sum(self._horizons.take_over(*period, known) for period, known in told.items())

    def still_forgotten(self, records: Sequence[Record]) -> list[Forgotten]:
        """Whom these requests are about, without those of whom there is a row again."""
        asked = [(self._reception.forgotten(record.value), record.offset) for record in records]
        about = [Forgotten(user, offset) for user, offset in asked if user is not None]
        _, names = self._residence.peek([self._residence.key(one.user) for one in about])
        return [one for one, name in zip(about, names, strict=True) if not name]

    def flows(self, whole: bool = False) -> list[Told]:
        """Counts of moves and demand that changed, once the clock went `flow_step` further.

        With `whole`, all that is not told yet. They are told once they are asked for: publish
        them before the next checkpoint.
        """
        clock = sessions.now(self._state.clock[0])
        return self._tallies.tell(
            clock, self.partition, self.header.partitions, self.offset, self.categories, whole
        )

    def stands_at(self, record: Record) -> bool:
        """Whether this is the last record applied, by its time and its bytes."""
        return headers.ends_with(self.header, record)

    def changed_rows(self) -> int:
        """How many rows the next checkpoint would write."""
        return self._residence.changed()

    def checkpoint(self) -> None:
        """Write the changed rows and the offset, all or nothing."""
        rows, forgotten = self._residence.take_changed(), self._residence.take_removed()
        removed = forgotten + self._swept({key for key, _ in rows})
        progress = self._results.progress[0]
        self.header.clock = self._state.clock.tobytes()
        self.header.queue = np.asarray(self._state.queue)[: int(progress.queued)].tobytes()
        self.header.categories = len(self.categories)
        self.header.counts = dict(sorted(self.counts.items()))
        names = list(enumerate(self.categories))[self._stored_categories :]
        self.header.told_at = self._tallies.told_at
        self._checkpoint.write(
            self.header,
            rows,
            names,
            self._tallies.take_changed(),
            self._horizons.changed(),
            [*self._lessons.packed(), (codec.FORGOTTEN, self.erasures.packed())],
            removed,
            foresight_anew=bool(forgotten),
        )
        self.erasures.stored(forgotten)
        self._stored_categories = len(self.categories)

    def _swept(self, changed: set[int]) -> list[int]:
        """Rows to take off the disk because their shoppers were silent for too long."""
        found = self._sweep.next(sessions.now(self._state.clock[0]))
        silent = [key for key in found if key not in changed]
        if silent:
            self._drop_deadlines(silent)
            self.counts["inactive"] += len(silent)
        return silent

    def freeze(self, folder: Path) -> None:
        """Copy the last checkpoint to a new folder; hard links, so quick where it can have them."""
        self._checkpoint.freeze(folder)

    def hash(self) -> str:
        """The strict state as 32 hex digits; writes a checkpoint first."""
        self.checkpoint()
        return stored_hash(self._checkpoint, self.settings)

    def close(self) -> None:
        """Let the folder go; what was not checkpointed is forgotten."""
        self._checkpoint.close()

    def _witnessed(self, record: Record, touches: list[Touch], outcome: Outcome) -> list[Touch]:
        """A record that may be far ahead: its touches, or nothing where two others don't agree."""
        first = touches[0]
        ahead = self._witnesses.too_far(self._residence.key(first.user_id), first.occurred_at)
        if not ahead:
            return touches
        self.counts["accepted"] -= 1
        self.counts["far_ahead"] += 1
        reason = f"occurred_at is {ahead / 86_400:.0f} days ahead of all others"
        self._reception.refuse(record, reason, outcome.dead_letters)
        return []

    def _run(
        self,
        touches: list[Touch],
        positions: list[int],
        shop: ShopModel,
        gathering: Gathering,
        outcome: Outcome,
        muted: bool,
    ) -> None:
        """Run the loop over slices with no more shoppers than half of memory holds."""
        first = 0
        while first < len(touches):
            last = self._cut(touches, first)
            part = touches[first:last]
            events, asked = self._encoder.encode(part, positions[first : last + 1], outcome.names)
            if asked is not None:
                self._lessons.hear(asked)
            self._run_slice(events, part, shop, gathering, outcome, muted)
            progress = self._results.progress[0]
            self._tallies.add_moves(np.asarray(self._results.changes)[: int(progress.changes)])
            progress.changes = 0
            quantities = np.array([touch.quantity for touch in part])
            late = self._tallies.add(events, quantities, outcome.names)
            if late:
                self.counts["too_late"] += late
            first = last
        self._witnesses.look_again()

    def _cut(self, touches: list[Touch], first: int) -> int:
        last = min(first + SLICE, len(touches))
        most = max(1, len(self._residence) // 2)
        if last - first <= most:
            return last
        users: set[str] = set()
        for place in range(first, last):
            users.add(touches[place].user_id)
            if len(users) > most:
                return place
        return last

    def _run_slice(
        self,
        events: Rows[Event],
        touches: list[Touch],
        shop: ShopModel,
        gathering: Gathering,
        outcome: Outcome,
        muted: bool,
    ) -> None:
        users = list(dict.fromkeys(touch.user_id for touch in touches))
        progress, done = self._results.progress[0], 0
        self._admit(events, touches, users, self._latest_clock(events))
        rules = self._rules._replace(muted=muted)
        self._codebook.meet(shop)
        self._state = self._state._replace(codes=self._codebook.rows)
        self._lately.meet(shop.items.cells, shop.position)
        view, desk = self._view(shop), self._horizons.desk(self._state.codes, shop)
        learned = self._lessons.learned(len(view.categories), self._horizons.own, desk)
        while done < len(events):
            self._make_room()
            done = engine.run(
                self._state, self._results, view, learned, events, done, len(events), rules
            )
            gathering.take(self._results, events)
            self._take_foreseen(shop, outcome)
            if progress.need == ROW:
                self._admit(events, touches, users, float(self._state.queue[0].at))
            elif progress.need == GONE:
                self._begin_anew(int(events[done].slot))
            elif progress.need == TURN:
                self._turn(int(events[done].position) // PLACES, shop, outcome, muted)
        self._note_progress(progress)

    def _note_progress(self, progress: Progress) -> None:
        self.counts["repeats"] += int(progress.repeats)
        self.counts["from_bots"] += int(progress.from_bots)
        self.counts["bots"] += int(progress.bots)
        if progress.bots:
            log.warning(
                "partition %d: %d more bots, each with over %d records in an hour; "
                "what they send counts for nothing until they send less",
                self.partition,
                progress.bots,
                self.settings.most_hourly,
            )
        progress.repeats = progress.bots = progress.from_bots = 0

    def _begin_anew(self, slot: int) -> None:
        """Empty the row of a shopper who was silent for too long."""
        self._drop_deadlines([int(self._state.slots[slot].key)])
        self._residence.empty(slot)
        self.counts["inactive"] += 1

    def _take_foreseen(self, shop: ShopModel, outcome: Outcome) -> None:
        name_of = partial(self._codebook.name_of, shop=shop)
        foreseen = self._horizons.take_foreseen(lambda id: bool(name_of(id)))
        if foreseen:
            ids = {id for one in foreseen for id in (one.category, one.origin) if id != NONE}
            names = {id: name_of(id) for id in ids}
            outcome.foretold += self._foreteller.alerts(foreseen, self._residence.users, names)

    def _turn(self, offset: int, shop: ShopModel, outcome: Outcome, muted: bool) -> None:
        """End the periods that the clock has passed, and learn of them."""
        clock = sessions.now(self._state.clock[0])
        for _ in self._horizons.turn(clock, self._state.codes, self._horizon_rows, muted):
            pass
        settled = self._horizons.take_outcomes()
        ids = {one.settled.category for one in settled}
        names = {id: self._codebook.name_of(id, shop) for id in ids}
        outcome.foretold += self._foreteller.outcomes(settled, offset, names)

    def _horizon_rows(self, keys: Int64s) -> tuple[np.ndarray, list[str]]:
        rows, names = self._residence.peek(keys.tolist())
        silent = self._inactive.among(rows, sessions.now(self._state.clock[0]))
        rows[silent] = np.zeros((), rows.dtype)
        return rows["strict"]["horizons"], names

    def _latest_clock(self, events: Rows[Event]) -> float:
        """No earlier than the partition's clock after these events, if not much later."""
        clock = self._state.clock[0]
        seen = clock.times[: int(clock.used)]
        times = np.sort(np.concatenate([seen, np.asarray(events)["occurred_at"]]))
        return float(times[-min(WITNESSES, len(times))])

    def _admit(
        self, events: Rows[Event], touches: list[Touch], users: list[str], until: float
    ) -> None:
        """Bring the slice's shoppers into memory, and those whose sessions may end by `until`."""
        queue = np.asarray(self._state.queue)[: int(self._results.progress[0].queued)]
        due = queue[queue["at"] <= until]
        keys: list[int] = np.sort(due, order=["at", "key"])["key"].tolist()
        room = len(self._residence) - len(users)
        slots = dict(zip(users, self._residence.admit(users, keys[:room]), strict=True))
        np.asarray(events)["slot"] = [slots[touch.user_id] for touch in touches]
        places = np.flatnonzero(queue["at"] <= until)
        queue["slot"][places] = [self._residence.slot(key) for key in queue["key"][places].tolist()]

    def _make_room(self) -> None:
        queued = int(self._results.progress[0].queued)
        if queued + SLICE > len(self._state.queue):
            grown = zeros(2 * (queued + SLICE), DEADLINE, Deadline)
            np.asarray(grown)[:queued] = np.asarray(self._state.queue)[:queued]
            self._state = self._state._replace(queue=grown)

    def _write_numbers(self, numbered: Sequence[Numbered]) -> None:
        """Tell shoppers' rows what their last alerts are called, where it was not foreseen."""
        for user, offset, numbers in numbered:
            (slot,) = self._residence.admit([user])
            alert = self._state.shoppers[slot].strict.alert
            if alert.offset != offset:
                continue  # The shopper has begun anew since.
            self._state.slots[slot].dirty = 1
            alert.number, alert.delta, alert.returns_number = numbers

    def _begin(self, header: Header) -> Header:
        if self.settings.calibration is not None:
            self._checkpoint.keep_calibration(self.settings.calibration)
        return header

    def _opened_state(self) -> engine_rows.State:
        state = engine_rows.state(self.settings, self.settings.hot_users)
        if not self.header.clock:
            return state
        queue = np.frombuffer(self.header.queue, DEADLINE)
        room = zeros(2 * (len(queue) + SLICE), DEADLINE, Deadline)
        np.asarray(room)[: len(queue)] = queue
        np.asarray(room)["slot"] = -1
        np.asarray(state.clock)[:] = np.frombuffer(self.header.clock, state.clock.dtype)
        self._results.progress[0].queued = len(queue)
        return state._replace(queue=room)


def warm_up(settings: Settings) -> None:
    """Compile every kernel, or load it from the cache, before the first event waits for it."""
    shop = ShopModel(settings)
    state, results = engine_rows.state(settings, 4), engine_rows.results(settings)
    horizons, view = Horizons(settings), shop.view
    desk = horizons.desk(state.codes, shop)
    learned = Lessons(settings, None).learned(len(view.categories), horizons.own, desk)
    engine.run(
        state, results, view, learned, zeros(0, EVENT, Event), 0, 0, engine_rows.rules(settings)
    )
    # More items than the smallest tables hold, so that growing them is compiled too.
    rows = np.zeros(32, UPDATE)
    rows["item_id"], rows["category_id"] = np.arange(1, 33), 1
    rows["position"] = np.arange(32)
    shop.apply(packed(rows, 0, str))
    lately = Lately()
    lately.note([1])
    lately.meet(shop.items.cells, shop.position)
    Strangers(settings).ranking(RankQuestion(), shop)


def open_shards(
    state: Path, partitions: int, settings: Settings, topic: str = EVENTS
) -> list[Shard]:
    """All partitions, each in its own folder below `state`."""
    shards: list[Shard] = []
    try:
        for partition in range(partitions):
            path = partition_folder(state, partition)
            shards.append(Shard(path, partition, partitions, settings, topic))
    except BaseException:
        for shard in shards:
            shard.close()
        raise
    return shards
