"""The shop model on disk: one file, its digest at the end, written aside and renamed."""

import os
from hashlib import blake2b
from pathlib import Path

from stream.core.shop import ShopModel, Snapshot
from stream.errors import Damaged, StreamError
from stream.settings import Settings

MODEL = "shop.model"
DIGEST = 16


def load_model(folder: Path, settings: Settings) -> ShopModel | None:
    """The model saved in this folder, or None if none is.

    Raises
    ------
    Damaged
        If it is not what was saved.
    StreamError
        If it was made with other settings.
    """
    stored = read_model(folder)
    try:
        return None if stored is None else ShopModel.restore(stored, settings)
    except StreamError as error:
        raise StreamError(f"state: {folder / MODEL}: {error}") from None


def read_model(folder: Path) -> bytes | None:
    """The bytes of the model saved in this folder, checked; None if none is."""
    path = folder / MODEL
    if not path.exists():
        return None
    try:
        stored = path.read_bytes()
    except OSError as error:
        raise StreamError(f"state: can't read {path}: {error.strerror}") from None
    if blake2b(stored[:-DIGEST], digest_size=DIGEST).digest() != stored[-DIGEST:]:
        raise Damaged(f"state: {path}: it is damaged; delete it, the log rebuilds it")
    return stored[:-DIGEST]


def save_model(snapshot: Snapshot, folder: Path) -> None:
    """Store a model; a crash in between leaves the one before."""
    path, aside = folder / MODEL, folder / f"{MODEL}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        digest = blake2b(digest_size=DIGEST)
        with aside.open("wb") as file:
            for part in snapshot.parts():
                digest.update(part)
                file.write(part)
            file.write(digest.digest())
        os.replace(aside, path)
    except OSError as error:
        raise StreamError(f"state: can't write {path}: {error.strerror}") from None
