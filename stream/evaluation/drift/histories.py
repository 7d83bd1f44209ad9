"""Stored histories: one shopper's followed by another's, and shuffled, so that nothing moves."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from stream.core.calendar import Calendar
from stream.core.rows import Float32s, Int32s, Int64s
from stream.evaluation.drift.streams import Piece, Streams, joined
from stream.evaluation.logs import RETURNED, Log

SESSION_GAP = 1800.0
FEWEST_BLOCKS = 4
"""A history in fewer blocks can't be shuffled to say anything."""
MOST_EVENTS = 1000
PRIOR_EVENTS = 0.5
"""Each category counts as this much more, so that none has the share 0."""
Shuffle = Literal["session", "day"]


class History(NamedTuple):
    """One shopper's events with a category, in time order.

    `days` numbers days and `sessions` sessions, both counted up from 0.
    """

    categories: Int32s
    sessions: Int64s
    days: Int64s

    def blocks(self, by: Shuffle) -> list[slice]:
        """The pieces that are shuffled as wholes."""
        numbers = self.sessions if by == "session" else self.days
        cuts = np.flatnonzero(np.diff(numbers)) + 1
        ends = [0, *cuts.tolist(), len(numbers)]
        return [slice(start, end) for start, end in pairwise(ends)]


class Sizes(NamedTuple):
    """Events that streams are made of."""

    before: int
    after: int
    least: int
    """A history with fewer is not shuffled."""


LONG, SHORT = Sizes(300, 250, 300), Sizes(80, 100, 100)
ENOUGH_LONG = 400
"""Shoppers with that many events before a change, for changes to come so late."""


def histories(log: Log, session_gap: float = SESSION_GAP) -> list[History]:
    """Each shopper's history, in order of the shoppers' numbers."""
    having = (log.categories >= 0) & (log.actions != RETURNED)
    shoppers = log.shoppers[having]
    order = np.argsort(shoppers, kind="stable")
    shoppers, at = shoppers[order], log.at[having][order]
    ids = log.sessions[having][order]
    days = Calendar(log.time_zone).days_of(at)
    fresh = np.ones(len(shoppers), np.bool_)
    fresh[1:] = shoppers[1:] != shoppers[:-1]
    gap = np.zeros(len(shoppers), np.bool_)
    gap[1:] = (ids[1:] != ids[:-1]) | ((ids[1:] == 0) & (at[1:] - at[:-1] > session_gap))
    turn = np.zeros(len(shoppers), np.bool_)
    turn[1:] = days[1:] != days[:-1]
    columns = log.categories[having][order], np.cumsum(fresh | gap), np.cumsum(fresh | turn)
    starts = np.flatnonzero(fresh)[1:]
    parts = zip(*(np.split(column, starts) for column in columns), strict=True)
    return [History(*part) for part in parts]


def sizes_of(found: Sequence[History]) -> Sizes:
    """Long streams where enough histories are long, short ones elsewhere."""
    long = sum(len(history.categories) >= LONG.before for history in found)
    return LONG if long >= ENOUGH_LONG else SHORT


def popularity(found: Sequence[History], categories: int) -> Float32s:
    """Each category's share of all events, none of them 0."""
    counts = np.full(categories, PRIOR_EVENTS)
    for history in found:
        counts += np.bincount(history.categories, minlength=categories)
    return np.asarray(counts / counts.sum(), np.float32)


def usable(history: History, by: Shuffle, least: int) -> bool:
    """Whether there is something to shuffle."""
    return len(history.categories) >= least and len(history.blocks(by)) >= FEWEST_BLOCKS


def own(found: Sequence[History], by: Shuffle, least: int, most: int = MOST_EVENTS) -> Streams:
    """Histories in their own order, cut where a shuffled one would be."""
    return joined(
        [
            _piece(history, _enough(history.blocks(by), most))
            for history in found
            if usable(history, by, least)
        ]
    )


def shuffled(found: Sequence[History], by: Shuffle, least: int, times: int, seed: int) -> Streams:
    """Each history so many times, its blocks in random order: nothing moves but by chance."""
    generator = np.random.default_rng(seed)
    pieces = []
    for _ in range(times):
        for history in found:
            if usable(history, by, least):
                pieces.append(_piece(history, _some(history, by, MOST_EVENTS, generator)))
    return joined(pieces)


def spliced(
    found: Sequence[History], by: Shuffle, sizes: Sizes, count: int, seed: int, tail: int = 0
) -> Streams:
    """One shopper's shuffled history followed by another's: the interest moves in between.

    With `tail`, up to so many events more follow, where the second shopper has them.
    """
    generator = np.random.default_rng(seed)
    able = [history for history in found if len(history.blocks(by)) >= FEWEST_BLOCKS]
    first = [history for history in able if len(history.categories) >= sizes.before]
    second = [history for history in able if len(history.categories) >= sizes.after]
    pieces: list[Piece] = []
    while len(pieces) < count and first and len(second) > 1:
        one, other = (found[generator.integers(len(found))] for found in (first, second))
        if one is not other:
            pieces.append(_splice(one, other, by, sizes, tail, generator))
    return joined(pieces)


def _splice(
    one: History, other: History, by: Shuffle, sizes: Sizes, tail: int, generator: Generator
) -> Piece:
    before = _piece(one, _some(one, by, sizes.before, generator))
    blocks = _some(other, by, sizes.after + tail, generator)
    after = _piece(other, blocks)
    # What came is judged on as many events as without a tail.
    judged = _piece(other, _enough(blocks, sizes.after))
    left, came = _largest_moves(before.categories, judged.categories)
    sessions = np.concatenate([before.sessions, after.sessions + before.sessions[-1] + 1])
    categories = np.concatenate([before.categories, after.categories])
    return Piece(categories, sessions, len(before.categories), left, came)


def _largest_moves(before: Int32s, after: Int32s) -> tuple[tuple[int, int], tuple[int, int]]:
    """The two categories whose share fell most, and the two whose share rose most."""
    width = int(max(before.max(), after.max())) + 1
    rise = np.bincount(after, minlength=width) / len(after)
    rise -= np.bincount(before, minlength=width) / len(before)
    order = np.argsort(rise, kind="stable")
    return (int(order[0]), int(order[1])), (int(order[-1]), int(order[-2]))


def _some(history: History, by: Shuffle, events: int, generator: Generator) -> list[slice]:
    """Blocks in random order, until there are so many events."""
    blocks = history.blocks(by)
    return _enough([blocks[place] for place in generator.permutation(len(blocks))], events)


def _enough(blocks: Sequence[slice], events: int) -> list[slice]:
    taken, total = [], 0
    for block in blocks:
        taken.append(block)
        total += block.stop - block.start
        if total >= events:
            break
    return taken


def _piece(history: History, blocks: Sequence[slice]) -> Piece:
    """The blocks one after another; sessions end at each block's end at least."""
    categories = np.concatenate([history.categories[block] for block in blocks])
    sessions = np.concatenate([history.sessions[block] for block in blocks])
    place = np.repeat(np.arange(len(blocks)), [block.stop - block.start for block in blocks])
    ends: NDArray[np.bool_] = np.zeros(len(sessions), np.bool_)
    ends[1:] = (sessions[1:] != sessions[:-1]) | (place[1:] != place[:-1])
    return Piece(categories, np.cumsum(ends).astype(np.int64))
