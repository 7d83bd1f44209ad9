"""Which categories may enter a shopper's three largest, and what speaks for each."""

import math
from typing import NamedTuple

import numpy as np

from stream.core import horizon_counts, knowledge, levels, popularity
from stream.core.codes import CodeRow
from stream.core.compiled import kernel, outlined
from stream.core.decay import remaining
from stream.core.horizon_counts import TOP, HorizonRow, OpenRow
from stream.core.knowledge import UNSEEN, CategoryRow, TotalsRow
from stream.core.laplace import FEATURES
from stream.core.rows import Float64s, Int32s, Layout, Rows
from stream.core.transitions import SKIP, TransitionRow

CANDIDATES = 96
POPULAR = 32
"""Categories of the whole shop that are candidates for everybody."""
SHRINKING = 5.0
"""Transitions of a category count as if the shop's popularity had been seen so often."""
TINY = 1e-12


class CandidateRow:
    """A category that may enter: by id, row number in the shop model and own slot, or -1.

    `features`: logarithms of the long, short and whole count, of what a step along the
    transitions leads to, and a step along those of first entries, of the popularity; 1 if the
    shopper ever had it; the logarithm of all the shopper's long counts.
    """

    id: int
    shop: int
    slot: int
    walk: float
    probability: float
    features: Float64s


CANDIDATE: Layout = np.dtype(
    [
        ("id", "i8"),
        ("shop", "i4"),
        ("slot", "i4"),
        ("walk", "f8"),
        ("probability", "f8"),
        ("features", "f8", FEATURES),
    ],
    align=True,
)


class MarkRow:
    """What a look found of one category of the shop; it counts while `look` is the look's."""

    look: int
    taken: int
    walk: float
    first: float


MARK: Layout = np.dtype([("look", "i8"), ("taken", "i4"), ("walk", "f8"), ("first", "f8")])


class LookRow:
    """One look at a shopper: its number, sums over slots, and how many candidates it found.

    `walk_rest` and `first_rest` are what popularity counts for in each kind of step.
    """

    number: int
    at: float
    total: float
    long_left: float
    short_left: float
    walk_rest: float
    first_rest: float
    found: int


LOOK: Layout = np.dtype(
    [
        ("number", "i8"),
        ("at", "f8"),
        ("total", "f8"),
        ("long_left", "f8"),
        ("short_left", "f8"),
        ("walk_rest", "f8"),
        ("first_rest", "f8"),
        ("found", "i4"),
    ],
    align=True,
)


class Forgetting(NamedTuple):
    """Half-lives of the shop's rows, in seconds."""

    transition_half_life: float
    popularity_half_life: float


class Desk(NamedTuple):
    """What a look reads of the shop, and where it works; all but the room is only read.

    `popular` holds row numbers of the shop's most popular categories, -1 for none.
    """

    codes: Rows[CodeRow]
    categories: Rows[CategoryRow]
    totals: Rows[TotalsRow]
    popular: Int32s
    marks: Rows[MarkRow]
    looks: Rows[LookRow]
    candidates: Rows[CandidateRow]
    forgetting: Forgetting


@kernel
def marked(marks: Rows[MarkRow], look: LookRow, shop: int) -> MarkRow:
    """The mark of a category, empty at its first use in this look."""
    mark = marks[shop]
    if mark.look != look.number:
        mark.look = look.number
        mark.taken = 0
        mark.walk = 0.0
        mark.first = 0.0
    return mark


@kernel
def left(row: TransitionRow, at: float, half_life: float) -> float:
    """What is left of the row's weights by now."""
    return remaining(at - row.updated_at, half_life)


@outlined
def walk(desk: Desk, look: LookRow, share: float, shop: int) -> None:
    """Take one step from a category, of both kinds, with a share of the shopper's interest."""
    row, half_life = desk.categories[shop].transitions, desk.forgetting.transition_half_life
    factor = left(row, look.at, half_life)
    part = share / (np.float64(row.total) * factor + SHRINKING)
    look.walk_rest += SHRINKING * part
    for slot in range(row.used):
        weight = np.float64(row.weights[slot, SKIP]) * factor
        marked(desk.marks, look, row.neighbors[slot]).walk += part * weight
    first = desk.categories[shop].firsts
    factor = left(first, look.at, half_life)
    part = share / (np.float64(first.total) * factor + SHRINKING)
    look.first_rest += SHRINKING * part
    for slot in range(first.used):
        weight = np.float64(first.weights[slot, SKIP]) * factor
        marked(desk.marks, look, first.neighbors[slot]).first += part * weight


