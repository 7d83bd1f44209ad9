"""Two workers on a real Kafka beside one process: how good their lists are on the same log."""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from aiokafka import AIOKafkaProducer

from stream.core.shop import ShopModel
from stream.core.updates import columns_of, decode
from stream.evaluation.logs import Log, between, read_log
from stream.evaluation.ranking_published import (
    TYPES,
    Lists,
    Published,
    every_change,
    judged,
    published,
)
from stream.evaluation.ranking_walk import Walk, walk
from stream.messages import DELTAS, EVENTS, BehaviorEvent, RecommendationDelta, ShopUpdates
from stream.settings import Settings
from stream.storage.event_log import read
from stream.storage.partitioning import partition_of
from stream.topology import topics
from stream.topology.broker import Broker
from stream.topology.log_reader import LogReader
from tests.benchmarks.contestants import Field, committed, members, started, watch, worker
from tests.benchmarks.report import Report, Row

PARTITIONS, WORKERS, GROUP = 4, 2, "two-workers"
BATCHES_A_SECOND = 20


class Feed(NamedTuple):
    """How the log comes to the workers."""

    name: str
    rate: int
    """Events a second; 0 is all at once."""
    standing: bool
    """After both are members of the group; else one of them begins, and hands partitions over."""


FEEDS = (
    Feed("2,000 events/s, as the group forms", 2000, False),
    Feed("at once, to a standing group", 0, True),
    Feed("at once, as the group forms", 0, False),
)
TAOBAO_DAYS = 1511539200.0, 1512316800.0
"""25 November to 3 December 2017 in China; the log has a few lines of other years."""
WITHIN = 20
LIST_SECONDS = 600.0
WIRE = {"list_size": 21, "list_current": True, "list_bought": True, "delta_interval": 0}
"""`every_change` as a worker's settings file says it."""
_delta = msgspec.json.Decoder(RecommendationDelta).decode


def run(report: Report, taobao: Path | None, sessions: Sequence[Path]) -> None:
    """For each log, lists of two workers, as it comes in and in one heap, and of one process."""
    if taobao is None and not sessions:
        report.say("replica: no log: give --taobao FILE or --sessions FILE to measure it")
    if taobao is not None:
        _measure(report, between(_log(report, "taobao", [taobao]), *TAOBAO_DAYS))
    if sessions:
        _measure(report, read_sessions(report, sessions))


def read_sessions(report: Report, paths: Sequence[Path]) -> Log:
    """A log of weekly files of lines 'session item'."""
    return _log(report, "session-item", paths)


def _log(report: Report, preset: str, paths: Sequence[Path]) -> Log:
    settings, names = Settings(), [str(path) for path in paths]
    records = read(names, settings=settings, preset=preset, any_order=True, say=report.say)
    return read_log(preset, records, settings)


def _measure(report: Report, log: Log) -> None:
    path = walk(log)
    settings = every_change(Settings())
    rows = [_row("one process", judge(path, published(log, path, settings, PARTITIONS)))]
    foreign = 0.0
    for feed in FEEDS:
        with tempfile.TemporaryDirectory(prefix="drift-bench-") as scratch:
            lists, foreign = _live(log, path, Path(scratch), feed)
        rows.append(_row(f"{WORKERS} workers, {feed.name}", judge(path, lists)))
    report.show(
        f"{log.name}: {len(path.at):,} events in {PARTITIONS} partitions, lists as published",
        rows,
        "Wanted: recall within 0.5 of one process. The newest list sent with an earlier event of "
        "the shopper, each change sent; of all next items that came before in an earlier period.",
    )
    report.say(f"replica: learning an event of shop-updates takes {foreign:.2f} us (wanted: 3)")


def judge(path: Walk, lists: Published) -> tuple[float, float]:
    """Recall and mean reciprocal rank within 20, in percent, of the events that are asked."""
    ranks = np.asarray(judged(path, lists).verdicts)["rank"][path.asked]
    hit = (ranks > 0) & (ranks <= WITHIN)
    return 100 * float(hit.mean()), 100 * float(np.where(hit, 1 / np.maximum(ranks, 1), 0).mean())


