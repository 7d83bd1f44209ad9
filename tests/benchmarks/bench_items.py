"""What an event costs in a shop of a million items, beside one of 43 thousand."""

import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream.core.events import VIEW, Touch
from stream.core.ids import identify
from stream.core.rows import Rows, zeros
from stream.core.shop import ShopModel
from stream.core.updates import LAYOUT, RECENT, UpdateRow, packed
from stream.replay import Replay
from stream.settings import Settings
from stream.shard import LogRecord, warm_up
from tests.benchmarks.report import Report, Row

FEW, MANY = 43_000, 1_000_000
TAUGHT_AN_ITEM = 8
"""Events of each item that the shop has seen before, on average."""
NEAR = 40
"""Who looks at an item goes on to one of so many around it."""
CATEGORIES, SHOPPERS, VISIT = 300, 5000, 8
A_RECORD = 4096
EVENTS = 60_000
TEACHER = 99
"""A partition that taught the shop before and has no shoppers here."""
STARTS_AT, A_SECOND = 1_700_000_000.0, 50.0


def run(report: Report, quick: bool) -> None:
    """Teach two shops alike, then give each the same number of events."""
    warm_up(Settings())
    sizes = (FEW // 10, FEW) if quick else (FEW, MANY)
    rows = [_measured(report, items) for items in sizes]
    for row in rows:
        row["times the first"] = float(row["CPU us an event"]) / float(rows[0]["CPU us an event"])
    report.show(
        "A replay with all models on, by how many items the shop has",
        rows,
        "Wanted: at most twice. Deciding, ranking, learning and writing lists, reading excluded.",
    )


def _measured(report: Report, items: int) -> Row:
    random, started = np.random.default_rng(7), time.perf_counter()
    shop = _taught(items, random)
    report.say(f"items: taught {items:,} items in {time.perf_counter() - started:.0f} s")
    records = _records(items, random)
    with tempfile.TemporaryDirectory(prefix="drift-bench-") as folder:
        replay = Replay(Path(folder), 1, shop.settings)
        replay.shop = shop
        try:
            # Shoppers' rows fill up first.
            replay.feed(list(islice(records, EVENTS)))
            part, used = list(islice(records, EVENTS)), time.process_time()
            lists = len(replay.feed(part).deltas)
            used = time.process_time() - used
        finally:
            replay.close()
    megabytes = sum(np.asarray(rows).nbytes for rows in (shop.items.rows, shop.profiles)) / (
        1 << 20
    )
    return {
        "items": items,
        "CPU us an event": used / EVENTS * 1e6,
        "lists": lists,
        "MiB of item rows": megabytes,
    }


def visits(items: int, random: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Items of so many visits, each near one that a Zipf law draws: shape (count, VISIT)."""
    first = (items ** random.random(count)).astype(np.int64) * 7919 % items
    steps = random.integers(0, NEAR, (count, VISIT))
    return (first[:, np.newaxis] + steps) % items


def _taught(items: int, random: np.random.Generator) -> ShopModel:
    """A shop model after events of all its items, each around one of its neighbors."""
    ids = np.array([identify(_item(number)) for number in range(items)], np.int64)
    name_of = {int(id): _item(number) for number, id in enumerate(ids)}
    shop = ShopModel(Settings())
    for number in range(items * TAUGHT_AN_ITEM // A_RECORD):
        first = random.integers(0, items, A_RECORD // VISIT)
        steps = random.integers(0, NEAR, (A_RECORD // VISIT, VISIT))
        chosen = (first[:, np.newaxis] + steps) % items
        shop.apply(packed(_updates(ids, chosen, number), TEACHER, name_of.__getitem__))
    return shop


def _updates(ids: NDArray[np.int64], chosen: NDArray[np.int64], number: int) -> Rows[UpdateRow]:
    """Rows of visits, the items before each as its recent ones."""
    rows = zeros(A_RECORD, LAYOUT, UpdateRow)
    table, shown = np.asarray(rows), ids[chosen]
    table["position"] = np.arange(number * A_RECORD, (number + 1) * A_RECORD)
    table["occurred_at"] = STARTS_AT
    table["item_id"] = shown.ravel()
    recent = np.zeros((*chosen.shape, RECENT), np.int64)
    for back in range(1, RECENT + 1):
        recent[:, back:, back - 1] = shown[:, :-back]
    table["recent_items"] = recent.reshape(-1, RECENT)
    table["step"] = -1
    return rows


def _records(items: int, random: np.random.Generator) -> Iterator[LogRecord]:
    """Views of shoppers side by side, a visit each at a time."""
    offset = 0
    while True:
        shoppers = random.permutation(SHOPPERS)[:500]
        for place in zip(*visits(items, random, len(shoppers)).tolist(), strict=True):
            for shopper, item in zip(shoppers.tolist(), place, strict=True):
                yield _record(offset, f"shopper-{shopper}", item)
                offset += 1


def _record(offset: int, user: str, item: int) -> LogRecord:
    at = STARTS_AT + 86_400 + offset / A_SECOND
    category = f"category-{item % CATEGORIES}"
    touch = Touch(user, at, _item(item), category, 1.0, VIEW, 0, 0)
    return LogRecord(0, offset, round(at * 1000), user.encode(), None, [touch])


def _item(number: int) -> str:
    return f"item-{number:07d}"
