"""A state folder as a whole: what is in it, what is damaged, and snapshots of all of it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from stream.errors import Damaged, StreamError
from stream.settings import Settings
from stream.storage import content
from stream.storage.checkpoint import Checkpoint
from stream.storage.content import SHOP
from stream.storage.replica import read_model
from stream.storage.snapshots import Manifest, Snapshots
from stream.stored import NothingYet, StoredPartition, partition_folders, stored_shop

PROGRESS = "replay.msgpack"
"""What a replay that is resumed must know beside shards and shop model."""


def beside_partitions(state: Path) -> list[Path]:
    """What a state folder holds that speaks of all partitions."""
    return [path for path in (state / SHOP, state / PROGRESS) if path.exists()]


def save_snapshots(state: Path, snapshots: Snapshots) -> Iterator[Manifest]:
    """Make a snapshot of each partition and of the shop model; claim the folder before.

    Raises
    ------
    StreamError
        If something is damaged, or the place can't be written.
    """
    settings: Settings | None = None
    for path in partition_folders(state):
        # What is only in RocksDB's log goes to tables.
        Checkpoint(path).close()
        part = StoredPartition.found(path)
        if part is not None:
            part.close()
            settings = part.settings
            yield snapshots.save(path, content.of_partition(path.name, part.header))
    shop = settings and stored_shop(state, settings)
    if settings and shop:
        what = content.of_model(settings.fingerprint(), shop.position)
        yield snapshots.save(state / SHOP, what)


def problems_in(state: Path) -> Iterator[str]:
    """What is damaged in a state folder, one sentence each; reads everything in it."""
    settings: Settings | None = None
    for path in partition_folders(state):
        try:
            with closing(StoredPartition(path)) as part:
                settings = part.settings
                yield from part.problems()
        except NothingYet:
            continue
        except StreamError as error:
            yield str(error)
    try:
        if settings is None:
            read_model(state / SHOP)
        else:
            stored_shop(state, settings)
    except StreamError as error:
        yield str(error)


def problems_of(snapshots: Snapshots) -> Iterator[str]:
    """What is damaged in snapshots, one sentence each; reads all of them."""
    for part in snapshots.parts():
        for found in snapshots.newest_first(part):
            try:
                if isinstance(found, Damaged):
                    raise found
                snapshots.check(found)
            except Damaged as error:
                yield str(error)
