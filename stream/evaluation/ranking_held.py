"""Which list each mover had in hand before each event after the move, by method."""

from typing import NamedTuple

import numpy as np

from stream.core import recents
from stream.core.compiled import kernel, outlined
from stream.core.recents import RecentsRow
from stream.core.rows import Float64s, Int32s, Int64s, Rows, zeros
from stream.evaluation.ranking_baselines import (
    LEADERS,
    RECENT_ITEMS,
    Popular,
    note,
)
from stream.evaluation.ranking_judge import SIZE
from stream.evaluation.ranking_published import Published
from stream.evaluation.ranking_splices import Moved
from stream.evaluation.ranking_walk import Flags, Walk

OWN = SIZE // 2
"""Items of the shopper's own in a list of plain recency, at most; the rest are neighbors."""
NOBODY = -1


class Simple(NamedTuple):
    """What plain recency and popularity know: most taken items, of all and of each category."""

    recents: Rows[RecentsRow]
    popular: Popular
    counts: Float64s
    leaders: Int32s
    used: Int64s


def sent(moved: Moved, shoppers: Int32s, lists: Published) -> Int32s:
    """The newest list that each mover was sent before each event, (movers, LOOKED + 1, 20).

    `shoppers` are the movers' numbers in the log that was replayed. -1 is no entry.
    """
    held = np.full((*moved.events.shape, SIZE), NOBODY, np.int32)
    for place, shopper in enumerate(shoppers.tolist()):
        own = np.flatnonzero(lists.shopper == shopper)
        newest = np.searchsorted(lists.after[own], moved.events[place], side="left") - 1
        for event in np.flatnonzero(newest >= 0).tolist():
            one = own[newest[event]]
            used = min(SIZE, int(lists.used[one]))
            held[place, event, :used] = lists.items[one, :used]
    return held


def alerted(moved: Moved, lists: Published) -> int:
    """How many movers were sent a list for an alert before the last event looked at."""
    count = 0
    for shopper, events in zip(moved.shoppers.tolist(), moved.events, strict=True):
        own = lists.told & (lists.shopper == shopper)
        count += bool((own & (lists.after >= events[0]) & (lists.after < events[-1])).any())
    return count


def simple(moved: Moved) -> tuple[Int32s, Int32s]:
    """The lists of plain recency and of popularity, remade before each event.

    Recency lists the ten items that the shopper took last, without the one on the screen, and
    fills up with the most taken items of their categories, one of each in turn.
    """
    steps = moved.walk
    asked = np.zeros(len(steps.at), np.bool_)
    asked[moved.events.ravel()] = True
    numbers = np.cumsum(asked) - 1
    found = np.full((2, int(asked.sum()), SIZE), NOBODY, np.int32)
    follow(steps, _state(steps, moved.fresh.shape[1]), asked, found)
    by_recency, by_popularity = found[:, numbers[moved.events]]
    return by_recency, by_popularity


def _state(steps: Walk, categories: int) -> Simple:
    unit = np.array([1.0, steps.at[0]])
    popular = Popular(
        np.zeros(steps.known), np.zeros(LEADERS, np.int32), np.zeros(1, np.int64), unit
    )
    return Simple(
        zeros(steps.people, recents.layout(RECENT_ITEMS), RecentsRow),
        popular,
        np.zeros(steps.known),
        np.zeros((categories, SIZE), np.int32),
        np.zeros((categories, 1), np.int64),
    )


@kernel
def add(held: Int32s, used: int, item: int, current: int) -> int:
    """Put an item at a list's end, unless it is there, on the screen, or the list is full."""
    if used == len(held) or item == current:
        return used
    for place in range(used):
        if held[place] == item:
            return used
    held[used] = item
    return used + 1


@kernel
def list_recent(walk: Walk, state: Simple, row: RecentsRow, held: Int32s) -> None:
    """What the shopper took last, then what is most taken of the same categories."""
    current, used = recents.low_at(row, 0) - 1, 0
    for place in range(1, min(recents.length(row), OWN + 1)):
        used = add(held, used, recents.low_at(row, place) - 1, current)
    for rank in range(SIZE):
        for place in range(recents.length(row)):
            group = walk.group[recents.low_at(row, place) - 1]
            if group >= 0 and rank < state.used[group, 0]:
                used = add(held, used, state.leaders[group, rank], current)


@kernel
def list_popular(state: Simple, row: RecentsRow, held: Int32s) -> None:
    """What is most taken of all."""
    current, used = recents.low_at(row, 0) - 1 if row.used else NOBODY, 0
    for place in range(state.popular.used[0]):
        used = add(held, used, state.popular.leaders[place], current)


@outlined
def follow(walk: Walk, state: Simple, asked: Flags, found: Int32s) -> None:
    """Make both lists before each event that is asked of, and learn all events."""
    number = 0
    for event in range(len(walk.at)):
        item, row = walk.items[event], state.recents[walk.shoppers[event]]
        if asked[event]:
            if row.used:
                list_recent(walk, state, row, found[0, number])
            list_popular(state, row, found[1, number])
            number += 1
        note(state.popular, walk, item)
        group = walk.group[item]
        if group >= 0:
            own = Popular(state.counts, state.leaders[group], state.used[group], state.popular.unit)
            note(own, walk, item)
        recents.push(row, item + 1, 0)


class Followed(NamedTuple):
    """How lists followed the movers, one row a mover.

    `shares`, (movers, LOOKED + 1), is the part of the list that is of the new interest, after
    so many events; `hits` says that the next event's item was in it, and counts where `novel`
    says that it is not the one on the screen. `old` is the part of what the shopper took before
    the move. `reached` is after how many events a list first was a half of the new interest,
    infinite for none of these.
    """

    shares: Float64s
    old: Float64s
    hits: Flags
    novel: Flags
    reached: Float64s


def followed(moved: Moved, held: Int32s) -> Followed:
    """Judge lists by the move."""
    there = held >= 0
    groups = np.where(there, moved.walk.group[held], NOBODY)
    movers = np.arange(len(held))[:, None, None]
    fresh = moved.fresh[movers, groups] & (groups >= 0)
    length = np.maximum(1, there.sum(axis=2))
    shares, old = fresh.sum(axis=2) / length, _old(moved, held).sum(axis=2) / length
    hits = (held == moved.walk.items[moved.events][:, :, None]).any(axis=2)
    half = shares >= 0.5
    reached = np.where(half.any(axis=1), half.argmax(axis=1).astype(np.float64), np.inf)
    return Followed(shares, old, hits, _novel(moved), reached)


def _old(moved: Moved, held: Int32s) -> Flags:
    """The entries that the mover took before the move."""
    return np.stack([np.isin(own, had) for own, had in zip(held, moved.had, strict=True)])


def _novel(moved: Moved) -> Flags:
    """By mover and event, whether it is of another item than the shopper's event before."""
    taken = moved.walk.items[moved.events]
    before = [had[-1] if len(had) else NOBODY for had in moved.had]
    return np.asarray(taken != np.column_stack([before, taken[:, :-1]]))
