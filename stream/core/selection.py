"""From scored candidates to a list: the best that may be listed, so many of a category, diverse.

Diversity is bought with score, one entry after another. By marginal relevance each entry is
unlike those before it; by calibration their categories come in the shopper's own proportions.

References
----------
[^1]: Carbonell and Goldstein 1998. The use of MMR, diversity-based reranking. SIGIR.
[^2]: Steck 2018. Calibrated recommendations. RecSys.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from stream.core import factorization, standing, taste
from stream.core.candidates import NOTHING, CandidateRow, Listing
from stream.core.compiled import kernel, outlined
from stream.core.knowledge import ProfileRow
from stream.core.recents import RecentsRow, whole_at
from stream.core.rows import Float32s, Float64s, Int32s, Int64s, Layout, Rows, UInt8s
from stream.core.standing import UNKNOWN
from stream.core.taste import TasteRow
from stream.settings import Settings

if TYPE_CHECKING:
    from stream.core.shop import ShopView

DIVERSITIES = ("none", "mmr", "calibrated")
NONE, MMR, CALIBRATED = 0, 1, 2
POOL = 5
"""A diverse list is chosen from so many times as many candidates."""
OPPOSITE = -1.0
"""The least that two vectors are alike."""
EVERYTHING = Listing(True, True, 0, 0, NONE, 0.0)
"""The best of all candidates, whatever they are."""


class ChoiceRow:
    """Room to choose one list.

    `chosen` and `pool` are places of candidates; the rest is by their spots in the pool:
    `scores`, `categories` as items have them, `taken` who is chosen, `nearness` how like one
    of these each is, `lengths` of vectors, 0 where one has learned nothing, `slots` of `taste`.
    By these are `entries` of the chosen, and `gains` from one more.
    """

    chosen: Int32s
    pool: Int32s
    scores: Float32s
    categories: Int32s
    slots: Int32s
    taken: UInt8s
    nearness: Float64s
    lengths: Float64s
    taste: TasteRow
    entries: Int32s
    gains: Float64s


def layout(list_size: int, interest_slots: int) -> Layout:
    """Room for lists of so many entries, of shoppers with so many interests."""
    pool = POOL * list_size
    return np.dtype(
        [
            *((name, "i4", pool) for name in ("chosen", "pool")),
            ("scores", "f4", pool),
            *((name, "i4", pool) for name in ("categories", "slots")),
            ("taken", "u1", pool),
            *((name, "f8", pool) for name in ("nearness", "lengths")),
            ("taste", taste.layout(interest_slots)),
            ("entries", "i4", interest_slots),
            ("gains", "f8", interest_slots),
        ],
        align=True,
    )


def listing(settings: Settings) -> Listing:
    """What the settings say of lists."""
    return Listing(
        settings.list_current,
        settings.list_bought,
        standing.hidden(settings),
        settings.list_per_category,
        DIVERSITIES.index(settings.list_diversity),
        float(settings.list_diversity_weight),
    )


@kernel
def id_of(
    candidate: CandidateRow, profiles: Rows[ProfileRow], recents: RecentsRow, lately: Int64s
) -> int:
    """A candidate's id; one that the shop has no row of is the shopper's own."""
    if candidate.index < 0:
        return whole_at(recents, candidate.held - 1, lately)
    return int(profiles[candidate.index].id)


@kernel
def spot_of(
    row: ChoiceRow, end: int, place: int, found: Rows[CandidateRow],
    profiles: Rows[ProfileRow], recents: RecentsRow, lately: Int64s,
) -> int:  # fmt: skip
    """Where a candidate belongs among the pool's: behind what scores more; of equals, by ids.

    It counts instead of stopping at the right spot: the CPU could not tell where that is.
    """
    score, spot = found[place].score, 0
    for other in range(end):
        spot += 1 if row.scores[other] > score else 0
    if spot < end and row.scores[spot] == score:
        id = id_of(found[place], profiles, recents, lately)
        while (
            spot < end
            and row.scores[spot] == score
            and id_of(found[row.pool[spot]], profiles, recents, lately) < id
        ):
            spot += 1
    return spot


@kernel
def rival(row: ChoiceRow, end: int, category: int, most: int) -> int:
    """The last of the pool's entries of this category if there are `most`, else -1."""
    entries, last = 0, -1
    for spot in range(end):
        if row.categories[spot] == category:
            entries, last = entries + 1, spot
    return last if entries >= most else -1


@kernel
def remove(row: ChoiceRow, end: int, spot: int) -> None:
    """Close the pool's gap at `spot`."""
    for other in range(spot, end - 1):
        row.pool[other] = row.pool[other + 1]
        row.scores[other] = row.scores[other + 1]
        row.categories[other] = row.categories[other + 1]


@kernel
def insert(
    row: ChoiceRow, end: int, spot: int, place: int, score: np.float32, category: int
) -> None:
    """Put a candidate into a spot of the pool; what stood there and behind it moves on by one."""
    for other in range(end, spot, -1):
        row.pool[other] = row.pool[other - 1]
        row.scores[other] = row.scores[other - 1]
        row.categories[other] = row.categories[other - 1]
    row.pool[spot], row.scores[spot], row.categories[spot] = place, score, category


