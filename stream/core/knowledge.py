"""What everybody's events tell of each item and category, and the loop that learns it."""

import math
from typing import NamedTuple

import numpy as np

from stream.core import (
    content,
    factorization,
    popularity,
    query_buckets,
    shelf,
    standing,
    transitions,
)
from stream.core.compiled import kernel
from stream.core.content import Content
from stream.core.factorization import FactorRates, FactorRow, RingRow, ScratchRow
from stream.core.popularity import PopularityRow
from stream.core.query_buckets import FEATURES
from stream.core.rows import Int32s, Layout, Rows
from stream.core.shelf import ArrivalsRow, ShelfRow
from stream.core.transitions import TransitionRow
from stream.core.updates import RECENT
from stream.settings import Settings

STAY, RETURN, ENTER = 0, 1, 2
FIRSTS = 16
"""Categories remembered around each category of those that shoppers came upon anew."""
TONING = 0.1
"""How much less an item is listed for being taken by everybody: the power of its count."""
UNENTERED = 0.1
"""What a category that no shopper entered counts as, in entries."""
UNSEEN = 0.02
"""What a category without events counts as, in events."""


class ItemRow:
    """One item: how often it was taken lately, and what beside it."""

    id: int
    popularity: PopularityRow
    transitions: TransitionRow


class ProfileRow(FactorRow):
    """An item's factors, and what else a ranking reads of each of its candidates.

    `category` is one more than its category's row number, 0 before any is known. `tone` is what
    its score is multiplied by: less the more everybody takes it. `standing` are the flags of
    `stream.core.standing`.
    """

    category: int
    tone: np.float32
    standing: int


class CategoryRow:
    """One category. `entries` counts the events in which it was new to a shopper.

    `firsts` are transitions of these events alone, their skip weights. `shelf` has its items,
    `arrivals` the newest that the catalog named. Its `standing` is for all of them.
    """

    id: int
    standing: int
    entries: float
    popularity: PopularityRow
    transitions: TransitionRow
    firsts: TransitionRow
    shelf: ShelfRow
    arrivals: ArrivalsRow


class TotalsRow:
    """Sums over all categories: events, decayed as theirs are, and `mass` of entries."""

    mass: float
    popularity: PopularityRow
    categories: int


TOTALS: Layout = np.dtype(
    [("mass", "f8"), ("popularity", popularity.LAYOUT), ("categories", "i4")], align=True
)


class Update:
    """One event as the loop reads it, all items and categories as row numbers, -1 for none.

    It answers a query if `asked` is above 0: with the first so many of `buckets`.
    """

    occurred_at: float
    item_index: int
    category_index: int
    recent_items: Int32s
    recent_categories: Int32s
    step: int
    asked: int
    buckets: Int32s


UPDATE: Layout = np.dtype(
    [
        ("occurred_at", "f8"),
        ("item_index", "i4"),
        ("category_index", "i4"),
        ("recent_items", "i4", RECENT),
        ("recent_categories", "i4", RECENT),
        ("step", "i4"),
        ("asked", "i4"),
        ("buckets", "i4", FEATURES),
    ],
    align=True,
)


class Rates(NamedTuple):
    """How fast each model learns and forgets; half-lives in seconds of event time."""

    transition_half_life: float
    popularity_half_life: float
    factors: FactorRates


def rates(settings: Settings) -> Rates:
    """What the settings say."""
    return Rates(
        float(settings.transition_half_life),
        float(settings.popularity_half_life),
        FactorRates(
            float(settings.factor_rate),
            settings.negatives,
            settings.seed,
            factorization.OBJECTIVES.index(settings.factor_objective),
            settings.factors_every,
        ),
    )


def item_layout(settings: Settings) -> Layout:
    """The bytes of one item but its profile: 0.8 KB with 64 neighbors."""
    return np.dtype(
        [
            ("id", "i8"),
            ("popularity", popularity.LAYOUT),
            ("transitions", transitions.layout(settings.neighbors)),
        ],
        align=True,
    )


def profile_layout(settings: Settings) -> Layout:
    """The bytes of one item's profile: 0.3 KB with 32 factors."""
    own = [("category", "i4"), ("tone", "f4"), ("standing", "u1")]
    return np.dtype([*factorization.layout(settings.factors).descr, *own], align=True)


def category_layout(settings: Settings) -> Layout:
    """The bytes of one category."""
    return np.dtype(
        [
            ("id", "i8"),
            ("standing", "u1"),
            ("entries", "f8"),
            ("popularity", popularity.LAYOUT),
            ("transitions", transitions.layout(settings.category_neighbors)),
            ("firsts", transitions.layout(FIRSTS)),
            ("shelf", shelf.LAYOUT),
            ("arrivals", shelf.ARRIVALS),
        ],
        align=True,
    )


@kernel
def toned(count: float) -> np.float32:
    """What so many events leave of an item's score: (count + 1) ** -0.1."""
    return np.float32(math.exp(-TONING * math.log(count + 1.0)))


