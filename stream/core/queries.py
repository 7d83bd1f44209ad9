"""What a search's words say of the category that is touched next.

A category's share is p(c) times the product, over the query's buckets f, of p(c | f) / p(c),
where p(c) is its part of all events and p(c | f) = (n_fc + k p(c)) / (n_f + k): naive Bayes, each
bucket drawn to p(c) by a prior worth k events (MacKay and Bauman Peto 1995, A hierarchical
Dirichlet language model). So a bucket counts for more the more often it was heard and the fewer
categories it leads to; a word that nobody used says nothing.
"""

import math
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from stream.core import knowledge, query_buckets
from stream.core.compiled import kernel, outlined
from stream.core.decay import remaining
from stream.core.knowledge import CategoryRow, TotalsRow
from stream.core.open_query import PendingRow, open_at
from stream.core.query_buckets import ASKED, BUCKET, FEATURES, SLOTS, TOUCHED, AskedRow
from stream.core.rows import Float64s, Int32s, Layout, Rows, pack, unpack, zeros
from stream.core.transitions import TransitionRow
from stream.settings import Settings

if TYPE_CHECKING:
    from stream.core.shop import ShopView

DOUBT = 100.0
"""What holds for all queries is worth so many events in each bucket: k. With 1, 5, 30, 100 and 300
the log-loss of the next category was 1.00, 0.85, 0.74, 0.71 and 0.71 nats over 6,000 simulated
queries, in a prototype without pairs of words; over 1,500 it was 0.77 with 100, 0.87 with 300."""
HEARD = 0.5
"""A bucket with fewer events left is one that nobody used."""
KEPT = 16
"""Categories that an answer names."""
TIERS = 4
"""By the largest share: under 1/4, 1/2, 3/4, or more."""
CONTEXTS = 2 * TIERS
BELIEVED = (0.2, 0.4, 0.6, 0.8)
"""What a query weighs before anything is learned, by tier; half of it after a touch."""
SLOWEST, CAUTION, LEAST = 0.001, 20.0, 1e-3
"""The least step of a weight, how many steps the start is worth, how far it stays from 0 and 1."""


class HintRow:
    """What a query says: categories by row number, the likeliest first, and their shares.

    The first `used` count, 0 without a query that says anything. The shares sum to `named`; what
    lacks to 1 is for all other categories. `weight` is how far the query is believed, beside
    what the shopper did before.
    """

    used: int
    context: int
    weight: float
    named: float
    categories: Int32s
    shares: Float64s
    priors: Float64s


HINT: Layout = np.dtype(
    [
        ("used", "i4"),
        ("context", "i4"),
        ("weight", "f8"),
        ("named", "f8"),
        ("categories", "i4", FEATURES * SLOTS),
        ("shares", "f8", FEATURES * SLOTS),
        ("priors", "f8", FEATURES * SLOTS),
    ],
    align=True,
)


