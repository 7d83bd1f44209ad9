"""Shoppers and a shop of their own, watched over one horizon: the kernels without an engine."""

from typing import NamedTuple

import numpy as np

from stream.core import foresight, horizon_counts, knowledge, maturing, rows
from stream.core.codes import LAYOUT as CODE
from stream.core.codes import CodeRow
from stream.core.compiled import kernel, outlined
from stream.core.foresight import Foresight, Shopper
from stream.core.horizon import NEVER, Room, empty
from stream.core.horizon_counts import HorizonRow
from stream.core.horizon_features import Desk, Forgetting
from stream.core.ids import identify
from stream.core.knowledge import (
    ENTER,
    RETURN,
    STAY,
    TOTALS,
    UPDATE,
    CategoryRow,
    Rates,
    TotalsRow,
    Update,
)
from stream.core.maturing import Read, Settled, Shoppers
from stream.core.numbering import Numbering
from stream.core.rows import Int32s, Int64s, Layout, Rows, copied, zeros
from stream.core.updates import RECENT
from stream.settings import Settings

ADOPT_EVERY = 100
"""Events after which what is popular is looked up again."""


class WatchedRow:
    """A shopper: the counts, and the last distinct categories by number plus one, newest first."""

    key: int
    counts: HorizonRow
    recent: Int32s


WATCHED: Layout = np.dtype(
    [("key", "i8"), ("counts", horizon_counts.layout()), ("recent", "i4", RECENT)], align=True
)


class World(NamedTuple):
    """Shoppers, the shop that they make, and what is learned of both; one horizon."""

    shoppers: Rows[WatchedRow]
    desk: Desk
    own: Foresight
    updates: Rows[Update]
    rates: Rates


@kernel
def push(recent: Int32s, code: int) -> None:
    """Put a category in front; it stands there once."""
    place = 0
    while place < len(recent) - 1 and recent[place] != code + 1:
        place += 1
    while place > 0:
        recent[place] = recent[place - 1]
        place -= 1
    recent[0] = code + 1


@kernel
def teach(world: World, shopper: WatchedRow, code: int, at: float) -> None:
    """Let the shop learn the event."""
    update = world.updates[0]
    update.category_index, update.occurred_at = code, at
    for place in range(RECENT):
        update.recent_categories[place] = shopper.recent[place] - 1
    update.step = RETURN if horizon_counts.slot_of(shopper.counts, code) >= 0 else ENTER
    if shopper.recent[0] == code + 1:
        update.step = STAY
    knowledge.learn_category(world.desk.categories, world.desk.totals[0], update, world.rates)


@outlined
def learn(world: World, shopper: int, code: int, at: float, position: int) -> None:
    """One event: predict if it is the shopper's first in the period, then count it."""
    row, open = world.shoppers[shopper], world.own.opens[0]
    if foresight.begins(row.counts, open):
        who = Shopper(row.key, shopper, position, at, 0)
        foresight.foresee(world.desk, world.own, 0, row.counts, who)
    teach(world, row, code, at)
    horizon_counts.count(row.counts, world.desk.codes, code, at, open)
    push(row.recent, code)


class Watch:
    """Everything that one horizon's model needs, in a world of its own.

    Shoppers and categories are numbered in the order in which they are asked for.

    Parameters
    ----------
    long, short
        Half-lives of a shopper's counts, in seconds.
    least
        Events of a shopper in a period from which its three largest are told.
    panel
        Candidates that are remembered until the period ends.
    target
        The precision from which predictions are published; above 1, none are.
    predictions
        How many published ones can wait for their outcome.
    """

    def __init__(
        self,
        long: float,
        short: float,
        least: int,
        panel: int,
        target: float = NEVER,
        predictions: int = 1,
    ) -> None:
        settings = Settings()
        self.forgetting = Forgetting(
            float(settings.transition_half_life), float(settings.popularity_half_life)
        )
        self.shoppers: dict[str, int] = {}
        self.categories = Numbering(knowledge.category_layout(settings), CategoryRow, self._welcome)
        self.rows = zeros(1, WATCHED, WatchedRow)
        self.codes = zeros(1, CODE, CodeRow)
        self.totals = zeros(1, TOTALS, TotalsRow)
        self.own = empty(1, panel, predictions)
        self._target = target
        np.asarray(self.own.opens)[0] = (0, least, 0.0, 0.0, long, short)
        self._updates = zeros(1, UPDATE, Update)
        self._room = Room()
        self._rates = Rates(*self.forgetting, knowledge.rates(settings).factors)

    def shopper(self, name: str) -> int:
        """The shopper's number; a new one gets the next."""
        number = self.shoppers.setdefault(name, len(self.shoppers))
        if number >= len(self.rows):
            self.rows = rows.grown(self.rows, number + 1)
        self.rows[number].key = identify(name)
        return number

    def category(self, name: str) -> int:
        """The category's number; a new one gets the next."""
        ids = np.array([identify(name)], np.int64)
        number = int(self.categories.numbers(ids, np.zeros(1, np.int32))[0])
        self.categories.name(np.array([number], np.int32), [name])
        if number >= len(self.codes):
            self.codes = rows.grown(self.codes, number + 1)
        self.codes[number].id, self.codes[number].shop = int(ids[0]), number
        return number

    def known(self, category: str) -> int:
        """The category's number, -1 if it has none."""
        return self.categories.number_of(identify(category))

    def world(self) -> World:
        """The arrays of the moment; take them anew when a shopper or category came."""
        return World(self.rows, self.desk(), self.own, self._updates, self._rates)

    def desk(self) -> Desk:
        """The part of it that looks at shoppers need."""
        return self._room.desk(self.codes, self.categories.rows, self.totals, self.forgetting)

    def tables(self) -> list[np.ndarray]:
        """Views of all that is learned, in a fixed order."""
        shoppers, codes = len(self.shoppers), self.categories.used
        return [
            np.asarray(self.rows)[:shoppers],
            np.asarray(self.codes)[:codes],
            self.categories.used_rows(),
            self._room.popular,
            np.asarray(self.totals),
            *map(np.asarray, self.own),
        ]

    def adopt(self) -> None:
        """Look up what is popular."""
        self._room.rank(self.categories.rows, self.totals[0], self.categories.used, self.forgetting)

    def turn(self, period: int, began_at: float, ends_at: float) -> list[Settled]:
        """End the open period, learn from it, and open this one, which is above 0.

        What became of the ended period's predictions.
        """
        open, settled = self.own.opens[0], []
        if open.period > 0:
            read = self._reader()
            settled = maturing.outcomes(self.own, 0, self.codes, read)
            for _ in maturing.mature(self.own, 0, self.codes, read, self._target):
                pass
        maturing.clear(self.own, 0)
        open.period, open.began_at, open.ends_at = period, began_at, ends_at
        return settled

    def _welcome(self, _: Rows[CategoryRow], first: int, last: int) -> None:
        knowledge.welcome(self.totals[0], last - first)

    def _reader(self) -> Read:
        names = list(self.shoppers)
        keys = np.asarray(self.rows)["key"][: len(names)].tolist()
        places = {key: place for place, key in enumerate(keys)}

        def read(keys: Int64s) -> Shoppers:
            chosen = [places[key] for key in keys.tolist()]
            counts = np.asarray(self.rows)["counts"][chosen]
            return copied(counts, len(counts)), [names[place] for place in chosen]

        return read
