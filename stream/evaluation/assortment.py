"""What a simulated shop sells: categories, items, and which item leads to which."""

import random
from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from stream.messages import CatalogItem

# Departments of (category, one of it, its usual price).
DEPARTMENTS = (
    (("tents", "tent", 180), ("sleeping bags", "sleeping bag", 90),
     ("hiking boots", "pair of hiking boots", 140), ("backpacks", "backpack", 95),
     ("camp stoves", "camp stove", 60)),
    (("strollers", "stroller", 320), ("car seats", "car seat", 190), ("cribs", "crib", 240),
     ("baby monitors", "baby monitor", 110), ("diapers", "box of diapers", 30)),
    (("running shoes", "pair of running shoes", 120), ("sports watches", "sports watch", 210),
     ("yoga mats", "yoga mat", 35), ("dumbbells", "dumbbell set", 75),
     ("road bikes", "road bike", 1400)),
    (("laptops", "laptop", 950), ("headphones", "pair of headphones", 130),
     ("cameras", "camera", 680), ("game consoles", "game console", 420),
     ("smartphones", "smartphone", 610)),
    (("sofas", "sofa", 880), ("desks", "desk", 260), ("lamps", "lamp", 55), ("rugs", "rug", 145),
     ("bed linen", "bed linen set", 65)),
    (("espresso machines", "espresso machine", 390), ("cookware", "set of pots", 150),
     ("kitchen knives", "kitchen knife", 70), ("blenders", "blender", 85),
     ("tea", "tin of tea", 14)),
    (("grills", "grill", 270), ("garden tools", "garden tool", 32), ("plant pots", "plant pot", 18),
     ("seeds", "packet of seeds", 4), ("lawn mowers", "lawn mower", 330)),
    (("board games", "board game", 38), ("novels", "novel", 16), ("cookbooks", "cookbook", 28),
     ("puzzles", "puzzle", 20), ("building blocks", "box of building blocks", 49)),
    (("winter jackets", "winter jacket", 170), ("dresses", "dress", 80),
     ("jeans", "pair of jeans", 75), ("sneakers", "pair of sneakers", 95),
     ("handbags", "handbag", 160)),
    (("skin care", "face cream", 34), ("perfume", "perfume", 78), ("hair dryers", "hair dryer", 60),
     ("make-up", "make-up palette", 29), ("razors", "razor", 45)),
    (("dog food", "bag of dog food", 42), ("cat trees", "cat tree", 88),
     ("aquariums", "aquarium", 150), ("bird feeders", "bird feeder", 24), ("leashes", "leash", 19)),
    (("guitars", "guitar", 410), ("keyboards", "keyboard", 350), ("microphones", "microphone", 120),
     ("vinyl records", "vinyl record", 27), ("loudspeakers", "loudspeaker", 230)),
)  # fmt: skip
LINES = ("", "kids' ", "pro ", "vintage ", "travel ")
MAKERS = (
    "Alderby", "Brennick", "Corvane", "Dellmoor", "Eskerra", "Fennholt", "Garrowe", "Hestrel",
    "Isenvik", "Jorvane", "Kestmark", "Lundsby", "Marrowin", "Nordhal", "Oskelle", "Pellavan",
)  # fmt: skip
MOST_CATEGORIES = len(LINES) * sum(map(len, DEPARTMENTS))
SUCCESSOR_ODDS = (0.4, 0.7, 0.9, 1.0)
"""Running sums of how often an item leads to each of its successors."""


class Kind(NamedTuple):
    """What a category holds: its name, one of its items, the usual price, the department."""

    category: str
    one: str
    price: float
    department: int


class Category(NamedTuple):
    """A category's name, its items by falling popularity, and where interest goes from it."""

    name: str
    items: range
    odds: list[float]
    """Running sums of the items' Zipf weights."""
    onward: tuple[int, ...]
    """The categories that shoppers of this one naturally come to next."""


