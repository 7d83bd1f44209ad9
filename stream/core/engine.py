"""The fused loop: every event meets every model once, in a fixed order."""

from typing import NamedTuple

import numpy as np

from stream.core import drift, interest, recents, sessions, shoppers
from stream.core.compiled import kernel, outlined
from stream.core.delta import ListRow, due, list_layout, material, send
from stream.core.drift import AlarmRow
from stream.core.ids import NONE
from stream.core.interest import InterestRow
from stream.core.ranking import RankingWeights, rank
from stream.core.rows import Layout, Rows, zeros
from stream.core.sessions import DEADLINE, ClockRow, Deadline
from stream.core.shop import ShopView
from stream.core.shoppers import ShopperRow
from stream.core.updates import LAYOUT as UPDATE
from stream.core.updates import RECENT, UpdateRow
from stream.settings import Settings

# Some 4 ms: other work of the process waits no longer than this.
SLICE = 4096
PLACES = 1024
"""A touch's position is its record's offset times this, plus its place in the record."""
STAY, RETURN, ENTER = 0, 1, 2
DONE, ROW, ROOM = 0, 1, 2
"""Why the loop came back: at the end, for a row that is not in memory, or for room."""


class Event:
    """A touch, with the shopper's slot and the partition's number of the category (or -1)."""

    occurred_at: float
    weight: float
    position: int
    item_id: int
    category_id: int
    session: int
    number: int
    slot: int
    category: int
    action: int
    last: int


EVENT: Layout = np.dtype(
    [
        ("occurred_at", "f8"),
        ("weight", "f8"),
        ("position", "i8"),
        ("item_id", "i8"),
        ("category_id", "i8"),
        ("session", "i8"),
        ("number", "i8"),
        ("slot", "i4"),
        ("category", "i4"),
        ("action", "i1"),
        ("last", "u1"),
    ],
    align=True,
)


class SlotRow:
    """A place in memory for one shopper: whose row is in it, and whether it changed."""

    key: int
    dirty: int


SLOT: Layout = np.dtype([("key", "i8"), ("dirty", "u1")], align=True)


class Progress:
    """How far the loop came: `alarms`, `updates` and `lists` are how many it left to take."""

    queued: int
    alarms: int
    updates: int
    lists: int
    repeats: int
    need: int


PROGRESS: Layout = np.dtype(
    [(name, "i4") for name in ("queued", "alarms", "updates", "lists", "repeats", "need")],
    align=True,
)


class Tipped:
    """Which shopper's session raised an alarm, and after which event of the batch."""

    slot: int
    event: int


TIPPED: Layout = np.dtype([("slot", "i4"), ("event", "i4")], align=True)


class Rules(NamedTuple):
    """The settings that the loop needs."""

    session_gap: float
    session_switch: float
    threshold: float
    short_half_life: float
    long_half_life: float
    transition_half_life: float
    delta_interval: float
    full_list_every: int
    muted: bool
    weights: RankingWeights


def rules(settings: Settings) -> Rules:
    """What the settings mean to the loop; lists are on."""
    return Rules(
        session_gap=settings.session_gap,
        session_switch=settings.session_switch,
        threshold=drift.threshold(settings.false_alarms_per_10k_events),
        short_half_life=settings.short_half_life,
        long_half_life=settings.long_half_life,
        transition_half_life=settings.transition_half_life,
        delta_interval=settings.delta_interval,
        full_list_every=settings.full_list_every,
        muted=False,
        weights=RankingWeights(),
    )


class State(NamedTuple):
    """What a partition's shard keeps in memory."""

    clock: Rows[ClockRow]
    queue: Rows[Deadline]
    slots: Rows[SlotRow]
    shoppers: Rows[ShopperRow]


class Results(NamedTuple):
    """Where the loop leaves what came out, until it is taken."""

    progress: Rows[Progress]
    alarms: Rows[AlarmRow]
    tipped: Rows[Tipped]
    updates: Rows[UpdateRow]
    lists: Rows[ListRow]


