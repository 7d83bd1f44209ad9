"""The events that our worker and its peers get: few shoppers come often, few items sell much."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from aiokafka import AIOKafkaProducer
from numpy.typing import NDArray

from stream.messages import BehaviorEvent
from stream.storage.partitioning import partition_of

USERS, ITEMS, CATEGORIES = 50_000, 20_000, 300
USER_EXPONENT, ITEM_EXPONENT = 0.9, 1.0
STARTS_AT, EVENTS_PER_SECOND = 1_700_000_000, 500
BATCH_BYTES = 200_000
NO_BOTS = 0
"""For `most_hourly`: the shopper who comes most often does so 17 times a second."""


class Keyed(NamedTuple):
    """A record for the events topic."""

    key: bytes
    value: bytes


def events(count: int, seed: int = 7) -> Iterator[Keyed]:
    """Views by shoppers of a Zipf law, of items of another; an item has one category."""
    random = np.random.default_rng(seed)
    users = _zipf(random, USERS, USER_EXPONENT, count).tolist()
    items = _zipf(random, ITEMS, ITEM_EXPONENT, count).tolist()
    category_of = random.integers(0, CATEGORIES, ITEMS).tolist()
    for number, (user, item) in enumerate(zip(users, items, strict=True)):
        event = BehaviorEvent(
            event_id=str(number),
            user_id=f"u{user}",
            item_id=f"i{item}",
            category=f"c{category_of[item]}",
            event_type="view",
            occurred_at=STARTS_AT + number / EVENTS_PER_SECOND,
        )
        yield Keyed(event.user_id.encode(), msgspec.json.encode(event))


def _zipf(
    random: np.random.Generator, kinds: int, exponent: float, count: int
) -> NDArray[np.int64]:
    """Draws of `kinds` numbers; which of them are frequent is shuffled."""
    law = np.cumsum(np.arange(1, kinds + 1) ** -exponent)
    ranks = np.searchsorted(law / law[-1], random.random(count))
    return random.permutation(kinds)[ranks]


def publish(broker: str, topic: str, partitions: int, records: Sequence[Keyed]) -> None:
    """Send records as whole batches, keyed as Kafka's Java client does."""
    asyncio.run(_publish(broker, topic, partitions, records))


async def _publish(broker: str, topic: str, partitions: int, records: Sequence[Keyed]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=broker, max_batch_size=2 * BATCH_BYTES) as sender:
        for partition in range(partitions):
            batch = sender.create_batch()
            for record in records:
                if partition_of(record.key, partitions) != partition:
                    continue
                batch.append(key=record.key, value=record.value, timestamp=None)
                if batch.size() > BATCH_BYTES:
                    await sender.send_batch(batch, topic, partition=partition)
                    batch = sender.create_batch()
            await (await sender.send_batch(batch, topic, partition=partition))
        await sender.flush()
