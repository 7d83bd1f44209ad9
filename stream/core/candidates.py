"""The items that may be listed for a shopper, and what each channel says of them.

Neighbors of the recent items, their neighbors in turn (two steps of light graph propagation),
items of likely next categories, also those that nobody took yet, and what the shopper had.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream.core import content, factorization, migration, queries, shelf, table
from stream.core.compiled import kernel, outlined
from stream.core.decay import remaining
from stream.core.ids import NONE
from stream.core.knowledge import CategoryRow, ItemRow, ProfileRow
from stream.core.migration_evidence import OutlookRow
from stream.core.prefetch import prefetch
from stream.core.queries import HintRow
from stream.core.recents import RecentsRow, action_at, item_at, length, low_at, whole_at
from stream.core.rows import Float32s, Float64s, Int32s, Int64s, Layout, Rows
from stream.core.transitions import BACKWARD, FORWARD, TransitionRow
from stream.core.updates import RECENT

if TYPE_CHECKING:
    from stream.core.shop import ShopView

FOLLOWS, PRECEDES, CONNECTED, SIMILAR, CATEGORY, NEW = 0, 1, 2, 3, 4, 5
CHANNELS = 6
NOTHING = np.float32(0.0)
ROOM = 4096
"""Most candidates of one list; more are dropped, in slot order."""
BUCKETS = 1024
"""A power of two. So few stay in the nearest cache, and lists have some 250 candidates."""
AGING = math.exp(-0.5)
"""What the row of the next older recent item weighs, against 1 of the newer's."""
SEEDS = 8
"""Candidates whose own neighbors become candidates."""
LIKELY = 4
"""Next categories whose items become candidates."""
BOUGHT = 2
HEARD = 20.0
"""Events lately from which on an item is no longer new."""


class CandidateRow:
    """An item that may be listed, with what each channel says of it.

    `index` is the item's row number; below 0 it is a recent item that the model has yet to
    learn, `unlearned` of its place, and only the shopper's own row speaks for it.
    `next` is the place of the next candidate in the same bucket, -1 for none. `source` is
    the place of the recent item that speaks most for it, `category` the row number of the
    likeliest category that sells it; `held` is one more than its place among the recent items,
    0 if it is none of them.
    """

    next: int
    index: int
    source: int
    category: int
    held: int
    left_out: int
    strongest: np.float32
    score: np.float32
    parts: Float32s


class DeskRow:
    """Room for one ranking.

    `buckets` find a candidate by its item: one more than the place of the first whose index
    falls there, 0 for none. `recent` are row numbers of the last items, `places` where recent
    items stand among the candidates, -1 for none; `seeds` and `likely` are places and categories
    to go on from. `scales` turn what a channel says into its part of the score; `cells` are of
    recent items.
    """

    buckets: Int32s
    recent: Int32s
    places: Int32s
    cells: Int32s
    query: Float32s
    seeds: Int32s
    likely: Int32s
    chances: Float64s
    scales: Float64s
    said: Float64s


CANDIDATE: Layout = np.dtype(
    [(name, "i4") for name in ("next", "index", "source", "category", "held", "left_out")]
    + [("strongest", "f4"), ("score", "f4"), ("parts", "f4", CHANNELS)],
    align=True,
)


def desk_layout(factors: int, recent_items: int) -> Layout:
    """Room for queries of `factors` numbers, of shoppers with so many recent items."""
    return np.dtype(
        [
            ("buckets", "i4", BUCKETS),
            ("recent", "i4", RECENT),
            ("places", "i4", recent_items),
            ("cells", "i4", recent_items),
            ("query", "f4", factors),
            ("seeds", "i4", SEEDS),
            ("likely", "i4", LIKELY),
            ("chances", "f8", LIKELY),
            ("scales", "f8", CHANNELS),
            ("said", "f8", CHANNELS),
        ],
        align=True,
    )


class Listing(NamedTuple):
    """What a list may hold, and how it is chosen from that."""

    current: bool
    """It may hold the item on the screen."""
    bought: bool
    """It may hold what the shopper bought."""
    hidden: int
    """Flags of `stream.core.standing`: it holds no item with one of these."""
    per_category: int
    """Most entries of one category, 0 for any number."""
    diversity: int
    """How entries are made to differ: a place in `stream.core.selection.DIVERSITIES`."""
    diversity_weight: float
    """How much that counts against the scores, from 0 to 1."""


NOWHERE = -(1 << 30)
"""In place of a row number: the shop has none, and nobody the whole id."""


@kernel
def unlearned(place: int) -> int:
    """What stands for the row number of a recent item that has none."""
    return -1 - place


