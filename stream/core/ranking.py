"""The likeliest next items: rows of the recent ones, what the shopper had, and factors, mixed.

Each channel is a distribution over the same candidates; a score is their mixture by
fixed weights, so the weights say what each channel is believed.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream.core import factorization, table
from stream.core.compiled import kernel, outlined
from stream.core.decay import remaining
from stream.core.factorization import FactorRow
from stream.core.ids import NONE
from stream.core.knowledge import ItemRow
from stream.core.recents import RecentsRow
from stream.core.rows import Float32s, Int32s, Layout, Rows
from stream.core.transitions import BACKWARD, FORWARD, TransitionRow
from stream.core.updates import RECENT
from stream.messages import Because

if TYPE_CHECKING:
    from stream.core.shop import ShopView

NOTHING = np.float32(0.0)
CANDIDATES = 4096
"""Most candidates of one list, a power of two; more are dropped, in slot order."""
AGING = math.exp(-0.5)
"""What the row of the next older recent item weighs, against 1 of the newer's."""
LISTS = 4096
"""Lists that there is room for until they are taken."""
REASONS: tuple[Because, ...] = ("follows", "precedes", "recent", "similar")
FOLLOWS, PRECEDES, RECENTLY, SIMILAR = 0, 1, 2, 3
BOUGHT = 2


class RankingWeights(NamedTuple):
    """What each channel is believed; they need not sum to 1.

    A shop should not show the item on the screen; `with_current` lists it all the same,
    for comparisons with published results, in which it counts.
    """

    forward: float = 0.4
    backward: float = 0.2
    recent: float = 0.2
    factors: float = 0.2
    with_current: bool = False


class CandidateRow:
    """An item that may be listed, with its part of each channel.

    `bucket` belongs to the place, not to the candidate: one more than the place of the
    first candidate whose index falls there, 0 for none; `next` goes on from it.
    """

    bucket: int
    next: int
    index: int
    source: int
    left_out: int
    strongest: np.float32
    forward: np.float32
    backward: np.float32
    recent: np.float32
    similar: np.float32
    score: np.float32


class RankedRow:
    """One entry of a list. `index` is the item's row number in the shop model.

    `reason` is the place in `REASONS` of the channel with the largest part of the score,
    `share` is that part, and `because` the recent item that it follows or precedes, or 0.
    """

    item_id: int
    index: int
    score: np.float32
    reason: int
    share: np.float32
    because: int


CANDIDATE: Layout = np.dtype(
    [(name, "i4") for name in ("bucket", "next", "index", "source", "left_out")]
    + [(name, "f4") for name in ("strongest", "forward", "backward", "recent", "similar", "score")],
    align=True,
)
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


class QueryRow:
    """Room for one ranking: row numbers of the last items, and the query made of them."""

    recent: Int32s
    query: Float32s


def query_layout(factors: int) -> Layout:
    """Room for queries of `factors` numbers."""
    return np.dtype([("recent", "i4", RECENT), ("query", "f4", factors)], align=True)


class Scales(NamedTuple):
    """What turns each channel's number into its part of the score."""

    forward: np.float32
    backward: np.float32
    recent: np.float32
    similar: np.float32


@kernel
def place_of(candidates: Rows[CandidateRow], count: int, index: int) -> int:
    """Where the item stands among `count` candidates; `count` if it was put there now, or -1."""
    bucket = index & (len(candidates) - 1)
    place = int(candidates[bucket].bucket) - 1
    while place >= 0:
        if candidates[place].index == index:
            return place
        place = int(candidates[place].next)
    if count == len(candidates):
        return -1
    row = candidates[count]
    row.index, row.next = index, int(candidates[bucket].bucket) - 1
    row.source, row.left_out = 0, 0
    row.strongest, row.forward, row.backward = NOTHING, NOTHING, NOTHING
    row.recent, row.similar = NOTHING, NOTHING
    candidates[bucket].bucket = count + 1
    return count


@kernel
def clear(candidates: Rows[CandidateRow], count: int) -> None:
    """Leave no candidate to be found."""
    for place in range(count):
        candidates[candidates[place].index & (len(candidates) - 1)].bucket = 0


@kernel
def damped(total: float) -> float:
    """What a row's weights are divided by: (total + 1) ** .75, of exactly rounded roots."""
    return math.sqrt((total + 1.0) * math.sqrt(total + 1.0))


@kernel
def gather(
    candidates: Rows[CandidateRow],
    count: int,
    row: TransitionRow,
    strength: np.float32,
    source: int,
) -> int:
    """Add a recent item's neighbors, `strength` for each of their weight; return how many."""
    for slot in range(row.used):
        place = place_of(candidates, count, row.neighbors[slot])
        if place < 0:
            continue
        count = max(count, place + 1)
        found = candidates[place]
        forward, backward = (
            strength * row.weights[slot, FORWARD],
            strength * row.weights[slot, BACKWARD],
        )
        found.forward += forward
        found.backward += backward
        if forward + backward > found.strongest:
            found.strongest, found.source = forward + backward, source
    return count


