"""Makes every client of Kafka that there is, so that each of them has the same access.

Kafka's libraries are imported when a client is made: who reads files needs none.
"""

from typing import TYPE_CHECKING, Any

from stream import access

if TYPE_CHECKING:
    # Ours to give away: elsewhere their names may not be imported (pyproject.toml, banned-api).
    from aiokafka import AIOKafkaConsumer
    from aiokafka import AIOKafkaProducer as AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient
    from faust.types.auth import CredentialsT
    from kafka import KafkaAdminClient as KafkaAdminClient
    from kafka import KafkaConsumer


def consumer(broker: str, **options: Any) -> "KafkaConsumer":
    """One that blocks."""
    from kafka import KafkaConsumer

    return KafkaConsumer(bootstrap_servers=broker.split(","), **options, **access.load().options())


def admin_client(broker: str, as_who: access.Access, **options: Any) -> "KafkaAdminClient":
    """One that blocks, for questions about topics and groups."""
    from kafka import KafkaAdminClient

    return KafkaAdminClient(bootstrap_servers=broker.split(","), **options, **as_who.options())


def async_consumer(broker: str, **options: Any) -> "AIOKafkaConsumer":
    """One for an event loop."""
    from aiokafka import AIOKafkaConsumer

    return AIOKafkaConsumer(bootstrap_servers=broker, **options, **access.load().options())


def async_producer(broker: str, **options: Any) -> "AIOKafkaProducer":
    """One for an event loop; all that we send goes through one of these."""
    from aiokafka import AIOKafkaProducer

    return AIOKafkaProducer(bootstrap_servers=broker, **options, **access.load().options())


def async_admin(broker: str) -> "AIOKafkaAdminClient":
    """One for an event loop, for questions about topics."""
    from aiokafka.admin import AIOKafkaAdminClient

    return AIOKafkaAdminClient(bootstrap_servers=broker, **access.load().options())


def faust_credentials() -> "CredentialsT | None":
    """What Faust makes its own clients with; None in plaintext."""
    from faust.auth import SASLCredentials, SSLCredentials

    who = access.load()
    if who.mechanism is None:
        return SSLCredentials(who.tls) if who.tls is not None else None
    return SASLCredentials(
        username=who.username,
        password=who.password,
        mechanism=who.mechanism,
        ssl_context=who.tls,
    )
