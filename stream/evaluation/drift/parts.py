"""A log's shoppers in parts: what is learned on one is reported on another."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stream.core.rows import Float32s
from stream.evaluation.drift.contest import Effort
from stream.evaluation.drift.histories import (
    History,
    Shuffle,
    Sizes,
    popularity,
    shuffled,
    sizes_of,
    spliced,
    usable,
)
from stream.evaluation.drift.streams import Streams

MOST_SHOPPERS = 600
MOST_SHUFFLES = 10
AMENDED_AFTER = 100


class Streamed(NamedTuple):
    """Streams of one part of the shoppers."""

    by_day: Streams
    """Shuffled by day, so that nothing moves."""
    by_session: Streams
    spliced: Streams


class Parts(NamedTuple):
    """The shoppers' histories: a quarter for the popularity table, half of the others to tune."""

    table: list[History]
    tuning: list[History]
    test: list[History]
    sizes: Sizes

    def popularity(self, categories: int) -> Float32s:
        return popularity(self.table, categories)


def parted(found: Sequence[History], seed: int) -> Parts:
    """Three parts at random; of the last two, at most 600 shoppers each."""
    order = np.random.default_rng(seed).permutation(len(found)).tolist()
    quarter, half = len(found) // 4, len(found) * 5 // 8
    table, tuning, test = (
        [found[place] for place in part]
        for part in (order[:quarter], order[quarter:half], order[half:])
    )
    return Parts(table, tuning[:MOST_SHOPPERS], test[:MOST_SHOPPERS], sizes_of(found))


def streamed(found: Sequence[History], sizes: Sizes, effort: Effort, seed: int) -> Streamed:
    """Shuffled and spliced histories."""
    draws = np.random.SeedSequence(seed).generate_state(3).tolist()
    times = times_for(found, "day", sizes.least, effort.events)
    return Streamed(
        shuffled(found, "day", sizes.least, times, draws[0]),
        shuffled(found, "session", sizes.least, times, draws[1]),
        spliced(found, "day", sizes, effort.splices, draws[2], AMENDED_AFTER),
    )


def times_for(found: Sequence[History], by: Shuffle, least: int, enough: int) -> int:
    """How often to shuffle each history for enough events, 10 times at most."""
    events = sum(min(len(one.categories), 1000) for one in found if usable(one, by, least))
    return max(1, min(MOST_SHUFFLES, -(-enough // max(events, 1))))
