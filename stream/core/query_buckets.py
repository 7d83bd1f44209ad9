"""What a query becomes: numbers of buckets, each of which remembers what was touched next."""

from itertools import pairwise

import numpy as np

from stream.core import transitions
from stream.core.compiled import kernel
from stream.core.features import words
from stream.core.ids import identify
from stream.core.rows import Int32s, Layout, Rows, zeros
from stream.core.transitions import TransitionRow

FEATURES = 16
"""Most buckets of one query."""
WORDS = 6
"""Most words of it."""
LETTERS = 3
"""In a piece of a word; its beginning and end count as a letter each."""
LONGEST = 256
"""Characters of a query that are looked at."""
SLOTS = 8
"""Categories remembered in a bucket; the one that weighs least makes room."""
TOUCHED = 0
"""The weight in use of a slot's two: how often the category was touched next."""

BUCKET: Layout = transitions.layout(SLOTS)


class AskedRow:
    """The buckets of one query: the first `used` count."""

    used: int
    buckets: Int32s


ASKED: Layout = np.dtype([("used", "i4"), ("buckets", "i4", FEATURES)], align=True)


def buckets_of(text: str, buckets: int) -> list[int]:
    """The buckets of a query, at most 16: of its words, of neighboring two, of pieces of words.

    A word that is mistyped still shares most of its pieces of three letters. Where there are
    too many pieces, those with the lowest numbers stay, so that queries alike keep the same.

    >>> stroller, mistyped = buckets_of("stroller", 4096), buckets_of("stoller", 4096)
    >>> len(stroller), len(set(stroller) & set(mistyped))
    (9, 5)
    >>> buckets_of("?!", 4096)
    []
    """
    found = words(text[:LONGEST])[:WORDS]
    pairs = [" ".join(pair) for pair in pairwise(found)]
    whole = [f"word {word}" for word in found] + [f"pair {pair}" for pair in pairs]
    first = list(dict.fromkeys(identify(name) % buckets for name in whole))
    pieces = {identify(f"piece {piece}") % buckets for word in found for piece in _pieces(word)}
    return [*first, *sorted(pieces.difference(first))][:FEATURES]


def asked(texts: list[str], buckets: int) -> Rows[AskedRow]:
    """The buckets of some queries, a row each, and at least one row."""
    rows = zeros(max(1, len(texts)), ASKED, AskedRow)
    for place, text in enumerate(texts):
        found = buckets_of(text, buckets)
        rows[place].used = len(found)
        rows[place].buckets[: len(found)] = found
    return rows


def _pieces(word: str) -> list[str]:
    """Three letters at a time; none of a word of two, as pairs of characters are."""
    if len(word) < LETTERS:
        return []
    marked = f"<{word}>"
    return [marked[at : at + LETTERS] for at in range(len(marked) - LETTERS + 1)]


@kernel
def learn(
    rows: Rows[TransitionRow],
    buckets: Int32s,
    used: int,
    category: int,
    at: float,
    half_life: float,
) -> None:
    """Count that a category was touched after a query with these buckets."""
    for place in range(used):
        transitions.add(rows[buckets[place]], category, TOUCHED, 1.0, at, half_life)
