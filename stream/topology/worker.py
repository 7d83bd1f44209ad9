"""One member of the consumer group: Faust for membership, a lane for each partition."""

import asyncio
import logging
import signal
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from faust.types import TP
from mode import CrashingSupervisor

from stream.errors import StreamError
from stream.settings import Settings
from stream.shard import EVENTS_TOPIC, warm_up
from stream.stored import SHOP
from stream.topology import topics
from stream.topology.batches import BatchApp, BatchConsumer
from stream.topology.compute import Compute
from stream.topology.lane import Around, Lane
from stream.topology.outputs import Publisher
from stream.topology.replica import Replica

log = logging.getLogger(__name__)

SESSION_TIMEOUT = 10.0
HEARTBEAT = 1.0
HAND_OVER = 8.0
"""Seconds that a lane may take to finish its batch when the group rebalances."""


class Worker:
    """Runs until SIGTERM or SIGINT; a bug stops it, it never skips data.

    Each partition's state is in a folder of its own below `state`, the shop model's
    replica in `state/shop`.
    """

    def __init__(self, broker: str, state: Path, group: str, name: str, settings: Settings) -> None:
        self._broker = broker
        self._state = state
        self._group = group
        self._settings = settings
        self._compute = Compute()
        self._publisher = Publisher(broker)
        self._lanes: dict[int, tuple[Lane, asyncio.Task[None]]] = {}
        self._failed: asyncio.Future[None] | None = None
        self._app = self._new_app(name)
        self._around: Around | None = None

    async def run(self) -> None:
        """Join the group and serve until told to stop.

        Raises
        ------
        StreamError
            When a state folder, a topic or the broker needs a person.
        """
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self._failed = loop.create_future()
        _make_folder(self._state)
        await self._compute(warm_up, self._settings)
        partitions = await loop.run_in_executor(None, self._prepared_topics)
        replica = Replica(self._broker, self._state / SHOP, self._settings, self._compute)
        await replica.catch_up()
        self._around = self._surroundings(replica, partitions)
        await self._publisher.start()
        following = asyncio.ensure_future(replica.follow())
        following.add_done_callback(self._note_failure)
        try:
            await self._app.start()
            stopped = asyncio.ensure_future(stop.wait())
            crashed = asyncio.ensure_future(self._app.wait_until_stopped())
            await asyncio.wait(
                {stopped, crashed, self._failed}, return_when=asyncio.FIRST_COMPLETED
            )
            await self._hand_over()
            self._raise_failure()
        finally:
            following.cancel()
            await self._app.stop()
            await self._publisher.stop()
            await replica.save()
            self._compute.close()

    def _new_app(self, name: str) -> BatchApp:
        app = BatchApp(
            self._group,
            broker=f"kafka://{self._broker}",
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
            broker_session_timeout=SESSION_TIMEOUT,
            broker_heartbeat_interval=HEARTBEAT,
            broker_commit_interval=1.0,
        )
        source = app.topic(EVENTS_TOPIC, key_serializer="raw", value_serializer="raw")

        async def distribute(stream: Any) -> None:
            async for event in stream.noack().events():
                lane = await self._lane_of(event.message)
                if lane is not None:
                    lane.put(event)

        app.agent(source, name="distribute", concurrency=1)(distribute)
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
        return topics.partitions_of(self._broker, EVENTS_TOPIC)

    def _surroundings(self, replica: Replica, partitions: int) -> Around:
        def consumer() -> BatchConsumer:
            found: BatchConsumer = self._app.consumer
            return found

        return Around(
            broker=self._broker,
            state=self._state,
            topic=EVENTS_TOPIC,
            partitions=partitions,
            settings=self._settings,
            shop=replica.shop,
            compute=self._compute,
            publisher=self._publisher,
            generation=lambda: consumer().generation(),
            silence=lambda: consumer().silence(),
            session_timeout=SESSION_TIMEOUT,
            pause=lambda partition: consumer().pause_partitions({TP(EVENTS_TOPIC, partition)}),
            resume=lambda partition: consumer().resume_partitions({TP(EVENTS_TOPIC, partition)}),
        )

    async def _lane_of(self, message: Any) -> Lane | None:
        """The lane of a batch; None for one that was fetched before the group moved on.

        Faust may hand over the first batches before it says what is assigned.
        """
        while message.generation_id == self._app.consumer_generation_id:
            lane, _ = self._lanes.get(message.partition, (None, None))
            if lane is not None:
                return lane if lane.generation == message.generation_id else None
            await asyncio.sleep(0.01)
        return None

    async def _on_assigned(self, app: BatchApp, assigned: Iterable[TP], **_: Any) -> None:
        assert self._around is not None
        partitions = sorted(tp.partition for tp in assigned if tp.topic == EVENTS_TOPIC)
        committed = asyncio.ensure_future(self._committed(partitions))
        for partition in partitions:
            _, before = self._lanes.get(partition, (None, None))
            lane = Lane(self._around, partition, app.consumer_generation_id)
            task = asyncio.ensure_future(_after(before, lane.run(committed)))
            task.add_done_callback(self._note_failure)
            self._lanes[partition] = (lane, task)
        log.info("assigned partitions %s", partitions)

    async def _on_revoked(self, app: BatchApp, revoked: Iterable[TP], **_: Any) -> None:
        await self._hand_over()

    async def _hand_over(self) -> None:
        """Ask all lanes to stop, and commit what they checkpointed."""
        for lane, _ in self._lanes.values():
            lane.ask_to_stop()
        if self._lanes:
            await asyncio.wait([task for _, task in self._lanes.values()], timeout=HAND_OVER)
            await self._app.consumer.commit()
        # One that is not done yet is waited for by the next lane of its partition.
        self._lanes = {
            number: (lane, task) for number, (lane, task) in self._lanes.items() if not task.done()
        }

    async def _committed(self, partitions: list[int]) -> dict[int, int]:
        """The group's committed offsets: where Faust will read on."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._broker)
        await admin.start()
        try:
            found = await admin.list_consumer_group_offsets(
                self._group,
                partitions=[TopicPartition(EVENTS_TOPIC, partition) for partition in partitions],
            )
        finally:
            await admin.close()
        return {tp.partition: max(0, where.offset) for tp, where in found.items()}

    def _note_failure(self, task: "asyncio.Future[None]") -> None:
        if task.cancelled() or task.exception() is None:
            return
        assert self._failed is not None
        if not self._failed.done():
            self._failed.set_exception(task.exception() or RuntimeError())

    def _raise_failure(self) -> None:
        if self._failed is not None and self._failed.done():
            self._failed.result()
        if self._app.crashed and self._app.crash_reason:
            raise self._app.crash_reason


async def _after(before: "asyncio.Task[None] | None", lane: Coroutine[Any, Any, None]) -> None:
    """Run a lane once the one before it has let the state folder go."""
    if before is not None:
        await asyncio.wait({before})
    await lane


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StreamError(f"state: can't make {path}: {error.strerror}") from None
