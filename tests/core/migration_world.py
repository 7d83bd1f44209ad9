"""A shop of a few categories and one shopper: what the tests of the next category play on."""

from typing import NamedTuple

import numpy as np

from stream.core import codes, knowledge, migration, migration_evidence, migration_slots
from stream.core.codes import CodeRow
from stream.core.knowledge import CategoryRow, Rates, TotalsRow, Update
from stream.core.migration import MixtureRow
from stream.core.migration_evidence import MarkRow, OutlookRow
from stream.core.migration_slots import MigrationRow
from stream.core.rows import Rows, zeros
from stream.settings import Settings

SMALL = Settings(prediction_slots=4, prediction_depth=2, category_neighbors=3)
KNOWN = 7
"""Categories of the shop; further codes are unknown to it."""


class World(NamedTuple):
    """A shop of a few categories, one shopper, and what is learned of how shoppers go on."""

    row: Rows[MigrationRow]
    codes: Rows[CodeRow]
    categories: Rows[CategoryRow]
    totals: Rows[TotalsRow]
    mixture: Rows[MixtureRow]
    outlook: Rows[OutlookRow]
    marks: Rows[MarkRow]
    rates: Rates

    def predict(self, at: float, gap: float = -1.0) -> bool:
        return bool(
            migration.predict(
                self.row[0], self.codes, self.categories, self.totals[0], self.mixture[0],
                self.outlook[0], self.marks, at, gap, migration.pace(SMALL),
            )
        )  # fmt: skip

    def chance(self, code: int) -> float:
        return float(
            migration.chance(
                self.outlook[0], self.row[0], self.codes, self.categories, self.totals[0],
                self.marks, code,
            )
        )  # fmt: skip

    def learn(self, code: int, at: float) -> None:
        """The mixture, the shop and the shopper's row learn one event, in the engine's order."""
        row, update = self.row[0], zeros(1, knowledge.UPDATE, Update)[0]
        if row.used:
            migration.learn(self.mixture[0], row, self.codes, self.outlook[0], self.marks, code)
        known = len(self.categories)
        if code < known:
            update.occurred_at, update.item_index, update.category_index = at, -1, code
            update.step = migration_slots.step_of(row, code)
            recent = [int(c) for c in row.codes[: int(row.used)] if c < known][:5]
            update.recent_categories[:] = -1
            update.recent_categories[: len(recent)] = recent
            knowledge.learn_category(self.categories, self.totals[0], update, self.rates)
        migration_slots.push(row, code, at)


def world(known: int = KNOWN, unknown: int = 2) -> World:
    categories = zeros(known, knowledge.category_layout(SMALL), CategoryRow)
    totals = zeros(1, knowledge.TOTALS, TotalsRow)
    knowledge.welcome(totals[0], known)
    coded = zeros(known + unknown, codes.LAYOUT, CodeRow)
    np.asarray(coded)["id"] = np.arange(11, 11 + known + unknown)
    np.asarray(coded)["shop"] = [n if n < known else -1 for n in range(known + unknown)]
    np.asarray(categories)["id"] = np.arange(11, 11 + known)
    slots, depth = SMALL.prediction_slots, SMALL.prediction_depth
    room = migration_evidence.outlook_layout(slots, SMALL.category_neighbors, depth)
    return World(
        row=zeros(1, migration_slots.layout(slots), MigrationRow),
        codes=coded,
        categories=categories,
        totals=totals,
        mixture=migration.mixtures(slots),
        outlook=zeros(1, room, OutlookRow),
        marks=zeros(known, migration_evidence.MARK, MarkRow),
        rates=knowledge.rates(SMALL),
    )