@kernel
def gather(
    row: ChoiceRow, room: int, found: Rows[CandidateRow], count: int,
    profiles: Rows[ProfileRow], recents: RecentsRow, lately: Int64s, listing: Listing,
) -> int:  # fmt: skip
    """Find the best up to `room` candidates that may be listed, best first; how many.

    A category has its best `per_category` among them. What is put out never comes back: what
    is best of all candidates so far is best of the best so far and the next one.
    """
    end = 0
    for place in range(count):
        candidate = found[place]
        if not candidate.score > NOTHING or candidate.left_out:
            continue
        if end == room and row.scores[end - 1] > candidate.score:
            continue
        spot = spot_of(row, end, place, found, profiles, recents, lately)
        if spot == room:
            continue
        index, flags, category = int(candidate.index), UNKNOWN, 0
        if index >= 0:
            flags, category = int(profiles[index].standing), int(profiles[index].category)
        if not standing.listable(flags, listing.hidden):
            continue
        if listing.per_category > 0 and category > 0:
            last = rival(row, end, category, listing.per_category)
            if 0 <= last < spot:
                continue
            if last >= 0:
                remove(row, end, last)
                end -= 1
        end = min(end + 1, room)
        insert(row, end - 1, spot, place, candidate.score, category)
    return end


@kernel
def likeness(row: ChoiceRow, one: int, other: int, mine: Float32s, its: Float32s) -> float:
    """How like two of the pool are: half by their vectors' cosine, half by being of a category.

    Where one of the two has learned no vector, or has no category, by what is left; else 0.
    """
    told, alike = 0.0, 0.0
    if row.categories[one] > 0 and row.categories[other] > 0:
        told, alike = 1.0, 1.0 if row.categories[one] == row.categories[other] else 0.0
    if row.lengths[one] > 0.0 and row.lengths[other] > 0.0:
        cosine = np.float64(factorization.product(mine, its))
        cosine /= row.lengths[one] * row.lengths[other]
        told, alike = told + 1.0, alike + cosine
    return alike / told if told > 0.0 else 0.0


@kernel
def measure(
    row: ChoiceRow, held: int, found: Rows[CandidateRow], profiles: Rows[ProfileRow]
) -> None:
    """Find the lengths of the pool's vectors."""
    for spot in range(held):
        index, row.lengths[spot] = int(found[row.pool[spot]].index), 0.0
        if index >= 0 and factorization.trained(profiles[index]):
            outward = profiles[index].outward
            row.lengths[spot] = math.sqrt(np.float64(factorization.product(outward, outward)))


@kernel
def best(
    row: ChoiceRow, held: int, found: Rows[CandidateRow], weight: float, diversity: int
) -> int:
    """The spot worth most beside the chosen, of equals the one that scores more; -1 for none.

    Worth are the score, as a share of the best one's, less its nearness or more its gain.
    """
    top = np.float64(found[row.pool[0]].score)
    chosen, highest = -1, -math.inf
    for spot in range(held):
        if row.taken[spot]:
            continue
        worth = (1.0 - weight) * np.float64(found[row.pool[spot]].score) / top
        if diversity == MMR:
            worth -= weight * row.nearness[spot]
        elif row.slots[spot] >= 0:
            worth += weight * row.gains[row.slots[spot]]
        if worth > highest:
            chosen, highest = spot, worth
    return chosen


@kernel
def approach(
    row: ChoiceRow, held: int, spot: int, found: Rows[CandidateRow], profiles: Rows[ProfileRow]
) -> None:
    """Let the rest of the pool know how like the chosen spot they are."""
    # Of an item without a row any vector will do: its length says that it has learned none.
    mine = profiles[max(0, found[row.pool[spot]].index)].outward
    for other in range(held):
        if not row.taken[other]:
            its = profiles[max(0, found[row.pool[other]].index)].outward
            alike = likeness(row, spot, other, mine, its)
            row.nearness[other] = max(row.nearness[other], alike)


@kernel
def weigh(row: ChoiceRow, size: int) -> None:
    """What one more entry of each category of the taste gains a list that will be `size`."""
    for slot in range(row.taste.used):
        row.gains[slot] = taste.gain(row.taste.shares[slot], int(row.entries[slot]), size)


@kernel
def prepare(row: ChoiceRow, held: int) -> None:
    """Begin with nothing chosen."""
    for spot in range(held):
        row.taken[spot], row.nearness[spot] = 0, OPPOSITE
        row.slots[spot] = taste.slot_of(row.taste, row.categories[spot])
    for slot in range(row.taste.used):
        row.entries[slot] = 0


@outlined
def spread(
    row: ChoiceRow, held: int, size: int, found: Rows[CandidateRow], profiles: Rows[ProfileRow],
    diversity: int, weight: float,
) -> None:  # fmt: skip
    """Choose `size` of the pool, each the one worth most beside those before it."""
    prepare(row, held)
    if diversity == MMR:
        measure(row, held, found, profiles)
    for number in range(size):
        if diversity == CALIBRATED:
            weigh(row, number + 1)
        spot = best(row, held, found, weight, diversity)
        row.chosen[number], row.taken[spot] = row.pool[spot], 1
        if diversity == MMR:
            approach(row, held, spot, found, profiles)
        elif row.slots[spot] >= 0:
            row.entries[row.slots[spot]] += 1


@outlined
def choose(shop: "ShopView", size: int, count: int, recents: RecentsRow, listing: Listing) -> int:
    """Leave the list of up to `size` of `count` candidates in `chosen`; how many it has.

    A calibrated list goes by `taste`, which is empty again after it: who wants one notes
    that first. Without any it is the best.
    """
    row = shop.choices[0]
    room, diversity = len(row.pool), listing.diversity
    if diversity == CALIBRATED and row.taste.used == 0:
        diversity = NONE
    if diversity == NONE:
        room = min(size, room)
    held = gather(
        row, room, shop.candidates, count, shop.profiles, recents, shop.lately, listing
    )  # fmt: skip
    used = min(size, held)
    if diversity == NONE:
        for spot in range(used):
            row.chosen[spot] = row.pool[spot]
    else:
        spread(row, held, used, shop.candidates, shop.profiles, diversity, listing.diversity_weight)
    row.taste.used = 0
    return used
