"""`drift forget`: ask every partition to forget shoppers."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stream.cli.options import broker_option, json_option
from stream.errors import StreamError, WrongUse
from stream.messages import EVENTS, ForgetRequest

if TYPE_CHECKING:
    from stream.kafka_clients import AIOKafkaProducer

LONGEST = 512
"""Characters of an id, as in events."""
TOGETHER = 1000
"""Requests that are on their way at once."""
Offsets = dict[int, tuple[int, int]]
"""For each partition the first and the last request in it."""


@click.command(epilog="Example: drift forget u00137 'Ana María/7' --broker 127.0.0.1:9092")
@click.argument("users", metavar="USER...", nargs=-1)
@click.option(
    "--file",
    "path",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="More of them, one id a line.",
)
@broker_option
@json_option
def forget(users: tuple[str, ...], path: Path | None, broker: str, as_json: bool) -> None:
    """Erase shoppers, by the ids that their events have.

    The request goes to every partition of behavior-events, for clients differ in where they put
    a key; it takes effect at its place there. Exit code 0 says that the broker has all of them.
    """
    from stream.topology.topics import partitions_of

    wanted = [_checked(user) for user in dict.fromkeys([*users, *(_listed(path) if path else [])])]
    if not wanted:
        raise WrongUse("name a USER, or a --file with one id a line")
    offsets = asyncio.run(_ask(wanted, broker, partitions_of(broker, EVENTS)))
    _report(len(wanted), offsets, as_json)


def _listed(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text().splitlines() if line]
    except OSError as error:
        raise WrongUse(f"--file: can't read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise WrongUse(f"--file: {path} is not UTF-8: {error}") from None


def _checked(user: str) -> str:
    """The id, if an event could have it; else all that no event could have is refused."""
    if not 0 < len(user) <= LONGEST or "\0" in user:
        raise WrongUse(f"{user[:80]!r} is no user id: it has 1 to {LONGEST} characters, none NUL")
    try:
        user.encode()
    except UnicodeEncodeError:
        raise WrongUse(f"{user[:80]!r} is not UTF-8, as ids in events are") from None
    return user


async def _ask(users: Sequence[str], broker: str, partitions: int) -> Offsets:
    """Return when the broker has every request; where they are."""
    from aiokafka.errors import KafkaError

    from stream.kafka_clients import async_producer

    producer = async_producer(broker, enable_idempotence=True)
    offsets: Offsets = {}
    try:
        await producer.start()
        try:
            for first in range(0, len(users), TOGETHER):
                part = users[first : first + TOGETHER]
                for partition in range(partitions):
                    found = await _send(producer, part, partition)
                    offsets[partition] = (offsets.get(partition, found)[0], found[1])
        finally:
            await producer.stop()
    except KafkaError as error:
        raise StreamError(
            f"{broker} did not take all requests ({type(error).__name__} {error}): "
            "ask again, a repeat does no harm"
        ) from None
    return offsets


async def _send(
    producer: "AIOKafkaProducer", users: Sequence[str], partition: int
) -> tuple[int, int]:
    import msgspec

    asked = [ForgetRequest(user_id=user, occurred_at=round(time.time(), 3)) for user in users]
    sent = [
        await producer.send(
            EVENTS, msgspec.json.encode(one), one.user_id.encode(), partition=partition
        )
        for one in asked
    ]
    taken = [record.offset for record in await asyncio.gather(*sent)]
    return min(taken), max(taken)


def _report(users: int, offsets: Offsets, as_json: bool) -> None:
    if as_json:
        import orjson

        places = {str(partition): list(span) for partition, span in sorted(offsets.items())}
        click.echo(orjson.dumps({"users": users, "topic": EVENTS, "offsets": places}))
        return
    click.echo(f"asked {len(offsets)} partitions of {EVENTS} to forget {users:,}")
    for partition, (first, last) in sorted(offsets.items()):
        click.echo(f"  {EVENTS}[{partition}]@{first}" + (f" to {last}" if last > first else ""))