@outlined
def look_at(desk: Desk, row: HorizonRow, open: OpenRow, at: float) -> None:
    """Sum up a shopper as of `at`: what remains of the counts, and where they lead."""
    look = desk.looks[0]
    look.number += 1
    look.at, look.found = at, 0
    look.long_left = remaining(at - row.long_at, open.long)
    look.short_left = remaining(at - row.short_at, open.short)
    look.total, look.walk_rest, look.first_rest = 0.0, 0.0, 0.0
    for slot in range(row.used):
        look.total += levels.weight_of(int(row.long[slot]))
    for slot in range(row.used):
        weight = levels.weight_of(int(row.long[slot]))
        share = weight / look.total if look.total > 0.0 else 0.0
        shop = desk.codes[horizon_counts.code_in(row, slot)].shop
        if shop >= 0:
            walk(desk, look, share, shop)
        else:
            look.walk_rest += share
            look.first_rest += share
    if look.total == 0.0:
        look.walk_rest, look.first_rest = 1.0, 1.0


@kernel
def popularity_of(desk: Desk, shop: int, at: float) -> float:
    """A category's part of all events lately, above 0 for one that the shop does not know yet."""
    totals, half_life = desk.totals[0], desk.forgetting.popularity_half_life
    if shop >= 0:
        return knowledge.event_share(desk.categories[shop], totals, at, half_life)
    every = popularity.weight_at(totals.popularity, at, half_life)
    return UNSEEN / (every + UNSEEN * max(int(totals.categories), 1))


@kernel
def logarithm(value: float) -> float:
    """The natural logarithm; of 0, too, a number."""
    return math.log(max(value, TINY))


@outlined
def describe(desk: Desk, row: HorizonRow, candidate: CandidateRow) -> None:
    """Fill in the candidate's features, after a look at the shopper."""
    look, slot, shop = desk.looks[0], int(candidate.slot), int(candidate.shop)
    long, short, ever, step, first = 0.0, 0.0, 0.0, 0.0, 0.0
    if slot >= 0:
        long = levels.weight_of(int(row.long[slot])) * look.long_left
        short = levels.weight_of(int(row.short[slot])) * look.short_left
        ever = np.float64(row.ever[slot])
    if shop >= 0:
        mark = marked(desk.marks, look, shop)
        step, first = mark.walk, mark.first
    popular = popularity_of(desk, shop, look.at)
    features = candidate.features
    features[0] = math.log(long + 0.05)
    features[1] = math.log(short + 0.02)
    features[2] = math.log(ever + 0.3)
    features[3] = logarithm(step + look.walk_rest * popular)
    features[4] = logarithm(first + look.first_rest * popular)
    features[5] = logarithm(popular)
    features[6] = 1.0 if ever > 0.0 else 0.0
    features[7] = math.log(look.total * look.long_left + 1.0)


@kernel
def put(candidate: CandidateRow, id: int, shop: int, slot: int, walk: float) -> None:
    """Write down who a candidate is."""
    candidate.id, candidate.shop, candidate.slot, candidate.walk = id, shop, slot, walk


@kernel
def copy(candidate: CandidateRow, other: CandidateRow) -> None:
    """Write down the same candidate again."""
    put(candidate, other.id, other.shop, other.slot, other.walk)


@kernel
def find_own(desk: Desk, row: HorizonRow) -> None:
    """Candidates: the shopper's categories that are not among the three largest."""
    look = desk.looks[0]
    first, second, third = horizon_counts.top(row, desk.codes)
    for slot in range(row.used):
        code = desk.codes[horizon_counts.code_in(row, slot)]
        if code.shop >= 0:
            marked(desk.marks, look, code.shop).taken = 1
        if slot not in (first, second, third):
            put(desk.candidates[look.found], code.id, code.shop, slot, 0.0)
            look.found += 1