def state(settings: Settings, hot_users: int) -> State:
    """An empty shard with room for `hot_users` rows."""
    return State(
        clock=zeros(1, sessions.CLOCK, ClockRow),
        queue=zeros(2 * SLICE, DEADLINE, Deadline),
        slots=zeros(hot_users, SLOT, SlotRow),
        shoppers=zeros(hot_users, shoppers.layout(settings), ShopperRow),
    )


def results(settings: Settings) -> Results:
    """Room for what one slice brings, and for a few hundred alarms."""
    room = 512
    return Results(
        progress=zeros(1, PROGRESS, Progress),
        alarms=zeros(room, drift.alarm_layout(settings.detector_slots), AlarmRow),
        tipped=zeros(room, TIPPED, Tipped),
        updates=zeros(SLICE, UPDATE, UpdateRow),
        lists=zeros(SLICE, list_layout(settings.list_size), ListRow),
    )


@outlined
def close(state: State, out: Results, slot: int, event: int, rules: Rules) -> bool:
    """End a shopper's open session; whether the detector raised an alarm."""
    shopper, progress = state.shoppers[slot], out.progress[0]
    session = shopper.strict.session
    session.open = 0
    state.slots[slot].dirty = 1
    alarmed = drift.close(
        shopper.strict.drift,
        out.alarms[progress.alarms],
        rules.threshold,
        session.started_at,
        session.last_at,
    )
    if alarmed:
        out.tipped[progress.alarms].slot = slot
        out.tipped[progress.alarms].event = event
        progress.alarms += 1
        if rules.muted:
            shopper.served.stale = 1
        else:
            shopper.served.moved = 1
    return bool(alarmed)


@outlined
def offer(
    state: State, out: Results, shop: ShopView, slot: int, event: int, at: float, rules: Rules
) -> None:
    """Rank for a shopper, and leave a list to send if it changed or an alarm names it."""
    shopper, progress = state.shoppers[slot], out.progress[0]
    served = shopper.served
    size = len(served.items)
    first = progress.lists * size
    used = rank(
        shop, first, size, shopper.strict.recents, rules.weights, at,
        rules.transition_half_life,
    )  # fmt: skip
    state.slots[slot].dirty = 1
    if served.moved or (used > 0 and (served.stale or material(served, shop.ranked, first, used))):
        row = out.lists[progress.lists]
        row.slot, row.event = slot, event
        send(served, row, shop.ranked, first, used, at, rules.full_list_every)
        progress.lists += 1


@outlined
def expire(state: State, out: Results, shop: ShopView, own: int, event: int, rules: Rules) -> int:
    """End the sessions that the partition's clock has passed; why it stopped before the last.

    Who moved gets a list at once, but for the shopper in slot `own`, whose record it is.
    """
    clock, progress = sessions.now(state.clock[0]), out.progress[0]
    while progress.queued > 0 and state.queue[0].at < clock:
        key, slot = state.queue[0].key, int(state.queue[0].slot)
        if slot < 0 or state.slots[slot].key != key:
            return ROW
        # One of each is left for the event itself.
        if progress.alarms + 1 >= len(out.alarms) or progress.lists + 1 >= len(out.lists):
            return ROOM
        sessions.pop(state.queue, progress.queued)
        progress.queued -= 1
        session = state.shoppers[slot].strict.session
        state.slots[slot].dirty = 1
        if session.open and not session.last_at + rules.session_gap < clock:
            sessions.push(
                state.queue, progress.queued, session.last_at + rules.session_gap, key, slot
            )
            progress.queued += 1
            continue
        session.queued = 0
        # A log in another order than time's would lose its sessions to the clock.
        if session.open and not session.late:
            moved = close(state, out, slot, event, rules)
            if moved and slot != own and not rules.muted:
                offer(state, out, shop, slot, event, session.last_at, rules)
    return DONE


