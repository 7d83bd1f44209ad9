"""Folders that are moved aside, restored into, and made anew from the log."""

import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from stream.errors import Damaged, StreamError
from stream.storage.answers import answered
from stream.storage.checkpoint import Checkpoint
from stream.storage.snapshots import Manifest, Snapshots

FROM_LOG = "from-the-log"
"""A file in a partition's folder that is made anew from the log, not from a snapshot."""


def move_aside(path: Path, why: str) -> Path:
    """Rename a folder, which is kept; where it is now.

    `why` is part of its name: `partition-3.damaged-20260102T030405Z`.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name, number = f"{path.name}.{why}-{stamp}", 1
    while path.with_name(name).exists():
        number += 1
        name = f"{path.name}.{why}-{stamp}-{number}"
    with answered(f"move {path} aside"):
        os.rename(path, path.with_name(name))
    return path.with_name(name)


def ask_for_log(path: Path) -> None:
    """Make a new folder whose state is to come from the log alone."""
    with answered(f"write {path}"):
        path.mkdir(parents=True)
        (path / FROM_LOG).touch()


def wants_log(path: Path) -> bool:
    return (path / FROM_LOG).exists()


def has_log(path: Path) -> None:
    """It was made anew: snapshots may be taken for it again."""
    (path / FROM_LOG).unlink(missing_ok=True)


def holds_nothing(path: Path) -> bool:
    """Whether a partition's folder is not there, or no state was begun in it."""
    return not path.is_dir() or {file.name for file in path.iterdir()} <= {FROM_LOG}


def stands_at(path: Path) -> int:
    """The offset of a partition's folder, -1 where it holds nothing.

    Raises
    ------
    Damaged
        If what it holds can't be trusted.
    """
    if holds_nothing(path):
        return -1
    checkpoint = Checkpoint(path, read_only=True)
    try:
        header = checkpoint.header()
    finally:
        checkpoint.close()
    return -1 if header is None else header.offset


def restore(snapshots: Snapshots, manifest: Manifest, path: Path) -> None:
    """Put a snapshot in the place of a folder, which is removed; all or nothing.

    Raises
    ------
    Damaged
        If the snapshot is.
    """
    fetched = path.with_name(f"{path.name}.restored")
    shutil.rmtree(fetched, ignore_errors=True)
    try:
        snapshots.fetch(manifest, fetched)
        if manifest.content.header is not None and stands_at(fetched) != manifest.offset:
            raise Damaged(f"snapshots: {snapshots.url}/{manifest.part} is not at its offset")
        with answered(f"write {path}"):
            if path.exists():
                shutil.rmtree(path)
            os.rename(fetched, path)
    finally:
        shutil.rmtree(fetched, ignore_errors=True)


def restore_first(
    snapshots: Snapshots, candidates: Iterable[Manifest | Damaged], path: Path
) -> tuple[Manifest | None, list[StreamError]]:
    """Restore the first good one of these; which it was, and why those before it were not."""
    refused: list[StreamError] = []
    for candidate in candidates:
        if isinstance(candidate, Damaged):
            refused.append(candidate)
            continue
        try:
            restore(snapshots, candidate, path)
        except Damaged as error:
            refused.append(error)
        else:
            return candidate, refused
    return None, refused
