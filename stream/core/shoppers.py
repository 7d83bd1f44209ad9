"""All that is known of one shopper: one row, one copy of its bytes in RocksDB."""

import numpy as np

from stream.core import (
    drift,
    drift_alert,
    drift_ring,
    flows,
    horizon_counts,
    interest,
    migration_slots,
    pace,
    presence,
    recents,
    sessions,
)
from stream.core.compiled import kernel
from stream.core.delta import ServedRow
from stream.core.delta import layout as served_layout
from stream.core.drift import DriftRow
from stream.core.drift_alert import LastAlertRow
from stream.core.drift_ring import RingRow
from stream.core.flows import FlowRow
from stream.core.horizon_counts import HorizonRow
from stream.core.ids import NONE
from stream.core.interest import InterestRow
from stream.core.migration_slots import MigrationRow
from stream.core.open_query import PENDING, PendingRow
from stream.core.pace import PaceRow
from stream.core.presence import PresenceRow
from stream.core.recents import RecentsRow
from stream.core.rows import Int64s, Layout, Rows
from stream.core.sessions import SessionRow
from stream.settings import Settings


class SeenRow:
    """A ring of the last event ids, by which repeats are recognized; 0 is free."""

    ids: Int64s
    next: int


class StrictRow:
    """The part that is a function of the settings and the shard's records alone."""

    session: SessionRow
    drift: DriftRow
    ring: RingRow
    alert: LastAlertRow
    interest: InterestRow
    recents: RecentsRow
    migration: MigrationRow
    flows: FlowRow
    horizons: Rows[HorizonRow]
    seen: SeenRow
    presence: PresenceRow
    pace: PaceRow


class ShopperRow:
    """One shopper: the strict part, then the open query, then what was served.

    No law covers what was served, and no strict state reads either.
    """

    strict: StrictRow
    pending: PendingRow
    served: ServedRow


def strict_layout(settings: Settings) -> Layout:
    """The bytes that partition hashes are made of."""
    slots, wide = settings.detector_slots, settings.wide_categories
    seen = np.dtype([("ids", "i8", settings.remembered_event_ids), ("next", "i4")], align=True)
    return np.dtype(
        [
            ("session", sessions.LAYOUT),
            ("drift", drift.layout(slots, wide)),
            ("ring", drift_ring.layout(drift.ringed(settings), wide)),
            ("alert", drift_alert.layout(slots, wide)),
            ("interest", interest.layout(settings.interest_slots)),
            ("recents", recents.layout(settings.recent_items)),
            ("migration", migration_slots.layout(settings.prediction_slots)),
            ("flows", flows.LAYOUT),
            ("horizons", horizon_counts.layout(wide), (max(1, len(settings.horizons)),)),
            ("seen", seen),
            ("presence", presence.LAYOUT),
            ("pace", pace.LAYOUT),
        ],
        align=True,
    )


def layout(settings: Settings) -> Layout:
    """The bytes of one shopper."""
    return np.dtype(
        [
            ("strict", strict_layout(settings)),
            ("pending", PENDING),
            ("served", served_layout(settings.list_size)),
        ],
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
