import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from stream.errors import StreamError, WrongUse
from stream.handshake import addresses
from stream.topology import topics
from stream.topology.broker import Broker, free_port

NAMES = [topic.name for topic in topics.TOPICS]
pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def own_broker(embedded_kafka: None) -> Iterator[str]:
    """A broker of our own, never DRIFT_BROKER: topics are deleted here."""
    with Broker.start() as running:
        yield running.address


@pytest.fixture
def empty(own_broker: str) -> str:
    """That broker without topics."""
    with topics.admin(own_broker) as client:
        if there := [name for name in client.list_topics() if name in NAMES]:
            client.delete_topics(there)
        while set(NAMES) & set(client.list_topics()):
            time.sleep(0.05)
    return own_broker


def drift(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stream", "topics", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_topics_are_created_once_and_found_in_order(empty: str) -> None:
    assert sorted(topics.create(empty, 3)) == sorted(NAMES)
    assert topics.check(empty, 3) == topics.check(empty) == []
    assert topics.create(empty, 3) == []


def test_shoppers_topics_have_the_operators_partitions_and_the_shops_have_one(empty: str) -> None:
    topics.create(empty, 3)
    counts = {name: topics.partitions_of(empty, name) for name in NAMES}
    ones = {"shop-updates", "category-flows", "demand-forecasts"}
    assert counts == {name: 1 if name in ones else 3 for name in NAMES}


def test_missing_topics_are_named_with_the_fix(empty: str) -> None:
    assert topics.check(empty) == [
        f"there is no topic {name}: run drift topics create" for name in NAMES
    ]


def test_the_partitions_of_a_missing_topic_are_an_error(empty: str) -> None:
    with pytest.raises(StreamError, match="has no topic dead-letters: run drift topics create"):
        topics.partitions_of(empty, "dead-letters")


def test_another_partition_count_than_asked_for_is_a_problem(empty: str) -> None:
    topics.create(empty, 2)
    first, *others = topics.check(empty, 5)
    assert first.startswith("behavior-events has 2 partitions, not 5: say --partitions 2, or")
    assert len(others) == 3


def test_outputs_must_have_as_many_partitions_as_the_events(empty: str) -> None:
    with topics.admin(empty) as client:
        client.create_topics({"migration-alerts": {"num_partitions": 7}})
    topics.create(empty, 2)
    assert topics.check(empty) == [
        "migration-alerts has 7 partitions, not 2: "
        "delete migration-alerts and run drift topics create --partitions 2"
    ]


def test_configs_that_lose_records_are_problems_and_longer_retention_is_not(empty: str) -> None:
    topics.create(empty, 1)
    with topics.admin(empty) as client:
        client.alter_configs(
            [
                ConfigResource(ConfigResourceType.TOPIC, name, {config: value})
                for name, config, value in [
                    ("behavior-events", "max.message.bytes", "1000"),
                    ("recommendation-deltas", "cleanup.policy", "delete"),
                    ("shop-updates", "retention.ms", "1000"),
                    ("category-flows", "retention.ms", "-1"),
                    ("dead-letters", "retention.ms", "1000"),
                ]
            ]
        )
    # The broker answers before it has heard of the change itself.
    while len(problems := topics.check(empty)) < 3:
        time.sleep(0.05)
    events, deltas, updates = problems
    assert events.startswith("behavior-events has max.message.bytes=1000, and needs 4194304")
    assert deltas.startswith("recommendation-deltas has cleanup.policy=delete, and needs")
    assert updates.startswith("shop-updates has retention.ms=1000, and needs 2592000000")


def test_no_broker_is_told_at_once_and_a_silent_one_within_five_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (free_port(), silent.getsockname()[1]):
            began = time.monotonic()
            with pytest.raises(StreamError, match=f"no broker answers at 127.0.0.1:{port}: start"):
                topics.check(f"127.0.0.1:{port}")
            assert time.monotonic() - began < 5


@pytest.mark.parametrize("text", ["", "localhost", ":9092", "localhost:kafka", "a:1,", "a:65536"])
def test_an_address_that_is_none_is_wrong_use(text: str) -> None:
    with pytest.raises(WrongUse, match="a broker is HOST:PORT"):
        addresses(text)


def test_the_commands_print_results_and_exit_codes_that_scripts_can_use(empty: str) -> None:
    created = drift("create", "--broker", empty, "--partitions", "2", "--json")
    assert (created.returncode, sorted(json.loads(created.stdout)["created"])) == (0, sorted(NAMES))
    checked = drift("check", "--broker", empty)
    assert (checked.returncode, checked.stdout) == (0, "all 7 topics are as they should be\n")
    differing = drift("check", "--broker", empty, "--partitions", "3")
    assert (differing.returncode, len(differing.stderr.splitlines())) == (1, 4)
    as_json = drift("check", "--broker", empty, "--partitions", "3", "--json")
    assert (as_json.returncode, len(json.loads(as_json.stdout)["problems"])) == (1, 4)


def test_the_commands_say_in_one_line_that_no_broker_answers() -> None:
    address = f"127.0.0.1:{free_port()}"
    done = drift("create", "--broker", address)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"drift: no broker answers at {address}: start one with drift broker, "
        "or name another with --broker\n"
    )
