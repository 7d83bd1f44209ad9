"""The fused loop: every event meets every model once, in a fixed order."""

import numpy as np

from stream.core import (
    clicks,
    delta,
    drift,
    drift_alert,
    drift_ring,
    flows,
    foresight,
    horizon_counts,
    interest,
    migration,
    migration_slots,
    open_query,
    pace,
    predictor,
    presence,
    queries,
    ranking,
    recents,
    sessions,
    shoppers,
    taste,
)
from stream.core.blend import BlendRow
from stream.core.clicks import ClicksRow
from stream.core.codes import CodeRow
from stream.core.compiled import inner, kernel, outlined
from stream.core.delta import due, material, recognize, send
from stream.core.drift import NEVER, STEADY, TOLD
from stream.core.engine_rows import PLACES, Event, Learned, Progress, Results, Rules, State
from stream.core.events import CLICKED
from stream.core.foresight import Shopper
from stream.core.ids import NONE
from stream.core.lately import note
from stream.core.migration_slots import MigrationRow
from stream.core.open_query import PendingRow
from stream.core.predictor import Predictor
from stream.core.queries import BeliefRow
from stream.core.recents import RecentsRow
from stream.core.rows import Rows
from stream.core.selection import CALIBRATED
from stream.core.shop import ShopView
from stream.core.shoppers import StrictRow
from stream.core.updates import RECENT, UpdateRow

OWN_ALARMS = 2
"""Alarms that one event can raise of its own shopper: one before it, one by the ring."""
DONE, ROW, ROOM, TURN, GONE = 0, 1, 2, 3, 4
"""Why the loop came back: at the end, for a row that is not in memory, for room, because the
partition's clock passed the end of a horizon's period, or because the next event's shopper was
silent so long that the row must be emptied first."""


@inner
def tell(out: Results, strict: StrictRow, slot: int, place: int, revision: int) -> None:
    """Leave the alarm that was just written to be told, under the id of the last alert."""
    row, alert = out.tipped[out.progress[0].alarms], strict.alert
    row.no_marketing = strict.presence.no_marketing
    row.slot, row.event, row.revision = slot, place, revision
    row.offset, row.number, row.delta = alert.offset, alert.number, alert.delta
    row.returns_offset, row.returns_number = alert.returns_offset, alert.returns_number
    row.strength = alert.strength
    out.progress[0].alarms += 1


@outlined
def close(
    state: State, out: Results, slot: int, event: Event, place: int, tipped: float, rules: Rules
) -> bool:
    """End a shopper's open session at `event`; whether that told of a move.

    `tipped` is the ring's log ratio if it ended the session, else NEVER. An earlier
    alert may be told again instead; at most one alarm is left to take.
    """
    shopper, progress = state.shoppers[slot], out.progress[0]
    strict, session, alarm = shopper.strict, shopper.strict.session, out.alarms[progress.alarms]
    session.open = 0
    state.slots[slot].dirty = 1
    alert, work, events = strict.alert, out.work[0], strict.drift.events
    brought = drift.close(
        strict.drift, work, alarm, rules.threshold, tipped, session.started_at, session.last_at
    )
    if brought != STEADY:
        drift_ring.start_over(strict.ring)
    if brought == TOLD and not drift_alert.too_soon(alert, alarm, rules.cooldown):
        offset = event.position // PLACES
        drift_alert.note(alert, alarm, offset, rules.return_window, rules.amend_after > 0)
        tell(out, strict, slot, place, 0)
        if rules.muted:
            shopper.served.stale = 1
        else:
            shopper.served.moved = 1
        return True
    ripe = drift_alert.ripe(alert, events, rules.amend_after)
    if ripe and drift_alert.look_again(alert, work, alarm):
        tell(out, strict, slot, place, 1)
    return False