class Assortment:
    """Items in categories, with Zipf popularity and a few natural successors each.

    Items are numbered by category and falling popularity. The same arguments give the
    same assortment, whoever asks.

    Parameters
    ----------
    items
        At least `categories`.
    categories
        From 2 to `MOST_CATEGORIES`.

    Examples
    --------
    >>> shop = Assortment(items=2000, categories=40, seed=1)
    >>> [category.name for category in shop.categories[:3]]
    ['tents', 'strollers', 'running shoes']
    >>> next(shop.catalog()).category
    'tents'
    """

    def __init__(self, items: int, categories: int, seed: int) -> None:
        if not 2 <= categories <= MOST_CATEGORIES:
            raise ValueError(f"categories must be 2 to {MOST_CATEGORIES}, got {categories}")
        if items < categories:
            raise ValueError(f"items must be at least the {categories} categories, got {items}")
        draw = random.Random(f"assortment {seed}")
        self._kinds = _kinds()[:categories]
        bounds = [number * items // categories for number in range(categories + 1)]
        self.categories = [
            Category(
                name=kind.category,
                items=range(bounds[number], bounds[number + 1]),
                odds=list(accumulate(1 / (1 + rank) for rank in range(_width(bounds, number)))),
                onward=_onward(number, [kind.department for kind in self._kinds], draw),
            )
            for number, kind in enumerate(self._kinds)
        ]
        self._successors = [
            [_next_to(item, category, draw) for _ in SUCCESSOR_ODDS]
            for category in self.categories
            for item in category.items
        ]
        self._items = [
            _described(self.item_id(item), kind, draw)
            for category, kind in zip(self.categories, self._kinds, strict=True)
            for item in category.items
        ]

    def popular(self, category: int, draw: random.Random) -> int:
        """An item of the category, drawn by popularity."""
        return _popular(self.categories[category], draw)

    def successor(self, item: int, draw: random.Random) -> int:
        """One of the few items of its own category that naturally follow an item."""
        return self._successors[item][bisect(SUCCESSOR_ODDS, draw.random())]

    def companion(self, item: int, category: int) -> int:
        """The one item of another category that goes with an item."""
        items = self.categories[category].items
        return items[item % len(items)]

    def item_id(self, item: int) -> str:
        return f"i{item:05d}"

    def price(self, item: int) -> float:
        return self._items[item].price or 0.0

    def catalog(self) -> Iterator[CatalogItem]:
        """What the shop says of each item."""
        return iter(self._items)


def _kinds() -> list[Kind]:
    """Every kind of item, one of each department in turn."""
    return [
        Kind(line + category, line + one, price, department)
        for line in LINES
        for row in zip(*DEPARTMENTS, strict=True)
        for department, (category, one, price) in enumerate(row)
    ]


def _width(bounds: list[int], number: int) -> int:
    return bounds[number + 1] - bounds[number]


def _popular(category: Category, draw: random.Random) -> int:
    rank = bisect(category.odds, draw.random() * category.odds[-1])
    return category.items[min(rank, len(category.items) - 1)]


def _next_to(item: int, category: Category, draw: random.Random) -> int:
    """Another popular item of the category, where it has one."""
    other = _popular(category, draw)
    if other != item:
        return other
    return category.items[(category.items.index(item) + 1) % len(category.items)]


def _onward(number: int, departments: list[int], draw: random.Random) -> tuple[int, ...]:
    """Two other categories of the department, where it has them, and one of any other."""
    mates = [n for n, d in enumerate(departments) if d == departments[number] and n != number]
    others = [n for n in range(len(departments)) if n != number and n not in mates]
    return (*draw.sample(mates, min(2, len(mates))), *draw.sample(others, min(1, len(others))))


def _described(item_id: str, kind: Kind, draw: random.Random) -> CatalogItem:
    maker = draw.choice(MAKERS)
    return CatalogItem(
        item_id=item_id,
        category=kind.category,
        title=f"{maker} {kind.one} {draw.randrange(10, 100) * 10}",
        brand=maker,
        price=round(kind.price * draw.lognormvariate(0, 0.35), 2),
    )
