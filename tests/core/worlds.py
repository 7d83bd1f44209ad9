"""Toy worlds for the tests of the shop model: sequences by name, as rows and messages."""

from collections.abc import Iterable, Sequence

import numpy as np

from stream.core.ids import NONE, identify
from stream.core.rows import Rows, zeros
from stream.core.updates import LAYOUT, UpdateRow, packed
from stream.messages import ShopUpdates
from stream.settings import Settings
from tests.reference.slow_shop import SlowUpdate

HALF_LIFE = 100.0
SMALL = Settings(
    neighbors=3,
    factors=10,
    content_buckets=64,
    query_buckets=64,
    negatives=3,
    transition_half_life=HALF_LIFE,
    popularity_half_life=200.0,
)
NAMES = ["tent", "stove", "lamp", "boat", "kite", "drum"]
NAME_OF = {identify(name): name for name in [*NAMES, "camping", "sport", "music", "garden"]}


def rows_of(updates: Sequence[SlowUpdate], first: int = 0) -> Rows[UpdateRow]:
    """Rows at the positions from `first` on."""
    rows = zeros(len(updates), LAYOUT, UpdateRow)
    for place, update in enumerate(updates):
        row = rows[place]
        row.position, row.occurred_at, row.step = first + place, update.at, update.step
        row.item_id = identify(update.item) if update.item else NONE
        row.category_id = identify(update.category) if update.category else NONE
        for lag, name in enumerate(update.recent):
            row.recent_items[lag] = identify(name)
        for lag, name in enumerate(update.recent_categories):
            row.recent_categories[lag] = identify(name)
    return rows


def message(updates: Sequence[SlowUpdate], first: int = 0, partition: int = 0) -> ShopUpdates:
    return packed(rows_of(updates, first), partition, NAME_OF.__getitem__)


def walked(sequence: Iterable[tuple[str, float]], remembered: int = 5) -> list[SlowUpdate]:
    """What one shopper's (item, time) tell, in this order."""
    updates, recent = [], []
    for item, at in sequence:
        updates.append(SlowUpdate(at, item, tuple(recent)))
        recent = [item, *(other for other in recent if other != item)][:remembered]
    return updates


def many(count: int, seed: int = 7) -> list[SlowUpdate]:
    """A stream of several shoppers, with categories, in which rows fill and are evicted."""
    random = np.random.default_rng(seed)
    recent: dict[int, list[str]] = {}
    groups: dict[int, list[str]] = {}
    updates, at = [], 1e9
    for _ in range(count):
        shopper, at = int(random.integers(9)), at + float(random.exponential(20))
        item = NAMES[int(random.integers(len(NAMES)))]
        category = ["camping", "sport", "music"][int(random.integers(3))]
        items, categories = recent.setdefault(shopper, []), groups.setdefault(shopper, [])
        step = 2 if category not in categories else int(categories[0] != category)
        updates.append(SlowUpdate(at, item, tuple(items), category, tuple(categories), step))
        recent[shopper] = [item, *(other for other in items if other != item)][:5]
        groups[shopper] = [category, *(other for other in categories if other != category)][:5]
    return updates