@inner
def foretell(
    row: MigrationRow, codes: Rows[CodeRow], shop: ShopView, ahead: Predictor, at: float
) -> bool:
    """Predict a shopper's next category; for one who had none it is false, the outlook empty."""
    if predictor.predict(ahead, row, codes, shop.categories, shop.totals[0], at):
        return True
    ahead.outlooks[0].end = 0
    return False


@inner
def inquire(
    pending: PendingRow, shop: ShopView, belief: BeliefRow, at: float, rules: Rules
) -> None:
    """Look up what a shopper's open query says, for the list or the lesson that is next."""
    queries.look(
        shop.queries, belief, pending, shop.categories, shop.totals[0], at, rules.session_gap
    )


@inner
def listed(
    strict: StrictRow,
    codes: Rows[CodeRow],
    shop: ShopView,
    ahead: Predictor,
    blend: BlendRow,
    told: ClicksRow,
    first: int,
    size: int,
    at: float,
    rules: Rules,
) -> int:
    """Leave a shopper's list in `shop.ranked` from `first` on; how long it is.

    The outlook is what was foretold for it, and the hint what its query says. Neither row nor
    what was learned changes.
    """
    if rules.listing.diversity == CALIBRATED:
        taste.note(shop.choices[0].taste, strict.interest, codes)
    return ranking.rank(
        shop, first, size, strict.recents, blend, told, ahead.outlooks[0], rules.slots,
        rules.listing, at, rules.transition_half_life,
    )  # fmt: skip


@outlined
def offer(
    state: State,
    out: Results,
    shop: ShopView,
    learned: Learned,
    slot: int,
    event: int,
    sequence: int,
    at: float,
    rules: Rules,
) -> None:
    """Rank for a shopper, and leave a list to send if it changed or an alarm names it."""
    shopper, progress = state.shoppers[slot], out.progress[0]
    served = shopper.served
    size = len(served.lows)
    first = progress.lists * size
    inquire(shopper.pending, shop, learned.asking.rows[0], at, rules)
    foretell(shopper.strict.migration, state.codes, shop, learned.ahead, at)
    used = listed(
        shopper.strict, state.codes, shop, learned.ahead, learned.blend.rows[0],
        learned.clicks.rows[0], first, size, at, rules,
    )  # fmt: skip
    state.slots[slot].dirty = 1
    changed = served.stale or material(served, shop.ranked, first, used)
    if served.moved or ((used > 0 or served.used > 0) and changed):
        row = out.lists[progress.lists]
        row.slot, row.event = slot, event
        send(served, row, shop.ranked, first, used, at, sequence, rules.full_list_every)
        recognize(row, shop.cells, shop.profiles, shop.lately)
        progress.lists += 1


@outlined
def expire(
    state: State,
    out: Results,
    shop: ShopView,
    learned: Learned,
    event: Event,
    place: int,
    rules: Rules,
) -> int:
    """End the sessions that the partition's clock has passed; why it stopped before the last.

    Who moved gets a list at once, but for the shopper whose record it is.
    """
    clock, progress = sessions.now(state.clock[0]), out.progress[0]
    while progress.queued > 0 and state.queue[0].at < clock:
        key, slot = state.queue[0].key, int(state.queue[0].slot)
        if slot < 0 or state.slots[slot].key != key:
            return ROW
        # What the event itself may need is left.
        if progress.alarms + OWN_ALARMS >= len(out.alarms) or progress.lists + 1 >= len(out.lists):
            return ROOM
        sessions.pop(state.queue, progress.queued)
        progress.queued -= 1
        strict = state.shoppers[slot].strict
        session = strict.session
        state.slots[slot].dirty = 1
        # The row may be on disk no more, so nothing may come of one that is.
        here = bool(session.open) and not presence.gone(
            strict.presence, clock, rules.inactive_after
        )
        if here and not session.last_at + rules.session_gap < clock:
            sessions.push(
                state.queue, progress.queued, session.last_at + rules.session_gap, key, slot
            )
            progress.queued += 1
            continue
        session.queued = 0
        # A log in another order than time's would lose its sessions to the clock.
        if here and not session.late:
            moved = close(state, out, slot, event, place, NEVER, rules)
            if moved and slot != event.slot and not rules.muted:
                sequence = event.position // PLACES
                offer(state, out, shop, learned, slot, place, sequence, session.last_at, rules)
    return DONE


