"""A list on demand: its cost, and how soon a worker under load, or a new one, answers."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

import numpy as np
from aiohttp import ClientError, ClientResponse, ClientSession

from stream.core.shop import ShopModel
from stream.errors import StreamError
from stream.messages import RankQuestion
from stream.on_demand import Strangers
from stream.replay import Replay
from stream.settings import Settings
from stream.shard import LogRecord, Shard, warm_up
from stream.stored import partition_folder
from stream.topology import topics
from stream.topology.broker import Broker, free_port
from tests.benchmarks import workload
from tests.benchmarks.contestants import (
    PARTITIONS,
    START_SECONDS,
    WORKED,
    Field,
    committed,
    forget_published,
    started,
    watch,
    worker,
)
from tests.benchmarks.report import Report, Row

WANTED = 100.0
FIRST_LIST = 10.0
LOOK_EVERY = 0.05
SNAPSHOT_SECONDS = 12.0
"""Until there are snapshots of all that was read, where one is made every 5 seconds."""
ASKERS = 4
"""Clients that ask one question after another."""


def run(report: Report, quick: bool) -> None:
    """The engine alone, a worker that works off a backlog, and one that begins with a snapshot."""
    warm_up(Settings())
    with tempfile.TemporaryDirectory(prefix="drift-bench-") as folder:
        _engine(report, Path(folder) / "replay", 20_000 if quick else 100_000)
        _worker(report, Path(folder) / "worker", 30_000 if quick else 200_000)
        _newcomer(report, Path(folder) / "newcomer", 30_000 if quick else 200_000)


def _engine(report: Report, folder: Path, events: int) -> None:
    settings = Settings(hot_users=2000, most_hourly=workload.NO_BOTS)
    records = [
        LogRecord(0, offset, 0, record.key, record.value)
        for offset, record in enumerate(workload.events(events))
    ]
    replay = Replay(folder, 1, settings)
    replay.feed(records)
    shop = replay.shop
    replay.shards[0].checkpoint()
    replay.close()
    shard = Shard(partition_folder(folder, 0), 0, 1, settings)
    users = list(dict.fromkeys(record.key.decode() for record in records[-2000:] if record.key))
    users = users[: settings.hot_users // 2]
    rows = [_timed("row on disk", len(users), lambda: _ask(shard, users, shop))]
    shard.apply([_again(records, user, events + n) for n, user in enumerate(users)], shop)
    rows.append(_timed("row in memory", len(users), lambda: _ask(shard, users, shop)))
    strangers, names = Strangers(settings), shop.items.names
    questions = [RankQuestion(recent_items=names[n : n + 3]) for n in range(0, 3000, 3)]
    rows.append(
        _timed(
            "stranger of three items",
            len(questions),
            lambda: [strangers.ranking(one, shop) for one in questions],
        )
    )
    shard.close()
    report.show(
        "A list on demand, from the engine",
        rows,
        f"Wanted: {WANTED:.0f} us of CPU or less. As a message, before it is JSON; "
        f"{events:,} events before.",
    )


def _again(records: list[LogRecord], user: str, offset: int) -> LogRecord:
    """A shopper's last event once more, which brings the row into memory."""
    last = next(one for one in reversed(records) if one.key == user.encode())
    return last._replace(offset=offset)


def _ask(shard: Shard, users: list[str], shop: ShopModel) -> None:
    for user in users:
        shard.ranking(user, shop)


def _timed(what: str, count: int, ask: Callable[[], object]) -> Row:
    """CPU of one answer, the least of some rounds."""
    rounds = []
    for _ in range(5):
        used = time.process_time()
        ask()
        rounds.append((time.process_time() - used) / count * 1e6)
    return {"asked for": what, "lists": count, "CPU us a list": min(rounds)}


