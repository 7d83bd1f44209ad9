"""A state folder belongs to one worker at a time."""

import fcntl
from pathlib import Path
from types import TracebackType
from typing import IO

from stream.errors import StreamError

LOCK = "worker.lock"


class Claim:
    """Holds a state folder, made where it is missing, until it is left or the process ends.

    Two workers of one folder have one name too, and would throw each other out of the
    group again and again.

    Raises
    ------
    StreamError
        If another worker uses the folder, or it can't be written.
    """

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / LOCK).open("ab")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._close()
            raise StreamError(
                f"state: another worker uses {folder}: stop it, or take another --state folder"
            ) from None
        except OSError as error:
            raise StreamError(f"state: can't write to {folder}: {error.strerror}") from None

    def __enter__(self) -> "Claim":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
