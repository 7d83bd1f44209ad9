"""The likeliest next items of a shopper, with reasons: what is not had yet, and what comes back.

An item that the shopper did not have scores the mixture of what the channels say of it, less
for what everybody takes; one that the shopper had scores how often such items are taken again.
So a score is close to the chance that the item is next.
"""

from typing import TYPE_CHECKING

import numpy as np

from stream.core import blend, candidates, factorization, queries, selection, standing, table
from stream.core.bits import low_of
from stream.core.blend import BlendRow
from stream.core.candidates import (
    CATEGORY,
    CHANNELS,
    CONNECTED,
    CandidateRow,
    DeskRow,
    Listing,
)
from stream.core.clicks import ClicksRow
from stream.core.compiled import kernel, outlined
from stream.core.ids import NONE
from stream.core.knowledge import ItemRow, ProfileRow
from stream.core.migration_evidence import OutlookRow
from stream.core.queries import HintRow
from stream.core.recents import RecentsRow, action_at, count_at, length, low_at
from stream.core.rows import Layout, Rows
from stream.core.selection import EVERYTHING
from stream.messages import Because

if TYPE_CHECKING:
    from stream.core.shop import ShopView

LISTS = 4096
"""Lists that there is room for until they are taken."""
REASONS: tuple[Because, ...] = (
    "follows", "precedes", "connected", "similar", "category", "new", "recent", "searched",
)  # fmt: skip
RECENTLY, SEARCHED = 6, 7
LEAST_NEW = 0.05
"""The least chance that is left to items that the shopper did not have."""
TINY = 1e-30
SAMPLED = 3
"""One event in four, by the bits of its position, teaches the blend."""
EAGER = 50_000
"""So many events teach it one and all before."""


class RankedRow:
    """One entry of a list. `index` is the item's row number in the shop model, below 0 without.

    `reason` is the place in `REASONS` of what has the largest part of the score,
    `share` is that part, and `because` the id of the recent item, or of the category,
    that it rests on, or 0.
    """

    item_id: int
    index: int
    score: np.float32
    reason: int
    share: np.float32
    because: int


RANKED: Layout = np.dtype(
    [
        ("item_id", "i8"),
        ("index", "i4"),
        ("score", "f4"),
        ("reason", "i1"),
        ("share", "f4"),
        ("because", "i8"),
    ],
    align=True,
)


@kernel
def weigh(
    desk: DeskRow, found: Rows[CandidateRow], count: int, row: BlendRow, context: int
) -> None:
    """What makes each channel sum to its weight over all candidates; 0 where it says nothing."""
    totals = desk.scales
    for channel in range(CHANNELS):
        totals[channel] = 0.0
    for place in range(count):
        parts = found[place].parts
        for channel in range(CHANNELS):
            totals[channel] += np.float64(parts[channel])
    for channel in range(CHANNELS):
        weight, total = row.weights[context, channel], totals[channel]
        desk.scales[channel] = weight / total if total > 0.0 else 0.0


@kernel
def mix(desk: DeskRow, found: Rows[CandidateRow], count: int) -> None:
    """Each candidate's score as if the shopper had had none: the mixture of the channels."""
    for place in range(count):
        score = 0.0
        for channel in range(CHANNELS):
            score += desk.scales[channel] * np.float64(found[place].parts[channel])
        found[place].score = np.float32(score)


@kernel
def recognize(
    desk: DeskRow, found: Rows[CandidateRow], recents: RecentsRow, profiles: Rows[ProfileRow]
) -> None:
    """The cell of each recent item that is a candidate."""
    current = found[desk.places[0]].index if desk.places[0] >= 0 else -1
    for place in range(length(recents)):
        if desk.places[place] < 0:
            continue
        candidate = found[desk.places[place]]
        both = current >= 0 and candidate.index >= 0
        same = both and profiles[candidate.index].category == profiles[current].category
        desk.cells[place] = blend.cell_of(
            place, count_at(recents, place), same, action_at(recents, place),
            np.float64(candidate.score),
        )  # fmt: skip


