"""A real Kafka of each test's own, for tests here stop it, and the names of topics are fixed."""

from collections.abc import Iterator

import pytest

from stream.topology import topics
from stream.topology.broker import Broker
from tests.kafka import live
from tests.kafka.conftest import embedded_kafka

__all__ = ["embedded_kafka"]


@pytest.fixture
def kafka(embedded_kafka: None) -> Iterator[Broker]:
    with Broker.start() as running:
        topics.create(running.address, live.PARTITIONS)
        yield running
