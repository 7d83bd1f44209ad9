"""Which items to forget where there are too many, and how what points at the others follows.

Forgotten are those that are touched least, by their decayed count at the time of the newest
event; of equals those with the higher id. What the catalog or the settings keep out of lists is
remembered longest, or it would come back. The others get new row numbers in their old order.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.core.decay import remaining
from stream.core.rows import Int32s, Int64s

GONE = -1
AT_ONCE = 16
"""One in so many items is forgotten at a time, so that it is seldom needed."""
CHUNK = 1 << 16
"""Rows that are worked on at once, so that memory stays flat."""
Table = NDArray[np.void]


class Renumbering(NamedTuple):
    """`kept` are the old numbers in order, `new_of` is by old number, `GONE` for none."""

    kept: Int64s
    new_of: Int32s


def renumbering(items: Table, profiles: Table, most: int, half_life: float) -> Renumbering:
    """What stays of the rows of items, where at most `most` may be; profiles with flags do."""
    popularity = items["popularity"]
    now = popularity["updated_at"].max(initial=0.0)
    ages = now - popularity["updated_at"]
    left = np.array([remaining(age, half_life) for age in ages.tolist()])
    weights = popularity["weight"].astype(np.float64) * left
    order = np.lexsort((items["id"], -weights, profiles["standing"] == 0))
    kept = np.sort(order[: most - most // AT_ONCE])
    new_of = np.full(len(items), GONE, np.int32)
    new_of[kept] = np.arange(len(kept), dtype=np.int32)
    return Renumbering(kept, new_of)


def kept_rows(rows: Table, map: Renumbering) -> Table:
    """The rows that stay; `rows` may end before the last item."""
    there = map.kept[map.kept < len(rows)]
    return np.array(rows[there])


def relink(items: Table, map: Renumbering) -> None:
    """Let the neighbors of the rows that stayed have their new numbers; drop the others."""
    links = items["transitions"]
    for first in range(0, len(items), CHUNK):
        part = links[first : first + CHUNK]
        _close_up(part, ["neighbors", "weights"], "neighbors", map)


def restock(categories: Table, map: Renumbering) -> None:
    """The same for what categories sell, and for what is new in them."""
    _close_up(categories["shelf"], ["items", "weights"], "items", map)
    for number in range(len(categories)):
        rewrite(categories["arrivals"][number], map)


def rewrite(ring: np.void, map: Renumbering) -> None:
    """The same for a ring: what stays of it, the oldest first."""
    written, items = int(ring["written"]), ring["items"]
    size = len(items)
    oldest = max(0, written - size)
    stood = map.new_of[items[np.arange(oldest, written) % size]]
    stays = stood[stood != GONE]
    items[:] = 0
    items[: len(stays)] = stays
    ring["written"] = len(stays)


def _close_up(rows: Table, columns: list[str], numbers: str, map: Renumbering) -> None:
    """Renumber the used slots of rows, those that stay in front, in their old order."""
    slots = rows[numbers].shape[1]
    used = np.arange(slots) < rows["used"][:, np.newaxis]
    moved = np.where(used, map.new_of[rows[numbers]], GONE)
    order = np.argsort(moved == GONE, axis=1, kind="stable")
    rows[numbers] = moved
    count = (moved != GONE).sum(axis=1)
    empty = np.arange(slots) >= count[:, np.newaxis]
    for column in columns:
        values = rows[column]
        index = order.reshape(order.shape + (1,) * (values.ndim - 2))
        values = np.take_along_axis(values, index, axis=1)
        values[empty] = 0
        rows[column] = values
    rows["used"] = count
