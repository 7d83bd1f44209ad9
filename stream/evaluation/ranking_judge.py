"""How good a list was, on the terms that all rankings share."""

from typing import NamedTuple

import numpy as np

from stream.core.compiled import kernel, outlined
from stream.core.rows import Float64s, Int32s, Int64s, Layout
from stream.evaluation.ranking_walk import Walk

SIZE = 20
"""Entries of a list."""


class VerdictRow:
    """How one list did, and what it held.

    Where `asked` is 0 there was none. `rank` is the place of the item that came, from 1, of
    equals the middle one, 0 if it was no candidate; `novel_rank` is the same without the item
    that the shopper looks at. `fresh` says that what came is not that item. `rarity` and
    `percentile` are means over the first `listed` entries, at most 20; `variety` is the share of
    distinct categories among those with one, -1 without any.
    """

    asked: int
    fresh: int
    rank: float
    novel_rank: float
    listed: int
    rarity: np.float32
    percentile: np.float32
    variety: np.float32


VERDICT: Layout = np.dtype(
    [
        ("asked", "u1"),
        ("fresh", "u1"),
        ("rank", "f8"),
        ("novel_rank", "f8"),
        ("listed", "i4"),
        ("rarity", "f4"),
        ("percentile", "f4"),
        ("variety", "f4"),
    ],
    align=True,
)


class Board(NamedTuple):
    """Room for the scores of one list's candidates.

    `amounts` has an entry an item, 0 for what is no candidate; `touched` names the candidates.
    `best` is for the list, `shown` counts in how many lists each item was.
    """

    amounts: Float64s
    touched: Int32s
    best: Int32s
    shown: Int64s


def board(known: int) -> Board:
    """An empty one for so many items."""
    return Board(
        np.zeros(known), np.zeros(known, np.int32), np.zeros(SIZE, np.int32),
        np.zeros(known, np.int64),
    )  # fmt: skip


@kernel
def add(board: Board, count: int, item: int, amount: float) -> int:
    """Add a positive amount to an item's score; how many candidates there are now."""
    if board.amounts[item] == 0.0:
        board.touched[count] = item
        count += 1
    board.amounts[item] += amount
    return count


@kernel
def clear(board: Board, count: int) -> None:
    """Make room for the next list."""
    for place in range(count):
        board.amounts[board.touched[place]] = 0.0


@kernel
def ahead(board: Board, walk: Walk, one: int, other: int) -> bool:
    """Whether an item is listed before another; of equals, the lower id goes first."""
    mine, its = board.amounts[one], board.amounts[other]
    if mine != its:
        return bool(mine > its)
    return bool(walk.order[one] < walk.order[other])


@kernel
def choose(board: Board, walk: Walk, count: int) -> int:
    """Write the best candidates into `best`; how many."""
    used = 0
    for place in range(count):
        item = int(board.touched[place])
        if used == SIZE and not ahead(board, walk, item, board.best[used - 1]):
            continue
        used = min(used + 1, SIZE)
        spot = used - 1
        while spot > 0 and ahead(board, walk, item, board.best[spot - 1]):
            board.best[spot] = board.best[spot - 1]
            spot -= 1
        board.best[spot] = item
    return used


@kernel
def describe(verdict: VerdictRow, board: Board, walk: Walk, used: int) -> None:
    """Note what a list of `used` entries held."""
    rarity, percentile, grouped, distinct = 0.0, 0.0, 0, 0
    for place in range(used):
        item = board.best[place]
        board.shown[item] += 1
        rarity += walk.rarity[item]
        percentile += walk.percentile[item]
        if walk.group[item] >= 0:
            grouped += 1
            again = False
            for other in range(place):
                again = again or walk.group[board.best[other]] == walk.group[item]
            distinct += 0 if again else 1
    verdict.listed = used
    verdict.rarity = np.float32(rarity / used) if used else np.float32(0.0)
    verdict.percentile = np.float32(percentile / used) if used else np.float32(0.0)
    verdict.variety = np.float32(distinct / grouped) if grouped else np.float32(-1.0)


@outlined
def judge(
    verdict: VerdictRow, board: Board, walk: Walk, count: int, came: int, current: int
) -> None:
    """Judge `count` candidates, now that the item `came` came to who looked at `current`."""
    score = board.amounts[came]
    above, equal = 0, 0
    for place in range(count):
        other = board.amounts[board.touched[place]]
        above += other > score
        equal += other == score
    verdict.asked = 1
    verdict.fresh = 1 if came != current else 0
    verdict.rank = 1.0 + above + 0.5 * (equal - 1) if score > 0.0 else 0.0
    verdict.novel_rank = 0.0
    if score > 0.0 and came != current:
        verdict.novel_rank = verdict.rank
        if board.amounts[current] > score:
            verdict.novel_rank -= 1.0
        elif board.amounts[current] == score:
            verdict.novel_rank -= 0.5
    describe(verdict, board, walk, choose(board, walk, count))
