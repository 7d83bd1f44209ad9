"""Stored rows of shoppers who were silent for so long that they count no more."""

import struct
from itertools import islice

import numpy as np

from stream.core.shoppers import layout
from stream.settings import Settings
from stream.storage import codec
from stream.storage.checkpoint import Checkpoint

LOOKED_AT = 256
"""Stored rows that each checkpoint looks at: a million in two hours, one every two seconds."""


class Inactive:
    """Tells which rows count no more. When they leave the disk makes no difference to anything."""

    def __init__(self, settings: Settings) -> None:
        self.after = settings.inactive_after or np.inf
        self.drops = settings.inactive_after > 0
        self._place = 0
        row = layout(settings)
        for name in ("strict", "presence", "seen_at"):
            assert row.fields is not None
            row, offset = row.fields[name][:2]
            self._place += offset

    def __call__(self, value: bytes, clock: float) -> bool:
        """Whether a stored row counts no more at this time of the partition's clock."""
        seen_at: float = struct.unpack_from("=d", value, self._place)[0]
        return seen_at > 0.0 and clock - seen_at > self.after

    def among(self, rows: np.ndarray, clock: float) -> np.ndarray:
        """The same of rows in memory, all at once."""
        seen_at = rows["strict"]["presence"]["seen_at"]
        found: np.ndarray = (seen_at > 0.0) & (clock - seen_at > self.after)
        return found


class Sweep:
    """Goes round all stored rows, a few at a time, to find those that count no more."""

    def __init__(self, checkpoint: Checkpoint, inactive: Inactive) -> None:
        self._checkpoint = checkpoint
        self._inactive = inactive
        self._next = codec.ROW

    def next(self, clock: float) -> list[int]:
        """Keys of those found among the next rows; none where nobody is ever dropped."""
        if not self._inactive.drops:
            return []
        rows = list(islice(self._checkpoint.all_rows(self._next), LOOKED_AT))
        self._next = rows[-1][0] + b"\0" if len(rows) == LOOKED_AT else codec.ROW
        return [codec.key_of(key) for key, value in rows if self._inactive(value, clock)]
