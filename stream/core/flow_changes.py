"""What changed in the moves between categories, from one window to the next."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.core.flow_tests import benjamini_hochberg, two_sided, z_interaction, z_shares
from stream.core.rows import Float64s, Int64s

Way = tuple[str, str]
"""From a category, to a category."""
Moves = Mapping[Way, int]

LEAST_CELL = 16
"""Of what is tested both windows together hold so many."""
LEAST_ROW = 30
"""And of what it is a share of, each window holds so many."""


class Change(NamedTuple):
    """A test that passed. `origin` is None where the moves into `category` are all meant.

    `ratio` is of their share of all moves, now to before.
    """

    origin: str | None
    category: str
    before: int
    now: int
    ratio: float
    z: float


class _Table(NamedTuple):
    """Both windows' moves as columns, in the order of names; `origins` and `targets` index."""

    names: list[str]
    origins: Int64s
    targets: Int64s
    before: Float64s
    now: Float64s


def changes(before: Moves, now: Moves, rate: float, least: int) -> list[Change]:
    """Categories that more or fewer come to, then flows that grew beyond them.

    A category's part of all moves is compared, and a flow's part of its origin's moves with
    what the same target's part of all other moves did. `rate` is the share of what is returned
    that chance may explain, in each of the two families. Nothing is returned that rests on
    fewer than `least` moves.

    Examples
    --------
    >>> before = {("tents", "boats"): 40, ("tents", "lamps"): 160}
    >>> now = {("tents", "boats"): 90, ("tents", "lamps"): 110}
    >>> [(c.category, c.before, c.now) for c in changes(before, now, rate=0.05, least=10)]
    [('boats', 40, 90), ('lamps', 160, 110)]
    """
    table = _table(before, now)
    if min(table.before.sum(), table.now.sum()) < LEAST_ROW:
        return []
    return _arrivals(table, rate, least) + _flows(table, rate, least)


def _table(before: Moves, now: Moves) -> _Table:
    ways = sorted(before.keys() | now.keys())
    names = sorted({name for way in ways for name in way})
    number = {name: place for place, name in enumerate(names)}
    return _Table(
        names,
        np.array([number[origin] for origin, _ in ways], np.int64),
        np.array([number[target] for _, target in ways], np.int64),
        np.array([before.get(way, 0) for way in ways], np.float64),
        np.array([now.get(way, 0) for way in ways], np.float64),
    )


def _arrivals(table: _Table, rate: float, least: int) -> list[Change]:
    before = _summed(table.targets, table.before, table)
    now = _summed(table.targets, table.now, table)
    tested = (before + now >= LEAST_CELL) & (np.maximum(before, now) >= least)
    z = z_shares(before, before.sum(), now, now.sum())
    passed = _passed(z, tested, rate) & (np.where(z > 0.0, now, np.maximum(before, now)) >= least)
    return [
        Change(
            None, table.names[place], *_numbers(table, before[place], now[place]), float(z[place])
        )
        for place in np.flatnonzero(passed).tolist()
    ]


def _flows(table: _Table, rate: float, least: int) -> list[Change]:
    row_before, row_now = (_summed(table.origins, n, table) for n in (table.before, table.now))
    to_before, to_now = (_summed(table.targets, n, table) for n in (table.before, table.now))
    row_before, row_now = row_before[table.origins], row_now[table.origins]
    rest_before, rest_now = table.before.sum() - row_before, table.now.sum() - row_now
    tested = (table.before + table.now >= LEAST_CELL) & (
        np.minimum(np.minimum(row_before, row_now), np.minimum(rest_before, rest_now)) >= LEAST_ROW
    )
    z = np.zeros(len(tested))
    z[tested] = z_interaction(
        *(
            column[tested]
            for column in (
                table.before, row_before, table.now, row_now,
                to_before[table.targets] - table.before, rest_before,
                to_now[table.targets] - table.now, rest_now,
            )
        )
    )  # fmt: skip
    passed = _passed(z, tested, rate) & (z > 0.0) & (table.now >= least)
    return [
        Change(
            table.names[table.origins[place]],
            table.names[table.targets[place]],
            *_numbers(table, table.before[place], table.now[place]),
            float(z[place]),
        )
        for place in np.flatnonzero(passed).tolist()
    ]


def _passed(z: Float64s, tested: NDArray[np.bool_], rate: float) -> NDArray[np.bool_]:
    passed = np.zeros(len(z), bool)
    passed[tested] = benjamini_hochberg(two_sided(z[tested]), rate)
    return passed


def _summed(places: Int64s, counts: Float64s, table: _Table) -> Float64s:
    return np.bincount(places, weights=counts, minlength=len(table.names)).astype(np.float64)


def _numbers(table: _Table, before: float, now: float) -> tuple[int, int, float]:
    # Half a move more in both, so that what is new has a ratio too.
    share_before = (before + 0.5) / table.before.sum()
    return int(before), int(now), float((now + 0.5) / table.now.sum() / share_before)
