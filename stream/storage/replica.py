"""The shop model on disk: one file, written aside and renamed."""

import os
from pathlib import Path

from stream.core.shop import ShopModel, Snapshot
from stream.errors import StreamError
from stream.settings import Settings

MODEL = "shop.model"


def load_model(folder: Path, settings: Settings) -> ShopModel | None:
    """The model saved in this folder, or None if none is.

    Raises
    ------
    StreamError
        If it is damaged or was made with other settings.
    """
    path = folder / MODEL
    if not path.exists():
        return None
    try:
        return ShopModel.restore(path.read_bytes(), settings)
    except OSError as error:
        raise StreamError(f"state: can't read {path}: {error.strerror}") from None
    except StreamError as error:
        raise StreamError(f"state: {path}: {error}") from None


def save_model(snapshot: Snapshot, folder: Path) -> None:
    """Store a model; a crash in between leaves the one before."""
    path, aside = folder / MODEL, folder / f"{MODEL}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.writelines(snapshot.parts())
        os.replace(aside, path)
    except OSError as error:
        raise StreamError(f"state: can't write {path}: {error.strerror}") from None