@kernel
def insert(desk: Desk, start: int, room: int, shop: int, walk: float) -> None:
    """Put a category among the candidates from `start` on, those with the most walk first.

    Of more than `room` the last falls out; of equals the lower id is first.
    """
    look, id, place = desk.looks[0], desk.categories[shop].id, int(desk.looks[0].found)
    while place > start:
        before = desk.candidates[place - 1]
        if before.walk > walk or (before.walk == walk and before.id < id):
            break
        if place - start < room:
            copy(desk.candidates[place], before)
        place -= 1
    if place - start < room:
        put(desk.candidates[place], id, shop, -1, walk)
        look.found = min(look.found + 1, start + room)


@outlined
def find_next(desk: Desk, row: HorizonRow, room: int) -> None:
    """Candidates: what follows the three largest, as many as there is room for."""
    look, start = desk.looks[0], int(desk.looks[0].found)
    slots = horizon_counts.top(row, desk.codes)
    for place in range(TOP):
        slot = slots[place]
        shop = desk.codes[horizon_counts.code_in(row, slot)].shop if slot >= 0 else -1
        if shop >= 0:
            known = desk.categories[shop].transitions
            for neighbor in range(known.used):
                other = known.neighbors[neighbor]
                mark = marked(desk.marks, look, other)
                if not mark.taken:
                    mark.taken = 1
                    insert(desk, start, room, other, mark.walk)


@kernel
def find_popular(desk: Desk) -> None:
    """Candidates: what the whole shop likes."""
    look = desk.looks[0]
    for place in range(len(desk.popular)):
        shop = int(desk.popular[place])
        if shop >= 0 and look.found < len(desk.candidates):
            mark = marked(desk.marks, look, shop)
            if not mark.taken:
                mark.taken = 1
                put(desk.candidates[look.found], desk.categories[shop].id, shop, -1, mark.walk)
                look.found += 1


@outlined
def find(desk: Desk, row: HorizonRow, open: OpenRow, at: float) -> None:
    """All candidates of a shopper, with their features; `found` of the look says how many."""
    look_at(desk, row, open, at)
    find_own(desk, row)
    find_next(desk, row, len(desk.candidates) - len(desk.popular) - int(desk.looks[0].found))
    find_popular(desk)
    for place in range(desk.looks[0].found):
        describe(desk, row, desk.candidates[place])


@kernel
def weight_to(row: TransitionRow, shop: int) -> float:
    """How much leads from this row to a category, as of the row's own time."""
    for slot in range(row.used):
        if row.neighbors[slot] == shop:
            return np.float64(row.weights[slot, SKIP])
    return 0.0


@outlined
def origin(desk: Desk, row: HorizonRow, shop: int) -> int:
    """The slot that speaks most for a category: its share times what leads from it; or -1.

    The lower id of equals.
    """
    best, most, half_life = -1, 0.0, desk.forgetting.transition_half_life
    for slot in range(row.used):
        own = desk.codes[horizon_counts.code_in(row, slot)].shop
        if own >= 0 and shop >= 0:
            known = desk.categories[own].transitions
            factor = left(known, desk.looks[0].at, half_life)
            weight = weight_to(known, shop) * factor
            part = levels.weight_of(int(row.long[slot])) * weight
            part /= np.float64(known.total) * factor + SHRINKING
            tied = best >= 0 and part == most
            if part > most or (
                tied and desk.categories[own].id < desk.codes[horizon_counts.code_in(row, best)].id
            ):
                best, most = slot, part
    return best


@outlined
def find_most_popular(
    categories: Rows[CategoryRow],
    used: int,
    at: float,
    half_life: float,
    out: Int32s,
    weights: Float64s,
) -> None:
    """Fill `out` with the row numbers of the most popular categories as of `at`, -1 for none.

    `weights` is room to work, as long as `out`. The lower id of equals is first.
    """
    filled = 0
    for number in range(used):
        weight = popularity.weight_at(categories[number].popularity, at, half_life)
        place = filled
        while place > 0:
            before = int(out[place - 1])
            if weights[place - 1] > weight or (
                weights[place - 1] == weight and categories[before].id < categories[number].id
            ):
                break
            if place < len(out):
                out[place], weights[place] = out[place - 1], weights[place - 1]
            place -= 1
        if place < len(out):
            out[place], weights[place] = number, weight
            filled = min(filled + 1, len(out))
    for place in range(filled, len(out)):
        out[place] = -1