class Queries(NamedTuple):
    """What the shop learned of queries, by bucket, and room for one answer."""

    rows: Rows[TransitionRow]
    hints: Rows[HintRow]
    half_life: float
    popularity_half_life: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Buckets of which nothing is known."""
        return cls(
            zeros(settings.query_buckets, BUCKET, TransitionRow),
            zeros(1, HINT, HintRow),
            float(settings.transition_half_life),
            float(settings.popularity_half_life),
        )


class BeliefRow:
    """How far a shard believes queries, by context, and how often it learned that."""

    weights: Float64s
    updates: Float64s


BELIEF: Layout = np.dtype([("weights", "f8", CONTEXTS), ("updates", "f8", CONTEXTS)], align=True)


class Asking(NamedTuple):
    """What a shard learned of its shoppers' queries, and those of the events at hand."""

    rows: Rows[BeliefRow]
    asked: Rows[AskedRow]

    @classmethod
    def of(cls) -> Self:
        """One that has learned nothing."""
        rows = zeros(1, BELIEF, BeliefRow)
        for context in range(CONTEXTS):
            rows[0].weights[context] = BELIEVED[context % TIERS] / (1 + context // TIERS)
        return cls(rows, zeros(1, ASKED, AskedRow))

    def pack(self) -> bytes:
        """What was learned, as bytes to store."""
        return pack(self.rows)

    def restored(self, stored: bytes) -> Self:
        """The same, with what `pack` gave; it raises ValueError if that has another layout."""
        return self._replace(rows=unpack(stored, BELIEF, BeliefRow))


@kernel
def known(rows: Rows[TransitionRow], row: PendingRow) -> bool:
    """Whether the shop ever heard any of a query's buckets."""
    for place in range(row.used):
        if rows[row.buckets[place]].used > 0:
            return True
    return False


@kernel
def place_of(hint: HintRow, category: int) -> int:
    """Where a category stands among those named, -1 if it is none of them."""
    for place in range(hint.used):
        if hint.categories[place] == category:
            return place
    return -1


@kernel
def share_of(hint: HintRow, category: int) -> float:
    """What the query says of a category."""
    place = place_of(hint, category)
    return float(hint.shares[place]) if place >= 0 else 0.0


@kernel
def hear(
    own: Queries, bucket: int, categories: Rows[CategoryRow], totals: TotalsRow, at: float
) -> None:
    """Add the logarithms of what one bucket says, in `shares`."""
    row, hint = own.rows[bucket], own.hints[0]
    left = remaining(at - row.updated_at, own.half_life)
    if left * np.float64(row.total) < HEARD:
        return
    for slot in range(row.used):
        category = int(row.neighbors[slot])
        place = place_of(hint, category)
        if place < 0:
            place = int(hint.used)
            prior = knowledge.event_share(
                categories[category], totals, at, own.popularity_half_life
            )
            hint.categories[place], hint.priors[place] = category, prior
            hint.shares[place] = math.log(prior)
            hint.used += 1
        came = left * np.float64(row.weights[slot, TOUCHED])
        hint.shares[place] += math.log(1.0 + came / (DOUBT * hint.priors[place]))


@kernel
def before(hint: HintRow, one: int, other: int, categories: Rows[CategoryRow]) -> bool:
    """Whether one category stands before another: the likelier, of equals the lower id."""
    if hint.shares[one] != hint.shares[other]:
        return bool(hint.shares[one] > hint.shares[other])
    return bool(categories[hint.categories[one]].id < categories[hint.categories[other]].id)


@kernel
def lead(hint: HintRow, categories: Rows[CategoryRow]) -> None:
    """Bring the likeliest categories to the front and forget the others."""
    kept = min(int(hint.used), KEPT)
    for place in range(kept):
        best = place
        for other in range(place + 1, hint.used):
            if before(hint, other, best, categories):
                best = other
        category, share = hint.categories[place], hint.shares[place]
        hint.categories[place], hint.shares[place] = hint.categories[best], hint.shares[best]
        hint.categories[best], hint.shares[best] = category, share
    hint.used, hint.named = kept, 0.0
    for place in range(kept):
        hint.named += hint.shares[place]


@kernel
def normalize(hint: HintRow) -> None:
    """Turn logarithms into shares of all categories; those that no bucket names keep theirs."""
    rest, total = 1.0, 0.0
    for place in range(hint.used):
        rest -= hint.priors[place]
    # The sum of logarithms is at most 16 times that of 1 + events / k: it is no overflow.
    for place in range(hint.used):
        hint.shares[place] = math.exp(hint.shares[place])
        total += hint.shares[place]
    for place in range(hint.used):
        hint.shares[place] /= total + max(rest, 0.0)


@outlined
def combine(
    own: Queries,
    buckets: Int32s,
    used: int,
    categories: Rows[CategoryRow],
    totals: TotalsRow,
    at: float,
) -> None:
    """Leave in `own.hints` what a query with these buckets says; of the shop nothing changes."""
    hint = own.hints[0]
    hint.used = 0
    for place in range(used):
        hear(own, buckets[place], categories, totals, at)
    if hint.used > 0:
        normalize(hint)
        lead(hint, categories)


@kernel
def context_of(hint: HintRow, touched: int) -> int:
    """How sure the query is, and whether something was touched since."""
    return min(int(hint.shares[0] * TIERS), TIERS - 1) + (TIERS if touched > 0 else 0)


@kernel
def look(
    own: Queries,
    belief: BeliefRow,
    row: PendingRow,
    categories: Rows[CategoryRow],
    totals: TotalsRow,
    at: float,
    lasts: float,
) -> None:
    """Leave in `own.hints` what a shopper's open query says, and how far it is believed."""
    hint = own.hints[0]
    hint.used = 0
    if not open_at(row, at, lasts):
        return
    combine(own, row.buckets, row.used, categories, totals, at)
    if hint.used > 0:
        hint.context = context_of(hint, row.touched)
        hint.weight = belief.weights[hint.context]


@kernel
def mixed(hint: HintRow, chance: float, category: int) -> float:
    """What a query makes of a category's chance; all chances still sum to 1."""
    if hint.used == 0:
        return chance
    said = share_of(hint, category) + (1.0 - hint.named) * chance
    return float((1.0 - hint.weight) * chance + hint.weight * said)


@kernel
def credit(belief: BeliefRow, hint: HintRow, chance: float, category: int) -> None:
    """Move the weight to the query's part in what came (online EM); `chance` is without it."""
    said = share_of(hint, category) + (1.0 - hint.named) * chance
    weight = belief.weights[hint.context]
    total = (1.0 - weight) * chance + weight * said
    if not total > 0.0:
        return
    belief.updates[hint.context] += 1.0
    rate = max(SLOWEST, 1.0 / (belief.updates[hint.context] + CAUTION))
    moved = (1.0 - rate) * weight + rate * weight * said / total
    belief.weights[hint.context] = min(max(moved, LEAST), 1.0 - LEAST)


def likely(view: "ShopView", text: str, count: int) -> list[tuple[int, float]]:
    """The `count` categories that a query most likely means, as row numbers, and their shares.

    The likeliest come first; none if the shop never heard any of it. Asking changes nothing.
    """
    buckets = query_buckets.buckets_of(text, len(view.queries.rows))
    room = view.queries._replace(hints=zeros(1, HINT, HintRow))
    totals, hint = view.totals[0], room.hints[0]
    now = float(totals.popularity.updated_at)
    combine(room, np.array(buckets, np.int32), len(buckets), view.categories, totals, now)
    used = min(count, int(hint.used))
    return list(zip(hint.categories[:used].tolist(), hint.shares[:used].tolist(), strict=True))