@kernel
def neighbors(
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
            count = gather(candidates, count, row, weight, place)
        strength *= AGING
    return count


@kernel
def recall(
    candidates: Rows[CandidateRow],
    count: int,
    cells: Rows[table.Cell],
    recents: RecentsRow,
    with_current: bool,
) -> int:
    """Add what the shopper had; leave out what is bought and, if asked, what is on the screen."""
    for place in range(recents.used):
        index = table.find(cells, recents.items[place])
        found = place_of(candidates, count, index) if index >= 0 else -1
        if found < 0:
            continue
        count = max(count, found + 1)
        candidates[found].recent = np.float32(1.0 / (place + 1))
        if recents.actions[place] == BOUGHT or (place == 0 and not with_current):
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
    candidates: Rows[CandidateRow], count: int, factors: Rows[FactorRow], query: Float32s
) -> None:
    """How well each candidate's factors fit the query: a softmax without its divisor."""
    highest = np.float32(-math.inf)
    for place in range(count):
        logit = factorization.product(query, factors[candidates[place].index].outward)
        candidates[place].similar = logit
        highest = max(highest, logit)
    for place in range(count):
        row = candidates[place]
        row.similar = exponential(row.similar - highest)


@kernel
def scale(weight: float, total: float) -> np.float32:
    """What makes a channel that sums to `total` sum to its weight."""
    return np.float32(weight / total if total > 0.0 else 0.0)


@kernel
def scales(candidates: Rows[CandidateRow], count: int, weights: RankingWeights) -> Scales:
    """The scale of each channel, over the candidates that may be listed."""
    forward, backward, recent, similar = 0.0, 0.0, 0.0, 0.0
    for place in range(count):
        row = candidates[place]
        if not row.left_out:
            forward += np.float64(row.forward)
            backward += np.float64(row.backward)
            recent += np.float64(row.recent)
            similar += np.float64(row.similar)
    return Scales(
        scale(weights.forward, forward),
        scale(weights.backward, backward),
        scale(weights.recent, recent),
        scale(weights.factors, similar),
    )


@kernel
def beats(
    score: np.float32, place: int, other: RankedRow, candidates: Rows[CandidateRow],
    factors: Rows[FactorRow],
) -> bool:  # fmt: skip
    """Whether a candidate ranks above an entry; ties go to the lower id."""
    if score != other.score:
        return bool(score > other.score)
    mine, its = candidates[place].index, candidates[other.index].index
    return bool(factors[mine].id < factors[its].id)


@kernel
def mix(candidates: Rows[CandidateRow], count: int, parts: Scales) -> None:
    """Each candidate's score; 0 for those that are left out."""
    for place in range(count):
        row = candidates[place]
        row.score = (parts.forward * row.forward + parts.backward * row.backward) + (
            parts.recent * row.recent + parts.similar * row.similar
        )
        if row.left_out:
            row.score = NOTHING


@kernel
def select(
    ranked: Rows[RankedRow],
    first: int,
    size: int,
    candidates: Rows[CandidateRow],
    count: int,
    factors: Rows[FactorRow],
) -> int:
    """The best up to `size`, with the place among the candidates for `index`; how many."""
    end = first
    for place in range(count):
        score = candidates[place].score
        if not score > NOTHING:
            continue
        if end < first + size:
            end += 1
        elif not beats(score, place, ranked[end - 1], candidates, factors):
            continue
        spot = end - 1
        while spot > first and beats(score, place, ranked[spot - 1], candidates, factors):
            ranked[spot].index, ranked[spot].score = ranked[spot - 1].index, ranked[spot - 1].score
            spot -= 1
        ranked[spot].index, ranked[spot].score = place, score
    return end - first


@kernel
def explain(
    entry: RankedRow,
    candidate: CandidateRow,
    factors: Rows[FactorRow],
    recents: RecentsRow,
    scales: Scales,
) -> None:
    """Say which item it is and which channel has the largest part; of equals the first."""
    reason, largest = FOLLOWS, scales.forward * candidate.forward
    if scales.backward * candidate.backward > largest:
        reason, largest = PRECEDES, scales.backward * candidate.backward
    if scales.recent * candidate.recent > largest:
        reason, largest = RECENTLY, scales.recent * candidate.recent
    if scales.similar * candidate.similar > largest:
        reason, largest = SIMILAR, scales.similar * candidate.similar
    entry.reason = reason
    entry.share = min(np.float32(1.0), largest / candidate.score)
    entry.because = recents.items[candidate.source] if reason <= PRECEDES else NONE
    entry.index = candidate.index
    entry.item_id = factors[candidate.index].id


@outlined
def rank(
    shop: "ShopView",
    first: int,
    size: int,
    recents: RecentsRow,
    weights: RankingWeights,
    now: float,
    half_life: float,
) -> int:
    """Write the best up to `size` items into `shop.ranked` from `first` on; return how many.

    It reads the model and changes none of it. `half_life` is that of the transitions.
    """
    items, factors, candidates = shop.items, shop.factors, shop.candidates
    scratch = shop.queries[0]
    for place in range(RECENT):
        scratch.recent[place] = -1
        if place < recents.used:
            scratch.recent[place] = table.find(shop.cells, recents.items[place])
    count = neighbors(candidates, items, scratch.recent, now, half_life)
    count = recall(candidates, count, shop.cells, recents, weights.with_current)
    if factorization.look(scratch.query, factors, scratch.recent) > 0.0:
        compare(candidates, count, factors, scratch.query)
    parts = scales(candidates, count, weights)
    mix(candidates, count, parts)
    used = select(shop.ranked, first, size, candidates, count, factors)
    for place in range(first, first + used):
        entry = shop.ranked[place]
        explain(entry, candidates[entry.index], factors, recents, parts)
    clear(candidates, count)
    return used