@kernel
def settle(
    desk: DeskRow,
    found: Rows[CandidateRow],
    count: int,
    recents: RecentsRow,
    profiles: Rows[ProfileRow],
    row: BlendRow,
    context: int,
) -> None:
    """Give recent items the chance that they are taken again, and the others what is left."""
    back, had, mass, toned = 0.0, 0.0, TINY, TINY
    for place in range(length(recents)):
        if desk.places[place] >= 0:
            back += blend.returning(row, desk.cells[place])
            had += np.float64(found[desk.places[place]].score)
    for place in range(count):
        candidate = found[place]
        if candidate.held == 0:
            mass += np.float64(candidate.score)
            candidate.score *= profiles[candidate.index].tone
            toned += np.float64(candidate.score)
    left = max(LEAST_NEW, 1.0 - back) * blend.reach(row, context) / max(1e-3, 1.0 - had)
    scale = np.float32(left * mass / toned)
    for place in range(count):
        if found[place].held == 0:
            found[place].score *= scale
    for place in range(length(recents)):
        if desk.places[place] >= 0:
            chance = blend.returning(row, desk.cells[place])
            found[desk.places[place]].score = np.float32(chance)


@kernel
def context_of(desk: DeskRow, recents: RecentsRow, items: Rows[ItemRow], hint: HintRow) -> int:
    """The blend's context of a shopper."""
    if hint.used > 0:
        return blend.searched_context(hint.shares[0])
    current = desk.recent[0]
    known = np.float64(items[current].transitions.total) if current >= 0 else 0.0
    return blend.context_of(length(recents), known)


@outlined
def score(shop: "ShopView", count: int, recents: RecentsRow, row: BlendRow) -> int:
    """Score `count` candidates; return the context that they were scored in."""
    desk, found = shop.desks[0], shop.candidates
    context = context_of(desk, recents, shop.items, shop.queries.hints[0])
    weigh(desk, found, count, row, context)
    mix(desk, found, count)
    recognize(desk, found, recents, shop.profiles)
    settle(desk, found, count, recents, shop.profiles, row, context)
    return context


@kernel
def loudest(desk: DeskRow, candidate: CandidateRow) -> int:
    """The channel that says most of a candidate; of equals the first."""
    best = 0
    for channel in range(1, CHANNELS):
        mine = desk.scales[channel] * np.float64(candidate.parts[channel])
        if mine > desk.scales[best] * np.float64(candidate.parts[best]):
            best = channel
    return best


@kernel
def reason_of(channel: int, candidate: CandidateRow, desk: DeskRow, hint: HintRow) -> int:
    """A channel's reason; a category that is likely for the most part by a query is searched."""
    if channel != CATEGORY or hint.used == 0:
        return channel
    said = hint.weight * queries.share_of(hint, candidate.category)
    for place in range(len(desk.likely)):
        if desk.likely[place] == candidate.category:
            return SEARCHED if 2.0 * said > desk.chances[place] else channel
    return channel


@kernel
def explain(
    entry: RankedRow,
    candidate: CandidateRow,
    desk: DeskRow,
    shop: "ShopView",
    recents: RecentsRow,
    hidden: int,
) -> None:
    """Say which item it is, what has the largest part of its score, and what that rests on.

    What must not be listed is not named as that either, unless it is merely sold out.
    """
    entry.index = candidate.index
    entry.item_id = selection.id_of(candidate, shop.profiles, recents, shop.lately)
    entry.score = candidate.score
    entry.because = NONE
    if candidate.held:
        entry.reason, entry.share = RECENTLY, np.float32(1.0)
        return
    channel, total = loudest(desk, candidate), 0.0
    for other in range(CHANNELS):
        total += desk.scales[other] * np.float64(candidate.parts[other])
    mine = desk.scales[channel] * np.float64(candidate.parts[channel])
    entry.reason = reason_of(channel, candidate, desk, shop.queries.hints[0])
    entry.share = np.float32(mine / total)
    if channel <= CONNECTED:
        source = shop.profiles[desk.recent[candidate.source]]
        if standing.nameable(source.standing, hidden):
            entry.because = source.id
    elif channel >= CATEGORY:
        seller = shop.categories[candidate.category]
        if standing.nameable(seller.standing, hidden):
            entry.because = seller.id


