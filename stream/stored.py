"""What a state folder holds, read without running anything."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from stream.core import clicks, interest, predictor, queries
from stream.core.clicks import Clicks
from stream.core.codes import LAYOUT as CODE
from stream.core.codes import CodeRow
from stream.core.ids import identify
from stream.core.predictor import Predictor
from stream.core.queries import Asking
from stream.core.ranking import REASONS
from stream.core.rows import Rows, copied, zeros
from stream.core.sessions import CLOCK, DEADLINE, ClockRow, now
from stream.core.shop import ShopModel
from stream.core.shoppers import ShopperRow, layout, strict_layout
from stream.errors import StreamError, WrongUse
from stream.pseudonyms import UserIdKey
from stream.settings import Settings
from stream.storage import codec
from stream.storage.aside import holds_nothing
from stream.storage.checkpoint import Checkpoint
from stream.storage.codec import Erasure, Header, RowCodec
from stream.storage.content import SHOP
from stream.storage.inactive import Inactive
from stream.storage.replica import load_model

PREFIX = "partition-"


def partition_folder(state: Path, partition: int) -> Path:
    return state / f"{PREFIX}{partition}"


def stored_hash(checkpoint: Checkpoint, settings: Settings) -> str:
    """The strict state that a checkpoint holds, as 32 hex digits."""
    digest = hashlib.blake2b(settings.fingerprint().encode(), digest_size=16)
    header, clock = checkpoint.header(), -math.inf
    if header is not None:
        digest.update(header.clock)
        for name in checkpoint.categories(header.categories):
            digest.update(name.encode() + b"\0")
        clock = _clock(header)
    size, inactive = strict_layout(settings).itemsize, Inactive(settings)
    for key, value in checkpoint.all_rows():
        # Whether one that counts no more has left the disk yet tells nothing.
        if not inactive(value, clock):
            digest.update(key + value[:size])
    return digest.hexdigest()


def _clock(header: Header) -> float:
    """The partition's event time, minus infinity before three shoppers were seen."""
    if not header.clock:
        return -math.inf
    rows: Rows[ClockRow] = copied(np.frombuffer(header.clock, CLOCK), 1)
    return float(now(rows[0]))


def combined_hash(hashes: Sequence[str]) -> str:
    """One hash for all partitions, in their order."""
    return hashlib.blake2b("".join(hashes).encode(), digest_size=16).hexdigest()


class NothingYet(StreamError):
    """A partition's folder without a checkpoint: its worker just began."""


