"""Whole record batches through Faust: one fetch of one partition is one Faust event.

Stock Faust costs some 80 us an event before any work is done. This leans on its
internals, so all of it is here, Faust is pinned, and a contract test fails when
they change. It is sound because batches of a partition are acknowledged in order.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP


class Batch:
    """Records of one partition, in the shape of one record: its offset is the last one's."""

    def __init__(self, records: Sequence[Any]) -> None:
        last = records[-1]
        self.topic = last.topic
        self.partition = last.partition
        self.offset = last.offset
        self.timestamp = last.timestamp
        self.timestamp_type = last.timestamp_type
        self.headers = ()
        self.key = None
        self.value = records
        self.checksum = None
        self.serialized_key_size = 0
        self.serialized_value_size = 0


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


class BatchConsumer(driver.Consumer):
    """Wraps each partition's records, and commits after the last acknowledged batch."""

    def _new_consumer_thread(self) -> HeartbeatThread:
        return HeartbeatThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(
        self, active_partitions: set[TP] | None, timeout: float
    ) -> Mapping[TP, Sequence[Any]]:
        fetched = await super()._getmany(active_partitions, timeout)
        return {tp: [Batch(records)] for tp, records in fetched.items() if records}

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