@kernel
def found_in(buckets: Int32s, candidates: Rows[CandidateRow], index: int) -> int:
    """Where the item stands among the candidates, -1 if it is none."""
    place = int(buckets[index & (BUCKETS - 1)]) - 1
    while place >= 0 and candidates[place].index != index:
        place = int(candidates[place].next)
    return place


@kernel
def place_of(buckets: Int32s, candidates: Rows[CandidateRow], count: int, index: int) -> int:
    """Where the item stands among `count` candidates; `count` if it was put there now, or -1."""
    place = found_in(buckets, candidates, index)
    if place >= 0 or count == len(candidates):
        return place
    row, bucket = candidates[count], index & (BUCKETS - 1)
    row.index, row.next = index, int(buckets[bucket]) - 1
    row.source, row.category, row.held, row.left_out, row.strongest = 0, 0, 0, 0, NOTHING
    for channel in range(CHANNELS):
        row.parts[channel] = NOTHING
    buckets[bucket] = count + 1
    return count


@kernel
def clear(buckets: Int32s, candidates: Rows[CandidateRow], count: int) -> None:
    """Leave no candidate to be found."""
    for place in range(count):
        buckets[candidates[place].index & (BUCKETS - 1)] = 0


@kernel
def damped(total: float) -> float:
    """What a row's weights are divided by: (total + 1) ** .75, of exactly rounded roots."""
    return math.sqrt((total + 1.0) * math.sqrt(total + 1.0))


@kernel
def gather(
    buckets: Int32s,
    candidates: Rows[CandidateRow],
    count: int,
    row: TransitionRow,
    strength: np.float32,
    source: int,
) -> int:
    """Add a recent item's neighbors, `strength` for each of their weight; return how many."""
    for slot in range(row.used):
        place = place_of(buckets, candidates, count, row.neighbors[slot])
        if place < 0:
            continue
        count = max(count, place + 1)
        found = candidates[place]
        forward, backward = (
            strength * row.weights[slot, FORWARD],
            strength * row.weights[slot, BACKWARD],
        )
        found.parts[FOLLOWS] += forward
        found.parts[PRECEDES] += backward
        if forward + backward > found.strongest:
            found.strongest, found.source = forward + backward, source
    return count


@kernel
def locate(
    desk: DeskRow, items: Rows[ItemRow], cells: Rows[table.Cell], recents: RecentsRow
) -> None:
    """Find the rows of the last items; what is in them is on its way then."""
    for place in range(RECENT):
        desk.recent[place] = -1
        if place < length(recents):
            desk.recent[place] = table.find(cells, item_at(recents, place))
        if desk.recent[place] >= 0:
            prefetch(items[desk.recent[place]].transitions, "updated_at")


@kernel
def neighbors(
    buckets: Int32s,
    candidates: Rows[CandidateRow],
    items: Rows[ItemRow],
    recent: Int32s,
    now: float,
    half_life: float,
) -> int:
    """Make candidates of the recent items' neighbors, the newest's the strongest."""
    count, strength = 0, 1.0
    for place in range(len(recent)):
        if recent[place] >= 0:
            row = items[recent[place]].transitions
            left = remaining(now - row.updated_at, half_life)
            weight = np.float32(strength * left / damped(np.float64(row.total) * left))
            count = gather(buckets, candidates, count, row, weight, place)
        strength *= AGING
    return count


@kernel
def send_for(
    profiles: Rows[ProfileRow], candidates: Rows[CandidateRow], first: int, count: int
) -> None:
    """Have the candidates' profiles from `first` on come, while more candidates are found."""
    for place in range(first, count):
        prefetch(profiles[candidates[place].index], "outward")


@kernel
def directly(row: CandidateRow) -> np.float32:
    """What the recent items' own rows say of a candidate."""
    return np.float32(row.parts[FOLLOWS] + row.parts[PRECEDES])


@kernel
def before(
    candidates: Rows[CandidateRow], one: int, other: int, profiles: Rows[ProfileRow]
) -> bool:
    """Whether one candidate is more of a seed than another; of equals, the lower id."""
    mine, theirs = directly(candidates[one]), directly(candidates[other])
    if mine != theirs:
        return bool(mine > theirs)
    return bool(profiles[candidates[one].index].id < profiles[candidates[other].index].id)


@kernel
def sow(
    seeds: Int32s, candidates: Rows[CandidateRow], count: int, profiles: Rows[ProfileRow]
) -> int:
    """Find the candidates of which the recent items' rows say most; return how many."""
    used = 0
    for place in range(count):
        if used == len(seeds) and not before(candidates, place, seeds[used - 1], profiles):
            continue
        used = min(used + 1, len(seeds))
        spot = used - 1
        while spot > 0 and before(candidates, place, seeds[spot - 1], profiles):
            seeds[spot] = seeds[spot - 1]
            spot -= 1
        seeds[spot] = place
    return used