@inner
def follows(event: Event, rules: Rules) -> bool:
    """Whether the detector's rows have a place for the event's category."""
    return bool(0 <= event.category < rules.followed)


@inner
def detect(state: State, out: Results, event: Event, place: int, rules: Rules) -> None:
    """Count the event for the detector; a large move ends the session here and now."""
    strict = state.shoppers[event.slot].strict
    drift.count(strict.drift, event.category)
    if rules.ring_threshold < np.inf:
        tipped = drift_ring.listen(strict.ring, state.codes, event.category)
        if tipped > rules.ring_threshold:
            close(state, out, event.slot, event, place, tipped, rules)


@inner
def attend(state: State, out: Results, event: Event, place: int, rules: Rules) -> None:
    """Give the event its session: end the open one where it does not belong, begin one."""
    strict = state.shoppers[event.slot].strict
    session, at = strict.session, event.occurred_at
    if session.open and not sessions.continues(
        session, event.session, at, rules.session_gap, rules.session_switch
    ):
        close(state, out, event.slot, event, place, NEVER, rules)
    if session.open and follows(event, rules) and drift.full(strict.drift, event.category):
        close(state, out, event.slot, event, place, NEVER, rules)
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


@inner
def trace(
    update: UpdateRow, row: RecentsRow, moved: MigrationRow, codes: Rows[CodeRow], category: int
) -> None:
    """Write down what an event in this category, by code or -1, comes after."""
    for place in range(RECENT):
        update.recent_items[place] = NONE
        update.recent_categories[place] = NONE
        if place < recents.length(row):
            update.recent_items[place] = recents.item_at(row, place)
        if place < moved.used:
            update.recent_categories[place] = codes[moved.codes[place]].id
    update.step = migration_slots.step_of(moved, category) if category >= 0 else -1


@inner
def answer(update: UpdateRow, row: PendingRow, event: Event, rules: Rules) -> None:
    """Write down which query the event is the first answer to, if it is one."""
    asks = event.query > 0 or row.touched > 0
    asked = (
        0 if asks or not open_query.open_at(row, event.occurred_at, rules.session_gap) else row.used
    )
    # The room is used again and again: most events find it empty, and leave it so.
    if asked == 0 and update.asked == 0:
        return
    update.asked = asked
    for place in range(len(update.buckets)):
        update.buckets[place] = row.buckets[place] if place < asked else 0


@inner
def report(state: State, update: UpdateRow, event: Event, rules: Rules) -> None:
    """Write down what the event teaches about the shop."""
    strict = state.shoppers[event.slot].strict
    update.position, update.occurred_at = event.position, event.occurred_at
    update.item_id, update.category_id, update.action = (
        event.item_id,
        event.category_id,
        event.action,
    )
    trace(update, strict.recents, strict.migration, state.codes, event.category)
    answer(update, state.shoppers[event.slot].pending, event, rules)


@inner
def believe(state: State, shop: ShopView, learned: Learned, event: Event) -> None:
    """Learn how far queries tell what comes, beside what was foretold without."""
    hint, code, ahead = shop.queries.hints[0], state.codes[event.category], learned.ahead
    if hint.used == 0 or event.query > 0 or code.shop < 0:
        return
    chance = migration.chance(
        ahead.outlooks[0], state.shoppers[event.slot].strict.migration, state.codes,
        shop.categories, shop.totals[0], ahead.marks, event.category,
    )  # fmt: skip
    queries.credit(learned.asking.rows[0], hint, chance, code.shop)


