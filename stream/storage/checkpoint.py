"""One partition's state on disk: rows and the source offset, in one RocksDB write."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from rocksdict import (
    AccessType,
    BottommostLevelCompaction,
    Cache,
    CompactOptions,
    DBRecoveryMode,
    Options,
    Rdict,
    WriteBatch,
)
from rocksdict import BlockBasedOptions as BlockOptions
from rocksdict import Checkpoint as Links

from stream.calibration import Calibration
from stream.errors import Damaged, StreamError
from stream.storage import codec
from stream.storage.answers import answered
from stream.storage.codec import Header
from stream.storage.epochs import Epochs

log = logging.getLogger(__name__)

MOST_SCRUBBED_ALONE = 32
"""With more rows to scrub, all are rewritten at once."""
# All partitions of a process share it; RocksDB's default is one for each.
CACHE = Cache(64 << 20)


def _options(recovery: DBRecoveryMode) -> Options:
    options = Options(raw_mode=True)
    options.set_wal_recovery_mode(recovery)
    options.create_if_missing(True)
    options.set_keep_log_file_num(2)
    options.set_max_open_files(256)
    options.set_write_buffer_size(32 << 20)
    blocks = BlockOptions()
    blocks.set_block_cache(CACHE)
    blocks.set_bloom_filter(10, False)
    options.set_block_based_table_factory(blocks)
    return options


CURRENT = "CURRENT"
"""The file without which RocksDB takes a folder for a new one."""


class Checkpoint:
    """The stored state of one partition.

    No write is synced to the disk: after a power cut a tail may be missing, and is
    caught up from the log. What is there is always the state after some record.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        self._read_only = read_only
        self.cut_short = False
        """Whether the newest writes were damaged, and left out."""
        # Opened for reading only, RocksDB makes the folder that it then finds empty.
        if read_only and not path.is_dir():
            raise StreamError(f"state: can't open {path}: it is no folder of a partition")
        with answered(f"open {path}"):
            path.mkdir(parents=True, exist_ok=True)
            self._db = self._opened()
        self._open = True
        try:
            with answered(f"read {path}"):
                self._epochs = Epochs(self._db, path)
        except BaseException:
            self.close()
            raise

    def _opened(self) -> Rdict:
        access = AccessType.read_only() if self._read_only else AccessType.read_write()
        begun = (self.path / CURRENT).exists()
        if not begun and any(self.path.glob("*.sst")):
            # RocksDB would begin a new state, and delete the old one's files.
            raise Damaged(f"state: can't open {self.path}: its file {CURRENT} is missing")
        if not begun and self._read_only:
            raise StreamError(
                f"state: can't open {self.path}: no state was begun there yet; a worker does that"
            )
        whole = DBRecoveryMode.absolute_consistency()
        with suppress(Exception):
            return Rdict(str(self.path), _options(whole), access_type=access)
        # What it left out of its log by itself, it would not tell.
        before_damage = DBRecoveryMode.point_in_time()
        found = Rdict(str(self.path), _options(before_damage), access_type=access)
        self.cut_short = True
        if not self._read_only:
            log.warning("state: %s: its newest writes are damaged and left out", self.path)
        return found

    def header(self) -> Header | None:
        """Where the state stands, or None where there is none yet."""
        with answered(f"read {self.path}"):
            stored = self._db.get(codec.HEADER)
        if stored is None:
            return None
        try:
            return codec.decode(stored)
        except codec.OtherFormat as other:
            raise StreamError(
                f"state: {self.path} has format {other}, this version reads {codec.FORMAT}: "
                f"go back to the version that wrote it, or {codec.REBUILD}"
            ) from None
        except msgspec.DecodeError:
            raise Damaged(f"state: the header in {self.path} is damaged") from None

    def keep_calibration(self, calibration: Calibration) -> None:
        """Store what the shop's rows were made with; the header only has its fingerprint."""
        with answered(f"write {self.path}"):
            self._db[codec.CALIBRATION] = msgspec.json.encode(calibration)

    def calibration(self) -> Calibration | None:
        """What `keep_calibration` stored, None where nothing was."""
        with answered(f"read {self.path}"):
            stored = self._db.get(codec.CALIBRATION)
        return None if stored is None else msgspec.json.decode(stored, type=Calibration)

    def categories(self, count: int) -> list[str]:
        """The names of the first `count` categories, by their numbers."""
        names = self._many([codec.category_key(code) for code in range(count)])
        known = [name.decode() for name in names if name is not None]
        if len(known) < count:
            raise Damaged(f"state: category names are missing in {self.path}")
        return known

    def rows(self, keys: Sequence[int]) -> list[bytes | None]:
        """The stored values of these shoppers, None for the unknown."""
        return self._many([codec.row_key(key) for key in keys])

    def row(self, key: int) -> bytes | None:
        """The stored value of one shopper, in a third of the time."""
        return self._one(codec.row_key(key))

    def all_rows(self, first: bytes = codec.ROW) -> Iterator[tuple[bytes, bytes]]:
        """Every shopper's key and value from the first key on, in the order of the keys."""
        for key, value in self._from(first):
            if key >= codec.AFTER_ROWS:
                return
            yield key, value

    def tallies(self) -> Iterator[tuple[bytes, bytes]]:
        """Every counted cell's key and value."""
        return self._between(codec.TALLY, codec.AFTER_TALLIES)

    def foresight(self) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of every part of what was learned of horizons."""
        return self._between(codec.FORESIGHT, codec.AFTER_FORESIGHT)

    def learned(self, key: bytes) -> bytes | None:
        """What one model learned of all shoppers together, None before the first checkpoint."""
        return self._one(key)

    def problems(self) -> Iterator[str]:
        """What is wrong with the stored bytes, whatever they mean; reads all of them."""
        if self.cut_short:
            yield (
                f"{self.path}: its newest writes are damaged and left out; a worker reads those "
                "records from the log again"
            )
        for _ in self._from(b""):
            pass

    def freeze(self, folder: Path) -> None:
        """Make a copy that stays as the state is now: hard links, and a flush of what is new."""
        links = Links(self._db)
        try:
            with answered(f"write {folder}"):
                links.create_checkpoint(str(folder))
        finally:
            # RocksDB keeps the folder locked while this lives.
            del links
        self._epochs.turn()

    def _between(self, first: bytes, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        for key, value in self._from(first):
            if key >= after:
                return
            yield key[len(first) :], value

    def _from(self, first: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values in order. Rdict's own iterators end at damage as if nothing followed."""
        with answered(f"read {self.path}"):
            entries = self._db.iter()
            try:
                entries.seek(first)
                while entries.valid():
                    yield entries.key(), entries.value()
                    entries.next()
                entries.status()
            finally:
                # RocksDB keeps the folder locked while it lives, in an error's traceback too.
                del entries

    def write(
        self,
        header: Header,
        rows: Iterable[tuple[int, bytes]],
        names: Iterable[tuple[int, str]],
        tallies: Iterable[tuple[bytes, bytes | None]] = (),
        foresight: Iterable[tuple[bytes, bytes]] = (),
        learned: Iterable[tuple[bytes, bytes]] = (),
        removed: Iterable[int] = (),
        foresight_anew: bool = False,
    ) -> None:
        """Store rows, new category names, cells, predictions and the header, all or nothing.

        A cell without a value is removed; of rows that are `removed` and stored, the stored one
        counts. With `foresight_anew`, what is given of foresight is all there is of it.
        """
        batch = WriteBatch(raw_mode=True)
        for key in removed:
            batch.delete(codec.row_key(key))
        for where, _ in self.foresight() if foresight_anew else ():
            batch.delete(codec.FORESIGHT + where)
        for key, value in rows:
            batch.put(codec.row_key(key), value)
        for code, name in names:
            batch.put(codec.category_key(code), name.encode())
        for cell, count in tallies:
            if count is None:
                batch.delete(codec.TALLY + cell)
            else:
                batch.put(codec.TALLY + cell, count)
        for where, part in foresight:
            batch.put(codec.FORESIGHT + where, part)
        for model, lesson in learned:
            batch.put(model, lesson)
        self._epochs.mark(header, batch)
        batch.put(codec.HEADER, codec.encode(header))
        with answered(f"write {self.path}"):
            self._db.write(batch)

    def begin_scrub(self) -> None:
        """Put all that is deleted so far where `scrub` finds it: in tables."""
        with answered(f"write {self.path}"):
            self._db.flush(True)
        self._epochs.turn()

    def scrub(self, keys: Sequence[int] | None) -> None:
        """Rewrite the tables that held these rows, or all, without what is deleted.

        Other threads may read and write meanwhile.
        """
        options = CompactOptions()
        # Without it, a deletion that meets nothing on its way down is kept with its key.
        options.set_bottommost_level_compaction(BottommostLevelCompaction.force())
        with answered(f"write {self.path}"):
            for first, last in _spans(keys):
                self._db.compact_range(first, last, options)

    def end_scrub(self, offset: int) -> None:
        """All that was deleted up to this offset is scrubbed: name it nowhere either.

        RocksDB's MANIFEST and its own log name keys, and end with it.
        """
        with answered(f"write {self.path}"):
            self._db[codec.SCRUBBED] = offset.to_bytes(8, "big", signed=True)
            self._db.close()
            self._db = self._opened()
            self._epochs = Epochs(self._db, self.path)
            for old in self.path.glob("LOG.old.*"):
                old.unlink()

    def scrubbed(self) -> int:
        """The offset up to which deleted rows are off the disk, -1 where none was deleted."""
        stored = self.learned(codec.SCRUBBED)
        return -1 if stored is None else int.from_bytes(stored, "big", signed=True)

    def close(self) -> None:
        """Write what is only in RocksDB's log to tables, and let the folder go."""
        if not self._open:
            return
        self._open = False
        try:
            with answered(f"write {self.path}"):
                self._db.close()
        except StreamError as error:
            # It stays in the log, or is caught up: why the disk refused was told before.
            log.warning("%s", error)

    def _one(self, key: bytes) -> bytes | None:
        with answered(f"read {self.path}"):
            stored: bytes | None = self._db.get(key)
        return stored

    def _many(self, keys: list[bytes]) -> list[bytes | None]:
        with answered(f"read {self.path}"):
            return self._db[keys] if keys else []


def _spans(keys: Sequence[int] | None) -> Iterator[tuple[bytes, bytes]]:
    """First and last key of what is to be rewritten: the rows, and all that is no row."""
    yield b"\0", codec.ROW
    if keys is None or len(keys) > MOST_SCRUBBED_ALONE:
        yield codec.ROW, codec.AFTER_ROWS
    else:
        yield from ((codec.row_key(key), codec.row_key(key)) for key in sorted(keys))