@kernel
def connect(
    buckets: Int32s,
    candidates: Rows[CandidateRow],
    count: int,
    items: Rows[ItemRow],
    seeds: Int32s,
    used: int,
) -> int:
    """Add the neighbors of the seeds, as far as their weights are shares; return how many.

    Shares of a row need no decay. The light graph propagation: two steps without a vector.
    """
    for number in range(used):
        seed = candidates[seeds[number]]
        row, source = items[seed.index].transitions, int(seed.source)
        strength = np.float32(directly(seed) / (row.total + np.float32(1.0)))
        for slot in range(row.used):
            place = place_of(buckets, candidates, count, row.neighbors[slot])
            if place < 0:
                continue
            found = candidates[place]
            if place == count:
                count += 1
                found.source = source
            both = row.weights[slot, FORWARD] + row.weights[slot, BACKWARD]
            found.parts[CONNECTED] += strength * both
    return count


@kernel
def consider(desk: DeskRow, used: int, category: int, chance: float) -> int:
    """Let a category into the likely ones if it belongs there; return how many there are."""
    if used == LIKELY and not chance > desk.chances[used - 1]:
        return used
    used = min(used + 1, LIKELY)
    spot = used - 1
    while spot > 0 and chance > desk.chances[spot - 1]:
        desk.chances[spot], desk.likely[spot] = desk.chances[spot - 1], desk.likely[spot - 1]
        spot -= 1
    desk.chances[spot], desk.likely[spot] = chance, category
    return used


@kernel
def foreseen(outlook: OutlookRow, slots: int, place: int) -> bool:
    """Whether a place of the outlook, of a row of `slots` categories, is one the shop knows."""
    return not (outlook.held <= place < slots) and bool(outlook.shops[place] >= 0)


@kernel
def searched(desk: DeskRow, used: int, outlook: OutlookRow, slots: int, hint: HintRow) -> int:
    """Consider what an open query says alone; return how many likely ones there are."""
    for named in range(hint.used):
        category, alone = int(hint.categories[named]), True
        for place in range(outlook.end):
            if foreseen(outlook, slots, place) and outlook.shops[place] == category:
                alone = False
        if alone:
            used = consider(desk, used, category, hint.weight * hint.shares[named])
    return used


@kernel
def expect(desk: DeskRow, outlook: OutlookRow, slots: int, hint: HintRow) -> int:
    """Find the likeliest next categories that the shop knows, the likeliest first; how many.

    `slots` is how many categories a shopper's row holds; of equals, the earlier place.
    """
    used = 0
    for place in range(outlook.end):
        if foreseen(outlook, slots, place):
            shop = int(outlook.shops[place])
            chance = queries.mixed(hint, migration.chance_at(outlook, place), shop)
            used = consider(desk, used, shop, chance)
    if hint.used > 0:
        used = searched(desk, used, outlook, slots, hint)
    return used


@kernel
def stock(
    candidates: Rows[CandidateRow], count: int, desk: DeskRow, used: int,
    categories: Rows[CategoryRow],
) -> int:  # fmt: skip
    """Add what likely next categories sell, each for its chance; return how many."""
    buckets = desk.buckets
    for number in range(used):
        category = int(desk.likely[number])
        row = categories[category].shelf
        strength = np.float32(desk.chances[number]) / shelf.total(row)
        for slot in range(row.used):
            place = place_of(buckets, candidates, count, row.items[slot])
            if place < 0:
                continue
            count = max(count, place + 1)
            found = candidates[place]
            if found.parts[CATEGORY] == NOTHING:
                found.category = category
            found.parts[CATEGORY] += strength * row.weights[slot]
    return count


@kernel
def arrivals(
    candidates: Rows[CandidateRow], count: int, desk: DeskRow, used: int, shop: "ShopView"
) -> int:
    """Note what likely next categories have that is new; return how many candidates there are."""
    room = shop.content.fits[0]
    room.used = 0
    for number in range(used):
        row = shop.categories[desk.likely[number]].arrivals
        for slot in range(min(int(row.written), len(row.items))):
            item = int(row.items[slot])
            if np.float64(shop.items[item].popularity.weight) >= HEARD:
                continue
            place = place_of(desk.buckets, candidates, count, item)
            if place < 0:
                continue
            count = max(count, place + 1)
            room.items[room.used], room.places[room.used] = item, place
            room.likely[room.used] = number
            room.used += 1
    return count


