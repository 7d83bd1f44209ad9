"""Shoppers whose law is known: independent events, or bursts, around a known change."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from stream.core.rows import Float64s, Int32s, Int64s
from stream.evaluation.drift.streams import NO_CHANGE, Piece, Streams, joined

SHIFTS = {"strong": (0.5, 0.05), "medium": (0.35, 0.10), "weak": (0.25, 0.12)}
"""Shares of the two categories that change places; the others share the rest evenly."""
MAIN_SHARE = 0.4
"""Of the third category, where the one that shrinks is not the main one."""
SESSION_EVENTS, REPEAT = 6, 0.7
"""Bursts: mean events of a session, and how often an event repeats the one before it."""
AFTER = 400
NULL_EVENTS = 1000


class Bench(NamedTuple):
    """One way in which shoppers may move."""

    name: str
    categories: int = 12
    before: int = 600
    gradual: int = 0
    """Events over which the new law takes over, 0 for at once."""
    overshadowed: bool = False
    """A third category is the main one, and the change is smaller by as much."""
    bursts: bool = False


BENCHES = (
    Bench("12 categories"),
    Bench("200 categories", categories=200),
    Bench("gradual over 50 events", gradual=50),
    Bench("60 events before", before=60),
    Bench("not the main category", overshadowed=True),
    Bench("bursty sessions", bursts=True),
)


def law(bench: Bench, leading: int, other: int, shift: str) -> Float64s:
    """Each category's chance while `leading` is the larger of the two that swap."""
    large, small = SHIFTS[shift]
    chances = np.full(bench.categories, (1 - large - small) / (bench.categories - 2))
    chances[leading], chances[other] = large, small
    if bench.overshadowed:
        chances *= 1 - MAIN_SHARE
        chances[2] += MAIN_SHARE
    return chances


def moves(bench: Bench, shift: str, count: int, seed: int) -> Streams:
    """Shoppers who move from category 0 to category 1."""
    generator = np.random.default_rng(seed)
    old, new = law(bench, 0, 1, shift), law(bench, 1, 0, shift)
    pieces = [_stream(generator, bench, old, new, bench.before, AFTER) for _ in range(count)]
    return joined([piece._replace(left=(0, 0), came=(1, 1)) for piece in pieces])


def nulls(bench: Bench, count: int, seed: int) -> Streams:
    """Shoppers who don't move, so many for each of the three laws, in turn."""
    generator = np.random.default_rng(seed)
    events = NULL_EVENTS if bench.before >= NULL_EVENTS / 2 else bench.before + AFTER
    laws = [law(bench, 0, 1, shift) for shift in SHIFTS]
    return joined(
        [
            _stream(generator, bench, old, old, events, 0)._replace(change=NO_CHANGE)
            for _ in range(count)
            for old in laws
        ]
    )


def _stream(
    generator: Generator, bench: Bench, old: Float64s, new: Float64s, before: int, after: int
) -> Piece:
    if bench.bursts:
        return Piece(*_bursts(generator, old, new, before, after), change=before)
    first, then = _drawn(generator, old, before), _drawn(generator, new, after)
    blend = min(bench.gradual, after)
    if blend:
        earlier = generator.random(blend) >= (np.arange(blend) + 1) / blend
        then[:blend][earlier] = _drawn(generator, old, blend)[earlier]
    sessions = np.arange(before + after, dtype=np.int64)
    return Piece(np.concatenate([first, then]), sessions, change=before)


def _drawn(generator: Generator, chances: Float64s, count: int) -> Int32s:
    ends = np.cumsum(chances)
    drawn = np.searchsorted(ends, generator.random(count) * ends[-1], side="right")
    return np.asarray(drawn, np.int32)


def _bursts(
    generator: Generator, old: Float64s, new: Float64s, before: int, after: int
) -> tuple[Int32s, Int64s]:
    """Sessions of a few events, in which an event often repeats the one before it."""
    total = before + after
    lengths = generator.geometric(1 / SESSION_EVENTS, total)
    sessions = np.repeat(np.arange(total, dtype=np.int64), lengths)[:total]
    categories = np.concatenate([_drawn(generator, old, before), _drawn(generator, new, after)])
    repeats = generator.random(total) < REPEAT
    repeats[1:] &= sessions[1:] == sessions[:-1]
    repeats[0] = False
    # Each event shows the one that its run of repeats began with.
    shown = np.maximum.accumulate(np.where(repeats, 0, np.arange(total)))
    return categories[shown], sessions
