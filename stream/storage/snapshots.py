"""Copies of stored state in a shared place: a folder, or any URL that fsspec knows."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import msgspec
from fsspec.implementations.local import LocalFileSystem
from msgspec import Struct
from xxhash import xxh3_128, xxh3_128_hexdigest

from stream.errors import Damaged, StreamError, WrongUse
from stream.storage.codec import Header

MANIFEST = "manifest.json"
CHUNK = 1 << 20
ABANDONED_SECONDS = 86_400.0
"""After so long, a snapshot without a manifest is one whose maker is gone."""


class File(Struct, frozen=True):
    """One file of a snapshot."""

    name: str
    size: int
    digest: str


class Content(Struct, frozen=True, kw_only=True):
    """What a snapshot is of."""

    part: str
    """`partition-3`, or `shop` for the shop model."""
    settings: str
    format: int
    offset: int
    """Of the last record applied; of the shop model, its position."""
    header: Header | None = None
    """Of a partition: what its state was made for."""


class Manifest(Struct, frozen=True, kw_only=True):
    """What a snapshot holds. It is written last: without it there is no snapshot."""

    content: Content
    made_at: float
    """Unix seconds of the clock on the wall."""
    files: list[File]

    @property
    def part(self) -> str:
        return self.content.part

    @property
    def offset(self) -> int:
        return self.content.offset

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def name(self) -> str:
        """A folder's name that sorts by offset, and no other snapshot has."""
        return f"{self.offset + 1:020d}-{self.content.settings}-{round(self.made_at * 1000):014d}"


