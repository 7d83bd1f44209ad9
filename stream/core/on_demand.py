"""A list for a shopper whenever one is asked for: of the row as it is, which stays so."""

import numpy as np

from stream.core import (
    candidates,
    interest,
    migration_slots,
    popularity,
    recents,
    taste,
)
from stream.core.blend import BlendRow
from stream.core.clicks import ClicksRow
from stream.core.codes import CodeRow
from stream.core.compiled import kernel, outlined
from stream.core.engine import foretell, inquire, listed
from stream.core.engine_rows import Rules
from stream.core.knowledge import ENTER, CategoryRow
from stream.core.migration_evidence import OutlookRow
from stream.core.migration_gate import GatedRow
from stream.core.predictor import Predictor
from stream.core.queries import BeliefRow
from stream.core.rows import Float64s, Int32s, Int64s, Rows
from stream.core.shop import ShopView
from stream.core.shoppers import ShopperRow


@kernel
def enter_only(row: GatedRow) -> None:
    """Foretell that the shopper enters a category."""
    for step in range(len(row.chances)):
        row.chances[step] = 0.0
    row.chances[ENTER] = 1.0


@kernel
def expect_popular(
    outlook: OutlookRow, categories: Rows[CategoryRow], slots: int, at: float, half_life: float
) -> None:
    """Foretell what everybody takes most: the next category of one who had none yet."""
    enter_only(outlook.gated)
    outlook.held, outlook.end, most = 0, slots, slots + candidates.LIKELY
    total = 0.0
    for number in range(len(categories)):
        weight = popularity.weight_at(categories[number].popularity, at, half_life)
        total += weight
        if not weight > 0.0:
            continue
        if outlook.end == most and not weight > outlook.within[most - 1]:
            continue
        outlook.end = min(outlook.end + 1, most)
        place = outlook.end - 1
        while place > slots and weight > outlook.within[place - 1]:
            outlook.within[place] = outlook.within[place - 1]
            outlook.shops[place] = outlook.shops[place - 1]
            place -= 1
        outlook.within[place], outlook.shops[place] = weight, number
    for place in range(slots, outlook.end):
        outlook.within[place] /= total


@outlined
def answer(
    shoppers: Rows[ShopperRow],
    codes: Rows[CodeRow],
    shop: ShopView,
    ahead: Predictor,
    blends: Rows[BlendRow],
    told: Rows[ClicksRow],
    beliefs: Rows[BeliefRow],
    shares: Float64s,
    size: int,
    at: float,
    popularity_half_life: float,
    rules: Rules,
) -> int:
    """Leave a shopper's list at the head of `shop.ranked`, as the loop makes it; how long it is.

    Rows come as arrays of one, which Python hands over in no time. A shopper
    who did nothing yet gets what everybody takes. `shares` are then those of the shopper's
    interest by slot, below 0 where there is none.
    """
    shopper, outlook = shoppers[0], ahead.outlooks[0]
    strict = shopper.strict
    inquire(shopper.pending, shop, beliefs[0], at, rules)
    foretold = foretell(strict.migration, codes, shop, ahead, at)
    if not foretold and strict.recents.used == 0:
        expect_popular(outlook, shop.categories, rules.slots, at, popularity_half_life)
    # A literal would have all of it compiled once more.
    first = int(np.int64(0))
    used = listed(strict, codes, shop, ahead, blends[0], told[0], first, size, at, rules)
    own = shop.choices[0].taste
    taste.note(own, strict.interest, codes)
    for slot in range(len(shares)):
        shares[slot] = own.shares[slot] if slot < own.used else -1.0
    own.used = 0
    return used


@outlined
def retrace(
    shoppers: Rows[ShopperRow], items: Int64s, categories: Int32s, at: float, rules: Rules
) -> None:
    """Make the empty row that of one who just came by these, the last one last.

    Each place has an item's id, or 0, and a category's code, or -1.
    """
    strict = shoppers[0].strict
    for place in range(len(items)):
        code = int(categories[place])
        if code >= 0:
            interest.learn(
                strict.interest, code, 1.0, at, rules.short_half_life, rules.long_half_life
            )
            migration_slots.push(strict.migration, code, at)
        if items[place] != 0:
            recents.push(strict.recents, items[place], 0)
