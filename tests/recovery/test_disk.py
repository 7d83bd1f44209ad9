"""What a disk can do to a partition's folder: it is named, and nothing goes on wrongly."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stream.errors import Damaged, StreamError
from stream.storage import codec
from stream.storage.checkpoint import Checkpoint
from stream.storage.claim import Claim
from stream.storage.codec import Header
from tests.recovery.table import Tell

WRITES = 24
"""Each writes a shopper of its own and one that all share, so that a hole shows."""
ROOT = Path(__file__).parents[2]
DAMAGED = "a file of the state deleted, emptied, cut or flipped: refused, or a state that was"
HELD = "a state folder that another process holds: refused"


def header(offset: int) -> Header:
    return Header(
        settings="f", meaning={}, layout=b"l", topic="t", partition=0, partitions=1,
        offset=offset, counts={},
    )  # fmt: skip


def write(checkpoint: Checkpoint, offset: int) -> None:
    value = bytes([offset]) * 300
    checkpoint.write(header(offset), [(offset, value), (1000, value)], [(offset, str(offset))])


def write_many(checkpoint: Checkpoint, offsets: range) -> None:
    for offset in offsets:
        write(checkpoint, offset)


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as SIGKILL leaves it: three tables, and a log of the newest writes."""
    live, left = tmp_path_factory.mktemp("live") / "live", tmp_path_factory.mktemp("left") / "left"
    checkpoint = Checkpoint(live)
    for offset in range(WRITES):
        write(checkpoint, offset)
        if offset % 7 == 6:
            checkpoint.freeze(live.with_name(f"frozen-{offset}"))
    shutil.copytree(live, left)
    checkpoint.close()
    assert len(list(left.glob("*.sst"))) == 3
    return left


@pytest.fixture
def folder(crashed: Path, tmp_path: Path) -> Path:
    shutil.copytree(crashed, tmp_path / "state")
    return tmp_path / "state"


def log_of(folder: Path) -> Path:
    return max(folder.glob("*.log"), key=lambda path: path.stat().st_size)


def flip(path: Path, place: int) -> None:
    stored = bytearray(path.read_bytes())
    stored[place] ^= 0x10
    path.write_bytes(stored)


def read(folder: Path, read_only: bool = False) -> int:
    """The offset where the state stands, which is that after all records up to it."""
    checkpoint = Checkpoint(folder, read_only)
    try:
        found = checkpoint.header()
        rows = dict(checkpoint.all_rows())
    finally:
        checkpoint.close()
    offset = -1 if found is None else found.offset
    expected = {codec.row_key(n): bytes([n]) * 300 for n in range(offset + 1)}
    if offset >= 0:
        expected[codec.row_key(1000)] = bytes([offset]) * 300
    assert rows == expected, f"at {offset}: a state that never was"
    return offset


def outcome(folder: Path) -> int | str:
    """Where the state stands, or why it is refused, in one line that names the folder."""
    try:
        return read(folder)
    except Damaged as error:
        why = str(error)
    assert str(folder) in why.splitlines()[0]
    assert len(why.splitlines()) == 1
    return why


def test_after_a_kill_all_that_was_written_is_there(folder: Path) -> None:
    assert read(folder) == WRITES - 1