class StoredPartition:
    """One partition's checkpoint, opened for reading; a worker may go on writing it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir() and holds_nothing(path):
            raise NothingYet(f"state: {path} holds nothing yet")
        self.checkpoint = Checkpoint(path, read_only=True)
        try:
            header = self.checkpoint.header()
        except StreamError:
            self.checkpoint.close()
            raise
        if header is None:
            self.checkpoint.close()
            raise NothingYet(f"state: {path} holds nothing yet")
        self.header: Header = header
        check = header.meaning.get("user_id_key")
        whole = {
            "calibration": self.checkpoint.calibration(),
            "user_id_key": None if check is None else UserIdKey(str(check)),
        }
        self.settings = msgspec.convert(header.meaning | whole, Settings)
        self._codec = RowCodec(layout(self.settings))

    @classmethod
    def found(cls, path: Path) -> "StoredPartition | None":
        """The partition in a folder, None where it holds nothing yet."""
        try:
            return cls(path)
        except NothingYet:
            return None

    def hash(self) -> str:
        return stored_hash(self.checkpoint, self.settings)

    def clock(self) -> float | None:
        """The partition's event time, or None before three shoppers were seen."""
        time = _clock(self.header)
        return time if np.isfinite(time) else None

    def erasure(self) -> Erasure | None:
        """The last request that took a shopper's row away, None where none did.

        A snapshot of the state before its offset still holds the shopper, and so does one that
        was made before `scrubbed`.
        """
        return self.header.erasure

    def scrubbed(self) -> bool:
        """Whether what was taken away has left the disk too."""
        erasure = self.header.erasure
        return erasure is None or self.checkpoint.scrubbed() >= erasure.offset

    def user(self, user: str) -> dict[str, Any] | None:
        """What is known of a shopper, or None; items by the low halves of their ids."""
        row = self._row_of(user)
        if row is None:
            return None
        names = self.checkpoint.categories(self.header.categories)
        strict = row.strict
        shares = {
            names[code]: round(float(interest.share(strict.interest, code)), 4)
            for code in strict.interest.categories[: int(strict.interest.used)].tolist()
        }
        return {
            "user_id": user,
            "partition": self.header.partition,
            "interest": dict(sorted(shares.items(), key=lambda share: (-share[1], share[0]))),
            "sessions": int(strict.drift.sessions),
            "session_open": bool(strict.session.open),
            "last_event_at": float(strict.session.last_at),
            "marketing": not strict.presence.no_marketing,
            "recent_items": strict.recents.lows[: int(strict.recents.used)].tolist(),
            "list": row.served.lows[: int(row.served.used)].tolist(),
        }

    def next_categories(self, user: str, shop: ShopModel, count: int = 5) -> dict[str, float]:
        """The likeliest categories of a shopper's next event, if it came now, and their chances.

        Now is the partition's event time. What the shopper just searched for counts too.
        """
        row, at = self._row_of(user), self.clock()
        if row is None:
            return {}
        names = self.checkpoint.categories(self.header.categories)
        codes = zeros(max(1, len(names)), CODE, CodeRow)
        ids = np.array([identify(name) for name in names], np.int64)
        np.asarray(codes)["id"][: len(names)] = ids
        np.asarray(codes)["shop"][: len(names)] = shop.category_numbers(ids)
        view, learned = shop.view, self.checkpoint.learned(codec.PREDICTOR)
        own = Predictor.of(self.settings).marking(len(view.categories))
        own = own.restored(learned) if learned else own
        at = float(row.strict.migration.last_at) if at is None else at
        asking, believed = Asking.of(), self.checkpoint.learned(codec.QUERIES)
        asking = asking.restored(believed) if believed else asking
        queries.look(
            view.queries, asking.rows[0], row.pending, view.categories, view.totals[0], at,
            self.settings.session_gap,
        )  # fmt: skip
        hint = view.queries.hints[0]
        # What a query raises may be far down without it: then all are asked for.
        most = count if not hint.used else int(view.totals[0].categories) + len(names)
        found = predictor.likely(
            own, row.strict.migration, codes, view.categories, view.totals[0], at, most
        )
        mixed = [(code, n, float(queries.mixed(hint, chance, n))) for code, n, chance in found]
        if not found and hint.used:
            said = zip(hint.categories.tolist(), hint.shares.tolist(), strict=True)
            mixed = [(-1, number, share) for number, share in said][: int(hint.used)]
        chances: dict[str, float] = {}
        for code, number, chance in sorted(mixed, key=lambda one: -one[2])[:count]:
            name = names[code] if code >= 0 else shop.categories.names[number]
            chances[name or f"id {view.categories[number].id}"] = round(chance, 4)
        return chances

    def feedback(self) -> dict[str, dict[str, float]]:
        """How entries of lists did by their reason, of the reasons that anything was told of."""
        told = self.checkpoint.learned(codec.CLICKS)
        own = Clicks.of().restored(told) if told else Clicks.of()
        records = zip(REASONS, clicks.records(own.rows[0]), strict=True)
        return {
            reason: {**record._asdict(), "worth": round(record.worth, 4)}
            for reason, record in records
            if record.shown
        }

    def problems(self) -> Iterator[str]:
        """What is wrong with the stored bytes, one sentence each."""
        header = self.header
        if header.layout != self._codec.fingerprint:
            yield f"{self.path}: has rows of another layout than this version: {codec.REBUILD}"
            return
        try:
            yield from self.checkpoint.problems()
            self.checkpoint.categories(header.categories)
            yield from self._row_problems()
        except StreamError as error:
            yield str(error)

    def _row_problems(self) -> Iterator[str]:
        keys = set()
        for key, value in self.checkpoint.all_rows():
            number = codec.key_of(key)
            keys.add(number)
            if len(value) <= self._codec.size:
                yield f"{self.path}: the row {key[1:].hex()} is cut short"
            elif not self._belongs(value, number):
                yield f"{self.path}: the row {key[1:].hex()} is another shopper's"
        queued = np.frombuffer(self.header.queue, DEADLINE)["key"].tolist()
        lost = [key for key in queued if key not in keys]
        if lost:
            yield f"{self.path}: {len(lost)} open sessions are of shoppers without a row"

    def _belongs(self, value: bytes, key: int) -> bool:
        try:
            return identify(self._codec.user(value), self.settings.seed) == key
        except UnicodeDecodeError:
            return False

    def _row_of(self, user: str) -> ShopperRow | None:
        value = self.checkpoint.row(identify(user, self.settings.seed))
        if value is None or self._codec.user(value) != user:
            return None
        if Inactive(self.settings)(value, _clock(self.header)):
            return None
        return self._row(value)

    def _row(self, value: bytes) -> ShopperRow:
        stored = np.frombuffer(value[: self._codec.size], self._codec.layout)
        rows: Rows[ShopperRow] = copied(stored, 1)
        return rows[0]

    def close(self) -> None:
        self.checkpoint.close()


