"""Run the engine over a log that is not live: the same shards, the same alerts."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from stream.core.shop import ShopModel
from stream.core.shop_counts import Findings, ShopCounts
from stream.core.tallies import Told, key_of
from stream.core.updates import LAYOUT as UPDATE
from stream.core.updates import packed
from stream.errors import StreamError
from stream.foretold import Foretold
from stream.messages import EVENTS, CatalogEntries, DeadLetter, MigrationAlert, RecommendationDelta
from stream.outcome import Outcome
from stream.settings import Settings
from stream.shard import LogRecord, Shard, open_shards
from stream.state_folder import PROGRESS
from stream.storage.content import SHOP
from stream.storage.replica import load_model, save_model

Message = TypeVar("Message")


class Published(NamedTuple):
    """What the workers would have sent for some records, in the records' order."""

    alerts: list[MigrationAlert | Foretold]
    deltas: list[RecommendationDelta]
    dead_letters: list[DeadLetter]


class Progress(Struct, kw_only=True):
    """What a resumed replay must know beside shards and model."""

    offsets: list[int]
    since_adoption: int = 0
    pending: list[bytes] = []
    names: dict[int, str] = {}
    told: list[Told] = []


class Replay:
    """Shards and a shop model over a merged log.

    The shop model learns after each `adopt_every` records, so that everything here,
    lists too, is a function of the settings and the records in their order.
    """

    def __init__(
        self, state: Path, partitions: int, settings: Settings, topic: str = EVENTS
    ) -> None:
        self._state = state
        self._settings = settings
        self.shards = open_shards(state, partitions, settings, topic)
        try:
            self.shop = load_model(state / SHOP, settings) or ShopModel(settings)
            self._resume(_read_progress(state / PROGRESS, partitions))
        except BaseException:
            self.close()
            raise

    def next_offsets(self) -> list[int]:
        """The offset that each partition's next record has."""
        return [shard.offset + 1 for shard in self.shards]

    def feed(self, records: Sequence[LogRecord]) -> Published:
        """Apply records in the merged order; how they are grouped into calls leaves no trace."""
        published = Published([], [], [])
        first = 0
        while first < len(records):
            last = min(len(records), first + self._settings.adopt_every - self._since_adoption)
            self._apply(records[first:last], published)
            self._since_adoption += last - first
            if self._since_adoption == self._settings.adopt_every:
                self._adopt()
            first = last
        return published

    def learn_catalog(self, pieces: Iterable[CatalogEntries]) -> None:
        """Show the shop model what the shop says of its items and categories."""
        for piece in pieces:
            self.shop.apply(piece)

    def save(self) -> None:
        """Write everything to the state folder, so that another replay can go on from here."""
        for shard in self.shards:
            shard.checkpoint()
            shard.erasures.finish()
        save_model(self.shop.snapshot(), self._state / SHOP)
        progress = Progress(
            offsets=[shard.offset for shard in self.shards],
            since_adoption=self._since_adoption,
            pending=[np.concatenate(rows).tobytes() if rows else b"" for rows in self._pending],
            names=self._names,
            told=list(self._told.values()),
        )
        (self._state / PROGRESS).write_bytes(msgspec.msgpack.encode(progress))

    def hashes(self) -> list[str]:
        """Each partition's strict state."""
        return [shard.hash() for shard in self.shards]

    def flows(self) -> list[Told]:
        """What the shards would have told of flows and demand: the newest value of each key."""
        for shard in self.shards:
            self._note(shard.flows(whole=True))
        return [self._told[key] for key in sorted(self._told)]

    def findings(self) -> Findings:
        """What the shop as a whole is told, beyond what it was told of the records before.

        All is known when it is looked at, so an alert is told once, as live ones are in the end.
        """
        for message in self.flows():
            self._whole.learn(message)
        return self._whole.find(sum(self.next_offsets()))

    def counts(self) -> dict[str, int]:
        """What the shards counted, over all partitions and since their first record."""
        names = ("rejected", "ignored", "repeats", "without_category")
        return {name: sum(shard.counts[name] for shard in self.shards) for name in names}

    def close(self) -> None:
        for shard in self.shards:
            shard.close()

    def _resume(self, progress: Progress) -> None:
        offsets = [shard.offset for shard in self.shards]
        if progress.offsets != offsets:
            raise StreamError(
                f"state: {self._state} stands at offsets {offsets}, its shop model at "
                f"{progress.offsets}: a replay into it was cut off; start over in a new folder"
            )
        self._since_adoption = progress.since_adoption
        self._names = progress.names
        for shard in self.shards:
            shard.meet(self._names, self.shop)
        self._told = {key_of(message): message for message in progress.told}
        self._whole = ShopCounts(self._settings)
        for message in progress.told:
            self._whole.learn(message)
        self._whole.find(sum(self.next_offsets()))
        self._pending: list[list[np.ndarray]] = [
            [np.frombuffer(rows, UPDATE)] if rows else [] for rows in progress.pending
        ] or [[] for _ in self.shards]

    def _apply(self, records: Sequence[LogRecord], published: Published) -> None:
        """Each partition's records to its shard; what comes out goes back into merged order."""
        place: dict[tuple[int, int], int] = {}
        if len(self.shards) > 1:
            place = {(record.partition, record.offset): n for n, record in enumerate(records)}
        alerts: list[tuple[int, MigrationAlert | Foretold]] = []
        deltas: list[tuple[int, RecommendationDelta]] = []
        dead: list[tuple[int, DeadLetter]] = []
        for partition, shard in enumerate(self.shards):
            own = [record for record in records if record.partition == partition]
            if not own:
                continue
            outcome = shard.apply(own, self.shop)
            self._remember(partition, outcome)
            self._checkpoint_if_large(shard)
            # Of a single partition all is in order already.
            told = zip(outcome.told_by, outcome.alerts, strict=True)
            alerts += ((place.get((partition, offset), offset), alert) for offset, alert in told)
            alerts += (
                (place.get((partition, one.source_offset), one.source_offset), one)
                for one in outcome.foretold
            )
            deltas += ((place.get((partition, d.sequence), 0), d) for d in outcome.deltas)
            dead += ((place.get((partition, d.offset), 0), d) for d in outcome.dead_letters)
        published.alerts.extend(_in_order(alerts))
        published.deltas.extend(_in_order(deltas))
        published.dead_letters.extend(_in_order(dead))

    def _checkpoint_if_large(self, shard: Shard) -> None:
        if shard.changed_rows() > max(self._settings.checkpoint_rows, self._settings.hot_users):
            shard.checkpoint()

    def _remember(self, partition: int, outcome: Outcome) -> None:
        if len(outcome.updates):
            self._pending[partition].append(outcome.updates)
            self._names |= outcome.names

    def _adopt(self) -> None:
        """Let the shop model learn what has come since it last did, partition by partition."""
        for partition, rows in enumerate(self._pending):
            if rows:
                self.shop.apply(
                    packed(np.concatenate(rows), partition, lambda id: self._names.get(id, ""))
                )
        self._pending = [[] for _ in self.shards]
        self._names = {}
        self._since_adoption = 0
        for shard in self.shards:
            self._note(shard.flows())

    def _note(self, told: Iterable[Told]) -> None:
        self._told |= {key_of(message): message for message in told}


def _in_order(numbered: Iterable[tuple[int, Message]]) -> list[Message]:
    return [message for _, message in sorted(numbered, key=itemgetter(0))]


def _read_progress(path: Path, partitions: int) -> Progress:
    if not path.exists():
        return Progress(offsets=[-1] * partitions)
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Progress)
    except msgspec.DecodeError as error:
        raise StreamError(
            f"state: {path} is damaged ({error}); start over in a new folder"
        ) from None
