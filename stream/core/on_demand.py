"""A list for a shopper whenever one is asked for: of the row as it is, which stays so."""

import numpy as np

from stream.core import (
    candidates,
    interest,
    migration_slots,
    popularity,
    queries,
    recents,
    taste,
)
from stream.core.blend import BlendRow
from stream.core.clicks import ClicksRow
from stream.core.codes import CodeRow
from stream.core.compiled import kernel, outlined
from stream.core.engine import foretell, listed
from stream.core.engine_rows import Rules
from stream.core.knowledge import ENTER, CategoryRow
from stream.core.migration_evidence import OutlookRow
from stream.core.migration_gate import GatedRow
from stream.core.predictor import Predictor
from stream.core.queries import BeliefRow
from stream.core.rows import Int32s, Int64s, Rows
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
    shopper: ShopperRow,
    codes: Rows[CodeRow],
    shop: ShopView,
    ahead: Predictor,
    blend: BlendRow,
    told: ClicksRow,
    belief: BeliefRow,
    size: int,
    at: float,
    popularity_half_life: float,
    rules: Rules,
) -> int:
    """Leave a shopper's list at the head of `shop.ranked`, as the loop makes it; how long it is.

    One who did nothing yet gets what everybody takes. `taste` of `shop.choices` then has the
    shopper's interests: set its `used` to 0 when they are read.
    """
    strict, outlook = shopper.strict, ahead.outlooks[0]
    queries.look(
        shop.queries, belief, shopper.pending, shop.categories, shop.totals[0], at,
        rules.session_gap,
    )  # fmt: skip
    foretold = foretell(strict.migration, codes, shop, ahead, at)
    if not foretold and strict.recents.used == 0:
        expect_popular(outlook, shop.categories, rules.slots, at, popularity_half_life)
    # A literal would have all of it compiled once more.
    first = int(np.int64(0))
    used = listed(strict, codes, shop, ahead, blend, told, first, size, at, rules)
    taste.note(shop.choices[0].taste, strict.interest, codes)
    return used


@outlined
def retrace(
    shopper: ShopperRow, items: Int64s, categories: Int32s, at: float, rules: Rules
) -> None:
    """Make an empty row that of one who just came by these, the last one last.

    Each place has an item's id, or 0, and a category's code, or -1.
    """
    strict = shopper.strict
    for place in range(len(items)):
        code = int(categories[place])
        if code >= 0:
            interest.learn(
                strict.interest, code, 1.0, at, rules.short_half_life, rules.long_half_life
            )
            migration_slots.push(strict.migration, code, at)
        if items[place] != 0:
            recents.push(strict.recents, items[place], 0)
