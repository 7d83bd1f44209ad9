"""One member of the consumer group: Faust for membership, a lane for each partition.

The member that owns the one partition of category-flows has a lane for the shop as a whole.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP
from mode import CrashingSupervisor

from stream.core import shop_counts
from stream.errors import StreamError
from stream.kafka_clients import faust_credentials
from stream.messages import EVENTS, FLOWS
from stream.settings import Settings
from stream.shard import warm_up
from stream.storage.claim import Claim
from stream.storage.content import SHOP
from stream.topology import topics
from stream.topology.around import Around
from stream.topology.batches import BatchApp, BatchConsumer
from stream.topology.compute import Compute
from stream.topology.lane import Lane
from stream.topology.metrics import Metrics
from stream.topology.outputs import Publisher
from stream.topology.questions import Questions
from stream.topology.replica import Replica
from stream.topology.shop_lane import ShopLane
from stream.topology.snapshots import Snapshotter
from stream.topology.vitals import unknown
from stream.topology.web import Address, Web

log = logging.getLogger(__name__)

HEARTBEAT = 1.0
HAND_OVER_SHARE = 0.8
"""Of the session timeout: what a lane may take to finish its batch when the group rebalances."""
AnyLane = Lane | ShopLane
STOP_SECONDS = 10.0
"""What leaving the group may take, for the broker may be gone."""


class Worker:
    """Runs until SIGTERM or SIGINT; a bug stops it, it never skips data.

    Each partition's state is in a folder of its own below `state`, the shop model's
    replica in `state/shop`. `metrics` are kept up to date meanwhile; questions are answered
    at `address`, where one is given.
    """

    def __init__(
        self,
        broker: str,
        state: Path,
        group: str,
        name: str,
        settings: Settings,
        metrics: Metrics,
        address: Address | None = None,
    ) -> None:
        self._broker = broker
        self._state = state
        self._group = group
        self._settings = settings
        self._metrics = metrics
        self._compute = Compute()
        self._web = None if address is None else Web(address, metrics, settings)
        self._publisher = Publisher(broker)
        self._lanes: dict[TP, tuple[AnyLane, asyncio.Task[None]]] = {}
        self._stop = asyncio.Event()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._app = self._new_app(name)
        self._around: Around | None = None

    async def run(self) -> None:
        """Join the group and serve until told to stop.

        Raises
        ------
        StreamError
            When a state folder, a topic or the broker needs a person.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        try:
            with Claim(self._state):
                async with self._web.answering() if self._web else contextlib.nullcontext():
                    await self._unless_stopped(self._work())
        except KafkaError as error:
            raise StreamError(
                f"{self._broker} did not do its part ({type(error).__name__}: {error}): "
                "start the worker again when it does"
            ) from None
        finally:
            self._compute.close()

    async def _work(self) -> None:
        partitions = await asyncio.to_thread(self._prepared_topics)
        await self._compute(warm_up, self._settings)
        await self._compute(shop_counts.warm_up, self._settings)
        snapshots = Snapshotter(self._state, self._settings, self._compute)
        replica = Replica(
            self._broker, self._state / SHOP, self._settings, self._compute, snapshots,
            self._metrics.vitals.replica,
        )  # fmt: skip
        try:
            await replica.catch_up()
            questions = Questions(self._settings, replica.shop, partitions, self._compute)
            if self._web is not None:
                self._web.questions = questions
            self._around = self._surroundings(replica, questions, snapshots, partitions)
            following = asyncio.ensure_future(replica.follow())
            following.add_done_callback(self._note_failure)
            try:
                await self._serve()
            finally:
                following.cancel()
                await asyncio.wait({following})
            await replica.save()
        finally:
            replica.close()
            snapshots.close()

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Until it serves, work is given up when told to stop; then it ends by itself."""
        working = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if self._around is None:
            working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working

    async def _serve(self) -> None:
        await self._publisher.start()
        try:
            await self._app.start()
            stopped = asyncio.ensure_future(self._stop.wait())
            crashed = asyncio.ensure_future(self._app.wait_until_stopped())
            await asyncio.wait(
                {stopped, crashed, self._failed}, return_when=asyncio.FIRST_COMPLETED
            )
            stopped.cancel()
            crashed.cancel()
            await self._hand_over()
            self._raise_failure()
        finally:
            await self._leave()

    async def _leave(self) -> None:
        # Faust goes on when it is cancelled, so nobody waits for that.
        await asyncio.wait({asyncio.ensure_future(self._app.stop())}, timeout=STOP_SECONDS)
        for _, task in self._lanes.values():
            task.cancel()
        if self._lanes:
            await asyncio.wait([task for _, task in self._lanes.values()])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._publisher.stop()

    def _new_app(self, name: str) -> BatchApp:
        app = BatchApp(
            self._group,
            broker=f"kafka://{self._broker.replace(',', ';')}",
            broker_credentials=faust_credentials(),
            consumer_group_instance_id=name,
            datadir=str(self._state / "faust"),
            key_serializer="raw",
            value_serializer="raw",
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            table_standby_replicas=0,
            agent_supervisor=CrashingSupervisor,
            stream_wait_empty=False,
            # One queue item is a whole batch: more would read ahead without bound.
            stream_buffer_maxsize=64,
            broker_max_poll_records=5000,
            consumer_max_fetch_size=1 << 20,
            consumer_auto_offset_reset="earliest",
            broker_session_timeout=self._settings.session_timeout,
            broker_heartbeat_interval=min(HEARTBEAT, self._settings.session_timeout / 6),
            broker_commit_interval=1.0,
        )

        async def distribute(stream: Any) -> None:
            async for event in stream.noack().events():
                lane = await self._lane_of(event.message)
                if lane is not None:
                    lane.put(event)

        for name in (EVENTS, FLOWS):
            source = app.topic(name, key_serializer="raw", value_serializer="raw")
            app.agent(source, name=f"distribute-{name}", concurrency=1)(distribute)
        app.on_partitions_assigned.connect(self._on_assigned, weak=False)
        app.on_partitions_revoked.connect(self._on_revoked, weak=False)
        return app

    def _prepared_topics(self) -> int:
        """Create what is missing, check what is there; the number of partitions of the events."""
        created = topics.create(self._broker, topics.DEFAULT_PARTITIONS)
        if created:
            log.info("created topics %s", ", ".join(created))
        problems = topics.check(self._broker, None)
        if problems:
            raise StreamError(f"topics: {'; '.join(problems)}")
        return topics.partitions_of(self._broker, EVENTS)

    def _surroundings(
        self, replica: Replica, questions: Questions, snapshots: Snapshotter, partitions: int
    ) -> Around:
        return Around(
            broker=self._broker,
            group=self._group,
            state=self._state,
            topic=EVENTS,
            partitions=partitions,
            settings=self._settings,
            shop=replica.shop,
            learned=replica.learned,
            compute=self._compute,
            publisher=self._publisher,
            metrics=self._metrics,
            questions=questions,
            snapshots=snapshots,
            generation=lambda: self._consumer().generation(),
            silence=lambda: self._consumer().silence(),
            lag=lambda partition, applied: self._consumer().lag(TP(EVENTS, partition), applied),
            hold=lambda partition: self._consumer().hold(TP(EVENTS, partition)),
            release=lambda partition: self._consumer().release(TP(EVENTS, partition)),
        )

    def _new_lane(self, tp: TP, generation: int) -> AnyLane:
        assert self._around is not None
        if tp.topic == EVENTS:
            return Lane(self._around, tp.partition, generation)
        around = replace(
            self._around,
            topic=FLOWS,
            partitions=1,
            hold=lambda partition: self._consumer().hold(TP(FLOWS, partition)),
            release=lambda partition: self._consumer().release(TP(FLOWS, partition)),
        )
        return ShopLane(around, self._around.partitions, generation)

    def _consumer(self) -> BatchConsumer:
        found: BatchConsumer = self._app.consumer
        return found

    async def _lane_of(self, message: Any) -> AnyLane | None:
        """The lane of a batch; None for one that was fetched before the group moved on.

        Faust may hand over the first batches before it says what is assigned.
        """
        while message.generation_id == self._app.consumer_generation_id:
            lane, _ = self._lanes.get(TP(message.topic, message.partition), (None, None))
            if lane is not None:
                return lane if lane.generation == message.generation_id else None
            await asyncio.sleep(0.01)
        return None

    async def _on_assigned(self, app: BatchApp, assigned: Iterable[TP], **rest: Any) -> None:
        assert self._around is not None
        self._refuse_more_partitions(self._around.partitions)
        for topic in (EVENTS, FLOWS):
            partitions = sorted(tp for tp in assigned if tp.topic == topic)
            if topic == EVENTS or partitions:
                log.info("assigned partitions %s of %s", [tp.partition for tp in partitions], topic)
            committed = asyncio.ensure_future(self._consumer().committed(partitions))
            for tp in partitions:
                _, before = self._lanes.get(tp, (None, None))
                lane = self._new_lane(tp, app.consumer_generation_id)
                task = asyncio.ensure_future(_after(before, lane.run(committed)))
                task.add_done_callback(self._note_failure)
                self._lanes[tp] = (lane, task)
                if topic == EVENTS:
                    self._metrics.vitals.opened(tp.partition, unknown)
        self._metrics.vitals.assigned = True

    def _refuse_more_partitions(self, known: int) -> None:
        found = self._consumer().topic_partitions(EVENTS)
        if found not in (None, known) and not self._failed.done():
            self._failed.set_exception(
                StreamError(
                    f"{EVENTS} had {known} partitions and now has {found}, which moves "
                    "shoppers between them: take a new --state folder and --group, and read the "
                    "log again"
                )
            )

    async def _on_revoked(self, app: BatchApp, revoked: Iterable[TP], **rest: Any) -> None:
        await self._hand_over()

    async def _hand_over(self) -> None:
        """Ask all lanes to stop, and commit what they checkpointed."""
        self._metrics.vitals.assigned = False
        for lane, _ in self._lanes.values():
            lane.ask_to_stop()
        if self._lanes:
            patience = HAND_OVER_SHARE * self._settings.session_timeout
            await asyncio.wait([task for _, task in self._lanes.values()], timeout=patience)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self._consumer().commit_acknowledged()
        # One that is not done yet is waited for by the next lane of its partition.
        self._lanes = {
            tp: (lane, task) for tp, (lane, task) in self._lanes.items() if not task.done()
        }

    def _note_failure(self, task: "asyncio.Future[None]") -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not self._failed.done():
            self._failed.set_exception(error)

    def _raise_failure(self) -> None:
        if self._failed.done():
            self._failed.result()
        if self._app.crashed and self._app.crash_reason:
            raise self._app.crash_reason


async def _after(before: "asyncio.Task[None] | None", lane: Coroutine[Any, Any, None]) -> None:
    """Run a lane once the one before it has let the state folder go."""
    if before is not None:
        await asyncio.wait({before})
    await lane
