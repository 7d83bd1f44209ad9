"""Whole record batches through Faust: one fetch of one partition is one Faust event.

Stock Faust costs some 80 us an event before any work is done. This leans on its
internals, so all of it is here, Faust is pinned, and a contract test fails when
they change. It is sound because batches of a partition are acknowledged in order.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.threads import ServiceThread, WorkerThread

STOP_SECONDS = 5.0
"""What the consumer's thread may take to end, while nothing else is done."""


class Batch:
    """Records of one partition, in the shape of one record: its offset is the last one's."""

    headers = ()
    key = None
    checksum = None
    serialized_key_size = 0
    serialized_value_size = 0

    def __init__(self, records: Sequence[Any]) -> None:
        last = records[-1]
        self.topic = last.topic
        self.partition = last.partition
        self.offset = last.offset
        self.timestamp = last.timestamp
        self.timestamp_type = last.timestamp_type
        self.value = records


class BoundedThread(WorkerThread):
    """A thread that is left to itself if it does not end soon: the broker may be gone."""

    def __init__(self, service: ServiceThread, **named: Any) -> None:
        super().__init__(service, **named)
        # Else the process would wait for it at its end.
        self.daemon = True

    def stop(self) -> None:
        self.is_stopped.wait(STOP_SECONDS)


class HeartbeatThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, which also knows when the group last heard of it."""

    heard_at = 0.0
    """By the monotonic clock; 0 before the first heartbeat."""

    async def on_start(self) -> None:
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator
        beat = coordinator._do_heartbeat

        async def noted() -> bool:
            sent_at = time.monotonic()
            heard = await beat()
            if heard:
                self.heard_at = sent_at
            return bool(heard)

        coordinator._do_heartbeat = noted

    async def on_thread_stop(self) -> None:
        # While the broker is gone, the client hands on that it cancelled a request of its own.
        with contextlib.suppress(asyncio.CancelledError):
            await super().on_thread_stop()

    async def committed(self, partitions: Iterable[TP]) -> dict[int, int | None]:
        """For each partition the group's committed offset, None without one."""
        committed = self._ensure_consumer().committed
        return {tp.partition: await self.call_thread(committed, tp) for tp in partitions}


class BatchConsumer(driver.Consumer):
    """Wraps each partition's records, and commits after the last acknowledged batch."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._held: set[TP] = set()
        self._handed: dict[TP, int] = {}
        self._released = asyncio.Event()

    def _new_consumer_thread(self) -> HeartbeatThread:
        return HeartbeatThread(self, loop=self.loop, beacon=self.beacon, Worker=BoundedThread)

    async def _getmany(
        self, active_partitions: set[TP] | None, timeout: float
    ) -> Mapping[TP, Sequence[Any]]:
        if active_partitions and self._held:
            active_partitions = active_partitions - self._held
            if not active_partitions:
                # Faust's own pause would sleep a second here, whoever wakes up meanwhile.
                await self._wait_for_release(timeout)
                return {}
        fetched = await super()._getmany(active_partitions, timeout)
        self._handed |= {tp: records[-1].offset for tp, records in fetched.items() if records}
        return {tp: [Batch(records)] for tp, records in fetched.items() if records}

    async def _wait_for_release(self, timeout: float) -> None:
        self._released.clear()
        try:
            async with asyncio.timeout(timeout):
                await self._released.wait()
        except TimeoutError:
            return

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets between batches are no gaps. Faust would wait for them for ever."""

    def _new_offset(self, tp: TP) -> int | None:
        """The offset after the highest acknowledged one: all before it are acknowledged too."""
        acked = self._acked[tp]
        if not acked:
            return None
        highest = max(acked)
        self._acked_index[tp].difference_update(acked)
        acked.clear()
        return int(highest) + 1

    def hold(self, tp: TP) -> None:
        """Hand over nothing more of a partition; what is fetched already stays in the client."""
        self._held.add(tp)

    def release(self, tp: TP) -> None:
        """Hand over a partition's records again."""
        self._held.discard(tp)
        self._released.set()

    def lag(self, tp: TP, applied: int) -> int | None:
        """Records after the offset `applied`, None before the first fetch told of the end.

        Offsets that the client has passed without a record, as markers of transactions, are none.
        """
        client = self._thread._consumer
        subscription = None if client is None else client._subscription.subscription
        assigned = None if subscription is None else subscription.assignment
        if assigned is None or tp not in assigned.tps:
            return None
        state = assigned.state_value(tp)
        if state.highwater is None or not state.has_valid_position:
            return None
        handed = min(self._handed.get(tp, -1), state.position - 1)
        return int(max(0, state.highwater - state.position) + max(0, handed - applied))

    async def commit_acknowledged(self) -> None:
        """Commit what is acknowledged now. `commit` does nothing while another one runs."""
        await self.maybe_wait_for_commit_to_finish()
        await self.force_commit()

    async def committed(self, partitions: Iterable[TP]) -> dict[int, int | None]:
        """For each partition the group's committed offset, None without one."""
        found: dict[int, int | None] = await self._thread.committed(partitions)
        return found

    def generation(self) -> int:
        """The group's generation as the client knows it now, -1 outside of the group."""
        return int(self._thread._ensure_consumer()._coordinator.generation)

    def silence(self) -> float:
        """Seconds since the group last answered a heartbeat, 0 before the first."""
        heard_at = self._thread.heard_at
        return time.monotonic() - heard_at if heard_at else 0.0


class BatchTransport(driver.Transport):
    Consumer = BatchConsumer


class BatchApp(faust.App):
    """A Faust app whose consumer hands over whole batches."""

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self)