def partition_folders(state: Path) -> list[Path]:
    """The folders of partitions in a state folder, by number; those moved aside are not.

    Raises
    ------
    WrongUse
        If there are none.
    """
    folders = sorted(
        (path for path in state.glob(f"{PREFIX}*") if path.name[len(PREFIX) :].isdecimal()),
        key=lambda path: int(path.name[len(PREFIX) :]),
    )
    if not folders:
        raise WrongUse(f"no partitions in {state}: give the --state folder of a worker or replay")
    return folders


def stored_partitions(state: Path) -> list[StoredPartition]:
    """The partitions in a state folder, by number.

    One that holds nothing yet, of a worker that just began, is left out beside others.

    Raises
    ------
    WrongUse
        If there are none.
    """
    folders = partition_folders(state)
    parts = [part for path in folders if (part := StoredPartition.found(path)) is not None]
    return parts or [StoredPartition(path) for path in folders]


def stored_shop(state: Path, settings: Settings) -> ShopModel | None:
    """The shop model in a state folder, if one was saved."""
    return load_model(state / SHOP, settings)


def _in_catalog(shop: ShopModel, kind: str, name: str, number: int) -> dict[str, Any]:
    """What the catalog calls a category and puts it under; an item's category."""
    if kind == "item":
        of = int(shop.profiles[number].category) - 1
        return {"category": shop.categories.names[of] if of >= 0 else None}
    entry = shop.entries.get(name)
    return {"name": entry.name, "parent": entry.parent} if entry else {}


def describe(shop: ShopModel, kind: str, name: str) -> dict[str, Any] | None:
    """What the shop model knows of an item or a category, or None."""
    numbering = shop.items if kind == "item" else shop.categories
    number = numbering.number_of(identify(name))
    if number < 0:
        return None
    row = numbering.rows[number]
    links = row.transitions
    follows = {
        numbering.names[neighbor]: round(float(links.weights[slot, 0]), 4)
        for slot, neighbor in enumerate(links.neighbors[: int(links.used)].tolist())
    }
    best = sorted(follows.items(), key=lambda link: (-link[1], link[0]))
    return {
        kind: name,
        **_in_catalog(shop, kind, name, number),
        "popularity": round(float(row.popularity.weight), 4),
        "followed_by": dict(best[:10]),
    }