@kernel
def attend(state: State, out: Results, event: Event, place: int, rules: Rules) -> None:
    """Give the event its session: end the open one where it does not belong, begin one."""
    strict = state.shoppers[event.slot].strict
    session, at = strict.session, event.occurred_at
    if session.open and not sessions.continues(
        session, event.session, at, rules.session_gap, rules.session_switch
    ):
        close(state, out, event.slot, place, rules)
    if session.open and event.category >= 0 and drift.full(strict.drift, event.category):
        close(state, out, event.slot, place, rules)
    if session.open:
        sessions.extend(session, event.session, at)
    else:
        sessions.begin(session, event.session, at)
    end, progress = session.last_at + rules.session_gap, out.progress[0]
    session.late = 1 if end < sessions.now(state.clock[0]) else 0
    if not session.late and not session.queued:
        sessions.push(state.queue, progress.queued, end, state.slots[event.slot].key, event.slot)
        progress.queued += 1
        session.queued = 1


@kernel
def step(row: InterestRow, current: int, event: Event) -> int:
    """What the event does: stay in the category, return to an earlier one, or enter one."""
    if current == event.category_id:
        return STAY
    return RETURN if interest.knows(row, event.category) else ENTER


@kernel
def report(state: State, update: UpdateRow, event: Event) -> None:
    """Write down what the event teaches about the shop."""
    strict = state.shoppers[event.slot].strict
    update.position, update.occurred_at = event.position, event.occurred_at
    update.item_id, update.category_id, update.action = (
        event.item_id,
        event.category_id,
        event.action,
    )
    for place in range(RECENT):
        update.recent_items[place] = NONE
        update.recent_categories[place] = NONE
        if place < strict.recents.used:
            update.recent_items[place] = strict.recents.items[place]
        if place < strict.categories.used:
            update.recent_categories[place] = strict.categories.ids[place]
    update.step = -1
    if event.category >= 0:
        update.step = step(strict.interest, update.recent_categories[0], event)


@kernel
def learn(state: State, out: Results, event: Event, place: int, rules: Rules) -> None:
    """One event, all models of the shopper. What it follows is written down before it counts."""
    attend(state, out, event, place, rules)
    strict, progress, at = state.shoppers[event.slot].strict, out.progress[0], event.occurred_at
    if event.item_id != NONE or event.category >= 0:
        report(state, out.updates[progress.updates], event)
        progress.updates += 1
    if event.category >= 0:
        drift.count(strict.drift, event.category)
        interest.learn(
            strict.interest, event.category, event.weight, at, rules.short_half_life,
            rules.long_half_life,
        )  # fmt: skip
        shoppers.push(strict.categories, event.category_id)
    if event.item_id != NONE:
        recents.push(strict.recents, event.item_id, event.action)


@kernel
def serve(
    state: State,
    out: Results,
    shop: ShopView,
    event: Event,
    place: int,
    learned: bool,
    rules: Rules,
) -> None:
    """After a record's last touch, send the shopper a list if one is due.

    A touch of which nothing was learned can still have shown that the shopper moved.
    """
    served, at = state.shoppers[event.slot].served, event.occurred_at
    if rules.muted:
        served.stale = 1 if learned else served.stale
    elif event.last and (served.moved or (learned and due(served, at, rules.delta_interval))):
        offer(state, out, shop, event.slot, place, at, rules)


@kernel
def run(
    state: State,
    out: Results,
    shop: ShopView,
    events: Rows[Event],
    first: int,
    last: int,
    rules: Rules,
) -> int:
    """Run the events `first` to `last` (excluded); return how far it came, `need` says why.

    At the event it returns, nothing of it has been learned, only its time seen: go on there.
    """
    progress = out.progress[0]
    progress.need = DONE
    for place in range(first, last):
        event = events[place]
        # Beside the sessions that time ends, one event ends at most one, and makes one list.
        if (
            progress.alarms == len(out.alarms)
            or progress.updates == len(out.updates)
            or progress.lists == len(out.lists)
            or progress.queued == len(state.queue)
        ):
            progress.need = ROOM
            return place
        sessions.observe(state.clock[0], state.slots[event.slot].key, event.occurred_at)
        progress.need = expire(state, out, shop, event.slot, place, rules)
        if progress.need != DONE:
            return place
        state.slots[event.slot].dirty = 1
        learned = False
        if shoppers.repeated(state.shoppers[event.slot].strict.seen, event.number):
            progress.repeats += 1
        elif event.weight > 0.0:
            learn(state, out, event, place, rules)
            learned = True
        serve(state, out, shop, event, place, learned, rules)
    return last
