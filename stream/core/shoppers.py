"""All that is known of one shopper: one row, one copy of its bytes in RocksDB."""

import numpy as np

from stream.core import drift, interest, recents, sessions
from stream.core.compiled import kernel
from stream.core.delta import ServedRow
from stream.core.delta import layout as served_layout
from stream.core.drift import DriftRow
from stream.core.ids import NONE
from stream.core.interest import InterestRow
from stream.core.recents import RecentsRow
from stream.core.rows import Int64s, Layout
from stream.core.sessions import SessionRow
from stream.settings import Settings

TRAIL = 5


class TrailRow:
    """The last distinct ids of something, newest first; the first `used` count."""

    ids: Int64s
    used: int


class SeenRow:
    """A ring of the last event ids, by which repeats are recognized; 0 is free."""

    ids: Int64s
    next: int


class StrictRow:
    """The part that is a function of the settings and the shard's records alone."""

    session: SessionRow
    drift: DriftRow
    interest: InterestRow
    recents: RecentsRow
    categories: TrailRow
    seen: SeenRow


class ShopperRow:
    """One shopper: the strict part, then what was served, which no law covers."""

    strict: StrictRow
    served: ServedRow


def strict_layout(settings: Settings) -> Layout:
    """The bytes that partition hashes are made of."""
    seen = np.dtype([("ids", "i8", settings.remembered_event_ids), ("next", "i4")], align=True)
    return np.dtype(
        [
            ("session", sessions.LAYOUT),
            ("drift", drift.layout(settings.detector_slots)),
            ("interest", interest.layout(settings.interest_slots)),
            ("recents", recents.layout(settings.recent_items)),
            ("categories", np.dtype([("ids", "i8", TRAIL), ("used", "i4")], align=True)),
            ("seen", seen),
        ],
        align=True,
    )


def layout(settings: Settings) -> Layout:
    """The bytes of one shopper."""
    return np.dtype(
        [("strict", strict_layout(settings)), ("served", served_layout(settings.list_size))],
        align=True,
    )


@kernel
def repeated(row: SeenRow, event: int) -> bool:
    """Whether this event id is among the last ones; if not, it is from now on."""
    if event == NONE:
        return False
    for place in range(len(row.ids)):
        if row.ids[place] == event:
            return True
    row.ids[row.next] = event
    row.next = (row.next + 1) % len(row.ids)
    return False


@kernel
def push(row: TrailRow, id: int) -> None:
    """Put `id` in front; it stands there once."""
    place = 0
    while place < row.used and row.ids[place] != id:
        place += 1
    if place == row.used and row.used < len(row.ids):
        row.used += 1
    elif place == row.used:
        place -= 1
    while place > 0:
        row.ids[place] = row.ids[place - 1]
        place -= 1
    row.ids[0] = id