@kernel
def mass(entries: float) -> float:
    """What entries weigh where a next category is chosen: their square root."""
    return math.sqrt(entries + UNENTERED)


@kernel
def entry_share(row: CategoryRow, totals: TotalsRow) -> float:
    """The category's part of the mass of all entries."""
    return mass(row.entries) / totals.mass


@kernel
def event_share(row: CategoryRow, totals: TotalsRow, at: float, half_life: float) -> float:
    """The category's part of all events lately; above 0 for a category without any."""
    own = popularity.weight_at(row.popularity, at, half_life) + UNSEEN
    every = popularity.weight_at(totals.popularity, at, half_life)
    return own / (every + UNSEEN * int(totals.categories))


@kernel
def welcome(totals: TotalsRow, count: int) -> None:
    """Let the totals know that so many categories are new."""
    totals.categories += count
    totals.mass += count * mass(0.0)


@kernel
def begin(
    profiles: Rows[ProfileRow], items: Rows[ItemRow], first: int, last: int, seed: int
) -> None:
    """Give the items from `first` up to `last` (excluded) the vectors that belong to their ids."""
    for item in range(first, last):
        factorization.start(profiles[item], items[item].id, seed)
        profiles[item].tone = np.float32(1.0)


@kernel
def tell(row: ProfileRow, catalog: int) -> None:
    """Let an item have these of the catalog's flags, and none of its others."""
    row.standing = standing.told(row.standing, catalog)


@kernel
def categorize(row: ProfileRow, categories: Rows[CategoryRow], category: int) -> None:
    """Put an item into a category; what holds for all of that holds for it from now on."""
    row.category = category + 1
    row.standing = standing.placed(row.standing, categories[category].standing)


@kernel
def learn_item(
    items: Rows[ItemRow],
    categories: Rows[CategoryRow],
    profiles: Rows[ProfileRow],
    known: Content,
    ring: RingRow,
    update: Update,
    step: int,
    rates: Rates,
    scratch: ScratchRow,
) -> None:
    """Learn that the update's item followed the recent ones."""
    item, at = update.item_index, update.occurred_at
    transitions.decay(items[item].transitions, at, rates.transition_half_life)
    transitions.learn(items, update.recent_items, item, at, rates.transition_half_life)
    told = factorization.learn(
        profiles, update.recent_items, item, ring, step, rates.factors, scratch
    )
    if told and known.bridges[0].listed > 0:
        content.learn(
            known, scratch, update.recent_items, rates.factors.negatives, rates.factors.rate
        )
    popularity.learn(items[item].popularity, at, rates.popularity_half_life)
    profiles[item].tone = toned(np.float64(items[item].popularity.weight))
    if update.category_index >= 0:
        categorize(profiles[item], categories, update.category_index)


@kernel
def learn_category(
    categories: Rows[CategoryRow], totals: TotalsRow, update: Update, rates: Rates
) -> None:
    """Learn that the update's category was touched, and what it was changed for."""
    category, at = update.category_index, update.occurred_at
    row, half_life = categories[category], rates.transition_half_life
    if update.step != STAY:
        transitions.change(categories, update.recent_categories, category, at, half_life)
    if update.step == ENTER:
        transitions.change_first(categories, update.recent_categories, category, at, half_life)
        totals.mass += mass(row.entries + 1.0) - mass(row.entries)
        row.entries += 1.0
    popularity.learn(row.popularity, at, rates.popularity_half_life)
    popularity.learn(totals.popularity, at, rates.popularity_half_life)


@kernel
def learn_query(
    buckets: Rows[TransitionRow], profiles: Rows[ProfileRow], update: Update, half_life: float
) -> None:
    """Learn which category a query led to: the event's, else its item's if that is known."""
    category = int(update.category_index)
    if category < 0 and update.item_index >= 0:
        category = int(profiles[update.item_index].category) - 1
    if category >= 0:
        query_buckets.learn(
            buckets, update.buckets, update.asked, category, update.occurred_at, half_life
        )


@kernel
def learn_updates(
    items: Rows[ItemRow],
    profiles: Rows[ProfileRow],
    categories: Rows[CategoryRow],
    totals: Rows[TotalsRow],
    buckets: Rows[TransitionRow],
    known: Content,
    rings: Rows[RingRow],
    updates: Rows[Update],
    applied: int,
    rates: Rates,
    scratches: Rows[ScratchRow],
) -> None:
    """Learn the updates in order; `applied` is how many there were before the first."""
    for number in range(len(updates)):
        update = updates[number]
        if update.item_index >= 0:
            learn_item(
                items,
                categories,
                profiles,
                known,
                rings[0],
                update,
                applied + number,
                rates,
                scratches[0],
            )
        if update.category_index >= 0:
            learn_category(categories, totals[0], update, rates)
            if update.item_index >= 0:
                shelf.learn(categories[update.category_index].shelf, update.item_index)
        if update.asked > 0:
            learn_query(buckets, profiles, update, rates.transition_half_life)
