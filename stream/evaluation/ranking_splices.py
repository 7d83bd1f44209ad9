"""Shoppers whose interest is known to have moved: in a simulated shop, or spliced of real ones."""

from typing import NamedTuple

import numpy as np

from stream.core.rows import Float64s, Int32s, Int64s
from stream.evaluation.logs import Log, read_log
from stream.evaluation.ranking_walk import Flags, Walk, walk
from stream.evaluation.scenarios import DAY, SESSIONS, STARTS_AT, Shop
from stream.settings import Settings
from stream.storage.event_log import Accepted

LOOKED = 50
"""Events after a move whose lists are looked at."""
BEFORE = 50
"""Events of a spliced shopper before the splice, at least: about what the detector needs."""
MOST = 600
"""Of more shoppers, so many are spliced."""
FEWEST = 10
MOVERS = 0.8
"""The share of simulated shoppers who move, of those who come often enough."""


class Moved(NamedTuple):
    """A log, and the shoppers in it whose interest moved once.

    `events` has shape (movers, LOOKED + 1): the first events after the move, by their place in
    the walk; `had` has the items of each mover's events before it. `fresh`, of shape (movers,
    categories), marks what is the new interest. `told` is the same log where each mover is
    another shopper from the move on, number `told_shoppers`.
    """

    log: Log
    walk: Walk
    shoppers: Int32s
    events: Int64s
    had: list[Int32s]
    fresh: Flags
    told: Log
    told_shoppers: Int32s


def simulated(users: int, seed: int, settings: Settings) -> Moved | None:
    """A simulated shop; the new interest is the category that a shopper moves to."""
    shop = Shop(users=users, seed=seed, movers=MOVERS)
    events = shop.before(STARTS_AT + SESSIONS * DAY)
    records = (
        Accepted("simulated", 0, None, None, round(one.occurred_at * 1000),
                 one.user_id.encode(), one.value)
        for one in events
    )  # fmt: skip
    log = read_log("simulated shop", records, settings)
    shopper_of = {name: number for number, name in enumerate(log.shopper_names)}
    category_of = {name: number for number, name in enumerate(log.category_names)}
    moves = [move for move in shop.moves if move.to_category in category_of]
    shoppers = np.array([shopper_of[move.user_id] for move in moves], np.int32)
    fresh = np.zeros((len(moves), len(log.category_names)), np.bool_)
    fresh[np.arange(len(moves)), [category_of[move.to_category] for move in moves]] = True
    # The log has times to the millisecond, as events do.
    return _moved(log, shoppers, np.array([round(move.moved_at, 3) for move in moves]), fresh)


def spliced(log: Log, steps: Walk, seed: int) -> Moved | None:
    """From one moment on, each of a log's busiest shoppers goes on as another of them.

    So nothing else in the shop changes: the same items are taken at the same times. The new
    interest is every category that has a larger share of the shopper's next 51 events than it
    had before. None where fewer than 10 shoppers have enough events on both sides.
    """
    period = max(range(1, len(steps.cuts) - 1), key=lambda one: len(able(steps, one)))
    chosen = np.random.default_rng(seed).permutation(able(steps, period))[:MOST]
    if len(chosen) < FEWEST:
        return None
    at = float(steps.at[steps.cuts[period]])
    becomes = np.arange(len(log.shopper_names), dtype=np.int32)
    becomes[np.roll(chosen, -1)] = chosen
    shoppers = np.where(log.at >= at, becomes[log.shoppers], log.shoppers)
    made = log._replace(shoppers=shoppers)
    none = np.zeros((len(chosen), len(log.category_names)), np.bool_)
    found = _moved(made, chosen.astype(np.int32), np.full(len(chosen), at), none)
    return found and found._replace(fresh=_rising(found))


def able(steps: Walk, period: int) -> Int64s:
    """The shoppers with enough events with a category before and from the start of a period."""
    cut, having = int(steps.cuts[period]), steps.group[steps.items] >= 0
    before, after = (
        np.bincount(steps.shoppers[part][having[part]], minlength=steps.people)
        for part in (slice(None, cut), slice(cut, None))
    )
    return np.flatnonzero((before >= BEFORE) & (after > LOOKED))


def _moved(log: Log, shoppers: Int32s, at: Float64s, fresh: Flags) -> Moved | None:
    """The movers with enough events after their moves; None if they are few."""
    steps = walk(log)
    order = np.argsort(steps.shoppers, kind="stable")
    ends = np.searchsorted(steps.shoppers[order], np.arange(len(log.shopper_names) + 1))
    every = [order[ends[shopper] : ends[shopper + 1]] for shopper in shoppers.tolist()]
    cuts = [int(np.searchsorted(steps.at[own], one)) for own, one in zip(every, at, strict=True)]
    kept = [place for place, cut in enumerate(cuts) if len(every[place]) - cut > LOOKED]
    if len(kept) < FEWEST:
        return None
    events = np.stack([every[place][cuts[place] :][: LOOKED + 1] for place in kept])
    had = [steps.items[every[place][: cuts[place]]] for place in kept]
    movers, people = shoppers[kept], len(log.shopper_names) + np.arange(len(kept), dtype=np.int32)
    told = _told(log, movers, at[kept], people)
    return Moved(log, steps, movers, events, had, fresh[kept], told, people)


def _told(log: Log, movers: Int32s, at: Float64s, people: Int32s) -> Log:
    """The log in which each mover is a new shopper from the move on."""
    since, becomes = (
        np.full(len(log.shopper_names), np.inf),
        np.zeros(len(log.shopper_names), np.int32),
    )
    since[movers], becomes[movers] = at, people
    moved = log.at >= since[log.shoppers]
    names = [f"{log.shopper_names[mover]}, moved" for mover in movers.tolist()]
    return log._replace(
        shoppers=np.where(moved, becomes[log.shoppers], log.shoppers),
        shopper_names=[*log.shopper_names, *names],
    )


def _rising(moved: Moved) -> Flags:
    """By mover, the categories with a larger share after the move than before."""
    group, rows, width = moved.walk.group, [], moved.fresh.shape[1]
    for had, after in zip(moved.had, moved.walk.items[moved.events], strict=True):
        rows.append(_shares(group[after], width) > _shares(group[had], width))
    return np.stack(rows)


def _shares(groups: Int32s, width: int) -> Float64s:
    counts = np.bincount(groups[groups >= 0], minlength=width)
    return np.asarray(counts / max(1, counts.sum()))
