"""A worker's life with one partition, as Faust and the group make it: batches, commits, an end."""

import asyncio
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from stream.core.shop import ShopModel
from stream.messages import EVENTS, UPDATES
from stream.shard import Shard
from stream.storage.content import SHOP
from stream.topology.around import Around
from stream.topology.compute import Compute
from stream.topology.lane import Lane
from stream.topology.metrics import Metrics
from stream.topology.outputs import Place, Publisher
from stream.topology.questions import Questions
from stream.topology.replica import Replica
from stream.topology.snapshots import Snapshotter
from stream.topology.vitals import Part
from tests.recovery.environment import Environment
from tests.recovery.steps import Event
from tests.toy_shop import SMALL

BROKER = "environment"


class Group:
    """The consumer group: whose generation counts. A member before it is a zombie."""

    def __init__(self) -> None:
        self.generation = 0


class Life:
    """One worker from its start to its end, in a state folder."""

    def __init__(
        self, environment: Environment, group: Group, folder: Path, draw: random.Random
    ) -> None:
        group.generation += 1
        self.folder = folder
        self.saw_itself_stale = False
        self.sent_when_stale = 0
        self.told = 0
        """The end of what it has told the shop."""
        self.shop: ShopModel | None = None
        self._generation = group.generation
        self._group = group
        self._environment = environment
        self._draw = draw
        self._acknowledged = -1
        self._standing = _Standing(self)
        self._settings = msgspec.structs.replace(
            SMALL,
            checkpoint_seconds=draw.choice([0.001, 0.01, 60.0]),
            checkpoint_rows=draw.choice([1, 3, 6]),
            snapshot_url=str(folder.parent / "snapshots"),
            snapshot_every=draw.choice([0.001, 0.02, 60.0]),
        )

    async def live(self, until: int) -> None:
        """Read to offset `until`, be asked to stop, and end; or whatever comes before.

        Raises
        ------
        Crash, KafkaError
            As the worker that it is would end.
        """
        self._compute = Compute()
        try:
            await self._work(until)
        finally:
            self._compute.close()

    async def _work(self, until: int) -> None:
        publisher = _Watched(self)
        await publisher.start()
        snapshots = Snapshotter(self.folder, self._settings, self._compute)
        replica = Replica(
            BROKER, self.folder / SHOP, self._settings, self._compute, snapshots, Part()
        )
        try:
            await replica.catch_up()
            self.shop = replica.shop
            following = asyncio.ensure_future(replica.follow())
            try:
                await self._serve(self._around(replica, publisher, snapshots), until)
            finally:
                following.cancel()
                await asyncio.wait({following})
            await replica.save()
        finally:
            replica.close()
            snapshots.close()

    async def _serve(self, around: Around, until: int) -> None:
        lane = Lane(around, 0, self._generation)
        running = asyncio.ensure_future(lane.run(_soon({0: self._environment.committed()})))
        feeding = asyncio.ensure_future(self._feed(lane, until))
        try:
            await asyncio.wait({running, feeding}, return_when=asyncio.FIRST_COMPLETED)
            lane.ask_to_stop()
            await running
            self._commit()
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        if feeding.done() and not feeding.cancelled():
            feeding.result()

    async def _feed(self, lane: Lane, until: int) -> None:
        """Hand over batches from where the group stands, of any size and at any moment."""
        first = self._environment.committed() or 0
        events = self._environment.records(EVENTS)
        waiting = [one for one in events if first <= one.offset <= until]
        while waiting:
            size = self._draw.choice([1, 2, 5, 13, 40])
            batch, waiting = waiting[:size], waiting[size:]
            lane.put(Event(batch, self._note))
            for _ in range(self._draw.choice([0, 0, 1, 3])):
                await asyncio.sleep(0.0005)
            if self._draw.random() < 0.3:
                self._commit()
        while self._standing.offset < until:
            await asyncio.sleep(0.0005)
        # What it knows already is only acknowledged.
        await asyncio.sleep(0.003)

    def _note(self, offset: int) -> None:
        self._acknowledged = max(self._acknowledged, offset)

    def _commit(self) -> None:
        if self._acknowledged >= 0 and self._generation == self._group.generation:
            self._environment.commit(self._acknowledged + 1)

    def _around(self, replica: Replica, publisher: Publisher, snapshots: Snapshotter) -> Around:
        return Around(
            broker=BROKER,
            group="group",
            state=self.folder,
            topic=EVENTS,
            partitions=1,
            settings=self._settings,
            shop=replica.shop,
            learned=replica.learned,
            compute=self._compute,
            publisher=publisher,
            metrics=self._standing,
            questions=Questions(self._settings, replica.shop, 1, self._compute),
            snapshots=snapshots,
            generation=self._known_generation,
            silence=lambda: 0.0,
            lag=lambda partition, applied: None,
            hold=lambda partition: None,
            release=lambda partition: None,
        )

    def _known_generation(self) -> int:
        self.saw_itself_stale |= self._group.generation != self._generation
        return self._group.generation


class _Standing(Metrics):
    """Knows how far the worker is, and that the shop model keeps up with it."""

    def __init__(self, life: Life) -> None:
        super().__init__()
        self.offset = -1
        self._life = life

    def read(self, shard: Shard) -> None:
        super().read(shard)
        self.offset = shard.offset
        # A slice was just computed.
        assert self._life.shop is not None
        assert self._life.shop.position >= self._life.told, "computed without what it taught"


class _Watched(Publisher):
    """Counts what is sent by one who knows that its generation is over."""

    def __init__(self, life: Life) -> None:
        super().__init__(BROKER)
        self._life = life

    async def deliver(self, packed: Any) -> dict[Place, int]:
        self._life.sent_when_stale += self._life.saw_itself_stale
        ends = await super().deliver(packed)
        self._life.told = ends.get((UPDATES, 0), self._life.told)
        return ends


async def _soon(committed: Mapping[int, int | None]) -> Mapping[int, int | None]:
    return committed