def _row(name: str, found: tuple[float, float]) -> Row:
    return {"who": name, "recall@20": found[0], "mrr@20": found[1]}


def _live(log: Log, path: Walk, scratch: Path, feed: Feed) -> tuple[Published, float]:
    """What two workers published, and us an event to learn all that they told one another."""
    settings = scratch / "settings.toml"
    settings.write_text("".join(f"{key} = {str(value).lower()}\n" for key, value in WIRE.items()))
    with Broker.start() as broker:
        topics.create(broker.address, PARTITIONS)
        field = Field(broker.address, len(path.at), scratch, LIST_SECONDS)
        _serve(field, settings, log, path, feed)
        updates = asyncio.run(_values(broker.address, topics.UPDATES, 0))
        lists = asyncio.run(_lists(broker.address, log, path))
    return lists, learning(updates)


def _serve(field: Field, settings: Path, log: Log, path: Walk, feed: Feed) -> None:
    """Let two workers of one group have the whole log."""
    commands = [
        worker(field._replace(folder=field.folder / str(number)), GROUP, settings)
        for number in range(WORKERS)
    ]
    with (
        topics.admin(field.broker) as client,
        started(commands[0], field.folder / "0", {}) as first,
        started(commands[1], field.folder / "1", {}) as second,
    ):
        begun = time.monotonic()

        def look() -> None:
            for number, process in enumerate((first, second)):
                watch(process, field.folder / str(number), begun + field.most_seconds)

        while feed.standing and members(client, GROUP) < WORKERS:
            look()
        asyncio.run(_publish(field.broker, events(log, path), feed.rate))
        while committed(client, GROUP, PARTITIONS) < field.events:
            look()


def events(log: Log, path: Walk) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each event of the walk, in its order."""
    names = ("shoppers", "at", "items", "categories", "actions", "given")
    columns = [getattr(path, name).tolist() for name in names]
    for shopper, at, item, category, action, session in zip(*columns, strict=True):
        event = BehaviorEvent(
            user_id=log.shopper_names[shopper],
            event_type=TYPES[action],
            occurred_at=at,
            item_id=log.item_names[item],
            category=log.category_names[category] if category >= 0 else None,
            session_id=str(session) if session else None,
        )
        yield event.user_id.encode(), msgspec.json.encode(event)


async def _publish(broker: str, records: Iterator[tuple[bytes, bytes]], rate: int) -> None:
    """Send records in their order, at a steady pace unless `rate` is 0."""
    size = rate // BATCHES_A_SECOND if rate else 2000
    begun, sent = time.monotonic(), 0
    async with AIOKafkaProducer(bootstrap_servers=broker) as sender:
        while part := list(islice(records, size)):
            for key, value in part:
                await sender.send(EVENTS, value, key, partition_of(key, PARTITIONS))
            sent += len(part)
            if rate:
                await asyncio.sleep(max(0.0, begun + sent / rate - time.monotonic()))
        await sender.flush()


async def _values(broker: str, topic: str, partition: int) -> list[bytes]:
    async with LogReader(broker, topic, partition) as reader:
        batches = reader.read(0, await reader.end_offset())
        return [record.value async for records in batches for record in records if record.value]


async def _lists(broker: str, log: Log, path: Walk) -> Published:
    """The deltas on the topic, each with the number of its event in the walk."""
    numbers: list[list[int]] = [[] for _ in range(PARTITIONS)]
    for number, shopper in enumerate(path.shoppers.tolist()):
        numbers[partition_of(log.shopper_names[shopper].encode(), PARTITIONS)].append(number)
    lists = Lists(log)
    for partition in range(PARTITIONS):
        for value in await _values(broker, DELTAS, partition):
            delta = _delta(value)
            lists.take(delta, numbers[partition][delta.sequence])
    return lists.published()


def learning(updates: Sequence[bytes]) -> float:
    """CPU us an event that a replica takes for everybody's events, reading the bytes included."""
    shop, count = ShopModel(Settings()), 0
    used = time.process_time()
    for value in updates:
        message = decode(value)
        shop.apply(message)
        count += len(columns_of(message).position) if isinstance(message, ShopUpdates) else 0
    return (time.process_time() - used) / count * 1e6
