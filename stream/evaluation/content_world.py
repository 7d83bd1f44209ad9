"""A shop whose items have vectors: what a shopper likes is in one source, and another is noise."""

import numpy as np
from numpy.typing import NDArray

from stream.core.decay import DAY
from stream.evaluation.logs import Log
from stream.messages import CatalogEntries, CatalogItem

STYLES, EACH, SHOPPERS, VISITS = 24, 50, 2000, 10
"""Each style's items, and how many items each shopper takes."""
FAITHFUL = 0.8
"""How often a shopper takes an item of the own style."""
BEGINS = 1_760_000_000.0
Vectors = NDArray[np.float64]


def made(seed: int) -> tuple[Log, list[CatalogEntries]]:
    """A log of shoppers who each like a style, and a catalog that shows styles in an image.

    `image` has the style and noise, `audio` the style faintly, `noise` nothing; half of the
    items have no audio.
    """
    draw = np.random.default_rng(seed)
    style_of = np.arange(STYLES * EACH) % STYLES
    likes = draw.integers(STYLES, size=SHOPPERS)
    shoppers = np.tile(np.arange(SHOPPERS, dtype=np.int32), VISITS)
    own = draw.random(len(shoppers)) < FAITHFUL
    styles = np.where(own, likes[shoppers], draw.integers(STYLES, size=len(shoppers)))
    items = (styles + STYLES * draw.integers(EACH, size=len(shoppers))).astype(np.int32)
    log = Log(
        name="simulated styles",
        shoppers=shoppers,
        categories=np.full(len(shoppers), -1, np.int32),
        items=items,
        at=BEGINS + np.linspace(0.0, 28 * DAY, len(shoppers)),
        sessions=np.zeros(len(shoppers), np.int64),
        actions=np.zeros(len(shoppers), np.int8),
        quantities=np.ones(len(shoppers)),
        shopper_names=[f"shopper {number}" for number in range(SHOPPERS)],
        category_names=[],
        item_names=[f"item {number}" for number in range(STYLES * EACH)],
    )
    return log, [CatalogEntries(_listed(style_of, draw))]


def _listed(style_of: NDArray[np.int64], draw: np.random.Generator) -> list[CatalogItem]:
    image = _vectors(style_of, 64, 1.0, draw)
    audio = _vectors(style_of, 20, 2.5, draw)
    noise = draw.normal(size=(len(style_of), 128))
    return [
        CatalogItem(
            item_id=f"item {number}",
            vectors={"image": image[number].tolist(), "noise": noise[number].tolist()}
            | ({"audio": audio[number].tolist()} if number % 2 else {}),
        )
        for number in range(len(style_of))
    ]


def _vectors(
    style_of: NDArray[np.int64], size: int, blur: float, draw: np.random.Generator
) -> Vectors:
    """A direction for each style, and each item's own noise of `blur` times its length."""
    return draw.normal(size=(STYLES, size))[style_of] + blur * draw.normal(
        size=(len(style_of), size)
    )
