"""What RocksDB and the disk answer, as errors for people."""

from collections.abc import Iterator
from contextlib import contextmanager

from stream.errors import Damaged, StreamError


@contextmanager
def answered(what: str) -> Iterator[None]:
    """Turn what the disk answers into an error for people; a bug stays one.

    Raises
    ------
    Damaged
        If stored bytes are not what was written, or files are missing.
    StreamError
        If the disk is full, read-only, in use by another and the like.
    """
    try:
        yield
    except StreamError:
        raise
    except OSError as error:
        why = error.strerror or _explained(str(error))
        raise StreamError(f"state: can't {what}: {why}") from None
    except Exception as error:
        # RocksDB's errors have no class of their own.
        said = " ".join(str(error).split())
        if said.startswith("Corruption") or (
            said.startswith("IO error") and "No such file" in said
        ):
            raise Damaged(f"state: can't {what}: {said}") from None
        if not said.startswith("IO error"):
            raise
        raise StreamError(f"state: can't {what}: {_explained(said)}") from None


def _explained(said: str) -> str:
    if "lock hold by" in said or "/LOCK" in said:
        return "another process or shard uses it"
    if "No space left" in said:
        return f"the disk is full; make room and start again ({said})"
    return said