@kernel
def introduce(
    candidates: Rows[CandidateRow], count: int, desk: DeskRow, used: int, shop: "ShopView"
) -> int:
    """Add what is new in likely next categories, as far as it fits; return how many."""
    count = arrivals(candidates, count, desk, used, shop)
    room = shop.content.fits[0]
    if room.used > 0:
        content.fit(shop.content, desk.query, desk.recent)
    for place in range(room.used):
        found, number = candidates[room.places[place]], int(room.likely[place])
        found.parts[NEW] = np.float32(desk.chances[number] * room.fits[place])
        if found.parts[CATEGORY] == NOTHING:
            found.category = int(desk.likely[number])
    return count


@kernel
def row_of(
    cells: Rows[table.Cell], recents: RecentsRow, desk: DeskRow, place: int, lately: Int64s
) -> int:
    """The row of a recent item; what stands for it if the shop has none, but its id is known."""
    if place < RECENT:
        index = int(desk.recent[place])
    else:
        index = table.find_low(cells, low_at(recents, place))
    if index >= 0:
        return index
    return NOWHERE if whole_at(recents, place, lately) == NONE else unlearned(place)


@kernel
def recall(
    candidates: Rows[CandidateRow],
    count: int,
    cells: Rows[table.Cell],
    recents: RecentsRow,
    desk: DeskRow,
    listing: Listing,
    lately: Int64s,
) -> int:
    """Add what the shopper had; note what of it is not to be listed; return how many."""
    buckets, places = desk.buckets, desk.places
    for place in range(length(recents)):
        index = row_of(cells, recents, desk, place, lately)
        found = -1 if index == NOWHERE else place_of(buckets, candidates, count, index)
        places[place] = found
        if found < 0:
            continue
        count = max(count, found + 1)
        candidates[found].held = place + 1
        bought = action_at(recents, place) == BOUGHT and not listing.bought
        if bought or (place == 0 and not listing.current):
            candidates[found].left_out = 1
    return count


@kernel
def exponential(power: np.float32) -> np.float32:
    """e ** power for a power up to 0; below -16 it stays at 1e-7.

    Right to 1 in 40,000 from -8 up, to 1 in 5,000 below. Products alone: it takes less
    time than the library's, and gives the same on every CPU.
    """
    part = max(power, np.float32(-16.0)) * np.float32(1.0 / 256.0)
    result = np.float32(1.0) + part * (
        np.float32(1.0) + part * (np.float32(1.0 / 2.0) + part * np.float32(1.0 / 6.0))
    )
    for _ in range(8):
        result *= result
    return np.float32(result)


@kernel
def compare(
    candidates: Rows[CandidateRow], count: int, profiles: Rows[ProfileRow], query: Float32s
) -> None:
    """How well each candidate's factors fit the query: a softmax without its divisor."""
    highest = np.float32(-math.inf)
    for place in range(count):
        if candidates[place].index >= 0:
            logit = factorization.product(query, profiles[candidates[place].index].outward)
            candidates[place].parts[SIMILAR] = logit
            highest = max(highest, logit)
    for place in range(count):
        if candidates[place].index >= 0:
            parts = candidates[place].parts
            parts[SIMILAR] = exponential(parts[SIMILAR] - highest)


@outlined
def collect(
    shop: "ShopView",
    recents: RecentsRow,
    outlook: OutlookRow,
    slots: int,
    listing: Listing,
    now: float,
    half_life: float,
) -> int:
    """Find all candidates of a shopper, and what each channel says of them; how many.

    `outlook` is the prediction of the shopper's next category, of a row of `slots` categories;
    without one its `end` is 0. `half_life` is that of the transitions.
    """
    items, profiles, candidates, desk = shop.items, shop.profiles, shop.candidates, shop.desks[0]
    locate(desk, items, shop.cells, recents)
    count = neighbors(desk.buckets, candidates, items, desk.recent, now, half_life)
    send_for(profiles, candidates, 0, count)
    used = sow(desk.seeds, candidates, count, profiles)
    for number in range(used):
        prefetch(items[candidates[desk.seeds[number]].index].transitions, "updated_at")
    likely = expect(desk, outlook, slots, shop.queries.hints[0])
    direct = count
    count = connect(desk.buckets, candidates, count, items, desk.seeds, used)
    send_for(profiles, candidates, direct, count)
    count = stock(candidates, count, desk, likely, shop.categories)
    listed = shop.content.bridges[0].listed > 0
    heard = factorization.heard(profiles, desk.recent)
    if heard or listed:
        factorization.look(desk.query, profiles, desk.recent)
    if listed:
        count = introduce(candidates, count, desk, likely, shop)
    count = recall(candidates, count, shop.cells, recents, desk, listing, shop.lately)
    if heard:
        compare(candidates, count, profiles, desk.query)
    return count
