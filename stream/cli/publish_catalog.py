"""The shop's catalog to shop-updates, where every worker's shop model reads it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stream.errors import StreamError
from stream.messages import UPDATES

if TYPE_CHECKING:
    from stream.messages import CatalogEntries


def send_catalog(path: Path, broker: str) -> None:
    """Return when the broker has all of it; how much that was goes to stderr."""
    from stream.storage.event_log import entries
    from stream.topology.topics import partitions_of

    # Read to its end first: half a catalog is no catalog.
    pieces = list(entries(path))
    partitions_of(broker, UPDATES)
    asyncio.run(_send(pieces, broker))
    items = sum(len(piece.items) for piece in pieces)
    categories = sum(len(piece.categories) for piece in pieces)
    named = f" and what {categories:,} categories are called" if categories else ""
    click.echo(f"drift: {items:,} items{named} published to {UPDATES}", err=True)


async def _send(pieces: "Sequence[CatalogEntries]", broker: str) -> None:
    from aiokafka.errors import KafkaError

    from stream.topology.outputs import Publisher, catalog_outputs

    publisher = Publisher(broker)
    try:
        await publisher.start()
        await publisher.deliver(publisher.packed(catalog_outputs(pieces)))
    except KafkaError as error:
        raise StreamError(
            f"{broker} did not take the catalog: {type(error).__name__} {error}".rstrip()
        ) from None
    finally:
        await publisher.stop()