DAMAGES: dict[str, Callable[[Path], None]] = {
    "deleted": Path.unlink,
    "emptied": lambda path: path.write_bytes(b"") and None,
    "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "without its last byte": lambda path: os.truncate(path, max(0, path.stat().st_size - 1)),
    "flipped at the beginning": lambda path: flip(path, 0),
    "flipped in the middle": lambda path: flip(path, path.stat().st_size // 2),
    "flipped near the end": lambda path: flip(path, -60 % path.stat().st_size),
}


def test_whatever_one_file_suffers_the_state_is_one_that_was_or_is_refused(
    crashed: Path, tmp_path: Path, tell: Tell
) -> None:
    names = [path.name for path in sorted(crashed.iterdir()) if path.stat().st_size]
    found: dict[str, int | str] = {}
    for name in names:
        for what, damage in DAMAGES.items():
            attacked = tmp_path / f"{name} {what}"
            shutil.copytree(crashed, attacked)
            damage(attacked / name)
            found[attacked.name] = outcome(attacked)
    # What is in no table may be lost, and is caught up from the log.
    assert [name for name, offset in found.items() if offset in range(20)] == []
    assert sum(isinstance(one, str) for one in found.values()) > 20
    tell(DAMAGED, len(found))


@pytest.mark.parametrize("cut", [1, 40, 200, 900])
def test_a_cut_list_of_tables_is_no_older_state_with_newer_rows(
    crashed: Path, tmp_path: Path, cut: int, tell: Tell
) -> None:
    """RocksDB takes a shorter list without a word, and the log for what follows it."""
    whole = next(crashed.glob("MANIFEST-*")).stat().st_size
    for size in range(max(0, whole - cut), max(0, whole - cut) + 30, 10):
        attacked = tmp_path / str(size)
        shutil.copytree(crashed, attacked)
        os.truncate(next(attacked.glob("MANIFEST-*")), min(size, whole))
        outcome(attacked)
        tell(DAMAGED, 1)


def test_writes_that_are_missing_before_later_ones_are_found(folder: Path) -> None:
    """As if the log before the newest one had been deleted before it was in a table."""
    checkpoint = Checkpoint(folder)
    found = checkpoint.header()
    assert found is not None
    del checkpoint._db[codec.EPOCH + (found.epoch - 1).to_bytes(2, "big")]
    checkpoint.close()
    with pytest.raises(Damaged, match="lacks writes before its last ones"):
        read(folder)


def test_a_table_that_is_damaged_does_not_look_like_the_end(tmp_path: Path) -> None:
    """Header and marks can be read, and most rows."""
    checkpoint = Checkpoint(tmp_path)
    checkpoint.write(header(0), [(n, bytes([n % 256]) * 300) for n in range(500)], [])
    checkpoint.close()
    (table,) = tmp_path.glob("*.sst")
    flip(table, table.stat().st_size // 2)
    checkpoint = Checkpoint(tmp_path)
    with pytest.raises(Damaged, match="Corruption") as found:
        list(checkpoint.all_rows())
    checkpoint.close()
    # The error is still at hand, and the folder can be had.
    Checkpoint(tmp_path).close()
    assert str(tmp_path) in str(found.value)


def test_newest_writes_that_are_damaged_are_left_out_and_named(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flip(log_of(folder), -100)
    reading = Checkpoint(folder, read_only=True)
    (problem,) = reading.problems()
    reading.close()
    assert f"{folder}: its newest writes are damaged and left out" in problem
    assert read(folder) == WRITES - 2
    assert "its newest writes are damaged and left out" in caplog.text


def test_a_folder_without_its_first_file_is_not_taken_for_a_new_one(folder: Path) -> None:
    Checkpoint(folder).close()
    (folder / "CURRENT").unlink()
    for path in folder.glob("*.log"):
        path.unlink()
    with pytest.raises(Damaged, match="CURRENT is missing"):
        Checkpoint(folder)
    assert list(folder.glob("*.sst"))


HOLD = """
import sys
from pathlib import Path
from stream.storage.checkpoint import Checkpoint
from stream.storage.claim import Claim
kind, folder = sys.argv[1:]
held = {"claim": Claim, "checkpoint": Checkpoint}[kind](Path(folder))
print("held", flush=True)
sys.stdin.read()
"""


def held_by_another(kind: str, folder: Path) -> "subprocess.Popen[str]":
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, kind, str(folder)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_what_another_process_holds_is_refused_until_it_ends(folder: Path, tell: Tell) -> None:
    with held_by_another("checkpoint", folder) as holder:
        with pytest.raises(StreamError, match=r"can't open .*: another process or shard uses it"):
            Checkpoint(folder)
        holder.kill()
    assert read(folder) == WRITES - 1
    tell(HELD, 1)


def test_two_workers_of_one_folder_are_one_too_many(tmp_path: Path, tell: Tell) -> None:
    with held_by_another("claim", tmp_path) as holder:
        with pytest.raises(StreamError, match=f"another worker uses {tmp_path}"):
            Claim(tmp_path)
        holder.kill()
    with Claim(tmp_path):
        pass
    tell(HELD, 1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"needs to mount a tmpfs: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_on_a_full_disk_it_stops_with_a_line_and_goes_on_when_there_is_room(
    small_disk: Path, tell: Tell
) -> None:
    checkpoint = Checkpoint(small_disk / "state")
    write(checkpoint, 0)
    (small_disk / "filler").write_bytes(b"x" * (900 << 10))
    with pytest.raises(StreamError, match="the disk is full; make room") as full:
        write_many(checkpoint, range(1, 200))
    assert not isinstance(full.value, Damaged)
    checkpoint.close()
    (small_disk / "filler").unlink()
    assert 50 < read(small_disk / "state") < 200
    tell("a full disk: stopped, and gone on with more room", 1)


def test_a_read_only_disk_is_named(small_disk: Path, tell: Tell) -> None:
    Checkpoint(small_disk / "state").close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StreamError, match="Read-only file system") as refused:
        Checkpoint(small_disk / "state")
    assert not isinstance(refused.value, Damaged)
    with pytest.raises(StreamError, match=r"can't write to .*Read-only file system"):
        Claim(small_disk)
    tell("a read-only disk: refused", 1)
