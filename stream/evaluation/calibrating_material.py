"""What a calibration is made of: shuffled and spliced histories of a log's shoppers."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stream.core.rows import Float32s
from stream.errors import StreamError
from stream.evaluation.drift.histories import (
    FEWEST_BLOCKS,
    PRIOR_EVENTS,
    History,
    Shuffle,
    Sizes,
    histories,
    own,
    popularity,
    shuffled,
    sizes_of,
    spliced,
    usable,
)
from stream.evaluation.drift.methods import Ours
from stream.evaluation.drift.parts import times_for
from stream.evaluation.drift.streams import Streams, concatenated
from stream.evaluation.logs import Log

FEWEST_FOR_TABLE, FEWEST_TO_SHUFFLE = 200, 150
TABLE_PART = 0.25
SPLICES = 500
WHOLE = 10**9
DAY = 86_400.0


class Table(NamedTuple):
    """How popular each category is, as some of the shoppers show."""

    shares: Float32s
    """By number of the category; one that was not met has the share `others`."""
    met: dict[str, float]
    others: float


class Half(NamedTuple):
    """Shuffled and spliced histories of half of the shoppers."""

    quiet: Streams
    moved: Streams


class Material(NamedTuple):
    """A log made ready: the popularity table, and streams of shoppers who are not in it."""

    table: Table
    ours: Ours
    halves: tuple[Half, Half]
    quiet: Streams
    """Of both halves together, to set thresholds on."""
    own: Streams
    """The same shoppers in their own order."""
    whole: Streams
    """All shoppers, uncut, in their own order."""
    days: float
    shoppers: int
    events: int


def material(
    log: Log, shuffle: Shuffle, session_gap: float, slots: int, events: int, seed: int
) -> Material:
    """Part the shoppers at random: a quarter for the table, the others for thresholds.

    Raises
    ------
    StreamError
        If there is too little history, naming what there is and what it takes.
    """
    found = histories(log, session_gap)
    order = np.random.default_rng(seed).permutation(len(found)).tolist()
    cut = max(FEWEST_FOR_TABLE, round(TABLE_PART * len(found)))
    chosen, others = ([found[place] for place in part] for part in (order[:cut], order[cut:]))
    sizes = sizes_of(found)
    able = [one for one in others if usable(one, shuffle, sizes.least)]
    _refuse_too_little(len(found), len(able), sizes, shuffle)
    table = _table(log, chosen)
    halves = _halves(able, shuffle, sizes, events, seed)
    return Material(
        table=table,
        ours=Ours(table.shares, slots),
        halves=halves,
        quiet=concatenated([half.quiet for half in halves]),
        own=own(able, shuffle, sizes.least),
        whole=own(found, "session", 1, WHOLE),
        days=max(float(log.at[-1] - log.at[0]) / DAY, 1.0),
        shoppers=len(found),
        events=sum(len(one.categories) for one in found),
    )


def _refuse_too_little(shoppers: int, able: int, sizes: Sizes, shuffle: Shuffle) -> None:
    if able < FEWEST_TO_SHUFFLE:
        raise StreamError(
            f"too little history to calibrate on: of {shoppers:,} shoppers, {FEWEST_FOR_TABLE} or "
            f"more are for the popularity table, and {able:,} of the others have {sizes.least} "
            f"events in {FEWEST_BLOCKS} {shuffle}s, where {FEWEST_TO_SHUFFLE} are needed: give "
            "a longer log, or run without a calibration"
        )


def _table(log: Log, chosen: Sequence[History]) -> Table:
    shares = popularity(chosen, len(log.category_names))
    events = sum(len(one.categories) for one in chosen)
    others = PRIOR_EVENTS / (events + PRIOR_EVENTS * len(log.category_names))
    met = sorted({number for one in chosen for number in one.categories.tolist()})
    return Table(
        shares, {log.category_names[number]: float(shares[number]) for number in met}, others
    )


def _halves(
    able: Sequence[History], by: Shuffle, sizes: Sizes, events: int, seed: int
) -> tuple[Half, Half]:
    draws = np.random.SeedSequence(seed).generate_state(4).tolist()
    times = times_for(able, by, sizes.least, events)
    middle = len(able) // 2

    def half(part: Sequence[History], first: int, second: int) -> Half:
        quiet = shuffled(part, by, sizes.least, times, first)
        return Half(quiet, spliced(part, by, sizes, SPLICES, second))

    return half(able[:middle], *draws[:2]), half(able[middle:], *draws[2:])
