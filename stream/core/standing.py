"""Whether an item may be listed at all: what the catalog and the settings say of it."""

from typing import NamedTuple, Self

import numpy as np

from stream.core.compiled import kernel
from stream.core.events import cutter
from stream.core.ids import identify
from stream.core.rows import Int64s
from stream.messages import CatalogItem
from stream.settings import Settings

BLOCKED, OUT_OF_STOCK, ADULT = 1, 2, 4
"""What the catalog says of an item."""
BARRED, BARRED_CATEGORY = 8, 16
"""What the settings say of it, and of the category that it is in now."""
UNKNOWN = 32
"""The shop has no row of it yet, so nothing of the above is known."""
CATALOG = BLOCKED | OUT_OF_STOCK | ADULT
NEVER = BLOCKED | BARRED | BARRED_CATEGORY
"""No setting lists an item of which one of these is said."""


class Barred(NamedTuple):
    """The 64-bit ids of the items and the categories that the settings bar."""

    items: Int64s
    categories: Int64s

    @classmethod
    def by(cls, settings: Settings) -> Self:
        """Categories are named as events name them; both are cut at `category_level`."""
        cut = cutter(settings.category_level)
        categories = [cut(name) for name in settings.blocked_categories]
        return cls(_ids(settings.blocked_items), _ids([name for name in categories if name]))


def _ids(names: list[str]) -> Int64s:
    return np.array([identify(name) for name in names], np.int64)


def hidden(settings: Settings) -> int:
    """The flags for any of which the settings keep an item out of lists.

    Where a rule asks for the category, what the shop has no row of is kept out until it has
    one: its category is not known before.
    """
    flags = NEVER
    flags |= 0 if settings.list_out_of_stock else OUT_OF_STOCK
    flags |= 0 if settings.list_adult else ADULT
    ruled = settings.blocked_items or settings.blocked_categories or settings.list_per_category
    return flags | (UNKNOWN if ruled else 0)


def of(item: CatalogItem) -> int:
    """The flags that the catalog gives an item."""
    flags = BLOCKED if item.blocked else 0
    flags |= 0 if item.in_stock else OUT_OF_STOCK
    return flags | (ADULT if item.adult else 0)


@kernel
def listable(flags: int, hidden: int) -> bool:
    """Whether an item with these flags may be in a list."""
    return (int(flags) & hidden) == 0


@kernel
def nameable(flags: int, hidden: int) -> bool:
    """Whether it may be named as a reason: what is sold out, or new to the shop, may."""
    return (int(flags) & hidden & (NEVER | ADULT)) == 0


@kernel
def told(flags: int, catalog: int) -> int:
    """An item's flags after the catalog told all that it says of it; the settings' stay."""
    return (int(flags) & ~CATALOG) | (int(catalog) & CATALOG)


@kernel
def placed(flags: int, category: int) -> int:
    """An item's flags after it came into a category with these."""
    return (int(flags) & ~BARRED_CATEGORY) | (int(category) & BARRED_CATEGORY)