@inner
def move(state: State, shop: ShopView, learned: Learned, event: Event, foretold: bool) -> None:
    """Put the event's category in front of the shopper's.

    If it was `foretold`, the prediction learns that it came.
    """
    strict, ahead = state.shoppers[event.slot].strict, learned.ahead
    if foretold:
        believe(state, shop, learned, event)
        predictor.learn(ahead, strict.migration, state.codes, event.category)
    migration_slots.push(strict.migration, event.category, event.occurred_at)


@inner
def teaches(state: State, learned: Learned, event: Event) -> bool:
    """Whether the event is one of which the blend learns."""
    had = state.shoppers[event.slot].strict.recents.used > 0
    return bool(
        had and event.item_id != NONE and ranking.sampled(learned.blend.rows[0], event.position)
    )


@inner
def reflect(state: State, shop: ShopView, learned: Learned, event: Event, rules: Rules) -> None:
    """Learn what a list made just before the event should have said."""
    ranking.reflect(
        shop, state.shoppers[event.slot].strict.recents, learned.blend.rows[0],
        learned.ahead.outlooks[0], rules.slots, event.item_id, event.occurred_at,
        rules.transition_half_life,
    )  # fmt: skip


@inner
def look_ahead(state: State, learned: Learned, event: Event, rules: Rules) -> None:
    """Foresee at the first event of a period what will enter; then let the event count."""
    own, desk = learned.foresight, learned.desk
    strict, at = state.shoppers[event.slot].strict, event.occurred_at
    for horizon in range(len(own.opens)):
        row, open = strict.horizons[horizon], own.opens[horizon]
        if not rules.muted and foresight.begins(row, open):
            key = state.slots[event.slot].key
            silent = strict.presence.no_marketing
            shopper = Shopper(key, event.slot, event.position, at, silent)
            foresight.foresee(desk, own, horizon, row, shopper)
        horizon_counts.count(row, state.codes, event.category, at, open)


@inner
def learn(
    state: State,
    out: Results,
    shop: ShopView,
    learned: Learned,
    event: Event,
    place: int,
    rules: Rules,
) -> None:
    """One event, all models of the shopper. What it follows is written down before it counts."""
    attend(state, out, event, place, rules)
    pending = state.shoppers[event.slot].pending
    open_query.turn(pending, event.occurred_at, event.session, rules.session_gap)
    foretold, tells = False, not rules.muted and teaches(state, learned, event)
    if not rules.muted and (tells or event.category >= 0):
        inquire(pending, shop, learned.asking.rows[0], event.occurred_at, rules)
        row = state.shoppers[event.slot].strict.migration
        foretold = foretell(row, state.codes, shop, learned.ahead, event.occurred_at)
    if tells:
        reflect(state, shop, learned, event, rules)
    strict, progress, at = state.shoppers[event.slot].strict, out.progress[0], event.occurred_at
    if event.item_id != NONE or event.category >= 0:
        report(state, out.updates[progress.updates], event, rules)
        progress.updates += 1
    if follows(event, rules):
        detect(state, out, event, place, rules)
    if event.category >= 0:
        interest.learn(
            strict.interest, event.category, event.weight, at, rules.short_half_life,
            rules.long_half_life,
        )  # fmt: skip
        look_ahead(state, learned, event, rules)
        move(state, shop, learned, event, foretold)
        if not event.late:
            progress.changes = flows.enter(
                strict.flows, at, event.category, rules.flow_window, out.changes, progress.changes
            )
    if event.item_id != NONE:
        recents.push(strict.recents, event.item_id, event.action)
        note(shop.lately, event.item_id)
    if event.query == 0 and (event.item_id != NONE or event.category >= 0):
        open_query.touch(pending, at, rules.session_gap)