class Snapshots:
    """Snapshots below one URL, a folder for each.

    Whoever makes them: the state at an offset is the same, so those of all owners serve all.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            self._files, self._root = fsspec.url_to_fs(self.url)
        except (ValueError, ImportError) as error:
            raise WrongUse(f"snapshot_url: {url}: {error}") from None
        if isinstance(self._files, LocalFileSystem):
            self._files.auto_mkdir = True
        self.closed = False
        """Set by any thread: what is being saved is given up before its next file."""

    def save(self, source: Path, content: Content) -> Manifest:
        """Copy a folder, whose files nobody changes meanwhile; the manifest comes last."""
        files = [_described(path) for path in sorted(source.iterdir()) if _counts(path)]
        manifest = Manifest(content=content, made_at=time.time(), files=files)
        part = content.part
        where = f"{self._root}/{part}/{manifest.name}"
        with self._reached("write", f"{part}/{manifest.name}"):
            for file in files:
                if self.closed:
                    raise InterruptedError("it is not wanted any more")
                self._files.put_file(str(source / file.name), f"{where}/{file.name}")
            # Renamed, for a folder would show half of it; S3 shows what is whole in any case.
            self._files.pipe_file(f"{where}/{MANIFEST}.new", _sealed(manifest))
            self._files.mv(f"{where}/{MANIFEST}.new", f"{where}/{MANIFEST}")
        return manifest

    def parts(self) -> list[str]:
        """Of what there are snapshots."""
        names = sorted(self._names(""))
        return [name for name in names if name == "shop" or name.startswith("partition-")]

    def newest_settings(self) -> str | None:
        """The fingerprint of the settings of the snapshot that was made last, if there is one."""
        names = [name for part in self.parts() for name in self._names(part)]
        known = [(_made_at(name), _settings_of(name)) for name in names if _settings_of(name)]
        return max(known)[1] if known else None

    def newest_first(self, part: str, settings: str | None = None) -> Iterator[Manifest | Damaged]:
        """The snapshots of a part, of any settings where none are named.

        What stands in place of a manifest that can't be read says why.
        """
        for name in sorted(self._names(part), reverse=True):
            if settings in (None, _settings_of(name)):
                try:
                    found = self._manifest(part, name)
                except Damaged as error:
                    yield error
                    continue
                if found is not None:
                    yield found

    def fetch(self, manifest: Manifest, into: Path) -> None:
        """Copy a snapshot to a new folder.

        Raises
        ------
        Damaged
            If a file is not there, or is not what it was.
        """
        into.mkdir(parents=True)
        for file in manifest.files:
            name = f"{manifest.part}/{manifest.name}/{file.name}"
            with self._reached("read", name):
                self._files.get_file(f"{self._root}/{name}", str(into / file.name))
            if _described(into / file.name) != file:
                raise Damaged(f"snapshots: {self.url}/{name} is damaged")

    def check(self, manifest: Manifest) -> None:
        """Read a snapshot and see that it is what it was; raises as `fetch` does."""
        for file in manifest.files:
            name = f"{manifest.part}/{manifest.name}/{file.name}"
            with self._reached("read", name), self._files.open(f"{self._root}/{name}") as stored:
                found = _of_stream(file.name, stored)
            if found != file:
                raise Damaged(f"snapshots: {self.url}/{name} is damaged")

    def prune(self, part: str, settings: str, kept: int) -> None:
        """Remove all but the newest snapshots of these settings, and what was never finished."""
        whole = []
        for name in sorted(self._names(part), reverse=True):
            if _settings_of(name) != settings:
                continue
            if self._has_manifest(part, name):
                whole.append(name)
            elif _made_at(name) < time.time() - ABANDONED_SECONDS:
                self._remove(part, name)
        for name in whole[kept:]:
            self._remove(part, name)

    def withdraw(self, part: str, before: int) -> int:
        """Remove the snapshots from before an offset, of any settings, finished or not; how many.

        They hold who was forgotten there.
        """
        gone = [name for name in self._names(part) if _offset_of(name) < before]
        for name in gone:
            self._remove(part, name)
        return len(gone)

    def _remove(self, part: str, name: str) -> None:
        where = f"{self._root}/{part}/{name}"
        with self._reached("remove", f"{part}/{name}"):
            # First, so that nobody takes what is half gone.
            if self._files.exists(f"{where}/{MANIFEST}"):
                self._files.rm_file(f"{where}/{MANIFEST}")
            self._files.rm(where, recursive=True)

    def _has_manifest(self, part: str, name: str) -> bool:
        with self._reached("read", f"{part}/{name}"):
            return bool(self._files.exists(f"{self._root}/{part}/{name}/{MANIFEST}"))

    def _names(self, part: str) -> list[str]:
        where = f"{self._root}/{part}".rstrip("/")
        with self._reached("list", part or "all"):
            self._files.invalidate_cache()
            try:
                found = self._files.ls(where, detail=False)
            except FileNotFoundError:
                return []
        return [path.rstrip("/").rsplit("/", 1)[-1] for path in found if path.rstrip("/") != where]

    def _manifest(self, part: str, name: str) -> Manifest | None:
        """None where it was not finished."""
        where = f"{part}/{name}/{MANIFEST}"
        with self._reached("read", where):
            try:
                stored = self._files.cat_file(f"{self._root}/{where}")
            except FileNotFoundError:
                return None
        try:
            manifest = _unsealed(stored)
        except ValueError:
            raise Damaged(f"snapshots: {self.url}/{where} is damaged") from None
        if (manifest.part, manifest.name) != (part, name):
            raise Damaged(f"snapshots: {self.url}/{where} is of {manifest.part}/{manifest.name}")
        return manifest

    @contextmanager
    def _reached(self, verb: str, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            # Each kind of storage has errors of its own.
            if verb == "read" and isinstance(error, FileNotFoundError):
                raise Damaged(f"snapshots: {self.url}/{name} is not there") from None
            said = " ".join(str(error).split()) or type(error).__name__
            raise StreamError(f"snapshots: can't {verb} {self.url}/{name}: {said}") from None


def _counts(path: Path) -> bool:
    """RocksDB's diary and lock are no part of the state."""
    return path.is_file() and not path.name.startswith(("LOG", "LOCK"))


def _described(path: Path) -> File:
    with path.open("rb") as stored:
        return _of_stream(path.name, stored)


def _of_stream(name: str, stored: Any) -> File:
    digest, size = xxh3_128(), 0
    while chunk := stored.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return File(name, size, digest.hexdigest())


def _sealed(manifest: Manifest) -> bytes:
    """The manifest as JSON, then its checksum in a line of its own."""
    said = msgspec.json.encode(manifest)
    return said + b"\n" + xxh3_128_hexdigest(said).encode() + b"\n"


def _unsealed(stored: bytes) -> Manifest:
    said, _, seal = stored.partition(b"\n")
    if seal.decode().strip() != xxh3_128_hexdigest(said):
        raise ValueError("checksum")
    return msgspec.json.decode(said, type=Manifest)


def _settings_of(name: str) -> str:
    return name.split("-")[1] if name.count("-") == 2 else ""


def _offset_of(name: str) -> int:
    """As `Manifest.name` has it."""
    return int(name.split("-")[0]) - 1


def _made_at(name: str) -> float:
    return int(name.rsplit("-", 1)[-1]) / 1000
