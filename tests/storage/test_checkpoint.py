"""The stored state of a partition, and what the disk can do to it."""

from pathlib import Path

import pytest

from stream.errors import StreamError
from stream.storage import codec
from stream.storage.checkpoint import Checkpoint
from stream.storage.codec import Header


def header(categories: int = 0, offset: int = 5) -> Header:
    return Header(
        settings="f", meaning={}, layout=b"l", topic="t", partition=0, partitions=1,
        offset=offset, categories=categories, counts={}, epoch=1,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint with three rows and two category names."""
    checkpoint = Checkpoint(tmp_path / "state")
    rows = [(2, b"two"), (-1, b"last"), (1, b"one")]
    checkpoint.write(header(categories=2), rows, [(0, "tents"), (1, "boats")])
    checkpoint.close()
    return tmp_path / "state"


def read(folder: Path, read_only: bool) -> None:
    checkpoint = Checkpoint(folder, read_only)
    checkpoint.header()
    list(checkpoint.all_rows())


def refusal(folder: Path, read_only: bool = False) -> str:
    with pytest.raises(StreamError) as refused:
        read(folder, read_only)
    assert "\n" not in str(refused.value)
    assert str(folder) in str(refused.value)
    return str(refused.value)


def test_a_new_folder_holds_nothing(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "new" / "state")
    assert checkpoint.header() is None
    assert checkpoint.categories(0) == []
    assert checkpoint.rows([]) == []
    assert checkpoint.rows([1]) == [None]
    assert list(checkpoint.all_rows()) == []
    checkpoint.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_what_was_written_is_there(folder: Path, read_only: bool) -> None:
    checkpoint = Checkpoint(folder, read_only)
    assert checkpoint.header() == header(categories=2)
    assert checkpoint.categories(2) == ["tents", "boats"]
    assert checkpoint.categories(1) == ["tents"]
    assert checkpoint.rows([1, 7, -1]) == [b"one", None, b"last"]
    assert [value for _, value in checkpoint.all_rows()] == [b"one", b"two", b"last"]
    checkpoint.close()


def test_a_later_write_replaces_rows_and_header(folder: Path) -> None:
    checkpoint = Checkpoint(folder)
    checkpoint.write(header(categories=3, offset=6), [(1, b"new")], [(2, "lamps")])
    assert checkpoint.rows([1, 2]) == [b"new", b"two"]
    assert checkpoint.categories(3) == ["tents", "boats", "lamps"]
    found = checkpoint.header()
    assert found is not None
    assert found.offset == 6
    checkpoint.close()


def test_a_folder_in_use_is_refused_but_can_be_read(folder: Path) -> None:
    checkpoint = Checkpoint(folder)
    assert "another process or shard uses it" in refusal(folder)
    reading = Checkpoint(folder, read_only=True)
    assert reading.rows([1]) == [b"one"]
    reading.close()
    checkpoint.close()


def test_reading_makes_no_folder(tmp_path: Path) -> None:
    assert "it is no folder of a partition" in refusal(tmp_path / "nothing", read_only=True)
    assert not (tmp_path / "nothing").exists()


def test_what_a_worker_left_before_it_began_is_refused_to_readers_and_begun_anew(
    tmp_path: Path,
) -> None:
    (tmp_path / "LOCK").touch()
    assert "no state was begun there yet" in refusal(tmp_path, read_only=True)
    checkpoint = Checkpoint(tmp_path)
    assert checkpoint.header() is None
    checkpoint.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_in_its_place_is_refused(tmp_path: Path, read_only: bool) -> None:
    (tmp_path / "state").write_text("no folder")
    refusal(tmp_path / "state", read_only)


def test_a_damaged_header_is_refused(folder: Path) -> None:
    checkpoint = Checkpoint(folder)
    checkpoint._db[codec.HEADER] = b"\xc1damaged"
    checkpoint.close()
    assert "header in" in refusal(folder)


def test_missing_category_names_are_refused(folder: Path) -> None:
    checkpoint = Checkpoint(folder)
    with pytest.raises(StreamError, match="category names are missing"):
        checkpoint.categories(3)
    checkpoint.close()


@pytest.mark.parametrize(("file", "place"), [("*.sst", 20), ("*.sst", -30), ("MANIFEST-*", 20)])
def test_a_flipped_byte_in_a_file_is_found_when_it_is_read(
    folder: Path, file: str, place: int
) -> None:
    (path,) = folder.glob(file)
    stored = bytearray(path.read_bytes())
    stored[place] ^= 0xFF
    path.write_bytes(stored)
    assert "Corruption" in refusal(folder, read_only=True)


def test_a_bug_is_not_taken_for_a_damaged_disk(folder: Path) -> None:
    checkpoint = Checkpoint(folder)
    checkpoint.close()
    with pytest.raises(Exception, match="closed") as bug:
        checkpoint.rows([1])
    assert not isinstance(bug.value, StreamError)
