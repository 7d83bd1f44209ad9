"""What state costs: opening a partition of a million users, and bytes on disk and wire."""

import tempfile
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import mean, median

import msgspec
import numpy as np

from stream.core import (
    delta,
    drift,
    drift_ring,
    horizon_counts,
    migration_slots,
    open_query,
    recents,
)
from stream.core.ids import identify
from stream.core.rows import Layout
from stream.core.shop import ShopModel
from stream.core.shoppers import layout, strict_layout
from stream.core.updates import encode, packed
from stream.evaluation.scenarios import Shop
from stream.outcome import Outcome
from stream.settings import Settings
from stream.shard import LogRecord, Shard, warm_up
from stream.storage.checkpoint import Checkpoint
from tests.benchmarks.report import Report, Row

KNOWN_USERS, KNOWN_EVENTS = 1000, 20_000
AT_ONCE = 10_000
TOUCHED = 1000
UPDATES_A_RECORD = (500, 4096)
"""A worker's slice, and the most that one record of shop-updates holds."""


def run(report: Report, quick: bool) -> None:
    """Bytes of a small shop; then its rows, copied to a million users, are opened."""
    settings = Settings()
    warm_up(settings)
    with tempfile.TemporaryDirectory(prefix="drift-bench-") as folder:
        path = Path(folder) / "partition"
        _show_bytes(report, settings, _small_shop(path, settings))
        users = 50_000 if quick else 1_000_000
        started = time.perf_counter()
        _multiply(path, settings, users)
        report.say(f"state: wrote {users:,} users in {time.perf_counter() - started:.0f} s")
        _show_opening(report, path, settings, users)


def _small_shop(path: Path, settings: Settings) -> Outcome:
    """What came of the events of a thousand users; their state stays in `path`."""
    shop, shard, whole = ShopModel(settings), Shard(path, 0, 1, settings), Outcome()
    events = list(islice(Shop(KNOWN_USERS), KNOWN_EVENTS))
    learned: list[np.ndarray] = []
    for first in range(0, KNOWN_EVENTS, AT_ONCE // 10):
        part = enumerate(events[first : first + AT_ONCE // 10], first)
        outcome = shard.apply([_record(n, e.user_id, e.value) for n, e in part], shop)
        whole.names |= outcome.names
        whole.deltas += outcome.deltas
        learned.append(outcome.updates)
        shop.apply(packed(outcome.updates, 0, whole.names.__getitem__))
    whole.updates = np.concatenate(learned)
    shard.checkpoint()
    shard.close()
    return whole


def _record(offset: int, user: str, value: bytes) -> LogRecord:
    return LogRecord(0, offset, 0, user.encode(), value)


def _show_bytes(report: Report, settings: Settings, whole: Outcome) -> None:
    shop = ShopModel(settings)
    deltas = [len(msgspec.json.encode(delta)) for delta in whole.deltas]
    rows: list[Row] = [
        {"what": f"shop-updates, an event ({size} a record)", "bytes": _wire(whole, size)}
        for size in UPDATES_A_RECORD
    ]
    rows += [
        {"what": "recommendation delta, one with its whole list", "bytes": mean(deltas)},
        _size("shopper's row", layout(settings)),
        _size("shopper's row, its strict part", strict_layout(settings)),
        _size("of it the detector", drift.layout(settings.detector_slots)),
        _size("of it the ring, with a calibration", drift_ring.layout(on=True, wide=False)),
        _size("of it the next category", migration_slots.layout(settings.prediction_slots)),
        _size("of it each horizon", horizon_counts.layout()),
        _size("of it the recent items", recents.layout(settings.recent_items)),
        _size("of it the last list sent", delta.layout(settings.list_size)),
        _size("of it what was searched for last", open_query.PENDING),
        _size("item's row in the shop model", shop.items.rows.dtype),
        _size("item's profile beside it", shop.profiles.dtype),
        _size("category's row in the shop model", shop.categories.rows.dtype),
    ]
    report.show("Bytes", rows, "With the default settings; on the wire before compression.")


def _size(what: str, of: Layout) -> Row:
    return {"what": what, "bytes": of.itemsize}


def _wire(whole: Outcome, size: int) -> float:
    """Bytes an event of shop-updates in records of `size` events."""
    parts = [whole.updates[at : at + size] for at in range(0, len(whole.updates), size)]
    messages = [packed(part, 0, whole.names.__getitem__) for part in parts]
    return sum(len(encode(message)) for message in messages) / len(whole.updates)


def _multiply(path: Path, settings: Settings, users: int) -> None:
    """Give the rows that are there to `users` others, as a checkpoint would write them."""
    size = layout(settings).itemsize
    checkpoint = Checkpoint(path)
    header = checkpoint.header()
    assert header is not None
    rows = cycle([value[:size] for _, value in checkpoint.all_rows()])
    for first in range(0, users, AT_ONCE):
        names = [_user(number) for number in range(first, min(first + AT_ONCE, users))]
        stored = [(identify(name, settings.seed), next(rows) + name.encode()) for name in names]
        checkpoint.write(header, stored, [])
    checkpoint.close()


def _user(number: int) -> str:
    return f"shopper-{number:07d}"


def _show_opening(report: Report, path: Path, settings: Settings, users: int) -> None:
    opened, touched = zip(*(_opened(path, settings, users, turn) for turn in range(3)), strict=True)
    stored = sum(file.stat().st_size for file in path.iterdir()) / users
    report.show(
        f"A partition of {users:,} users",
        [
            {
                "open, s": median(opened),
                f"first {TOUCHED:,} users touched, ms": median(touched) * 1000,
                "bytes on disk a user": stored,
            }
        ],
        "Wanted: open in under a second. Median of 3; files may be in the system's page cache.",
    )


def _opened(path: Path, settings: Settings, users: int, turn: int) -> tuple[float, float]:
    """Seconds to open the partition, and to apply one event each of users on disk."""
    shop = ShopModel(settings)
    started = time.perf_counter()
    shard = Shard(path, 0, 1, settings)
    opened = time.perf_counter()
    shard.apply(_touching(shard, users, turn), shop)
    applied = time.perf_counter()
    shard.close()
    return opened - started, applied - opened


def _touching(shard: Shard, users: int, turn: int) -> Sequence[LogRecord]:
    """One event of each of some users, others at each turn."""
    numbers = [(turn + 3 * step) * (users // (3 * TOUCHED)) for step in range(TOUCHED)]
    return [
        _record(shard.offset + 1 + place, _user(number), _view(_user(number)))
        for place, number in enumerate(numbers)
    ]


def _view(user: str) -> bytes:
    view = {"user_id": user, "event_type": "view", "occurred_at": 1.7e9, "category": "A"}
    return msgspec.json.encode(view)
