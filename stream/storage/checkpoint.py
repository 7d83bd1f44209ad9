"""One partition's state on disk: rows and the source offset, in one RocksDB write."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rocksdict import AccessType, Cache, Options, Rdict, WriteBatch
from rocksdict import BlockBasedOptions as BlockOptions

from stream.calibration import Calibration
from stream.errors import StreamError
from stream.storage import codec
from stream.storage.codec import Header

# All partitions of a process share it; RocksDB's default is one for each.
CACHE = Cache(64 << 20)


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_keep_log_file_num(2)
    options.set_max_open_files(256)
    options.set_write_buffer_size(32 << 20)
    blocks = BlockOptions()
    blocks.set_block_cache(CACHE)
    blocks.set_bloom_filter(10, False)
    options.set_block_based_table_factory(blocks)
    return options


class Checkpoint:
    """The stored state of one partition.

    No write is synced to the disk: after a power cut a tail may be missing, and is
    caught up from the log. What is there is always the state after some record.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        access = AccessType.read_only() if read_only else AccessType.read_write()
        # Opened for reading only, RocksDB makes the folder that it then finds empty.
        if read_only and not path.is_dir():
            raise StreamError(f"state: can't open {path}: it is no folder of a partition")
        with _answered(f"open {path}"):
            path.mkdir(parents=True, exist_ok=True)
            self._db = Rdict(str(path), _options(), access_type=access)

    def header(self) -> Header | None:
        """Where the state stands, or None where there is none yet."""
        with _answered(f"read {self.path}"):
            stored = self._db.get(codec.HEADER)
        if stored is None:
            return None
        try:
            return codec.decode(stored)
        except msgspec.DecodeError:
            raise StreamError(
                f"state: the header in {self.path} is damaged or of another version; rebuild it"
            ) from None

    def keep_calibration(self, calibration: Calibration) -> None:
        """Store what the shop's rows were made with; the header only has its fingerprint."""
        with _answered(f"write {self.path}"):
            self._db[codec.CALIBRATION] = msgspec.json.encode(calibration)

    def calibration(self) -> Calibration | None:
        """What `keep_calibration` stored, None where nothing was."""
        with _answered(f"read {self.path}"):
            stored = self._db.get(codec.CALIBRATION)
        return None if stored is None else msgspec.json.decode(stored, type=Calibration)

    def categories(self, count: int) -> list[str]:
        """The names of the first `count` categories, by their numbers."""
        names = self._many([codec.category_key(code) for code in range(count)])
        known = [name.decode() for name in names if name is not None]
        if len(known) < count:
            raise StreamError(f"state: category names are missing in {self.path}; rebuild it")
        return known

    def rows(self, keys: Sequence[int]) -> list[bytes | None]:
        """The stored values of these shoppers, None for the unknown."""
        return self._many([codec.row_key(key) for key in keys])

    def all_rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Every shopper's key and value, in the order of the keys."""
        for key, value in self._between(codec.ROW, codec.AFTER_ROWS):
            yield codec.ROW + key, value

    def tallies(self) -> Iterator[tuple[bytes, bytes]]:
        """Every counted cell's key and value."""
        return self._between(codec.TALLY, codec.AFTER_TALLIES)

    def foresight(self) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of every part of what was learned of horizons."""
        return self._between(codec.FORESIGHT, codec.AFTER_FORESIGHT)

    def learned(self, key: bytes) -> bytes | None:
        """What one model learned of all shoppers together, None before the first checkpoint."""
        with _answered(f"read {self.path}"):
            stored: bytes | None = self._db.get(key)
        return stored

    def _between(self, first: bytes, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        with _answered(f"read {self.path}"):
            for key, value in self._db.items(from_key=first):
                if key >= after:
                    return
                yield key[len(first) :], value

    def write(
        self,
        header: Header,
        rows: Iterable[tuple[int, bytes]],
        names: Iterable[tuple[int, str]],
        tallies: Iterable[tuple[bytes, bytes | None]] = (),
        foresight: Iterable[tuple[bytes, bytes]] = (),
        learned: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        """Store rows, new category names, cells, predictions and the header, all or nothing.

        A cell without a value is removed.
        """
        batch = WriteBatch(raw_mode=True)
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
        batch.put(codec.HEADER, codec.encode(header))
        with _answered(f"write {self.path}"):
            self._db.write(batch)

    def close(self) -> None:
        self._db.close()

    def _many(self, keys: list[bytes]) -> list[bytes | None]:
        with _answered(f"read {self.path}"):
            return self._db[keys] if keys else []


@contextmanager
def _answered(what: str) -> Iterator[None]:
    """Turn what the disk answers into an error for people; a bug stays one."""
    try:
        yield
    except OSError as error:
        raise StreamError(f"state: can't {what}: {error.strerror}") from None
    except Exception as error:
        # RocksDB's errors have no class of their own.
        if not str(error).startswith(("IO error", "Corruption")):
            raise
        raise StreamError(f"state: can't {what}: {_in_one_line(error)}") from None


def _in_one_line(error: Exception) -> str:
    if "lock hold by" in str(error) or "/LOCK" in str(error):
        return "another process or shard uses it"
    return " ".join(str(error).split())
