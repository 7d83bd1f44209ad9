"""What an item's words, attributes and vectors become: numbers of buckets, and short vectors."""

import math
import re
from functools import lru_cache

import numpy as np

from stream.core.ids import identify
from stream.core.rows import Int8s
from stream.messages import CatalogItem

TEXTS, ATTRIBUTES = 12, 6
"""Most features of an item's title, and of all else."""
HALF_OCTAVES = 2.0
"""Price bands in each doubling of the price."""
LARGEST = 127
# Scripts that put no spaces between words: Han, Kana, Hangul, Thai.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f"
_WORD = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_RUN = re.compile(rf"[{_UNSPACED}]")


def words(text: str) -> list[str]:
    """The distinct words of a text, lower case, in their order.

    Where a script has no spaces, pairs of neighboring characters stand for its words.

    >>> words("Nordhal Tent 610, tent")
    ['nordhal', 'tent', '610']
    >>> words("儿童推车 2024")
    ['儿童', '童推', '推车', '2024']
    """
    found: dict[str, None] = {}
    for word in _WORD.findall(text.casefold()):
        if _RUN.match(word) and len(word) > 1:
            found |= dict.fromkeys(word[at : at + 2] for at in range(len(word) - 1))
        else:
            found[word] = None
    return list(found)


def attributes(item: CatalogItem) -> list[str]:
    """Brand, category path from its end, price band, and brand within category, as words."""
    parts = [part.strip() for part in (item.category or "").split(">") if part.strip()]
    found = [f"category {part}" for part in parts[:-4:-1]]
    if item.brand:
        found.append(f"brand {item.brand.casefold()}")
    if item.brand and parts:
        found.append(f"brand {item.brand.casefold()} of {parts[-1]}")
    if item.price is not None and 0.0 < item.price < math.inf:
        found.append(f"price {math.floor(HALF_OCTAVES * math.log2(item.price))}")
    return found


def text_buckets(item: CatalogItem, buckets: int, seed: int) -> list[int]:
    """The buckets of the title's words."""
    return [identify(f"text {word}", seed) % buckets for word in words(item.title or "")[:TEXTS]]


def attribute_buckets(item: CatalogItem, buckets: int, seed: int) -> list[int]:
    """The buckets of the item's attributes."""
    return [identify(word, seed) % buckets for word in attributes(item)[:ATTRIBUTES]]


def projected(source: str, vector: list[float], size: int, seed: int) -> Int8s | None:
    """The vector, of any length, as `size` numbers of -127 to 127; None if it has no direction.

    A random projection by signs that the source's name and `seed` decide, so that angles stay
    about the same (Achlioptas 2003, Database-friendly random projections).
    """
    values = np.array(vector, np.float64)
    largest = float(np.abs(values).max())
    if not 0.0 < largest < math.inf:
        return None
    # Summed by NumPy, not by a BLAS, whose sums depend on the machine.
    made = (_signs(source, len(values), size, seed) * (values / largest)).sum(axis=1)
    highest = float(np.abs(made).max())
    if highest == 0.0:
        return None
    return np.asarray(np.round(made * (LARGEST / highest)), np.int8)


@lru_cache(maxsize=16)
def _signs(source: str, width: int, size: int, seed: int) -> Int8s:
    """A matrix of 1 and -1, `size` by `width`."""
    key = identify(f"{source} {width}", seed) % (1 << 64)
    raw = np.random.Philox(key=key).random_raw(size * width)
    signs = ((raw >> np.uint64(63)).astype(np.int8) << 1) - 1
    return np.asarray(signs.reshape(size, width), np.int8)
