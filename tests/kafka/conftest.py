"""A real Kafka for all tests here: never silently skipped where CI is set."""

import os
from collections.abc import Iterator

import pytest

from stream.errors import StreamError
from stream.topology import kafka_runtime
from stream.topology.broker import Broker


@pytest.fixture(scope="session")
def embedded_kafka() -> None:
    """Java and the jars, so that any test may start a broker of its own."""
    try:
        kafka_runtime.java()
        kafka_runtime.jars(print)
    except StreamError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"needs a real Kafka: {error}")


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a Kafka that all tests share: DRIFT_BROKER, or one started here."""
    if named := os.environ.get("DRIFT_BROKER"):
        yield named
        return
    request.getfixturevalue("embedded_kafka")
    with Broker.start() as running:
        yield running.address
