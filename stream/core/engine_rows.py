"""What the fused loop reads and writes: events, a shard's memory, room for what comes out."""

from typing import NamedTuple

import numpy as np

from stream.core import codes, drift, flows, selection, sessions, shoppers
from stream.core.blend import Blend
from stream.core.candidates import Listing
from stream.core.clicks import Clicks
from stream.core.codes import CodeRow
from stream.core.delta import ListRow, list_layout
from stream.core.drift import AlarmRow, WorkRow
from stream.core.flows import ChangeRow
from stream.core.foresight import Foresight
from stream.core.horizon_features import Desk
from stream.core.predictor import Predictor
from stream.core.queries import Asking
from stream.core.rows import Layout, Rows, zeros
from stream.core.sessions import DEADLINE, ClockRow, Deadline
from stream.core.shoppers import ShopperRow
from stream.core.updates import LAYOUT as UPDATE
from stream.core.updates import UpdateRow
from stream.settings import Settings

# Some 4 ms: other work of the process waits no longer than this.
SLICE = 4096
UNLIMITED = np.iinfo(np.int32).max
PLACES = 1024
"""A touch's position is its record's offset times this, plus its place in the record."""


class Event:
    """A touch, with the shopper's slot and the partition's number of the category (or -1).

    `query` is one more than the place of its query among those of the events at hand, 0 for none.

    The loop answers in `repeated`, in `late`, which says that flows and demand of its time are
    closed, and in `bot`.
    """

    occurred_at: float
    weight: float
    position: int
    item_id: int
    category_id: int
    session: int
    number: int
    sequence: int
    slot: int
    category: int
    place: int
    query: int
    action: int
    feedback: int
    last: int
    repeated: int
    late: int
    bot: int
    marketing: int


EVENT: Layout = np.dtype(
    [
        ("occurred_at", "f8"),
        ("weight", "f8"),
        ("position", "i8"),
        ("item_id", "i8"),
        ("category_id", "i8"),
        ("session", "i8"),
        ("number", "i8"),
        ("sequence", "i8"),
        ("slot", "i4"),
        ("category", "i4"),
        ("place", "i4"),
        ("query", "i4"),
        ("action", "i1"),
        ("feedback", "i1"),
        ("last", "u1"),
        ("repeated", "u1"),
        ("late", "u1"),
        ("bot", "u1"),
        ("marketing", "i1"),
    ],
    align=True,
)


class SlotRow:
    """A place in memory for one shopper: whose row is in it, and whether it changed."""

    key: int
    dirty: int


SLOT: Layout = np.dtype([("key", "i8"), ("dirty", "u1")], align=True)


class Progress:
    """How far the loop came: `alarms`, `updates` and `lists` are how many it left to take, and
    `changes` those of counts of moves. `bots` shoppers turned out to be one, and `from_bots`
    touches were left out for that.
    """

    queued: int
    alarms: int
    updates: int
    lists: int
    changes: int
    repeats: int
    bots: int
    from_bots: int
    need: int


PROGRESS: Layout = np.dtype(
    [
        *((name, "i4") for name in ("queued", "alarms", "updates", "lists", "changes")),
        *((name, "i4") for name in ("repeats", "bots", "from_bots", "need")),
    ],
    align=True,
)


class Tipped:
    """Whose alert it is, after which event of the batch, and what its id is made of.

    `revision` is 1 where an earlier alert is told again with what gained since; the rest
    is as `LastAlertRow` has it, `strength` that of the first telling.
    """

    strength: float
    offset: int
    returns_offset: int
    slot: int
    event: int
    revision: int
    number: int
    delta: int
    returns_number: int
    no_marketing: int


TIPPED: Layout = np.dtype(
    [
        ("strength", "f8"),
        ("offset", "i8"),
        ("returns_offset", "i8"),
        *((name, "i4") for name in ("slot", "event", "revision")),
        *((name, "i4") for name in ("number", "delta", "returns_number", "no_marketing")),
    ],
    align=True,
)


class Rules(NamedTuple):
    """The settings that the loop needs."""

    session_gap: float
    session_switch: float
    threshold: float
    ring_threshold: float
    followed: int
    cooldown: float
    return_window: float
    amend_after: int
    short_half_life: float
    long_half_life: float
    transition_half_life: float
    delta_interval: float
    full_list_every: int
    flow_window: float
    inactive_after: float
    most_hourly: int
    muted: bool
    listing: Listing
    slots: int


def rules(settings: Settings) -> Rules:
    """What the settings mean to the loop; lists are on."""
    limits = drift.limits(settings)
    return Rules(
        session_gap=settings.session_gap,
        session_switch=settings.session_switch,
        threshold=limits.threshold,
        ring_threshold=limits.ring_threshold,
        followed=drift.followed(settings.wide_categories),
        cooldown=settings.cooldown,
        return_window=settings.return_window,
        amend_after=settings.amend_after,
        short_half_life=settings.short_half_life,
        long_half_life=settings.long_half_life,
        transition_half_life=settings.transition_half_life,
        delta_interval=settings.delta_interval,
        full_list_every=settings.full_list_every,
        flow_window=float(settings.flow_window),
        inactive_after=settings.inactive_after or np.inf,
        most_hourly=settings.most_hourly or UNLIMITED,
        muted=False,
        listing=selection.listing(settings),
        slots=settings.prediction_slots,
    )


class State(NamedTuple):
    """What a partition's shard keeps in memory."""

    clock: Rows[ClockRow]
    queue: Rows[Deadline]
    slots: Rows[SlotRow]
    shoppers: Rows[ShopperRow]
    codes: Rows[CodeRow]


class Learned(NamedTuple):
    """What a shard learned of all its shoppers together, and the room to use it.

    Served state: it is stored with the rows, but no strict state reads it.
    """

    ahead: Predictor
    blend: Blend
    clicks: Clicks
    asking: Asking
    foresight: Foresight
    desk: Desk


class Results(NamedTuple):
    """Where the loop leaves what came out, until it is taken; `work` is room to work."""

    progress: Rows[Progress]
    work: Rows[WorkRow]
    alarms: Rows[AlarmRow]
    tipped: Rows[Tipped]
    updates: Rows[UpdateRow]
    lists: Rows[ListRow]
    changes: Rows[ChangeRow]


def state(settings: Settings, hot_users: int) -> State:
    """An empty shard with room for `hot_users` rows; its `codes` are the codebook's to bring."""
    return State(
        clock=zeros(1, sessions.CLOCK, ClockRow),
        queue=zeros(2 * SLICE, DEADLINE, Deadline),
        slots=zeros(hot_users, SLOT, SlotRow),
        shoppers=zeros(hot_users, shoppers.layout(settings), ShopperRow),
        codes=zeros(1, codes.LAYOUT, CodeRow),
    )


def results(settings: Settings) -> Results:
    """Room for what one slice brings, and for a few hundred alarms."""
    room = 512
    return Results(
        progress=zeros(1, PROGRESS, Progress),
        work=zeros(1, drift.work_layout(settings.detector_slots), WorkRow),
        alarms=zeros(room, drift.alarm_layout(settings.detector_slots), AlarmRow),
        tipped=zeros(room, TIPPED, Tipped),
        updates=zeros(SLICE, UPDATE, UpdateRow),
        lists=zeros(SLICE, list_layout(settings.list_size), ListRow),
        changes=zeros(flows.CHANGES * SLICE, flows.CHANGE, ChangeRow),
    )
