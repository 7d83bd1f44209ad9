"""Our ranking over a whole log, frozen within each period: the kernels of the product."""

from typing import NamedTuple, Self

import numpy as np

from stream.core import migration_slots, predictor, ranking, recents, table
from stream.core.blend import Blend, BlendRow
from stream.core.clicks import Clicks, ClicksRow
from stream.core.codes import LAYOUT as CODE
from stream.core.codes import CodeRow
from stream.core.compiled import kernel, outlined
from stream.core.engine import trace
from stream.core.engine_rows import PLACES
from stream.core.ids import NONE, identify
from stream.core.migration_slots import MigrationRow
from stream.core.predictor import Predictor
from stream.core.recents import RecentsRow
from stream.core.rows import Int32s, Int64s, Rows, zeros
from stream.core.selection import EVERYTHING
from stream.core.shop import ShopModel, ShopView
from stream.core.updates import LAYOUT as UPDATE
from stream.core.updates import UpdateRow, packed
from stream.evaluation.logs import Log
from stream.evaluation.ranking_baselines import Judged
from stream.evaluation.ranking_judge import (
    SIZE,
    VERDICT,
    Board,
    VerdictRow,
    add,
    board,
    clear,
    judge,
)
from stream.evaluation.ranking_walk import Walk
from stream.settings import Settings

LONGER = SIZE + 1
"""One entry more, so that 20 are left without the item that the shopper looks at."""


class Names(NamedTuple):
    """The 64-bit ids of the log's items, and its categories as the shop knows them."""

    items: Int64s
    codes: Rows[CodeRow]

    @classmethod
    def of(cls, log: Log) -> Self:
        """Of a log whose categories the shop has yet to learn."""
        categories = [identify(name) for name in log.category_names]
        codes = zeros(max(1, len(categories)), CODE, CodeRow)
        np.asarray(codes)["id"][: len(categories)] = categories
        np.asarray(codes)["shop"] = -1
        return cls(np.array([identify(name) for name in log.item_names], np.int64), codes)

    def meet(self, shop: ShopModel) -> None:
        """Find the categories that the shop has learned meanwhile."""
        codes = np.asarray(self.codes)
        codes["shop"] = shop.category_numbers(np.ascontiguousarray(codes["id"]))


def names_by_id(log: Log) -> dict[int, str]:
    """The names of a log's categories and items."""
    return {identify(name): name for name in [*log.category_names, *log.item_names]}


class Shoppers(NamedTuple):
    """What is known of each shopper: recent items and categories."""

    recents: Rows[RecentsRow]
    moves: Rows[MigrationRow]

    @classmethod
    def of(cls, walk: Walk, settings: Settings) -> Self:
        """Shoppers of whom nothing is known."""
        return cls(
            zeros(walk.people, recents.layout(settings.recent_items), RecentsRow),
            zeros(walk.people, migration_slots.layout(settings.prediction_slots), MigrationRow),
        )


class Served(NamedTuple):
    """What a shard learns of lists; `taught` is the blend that learns while `blend` is frozen."""

    ahead: Predictor
    blend: Rows[BlendRow]
    taught: Rows[BlendRow]
    told: Rows[ClicksRow]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """A shard that learned nothing yet."""
        return cls(Predictor.of(settings), Blend.of().rows, Blend.of().rows, Clicks.of().rows)


class Manner(NamedTuple):
    """The settings that ranking needs."""

    slots: int
    half_life: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """What the settings say."""
        return cls(settings.prediction_slots, settings.transition_half_life)


@kernel
def listed(
    shop: ShopView, row: RecentsRow, moved: MigrationRow, names: Names, served: Served, at: float,
    manner: Manner,
) -> int:  # fmt: skip
    """Leave a list in `shop.ranked`, of all that the shopper had or may like; how long it is."""
    outlook = served.ahead.outlooks[0]
    if not predictor.predict(served.ahead, moved, names.codes, shop.categories, shop.totals[0], at):
        outlook.end = 0
    return ranking.rank(
        shop, 0, LONGER, row, served.blend[0], served.told[0], outlook, manner.slots,
        EVERYTHING, at, manner.half_life,
    )  # fmt: skip


@kernel
def push(row: RecentsRow, moved: MigrationRow, walk: Walk, names: Names, event: int) -> None:
    """Let the shopper's rows know of an event."""
    if walk.categories[event] >= 0:
        migration_slots.push(moved, walk.categories[event], walk.at[event])
    recents.push(row, names.items[walk.items[event]], walk.actions[event])


