"""Snapshots in a shared place: whole or not there, checked when they are read, and pruned."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.errors import Damaged, StreamError, WrongUse
from stream.storage import content
from stream.storage.aside import move_aside, restore_first, stands_at
from stream.storage.checkpoint import Checkpoint
from stream.storage.codec import Header
from stream.storage.snapshots import MANIFEST, Manifest, Snapshots

PART, SETTINGS = "partition-0", "abc"


def header(offset: int, settings: str = SETTINGS) -> Header:
    return Header(
        settings=settings, meaning={}, layout=b"l", topic="t", partition=0, partitions=1,
        offset=offset, counts={},
    )  # fmt: skip


def snapshot(place: Snapshots, scratch: Path, offset: int, settings: str = SETTINGS) -> Manifest:
    """Of a state with one shopper, whose row is the offset."""
    folder = scratch / f"live-{settings}-{offset}"
    checkpoint = Checkpoint(folder / PART)
    checkpoint.write(header(offset, settings), [(1, str(offset).encode())], [])
    checkpoint.freeze(folder / "frozen")
    checkpoint.close()
    return place.save(folder / "frozen", content.of_partition(PART, header(offset, settings)))


def offsets(place: Snapshots, settings: str = SETTINGS) -> list[int | str]:
    found = place.newest_first(PART, settings)
    return [str(one) if isinstance(one, Damaged) else one.offset for one in found]


def files_of(place: Snapshots, made: Manifest) -> Path:
    return Path(place.url) / PART / made.name


@pytest.fixture
def place(tmp_path: Path) -> Snapshots:
    return Snapshots(str(tmp_path / "shared"))


def restored(place: Snapshots, path: Path) -> tuple[int | None, list[str]]:
    """Which snapshot was taken, and what was said of those that were not."""
    found, refused = restore_first(place, place.newest_first(PART, SETTINGS), path)
    assert not path.with_name(f"{path.name}.restored").exists()
    return found and found.offset, [str(error) for error in refused]


def row(path: Path) -> bytes | None:
    checkpoint = Checkpoint(path)
    (value,) = checkpoint.rows([1])
    checkpoint.close()
    return value


def test_the_newest_of_the_same_settings_comes_back(place: Snapshots, tmp_path: Path) -> None:
    assert offsets(place) == []
    for offset, settings in [(9, SETTINGS), (100, SETTINGS), (20, SETTINGS), (500, "other")]:
        snapshot(place, tmp_path, offset, settings)
    assert offsets(place) == [100, 20, 9]
    assert place.parts() == [PART]
    assert restored(place, tmp_path / PART) == (100, [])
    assert (stands_at(tmp_path / PART), row(tmp_path / PART)) == (100, b"100")


def test_without_its_manifest_there_is_none(place: Snapshots, tmp_path: Path) -> None:
    snapshot(place, tmp_path, 5)
    cut_off = snapshot(place, tmp_path, 9)
    (files_of(place, cut_off) / MANIFEST).unlink()
    (files_of(place, cut_off) / f"{MANIFEST}.new").write_bytes(b"half of a mani")
    assert offsets(place) == [5]
    assert restored(place, tmp_path / PART) == (5, [])


def damaged(path: Path, how: str) -> None:
    stored = bytearray(path.read_bytes())
    if how == "flipped":
        stored[len(stored) // 2] ^= 1
    path.write_bytes(stored[: len(stored) // 2] if how == "cut" else stored)
    if how == "deleted":
        path.unlink()


@pytest.mark.parametrize("how", ["flipped", "cut", "deleted"])
@pytest.mark.parametrize("file", ["*.sst", "MANIFEST-*", MANIFEST])
def test_a_damaged_one_is_named_and_the_one_before_is_taken(
    place: Snapshots, tmp_path: Path, file: str, how: str
) -> None:
    snapshot(place, tmp_path, 5)
    (path,) = files_of(place, snapshot(place, tmp_path, 9)).glob(file)
    damaged(path, how)
    found, said = restored(place, tmp_path / PART)
    assert (found, row(tmp_path / PART)) == (5, b"5")
    if (file, how) == (MANIFEST, "deleted"):
        return
    (why,) = said
    assert str(path) in why
    assert "\n" not in why


def test_where_all_are_damaged_nothing_is_changed(place: Snapshots, tmp_path: Path) -> None:
    (table,) = files_of(place, snapshot(place, tmp_path, 9)).glob("*.sst")
    damaged(table, "flipped")
    Checkpoint(tmp_path / PART).close()
    before = sorted(os.listdir(tmp_path / PART))
    assert restored(place, tmp_path / PART)[0] is None
    assert sorted(os.listdir(tmp_path / PART)) == before


def test_the_oldest_go_and_those_of_other_settings_stay(place: Snapshots, tmp_path: Path) -> None:
    for offset in (1, 2, 3, 4):
        snapshot(place, tmp_path, offset)
    snapshot(place, tmp_path, 1, "other")
    unfinished = files_of(place, snapshot(place, tmp_path, 0))
    (unfinished / MANIFEST).unlink()
    place.prune(PART, SETTINGS, 2)
    assert (offsets(place), offsets(place, "other")) == ([4, 3], [1])
    # Somebody may be at work on it, unless it is old.
    assert unfinished.exists()
    old = unfinished.with_name(f"{unfinished.name.rsplit('-', 1)[0]}-{1_600_000_000_000:014d}")
    unfinished.rename(old)
    place.prune(PART, SETTINGS, 2)
    assert not old.exists()


def test_those_from_before_an_erasure_go_whatever_their_settings(
    place: Snapshots, tmp_path: Path
) -> None:
    for offset, settings in [(9, SETTINGS), (20, "other"), (30, SETTINGS), (41, SETTINGS)]:
        snapshot(place, tmp_path, offset, settings)
    assert place.withdraw(PART, before=30) == 2
    assert (offsets(place), offsets(place, "other")) == ([41, 30], [])


def test_given_up_while_it_is_made_there_is_none(place: Snapshots, tmp_path: Path) -> None:
    place.closed = True
    with pytest.raises(StreamError, match=r"can't write .*not wanted any more"):
        snapshot(place, tmp_path, 5)
    assert offsets(place) == []


def test_what_is_moved_aside_never_takes_the_place_of_another(tmp_path: Path) -> None:
    kept = set()
    for _ in range(3):
        (tmp_path / PART).mkdir()
        kept.add(move_aside(tmp_path / PART, "damaged"))
    assert len(kept) == 3
    assert all(path.name.startswith("partition-0.damaged-2") for path in kept)


def test_an_address_that_nobody_knows_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"snapshot_url: nowhere://x: .*nowhere") as refused:
        Snapshots("nowhere://x")
    assert "\n" not in str(refused.value)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StreamError, match=r"snapshots: can't write .*file/partition-0"):
        snapshot(Snapshots(str(tmp_path / "file")), tmp_path, 5)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 server on this machine, with a bucket."""
    pytest.importorskip("s3fs", reason="needs the extra s3: pip install 'interest-drift[s3]'")
    serving = pytest.importorskip("moto.server", reason="needs moto[server]")
    s3fs: Any = pytest.importorskip("s3fs")
    server = serving.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("drift")
    yield "s3://drift/shop"
    server.stop()


def test_on_s3_it_is_the_same(bucket: str, tmp_path: Path) -> None:
    place = Snapshots(bucket)
    assert offsets(place) == []
    for offset in (1, 5, 9):
        snapshot(place, tmp_path, offset)
    place.prune(PART, SETTINGS, 2)
    newest = next(iter(place.newest_first(PART, SETTINGS)))
    assert isinstance(newest, Manifest)
    table = next(file.name for file in newest.files if file.name.endswith(".sst"))
    place._files.pipe_file(f"{place._root}/{PART}/{newest.name}/{table}", b"no table")
    found, (why,) = restored(place, tmp_path / PART)
    assert (found, row(tmp_path / PART), offsets(place)) == (5, b"5", [9, 5])
    assert why == f"snapshots: {bucket}/{PART}/{newest.name}/{table} is damaged"
    with pytest.raises(StreamError, match="can't write s3://nothing/"):
        snapshot(Snapshots("s3://nothing"), tmp_path, 11)
