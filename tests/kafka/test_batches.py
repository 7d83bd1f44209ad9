"""What record batches lean on inside Faust. Another Faust fails here first, and loudly."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.group_coordinator import GroupCoordinator
from faust.transport.consumer import Consumer, ThreadDelegateConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from stream.topology.batches import Batch, BatchApp, BatchConsumer, HeartbeatThread

EVENTS = TP("behavior-events", 0)


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def records(first: int, last: int) -> Sequence[Any]:
    return [
        SimpleNamespace(
            topic="behavior-events", partition=0, offset=offset, timestamp=1000, timestamp_type=0
        )
        for offset in range(first, last + 1)
    ]


@asynccontextmanager
async def consumer() -> AsyncIterator[Any]:
    """Of an app that is never started: no broker is asked for anything."""
    app = BatchApp("test", broker="kafka://127.0.0.1:1", web_enabled=False)
    source = app.topic("behavior-events", value_serializer="raw")

    async def nothing(stream: Any) -> None:
        """Reads, so that acknowledgements of the topic count."""

    app.agent(source)(nothing)
    app.finalize()
    app.topics.acks_enabled_for = lambda topic: True
    yield app.consumer
    app.consumer._thread.thread_loop.close()


async def acknowledged(made: Any, first: int, last: int) -> None:
    """As Faust does with one batch: tell of a gap, make it a message, acknowledge it."""
    await made._add_gap(EVENTS, first, last)
    made.ack(made._to_message(EVENTS, Batch(records(first, last))))


def test_faust_is_the_version_that_was_read() -> None:
    assert version("faust-streaming") == "0.15.3"


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (ThreadDelegateConsumer._getmany, ["self", "active_partitions", "timeout"]),
        (Consumer._add_gap, ["self", "tp", "offset_from", "offset_to"]),
        (Consumer._new_offset, ["self", "tp"]),
        (driver.Consumer._to_message, ["self", "tp", "record"]),
        (driver.Consumer._new_consumer_thread, ["self"]),
        (Consumer.maybe_wait_for_commit_to_finish, ["self"]),
        (Consumer.force_commit, ["self", "topics", "start_new_transaction"]),
        (GroupCoordinator._do_heartbeat, ["self"]),
    ],
)
def test_what_is_overridden_is_called_as_before(function: Any, expected: list[str]) -> None:
    assert parameters(function) == expected


@pytest.mark.parametrize("name", ["_getmany", "_add_gap", "_new_offset", "_new_consumer_thread"])
def test_the_overrides_take_what_they_override_takes(name: str) -> None:
    ours, theirs = getattr(BatchConsumer, name), getattr(driver.Consumer, name)
    assert parameters(ours) == parameters(theirs)
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs)


def test_faust_still_calls_what_is_overridden() -> None:
    for caller, called in [
        (Consumer._wait_next_records, "self._getmany("),
        (Consumer._drain_messages, "self._add_gap("),
        (Consumer._filter_committable_offsets, "self._new_offset("),
        (Consumer.getmany, "self._to_message"),
        (ThreadDelegateConsumer.__init__, "self._new_consumer_thread()"),
        (GroupCoordinator._heartbeat_routine, "self._do_heartbeat()"),
    ]:
        assert called in inspect.getsource(caller), called


def test_an_apps_consumer_is_ours_with_a_thread_that_notes_heartbeats() -> None:
    async def made() -> None:
        async with consumer() as made:
            assert type(made) is BatchConsumer
            assert type(made._thread) is HeartbeatThread
            assert made.silence() == 0.0

    asyncio.run(made())


def test_a_batch_is_a_message_that_ends_at_its_last_record() -> None:
    async def made() -> None:
        async with consumer() as made:
            part = records(10, 14)
            message = made._to_message(EVENTS, Batch(part))
            assert (message.topic, message.partition, message.offset) == ("behavior-events", 0, 14)
            assert message.value is part
            assert message.tp == EVENTS

    asyncio.run(made())


def test_each_fetch_of_a_partition_becomes_one_batch_and_none_of_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def made() -> None:
        async with consumer() as made:
            other = TP("behavior-events", 1)

            async def fetched(active: Any, timeout: float) -> Any:
                return {EVENTS: records(3, 7), other: []}

            monkeypatch.setattr(made._thread, "getmany", fetched)
            got = await made._getmany({EVENTS, other}, 1.0)
            assert {tp: [batch.offset for batch in batches] for tp, batches in got.items()} == {
                EVENTS: [7]
            }

    asyncio.run(made())


def test_held_partitions_are_not_asked_for_and_released_ones_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def made() -> None:
        async with consumer() as made:
            other, asked = TP("behavior-events", 1), []

            async def fetched(active: Any, timeout: float) -> Any:
                asked.append(set(active))
                return {}

            monkeypatch.setattr(made._thread, "getmany", fetched)
            made.hold(other)
            await made._getmany({EVENTS, other}, 1.0)
            assert asked == [{EVENTS}]
            made.hold(EVENTS)
            asyncio.get_running_loop().call_later(0.01, made.release, EVENTS)
            # Faust must not be asked for an empty set: it takes that for all partitions.
            async with asyncio.timeout(1):
                assert await made._getmany({EVENTS, other}, 30.0) == {}
            await made._getmany({EVENTS, other}, 1.0)
            assert asked == [{EVENTS}, {EVENTS}]

    asyncio.run(made())


def test_what_is_committed_is_one_above_the_highest_acknowledged_batch() -> None:
    async def made() -> None:
        async with consumer() as made:
            assert made._new_offset(EVENTS) is None
            await acknowledged(made, 0, 4999)
            await acknowledged(made, 5000, 7122)
            assert made._new_offset(EVENTS) == 7123
            assert made._new_offset(EVENTS) is None
            await acknowledged(made, 9000, 9001)
            assert made._filter_committable_offsets([EVENTS]) == {EVENTS: 9002}
            assert not made._acked[EVENTS]
            assert not made._acked_index[EVENTS]

    asyncio.run(made())


def test_an_unacknowledged_batch_is_not_committed() -> None:
    async def made() -> None:
        async with consumer() as made:
            made._to_message(EVENTS, Batch(records(0, 4999)))
            assert made._filter_committable_offsets([EVENTS]) == {}

    asyncio.run(made())