@inner
def hear(state: State, learned: Learned, event: Event) -> None:
    """Learn that an entry of the shopper's last list was shown or clicked."""
    served = state.shoppers[event.slot].served
    listed = delta.place_of(served, event.item_id, event.sequence)
    if listed >= 0:
        shown = int(event.place) if event.place >= 0 else listed
        reason = delta.reason_at(served, listed)
        clicks.show(learned.clicks.rows[0], shown, reason, event.feedback == CLICKED)


@inner
def serve(
    state: State,
    out: Results,
    shop: ShopView,
    learned: Learned,
    event: Event,
    place: int,
    counted: bool,
    rules: Rules,
) -> None:
    """After a record's last touch, send the shopper a list if one is due.

    A touch of which nothing was learned can still have shown that the shopper moved. A search
    asks for a list as a move does.
    """
    served, at = state.shoppers[event.slot].served, event.occurred_at
    searched = event.query > 0 and not event.repeated
    if rules.muted:
        served.stale = 1 if counted else served.stale
    elif event.last and (
        served.moved
        or (searched and queries.known(shop.queries.rows, state.shoppers[event.slot].pending))
        or (counted and due(served, at, rules.delta_interval))
    ):
        sequence = event.position // PLACES
        offer(state, out, shop, learned, event.slot, place, sequence, at, rules)


@inner
def suspect(
    strict: StrictRow, progress: Progress, event: Event, clock: float, rules: Rules
) -> bool:
    """Count the event's record with its last touch; whether it comes from a bot.

    A bot's events only tell the time: nobody learns of them, the bot's own row neither.
    """
    pace.begin_hour(strict.pace, event.occurred_at, clock)
    bot = pace.is_bot(strict.pace)
    if event.last and pace.count(strict.pace, rules.most_hourly):
        progress.bots += 1
    if bot:
        progress.from_bots += 1
    return bot


@inner
def heed(state: State, learned: Learned, event: Event, rules: Rules) -> None:
    """Take in feedback on a list, or a search."""
    if event.feedback and not rules.muted:
        hear(state, learned, event)
    if event.query > 0:
        open_query.ask(
            state.shoppers[event.slot].pending, learned.asking.asked[event.query - 1],
            event.occurred_at, event.session,
        )  # fmt: skip


@kernel
def run(
    state: State,
    out: Results,
    shop: ShopView,
    learned: Learned,
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
        # Beside the sessions that time ends, one event ends at most two, and makes one list.
        if (
            progress.alarms + OWN_ALARMS > len(out.alarms)
            or progress.updates == len(out.updates)
            or progress.lists == len(out.lists)
            or progress.queued == len(state.queue)
        ):
            progress.need = ROOM
            return place
        sessions.observe(state.clock[0], state.slots[event.slot].key, event.occurred_at)
        if foresight.turned(learned.foresight.opens, sessions.now(state.clock[0])):
            progress.need = TURN
            return place
        progress.need = expire(state, out, shop, learned, event, place, rules)
        if progress.need != DONE:
            return place
        strict, clock = state.shoppers[event.slot].strict, sessions.now(state.clock[0])
        if presence.gone(strict.presence, clock, rules.inactive_after):
            progress.need = GONE
            return place
        presence.note(strict.presence, clock, event.occurred_at)
        state.slots[event.slot].dirty = 1
        oldest = clock - flows.KEPT_WINDOWS * rules.flow_window
        event.late = 1 if event.occurred_at < oldest else 0
        counted = False
        if shoppers.repeated(strict.seen, event.number):
            progress.repeats += 1
            event.repeated = 1
        else:
            presence.hear(strict.presence, event.marketing)
            event.bot = 1 if suspect(strict, progress, event, clock, rules) else 0
            if not event.bot:
                heed(state, learned, event, rules)
            if not event.bot and event.weight > 0.0:
                learn(state, out, shop, learned, event, place, rules)
                counted = True
        if not event.bot:
            serve(state, out, shop, learned, event, place, counted, rules)
    return last
