"""What clicks on lists say of the reasons in them, freed of where in the list they stood.

A position-based model (Craswell et al. 2008; Chuklin et al. 2015, Click Models for Web Search):
an entry is clicked if its place is examined and its reason appeals. Only counts by place and
reason are kept, which are all that this model can learn from; so neither the order in which
impressions and clicks arrive nor how late they are matters. Now and then a few steps of EM
over the counts find both.
"""

from typing import NamedTuple, Self

import numpy as np

from stream.core.candidates import CHANNELS
from stream.core.compiled import kernel, outlined
from stream.core.rows import Float64s, Layout, Rows, pack, unpack, zeros

REASONS = CHANNELS + 2
"""The channels, what the shopper had before, and what was searched for."""
PLACES = 32
"""Places that are told apart; those further down are as the last."""
EVERY, STEPS = 64, 4
"""Impressions and clicks between two fits, and steps of EM in each."""
CAUTION = 50.0
"""Impressions that it takes until a reason's own clicks count as much as those of all."""
LEAST, MOST = 0.5, 2.0
"""How far feedback may change what a reason is worth."""
ENOUGH = 1e6
"""After so many impressions all counts are halved, so that the old ones fade."""


class ClicksRow:
    """What a shard was told of its lists. Served state: no law covers it.

    `shown` and `clicked` have a row a place and a column a reason. `examined` is by place,
    `appeal` by reason, `common` the appeal of all; `told` counts since the last fit.
    """

    shown: Float64s
    clicked: Float64s
    examined: Float64s
    appeal: Float64s
    worth: Float64s
    common: float
    told: int


LAYOUT: Layout = np.dtype(
    [
        ("shown", "f8", (PLACES, REASONS)),
        ("clicked", "f8", (PLACES, REASONS)),
        ("examined", "f8", PLACES),
        ("appeal", "f8", REASONS),
        ("worth", "f8", REASONS),
        ("common", "f8"),
        ("told", "i8"),
    ],
    align=True,
)


class Clicks(NamedTuple):
    """The row, as kernels take it."""

    rows: Rows[ClicksRow]

    @classmethod
    def of(cls) -> Self:
        """One that was told nothing: all reasons are worth the same."""
        rows = zeros(1, LAYOUT, ClicksRow)
        start(rows[0])
        return cls(rows)

    def pack(self) -> bytes:
        """What was learned, as bytes to store."""
        return pack(self.rows)

    def restored(self, stored: bytes) -> Self:
        """The same, with what `pack` gave; it raises ValueError if that has another layout."""
        return self._replace(rows=unpack(stored, LAYOUT, ClicksRow))


class ReasonRecord(NamedTuple):
    """How entries with one reason did."""

    shown: int
    clicked: int
    worth: float
    """Its clicks where it was examined, beside those of all; by this its scores are multiplied."""


def records(row: ClicksRow) -> list[ReasonRecord]:
    """By reason, in the order of `ranking.REASONS`."""
    shown, clicked = row.shown.sum(axis=0), row.clicked.sum(axis=0)
    return [
        ReasonRecord(round(float(shown[one])), round(float(clicked[one])), float(row.worth[one]))
        for one in range(REASONS)
    ]


@kernel
def start(row: ClicksRow) -> None:
    """Begin where EM begins: each place is examined less, each reason appeals alike."""
    row.common = 0.1
    for place in range(PLACES):
        row.examined[place] = 1.0 / (1.0 + 0.2 * place)
    for reason in range(REASONS):
        row.appeal[reason] = row.common
        row.worth[reason] = 1.0


@outlined
def show(row: ClicksRow, place: int, reason: int, clicked: bool) -> None:
    """Count that an entry was shown, or clicked; a click of what was not shown is both."""
    place = min(place, PLACES - 1)
    if clicked:
        row.clicked[place, reason] += 1.0
        row.shown[place, reason] = max(row.shown[place, reason], row.clicked[place, reason])
    else:
        row.shown[place, reason] += 1.0
    row.told += 1
    if row.told % EVERY == 0:
        fit(row)


@kernel
def fit(row: ClicksRow) -> None:
    """A few steps of EM, then what each reason is worth beside the others."""
    fade(row)
    for _ in range(STEPS):
        examine(row)
        appeal(row)
    for reason in range(REASONS):
        worth = row.appeal[reason] / row.common
        row.worth[reason] = min(max(worth, LEAST), MOST)


@kernel
def fade(row: ClicksRow) -> None:
    """Halve all counts once there are enough."""
    total = 0.0
    for place in range(PLACES):
        for reason in range(REASONS):
            total += row.shown[place, reason]
    if total < ENOUGH:
        return
    for place in range(PLACES):
        for reason in range(REASONS):
            row.shown[place, reason] *= 0.5
            row.clicked[place, reason] *= 0.5


@kernel
def unclicked(one: float, other: float) -> float:
    """The chance of one cause of a click though there was none: the other may have lacked."""
    return one * (1.0 - other) / max(1e-9, 1.0 - one * other)


@kernel
def examine(row: ClicksRow) -> None:
    """How often each place is examined, by the appeal of what stood there; the first is 1."""
    most = 1e-9
    for place in range(PLACES):
        seen, shown = 0.0, 0.0
        for reason in range(REASONS):
            clicked = row.clicked[place, reason]
            missed = row.shown[place, reason] - clicked
            seen += clicked + missed * unclicked(row.examined[place], row.appeal[reason])
            shown += row.shown[place, reason]
        if shown > 0.0:
            row.examined[place] = seen / shown
            most = max(most, row.examined[place])
    for place in range(PLACES):
        row.examined[place] = min(1.0, row.examined[place] / most)


@kernel
def appeal(row: ClicksRow) -> None:
    """How often each reason is clicked where it is examined, drawn to what all are."""
    liked, weighed = 0.0, 0.0
    for place in range(PLACES):
        for reason in range(REASONS):
            liked += row.clicked[place, reason]
            weighed += row.shown[place, reason] * row.examined[place]
    row.common = min(1.0, (liked + 0.1) / (weighed + 1.0))
    for reason in range(REASONS):
        found, shown = CAUTION * row.common, CAUTION
        for place in range(PLACES):
            clicked = row.clicked[place, reason]
            missed = row.shown[place, reason] - clicked
            found += clicked + missed * unclicked(row.appeal[reason], row.examined[place])
            shown += row.shown[place, reason]
        row.appeal[reason] = found / shown