def _worker(report: Report, folder: Path, events: int) -> None:
    port = free_port()
    with Broker.start() as broker:
        forget_published(broker.address)
        records = list(workload.events(events))
        workload.publish(broker.address, topics.EVENTS, PARTITIONS, records)
        users = list({record.key.decode() for record in records[: events // 100]})
        field = Field(broker.address, events, folder, 0.0)
        with started(worker(field), folder, WORKED | {"DRIFT_HTTP": str(port)}):
            took = asyncio.run(_asked(f"http://127.0.0.1:{port}", sorted(users)))
    row: Row = {"state": "works off a backlog", "askers": ASKERS, "lists": len(took.milliseconds)}
    p50, p99, most = (float(ms) for ms in np.percentile(took.milliseconds, [50, 99, 100]))
    row |= {"lists/s": len(took.milliseconds) / took.seconds, "p50 ms": p50, "p99 ms": p99}
    row |= {"most ms": most, "events/s meanwhile": took.events / took.seconds}
    report.show(
        "A list on demand, over HTTP beside the log",
        [row],
        f"{ASKERS} clients in one process ask one question after another; the worker computes "
        "slices of 500 events meanwhile, and answers between two.",
    )


def _newcomer(report: Report, folder: Path, events: int) -> None:
    port, shared = free_port(), folder / "snapshots"
    told = WORKED | {"DRIFT_HTTP": str(port), "DRIFT_SNAPSHOT_URL": str(shared)}
    with Broker.start() as broker:
        forget_published(broker.address)
        records = list(workload.events(events))
        workload.publish(broker.address, topics.EVENTS, PARTITIONS, records)
        field = Field(broker.address, events, folder / "first", START_SECONDS)
        _work_off(field, folder.name, told | {"DRIFT_SNAPSHOT_EVERY": "5"})
        # For so long the group keeps the partitions for the first, should it come back.
        time.sleep(Settings().session_timeout + 1)
        field = field._replace(folder=folder / "second")
        command = worker(field, folder.name)
        with started(command, field.folder, told):
            seconds = asyncio.run(_first_list(f"http://127.0.0.1:{port}", records[0].key))
    report.show(
        "A new worker with another's snapshots",
        [{"events before": events, "s from its start to its first list": seconds}],
        f"Wanted: {FIRST_LIST:.0f}. The start of Python, joining a group that has given up the "
        f"first, restoring {PARTITIONS} partitions and the shop model, reading what came after.",
    )


def _work_off(field: Field, group: str, told: dict[str, str]) -> None:
    """Let a group's worker have the whole log, and make snapshots of that."""
    with (
        topics.admin(field.broker) as client,
        started(worker(field, group), field.folder, told) as process,
    ):
        deadline = time.monotonic() + START_SECONDS + field.most_seconds
        while committed(client, group, PARTITIONS) < field.events:
            watch(process, field.folder, deadline)
        time.sleep(SNAPSHOT_SECONDS)


async def _first_list(where: str, key: bytes | None) -> float:
    """Seconds from now until a worker lists something for the shopper with this key."""
    began, asked = time.perf_counter(), {"user_id": (key or b"").decode()}

    async def listed(answer: ClientResponse) -> bool:
        return bool(answer.status == HTTPStatus.OK and (await answer.json())["row"] != "none")

    async with ClientSession() as session:
        await _answered(session, f"{where}/rank", asked, listed)
    return time.perf_counter() - began


class Took:
    """What was asked over a time, and what the worker did beside it."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []
        self.seconds = 0.0
        self.events = 0


async def _asked(where: str, users: list[str]) -> Took:
    """Ask from when all partitions are served, for some seconds of the backlog."""
    took = Took()
    async with ClientSession() as session:
        await _answered(session, f"{where}/ready", {}, _ready)
        before, began = await _applied(session, where), time.perf_counter()

        async def asker(number: int) -> None:
            place = number
            while time.perf_counter() - began < 6.0:
                at = time.perf_counter()
                user = users[place % len(users)]
                async with session.get(f"{where}/rank", params={"user_id": user}) as answer:
                    answer.raise_for_status()
                    await answer.read()
                took.milliseconds.append(1000 * (time.perf_counter() - at))
                place += ASKERS

        await asyncio.gather(*(asker(number) for number in range(ASKERS)))
        took.seconds = time.perf_counter() - began
        took.events = await _applied(session, where) - before
    return took


async def _ready(answer: ClientResponse) -> bool:
    return answer.status == HTTPStatus.OK


async def _answered(
    session: ClientSession,
    page: str,
    asked: dict[str, str],
    accepted: Callable[[ClientResponse], Awaitable[bool]],
) -> None:
    """Ask a worker that is about to start until its answer is as wanted."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            async with session.get(page, params=asked) as answer:
                if await accepted(answer):
                    return
        except ClientError:
            pass
        await asyncio.sleep(LOOK_EVERY)
    raise StreamError(f"{page} has no good answer after {START_SECONDS:.0f} s")


async def _applied(session: ClientSession, where: str) -> int:
    """Records applied so far, as the worker tells Prometheus."""
    async with session.get(f"{where}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    offsets = [line.rpartition(" ")[2] for line in lines if line.startswith("drift_offset{")]
    return sum(int(float(offset)) + 1 for offset in offsets)