@kernel
def liked(desk: DeskRow, candidate: CandidateRow, told: ClicksRow, hint: HintRow) -> float:
    """What feedback makes of a candidate's score: the worth of its reasons, by their parts."""
    if candidate.held:
        return float(told.worth[RECENTLY])
    total, worth = 0.0, 0.0
    for channel in range(CHANNELS):
        part = desk.scales[channel] * np.float64(candidate.parts[channel])
        total += part
        worth += part * told.worth[reason_of(channel, candidate, desk, hint)]
    return worth / total if total > 0.0 else 1.0


@kernel
def heed(
    desk: DeskRow, found: Rows[CandidateRow], count: int, told: ClicksRow, hint: HintRow
) -> None:
    """Let clicks on earlier lists raise and lower the scores; without any, nothing changes."""
    if told.told == 0:
        return
    for place in range(count):
        found[place].score *= np.float32(liked(desk, found[place], told, hint))


@outlined
def rank(
    shop: "ShopView",
    first: int,
    size: int,
    recents: RecentsRow,
    row: BlendRow,
    told: ClicksRow,
    outlook: OutlookRow,
    slots: int,
    listing: Listing,
    now: float,
    half_life: float,
) -> int:
    """Write the best up to `size` items into `shop.ranked` from `first` on; return how many.

    It reads the model, the blend and what clicks told, and changes none of them; `outlook` and
    the rest are those of `candidates.collect`. A calibrated list takes the taste noted in
    `shop.choices`.
    """
    found, desk = shop.candidates, shop.desks[0]
    count = candidates.collect(shop, recents, outlook, slots, listing, now, half_life)
    score(shop, count, recents, row)
    heed(desk, found, count, told, shop.queries.hints[0])
    used = selection.choose(shop, size, count, recents, listing)
    for number in range(used):
        candidate = found[shop.choices[0].chosen[number]]
        explain(shop.ranked[first + number], candidate, desk, shop, recents, listing.hidden)
    candidates.clear(desk.buckets, found, count)
    return used


@kernel
def sampled(row: BlendRow, position: int) -> bool:
    """Whether the event at this position teaches the blend: each at first, then one in four."""
    return bool(row.lessons < EAGER or factorization.scrambled(position) & SAMPLED == 0)


@outlined
def reflect(
    shop: "ShopView",
    recents: RecentsRow,
    row: BlendRow,
    outlook: OutlookRow,
    slots: int,
    item: int,
    now: float,
    half_life: float,
) -> None:
    """Learn from the item that came, by its id, what the list just before should have said."""
    found, desk = shop.candidates, shop.desks[0]
    count = candidates.collect(shop, recents, outlook, slots, EVERYTHING, now, half_life)
    context = score(shop, count, recents, row)
    row.lessons += 1
    had = False
    for place in range(length(recents)):
        came = low_at(recents, place) == low_of(item)
        had = had or came
        if desk.places[place] >= 0:
            blend.expose(row, desk.cells[place], came)
    if not had:
        index = table.find(shop.cells, item)
        place = candidates.found_in(desk.buckets, found, index) if index >= 0 else -1
        blend.seek(row, context, place >= 0)
        if place >= 0:
            for channel in range(CHANNELS):
                desk.said[channel] = desk.scales[channel] * np.float64(found[place].parts[channel])
            blend.credit(row, context, desk.said)
    candidates.clear(desk.buckets, found, count)
