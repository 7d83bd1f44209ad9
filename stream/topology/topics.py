"""The topics, with their partitions and configs: what creates and what checks them."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from kafka.net.compat import KafkaNetClient

from stream import access
from stream.access import PLAINTEXT, Access
from stream.errors import StreamError
from stream.handshake import NoAccessError, NoBrokerError, shake_hands
from stream.kafka_clients import admin_client, consumer
from stream.messages import (
    ALERTS,
    DEAD_LETTERS,
    DELTAS,
    EVENTS,
    FLOWS,
    FORECASTS,
    UPDATES,
)

if TYPE_CHECKING:
    from stream.kafka_clients import KafkaAdminClient

MIB = 1 << 20
DAY_MS = 86_400_000
ANSWER_SECONDS = 3.0

# Without it, what the library logs about a broker that is down goes to the terminal.
logging.getLogger("kafka").addHandler(logging.NullHandler())


class Topic(NamedTuple):
    """What a topic needs. `partitions` is None where the operator chooses, for all alike."""

    name: str
    partitions: int | None
    configs: Mapping[str, str]


def _configs(cleanup: str, days: int, largest: int | None = None) -> dict[str, str]:
    configs = {"cleanup.policy": cleanup, "retention.ms": str(days * DAY_MS)}
    return configs | ({"max.message.bytes": str(largest)} if largest else {})


DEFAULT_PARTITIONS = 4
TOPICS = (
    # By event time, a published log of last year would be deleted at once.
    Topic(
        EVENTS,
        None,
        {**_configs("delete", 7, 4 * MIB), "message.timestamp.type": "LogAppendTime"},
    ),
    Topic(ALERTS, None, _configs("delete", 30)),
    Topic(DELTAS, None, _configs("compact,delete", 30)),
    Topic(UPDATES, 1, _configs("delete", 30, 4 * MIB)),
    # Forecasts are made of two years of days. What a member that owns it anew reads again must
    # hold every count of the last day, not only the newest, to tell what it told already.
    Topic(
        FLOWS,
        1,
        {**_configs("compact,delete", 800), "min.compaction.lag.ms": str(DAY_MS)},
    ),
    # A quarter's forecast is of use until the next one.
    Topic(FORECASTS, 1, _configs("compact,delete", 400)),
    # Room for the refused record in base 64, and its address.
    Topic(DEAD_LETTERS, None, _configs("delete", 30, 8 * MIB)),
)


def create(broker: str, partitions: int) -> list[str]:
    """Create the topics that are missing and return their names. Those there stay as they are.

    Raises
    ------
    StreamError
        If no broker answers, or it refuses.
    """
    with admin(broker) as client:
        missing = [topic for topic in TOPICS if topic.name not in client.list_topics()]
        if not missing:
            return []
        answer = client.create_topics(
            {topic.name: _wanted(topic, partitions) for topic in missing}, raise_errors=False
        )
        created = [topic["name"] for topic in answer["topics"] if _was_created(broker, topic)]
        client.wait_for_topics([topic.name for topic in missing])
    return created


def _wanted(topic: Topic, partitions: int) -> dict[str, object]:
    return {"num_partitions": topic.partitions or partitions, "configs": dict(topic.configs)}


def _was_created(broker: str, answer: Mapping[str, object]) -> bool:
    """False if another process was faster."""
    error = for_code(answer["error_code"])
    if error is TopicAlreadyExistsError:
        return False
    if answer["error_code"] == 0:
        return True
    reason = answer.get("error_message") or error.__name__
    raise StreamError(f"{broker} refused to create {answer['name']}: {reason}")


def check(broker: str, partitions: int | None = None) -> list[str]:
    """What is wrong with the topics, in sentences that name the fix; empty if nothing is.

    Without `partitions`, those of behavior-events are taken for wanted.
    """
    with admin(broker) as client:
        counts = _partition_counts(client)
        configs = _configs_of(client, [topic.name for topic in TOPICS if topic.name in counts])
    wanted = partitions or counts.get(EVENTS)
    return [
        problem
        for topic in TOPICS
        for problem in (
            _problems(topic, topic.partitions or wanted, counts[topic.name], configs[topic.name])
            if topic.name in counts
            else [f"there is no topic {topic.name}: run drift topics create"]
        )
    ]


def _problems(
    topic: Topic, wanted: int | None, found: int, configs: Mapping[str, str]
) -> Iterator[str]:
    if wanted is not None and found != wanted:
        yield _differing_count(topic, wanted, found)
    for name, value in topic.configs.items():
        if not _will_do(topic, name, value, configs[name]):
            yield (
                f"{topic.name} has {name}={configs[name]}, and needs {value}: kafka-configs.sh "
                f"--alter --topic {topic.name} --add-config {name}=[{value}]"
            )


def _differing_count(topic: Topic, wanted: int, found: int) -> str:
    fix = f"delete {topic.name} and run drift topics create --partitions {wanted}"
    if topic.name == EVENTS:
        fix = f"say --partitions {found}, or {fix} (its records and the state go with it)"
    return f"{topic.name} has {found} partitions, not {wanted}: {fix}"


def _will_do(topic: Topic, name: str, needed: str, found: str) -> bool:
    """Whether a config found does what is needed of it."""
    if name == "cleanup.policy":
        return set(found.split(",")) == set(needed.split(","))
    if name in ("max.message.bytes", "min.compaction.lag.ms"):
        return int(found) >= int(needed)
    # How long records are kept is the operator's choice, except where replicas are built of them.
    return topic.name != UPDATES or int(found) == -1 or int(found) >= int(needed)


def partitions_of(broker: str, topic: str) -> int:
    """How many partitions a topic has. Raises a StreamError if there is no such topic."""
    with admin(broker) as client:
        counts = _partition_counts(client)
    if topic not in counts:
        raise StreamError(f"{broker} has no topic {topic}: run drift topics create")
    return counts[topic]


def holds_records(broker: str, topic: str) -> bool:
    """Whether anything was ever written to a topic."""
    partitions = [TopicPartition(topic, number) for number in range(partitions_of(broker, topic))]
    client = consumer(broker)
    try:
        return any(client.end_offsets(partitions).values())
    finally:
        client.close()


def _partition_counts(client: "KafkaAdminClient") -> dict[str, int]:
    return {topic["name"]: len(topic["partitions"]) for topic in client.describe_topics()}


def _configs_of(client: "KafkaAdminClient", names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found = client.describe_configs(asked, config_filter="all")["topic"]
    return {
        name: {key: entry["value"] for key, entry in configs.items()}
        for name, configs in found.items()
    }


@contextmanager
def admin(
    broker: str, seconds: float = ANSWER_SECONDS, who: Access | None = None
) -> "Iterator[KafkaAdminClient]":
    """A client for questions about topics, closed at the end; `who` is what DRIFT_* say.

    Raises
    ------
    NoBrokerError
        If there is no answer within `seconds`, or the broker goes away meanwhile.
    NoAccessError
        If it does not let us in.
    """
    who = who or access.load()
    shake_hands(broker, who, seconds)
    clients: list[KafkaNetClient] = []

    def remembered(**configs: object) -> KafkaNetClient:
        clients.append(KafkaNetClient(**configs))
        return clients[0]

    milliseconds = int(seconds * 1000)
    try:
        client = admin_client(
            broker, who, bootstrap_timeout_ms=milliseconds, kafka_client=remembered
        )
    except KafkaError:
        _close(clients)
        raise NoBrokerError(broker) from None
    try:
        yield client
    finally:
        client.close()


def _close(clients: list[KafkaNetClient]) -> None:
    """Stop the thread of a client that never came to be: its own `close` would not."""
    for client in clients:
        client.close()
        client._net.stop()


def answers(broker: str) -> bool:
    """Whether a broker of ours answers a question about its topics now, in plaintext."""
    try:
        with admin(broker, who=PLAINTEXT) as client:
            client.list_topics()
    except (NoBrokerError, NoAccessError, KafkaError):
        return False
    return True
