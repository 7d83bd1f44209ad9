"""Marks among the writes, by which a hole in them is found."""

from pathlib import Path

from rocksdict import Rdict, WriteBatch

from stream.errors import Damaged
from stream.storage import codec
from stream.storage.codec import Header

KEPT = 256
"""So many last epochs are looked for: with those of a megabyte, far more than is ever unflushed."""
BYTES = 1 << 20
"""A memtable has at least one mark: it is larger, or begins where an epoch begins too."""


class Epochs:
    """Numbers stretches of writes. All last ones must be there when the newest is.

    RocksDB writes to a log and moves what is there to tables. If a log is deleted, or the
    list of tables cut, it opens without a word on what is left, old rows beside a new
    header. Each stretch leaves a mark of its own, so what is lost misses one.

    Raises
    ------
    Damaged
        If a mark is missing.
    """

    def __init__(self, database: Rdict, path: Path) -> None:
        stored = database.get(codec.HEADER)
        self._epoch = codec.epoch_of(stored) if stored is not None else 0
        self._turned = True
        self._written = 0
        wanted = range(max(1, self._epoch - KEPT + 1), self._epoch + 1)
        marks = database[[_key(epoch) for epoch in wanted]] if wanted else []
        for epoch, mark in zip(wanted, marks, strict=True):
            if mark is None or int.from_bytes(mark, "big") != epoch:
                raise Damaged(f"state: {path} lacks writes before its last ones")

    def turn(self) -> None:
        """Let the next write begin an epoch: what was written before is in tables."""
        self._turned = True

    def mark(self, header: Header, batch: WriteBatch) -> None:
        """Note the epoch of a batch in its header, and in a mark where it begins one."""
        if self._turned or self._written >= BYTES:
            self._epoch += 1
            self._written, self._turned = 0, False
            batch.put(_key(self._epoch), self._epoch.to_bytes(8, "big"))
        self._written += batch.size_in_bytes()
        header.epoch = self._epoch


def _key(epoch: int) -> bytes:
    return codec.EPOCH + (epoch % KEPT).to_bytes(2, "big")