@outlined
def ask(
    walk: Walk, shop: ShopView, shoppers: Shoppers, names: Names, served: Served, item_of: Int32s,
    desk: Board, verdicts: Rows[VerdictRow], first: int, last: int, manner: Manner,
) -> None:  # fmt: skip
    """Rank before each event of a period, by what was known at its start; `taught` learns.

    `item_of` is the log's number of each of the shop's items. What is new in the period is
    left out.
    """
    for event in range(first, last):
        shopper, item, at = walk.shoppers[event], walk.items[event], walk.at[event]
        row, moved = shoppers.recents[shopper], shoppers.moves[shopper]
        if not walk.seen[event]:
            continue
        if walk.asked[event]:
            count, used = 0, listed(shop, row, moved, names, served, at, manner)
            for place in range(used):
                entry = shop.ranked[place]
                count = add(desk, count, item_of[entry.index], np.float64(entry.score))
            current = item_of[table.find(shop.cells, recents.item_at(row, 0))]
            judge(verdicts[event], desk, walk, count, item, current)
            clear(desk, count)
            if ranking.sampled(served.taught[0], event * PLACES):
                ranking.reflect(
                    shop, row, served.taught[0], served.ahead.outlooks[0], manner.slots,
                    names.items[item], at, manner.half_life,
                )  # fmt: skip
        push(row, moved, walk, names, event)


@kernel
def write(
    update: UpdateRow, row: RecentsRow, moved: MigrationRow, walk: Walk, names: Names, event: int
) -> None:
    """Write down what an event teaches about the shop."""
    category = walk.categories[event]
    update.position, update.occurred_at = event * PLACES, walk.at[event]
    update.item_id, update.action = names.items[walk.items[event]], walk.actions[event]
    update.category_id = names.codes[category].id if category >= 0 else NONE
    trace(update, row, moved, names.codes, category)


@outlined
def learn(
    walk: Walk, shop: ShopView, shoppers: Shoppers, names: Names, served: Served,
    updates: Rows[UpdateRow], first: int, last: int,
) -> None:  # fmt: skip
    """Learn a period of shoppers, and write down what it teaches about the shop."""
    for event in range(first, last):
        shopper = walk.shoppers[event]
        row, moved = shoppers.recents[shopper], shoppers.moves[shopper]
        write(updates[event - first], row, moved, walk, names, event)
        if walk.categories[event] >= 0:
            predictor.follow(
                served.ahead, moved, names.codes, shop.categories, shop.totals[0],
                walk.categories[event], walk.at[event],
            )  # fmt: skip
        push(row, moved, walk, names, event)


class Frozen:
    """Our model over a log's periods: each is ranked, then learned."""

    def __init__(self, log: Log, walk: Walk, settings: Settings) -> None:
        self._walk, self._shop = walk, ShopModel(settings)
        self._name_of = names_by_id(log)
        self._number_of = {name: number for number, name in enumerate(log.item_names)}
        self._names, self._shoppers = Names.of(log), Shoppers.of(walk, settings)
        self._served, self._manner = Served.of(settings), Manner.of(settings)
        self._board = board(walk.known)
        self._verdicts = zeros(len(walk.at), VERDICT, VerdictRow)

    def run(self, periods: int | None = None) -> Judged:
        """The verdicts on all periods, or on the first so many."""
        cuts = self._walk.cuts.tolist()
        for period in range(len(cuts) - 1 if periods is None else periods):
            self.ask(cuts[period], cuts[period + 1])
            self.learn(cuts[period], cuts[period + 1])
        return Judged(self._verdicts, self._board.shown)

    def ask(self, first: int, last: int) -> None:
        """Rank before each event; but for the blend, which takes its lesson, all is as before."""
        before = [np.asarray(rows).copy() for rows in self._shoppers]
        names = self._shop.items.names
        item_of = np.array([self._number_of.get(name, 0) for name in names], np.int32)
        np.asarray(self._served.taught)[:] = np.asarray(self._served.blend)
        ask(
            self._walk, self._shop.view, self._shoppers, self._names, self._served, item_of,
            self._board, self._verdicts, first, last, self._manner,
        )  # fmt: skip
        np.asarray(self._served.blend)[:] = np.asarray(self._served.taught)
        for rows, stored in zip(self._shoppers, before, strict=True):
            np.asarray(rows)[:] = stored

    def learn(self, first: int, last: int) -> None:
        """Learn the events."""
        updates = zeros(last - first, UPDATE, UpdateRow)
        learn(
            self._walk, self._shop.view, self._shoppers, self._names, self._served, updates,
            first, last,
        )  # fmt: skip
        self._shop.apply(packed(updates, 0, self._name_of.__getitem__))
        self._names.meet(self._shop)
        marked = self._served.ahead.marking(len(self._shop.view.categories))
        self._served = self._served._replace(ahead=marked)


def frozen(log: Log, walk: Walk, settings: Settings, periods: int | None = None) -> Judged:
    """Our verdicts, with everything as it was at the start of each period."""
    return Frozen(log, walk, settings).run(periods)
