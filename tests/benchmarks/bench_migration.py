"""What predicting the next category costs an event, beside one Markov row update.

    python -m tests.benchmarks.bench_migration

Shoppers draw from 40 own categories of a shop of 3,000, as popularity has it: their slots,
and the shop's rows around popular categories, are full.
"""

from time import process_time_ns
from typing import NamedTuple

import numpy as np

from stream.core import codes, knowledge, migration, migration_evidence, migration_slots
from stream.core.codes import CodeRow
from stream.core.compiled import outlined
from stream.core.knowledge import CategoryRow, Rates, TotalsRow, Update
from stream.core.migration import MixtureRow, Pace
from stream.core.migration_evidence import MarkRow, OutlookRow
from stream.core.migration_slots import MigrationRow
from stream.core.next_category import note
from stream.core.rows import Float64s, Int32s, Rows, zeros
from stream.settings import Settings
from tests.benchmarks.bench_drift import markov_nanoseconds
from tests.benchmarks.report import Report, Row

EVENTS, SHOPPERS, CATEGORIES, OWN = 200_000, 1000, 3000, 40
COUNT, PREDICT, LEARN = 0, 1, 2


class Shop(NamedTuple):
    """All that the loop reads and writes."""

    shoppers: Rows[MigrationRow]
    codes: Rows[CodeRow]
    categories: Rows[CategoryRow]
    totals: Rows[TotalsRow]
    mixtures: Rows[MixtureRow]
    outlooks: Rows[OutlookRow]
    marks: Rows[MarkRow]
    updates: Rows[Update]
    rates: Rates
    pace: Pace


@outlined
def follow(
    shop: Shop, shoppers: Int32s, categories: Int32s, at: Float64s, first: int, last: int,
    what: int, teach: bool,
) -> int:  # fmt: skip
    """Run events; `what` is how much of the prediction, `teach` whether the shop learns."""
    outlook, places = shop.outlooks[0], 0
    for event in range(first, last):
        row, came, now = shop.shoppers[shoppers[event]], categories[event], at[event]
        if what >= PREDICT and migration.predict(
            row, shop.codes, shop.categories, shop.totals[0], shop.mixtures[0], outlook,
            shop.marks, now, migration_slots.gap_of(row, now), shop.pace,
        ):  # fmt: skip
            places += outlook.end - len(row.codes)
            if what >= LEARN:
                migration.learn(shop.mixtures[0], row, shop.codes, outlook, shop.marks, came)
        if teach:
            note(shop.updates[0], row, came, now)
            knowledge.learn_category(shop.categories, shop.totals[0], shop.updates[0], shop.rates)
        migration_slots.push(row, came, now)
    return places


def shop(settings: Settings) -> Shop:
    slots, neighbors = settings.prediction_slots, settings.category_neighbors
    coded = zeros(CATEGORIES, codes.LAYOUT, CodeRow)
    np.asarray(coded)["id"] = np.arange(1, CATEGORIES + 1)
    np.asarray(coded)["shop"] = np.arange(CATEGORIES)
    room = migration_evidence.outlook_layout(slots, neighbors, settings.prediction_depth)
    made = Shop(
        shoppers=zeros(SHOPPERS, migration_slots.layout(slots), MigrationRow),
        codes=coded,
        categories=zeros(CATEGORIES, knowledge.category_layout(settings), CategoryRow),
        totals=zeros(1, knowledge.TOTALS, TotalsRow),
        mixtures=migration.mixtures(slots),
        outlooks=zeros(1, room, OutlookRow),
        marks=zeros(CATEGORIES, migration_evidence.MARK, MarkRow),
        updates=zeros(1, knowledge.UPDATE, Update),
        rates=knowledge.rates(settings),
        pace=migration.pace(settings),
    )
    knowledge.welcome(made.totals[0], CATEGORIES)
    return made


def drawn(random: np.random.Generator) -> tuple[Int32s, Int32s, Float64s]:
    """Shoppers, categories and times of a shop that has gone on for long, then of as much more."""
    popular = 1.0 / np.arange(1, CATEGORIES + 1)
    own = random.choice(CATEGORIES, (SHOPPERS, OWN), p=popular / popular.sum())
    shoppers = random.integers(SHOPPERS, size=2 * EVENTS)
    places = np.minimum(random.geometric(0.08, 2 * EVENTS), OWN) - 1
    categories = own[shoppers, places]
    same = random.random(2 * EVENTS) < 0.4
    categories[same] = own[shoppers[same], 0]
    return shoppers.astype(np.int32), categories.astype(np.int32), np.arange(2.0 * EVENTS)


def costs(settings: Settings, quick: bool = False) -> tuple[float, float, float]:
    """CPU microseconds to predict and to learn, and how many categories had evidence."""
    events = drawn(np.random.default_rng(7))
    runs, best, places = 1 if quick else 5, [float("inf")] * 3, 0
    for _ in range(runs):
        for what in (COUNT, PREDICT, LEARN):
            made = shop(settings)
            follow(made, *events, 0, EVENTS, COUNT, True)
            start = process_time_ns()
            places = follow(made, *events, EVENTS, 2 * EVENTS, what, False)
            best[what] = min(best[what], (process_time_ns() - start) / EVENTS / 1000)
    return best[PREDICT] - best[COUNT], best[LEARN] - best[PREDICT], places / EVENTS


def run(report: Report, quick: bool) -> None:
    markov = markov_nanoseconds() / 1000
    evidence = "categories with evidence"
    table: list[Row] = [{"": "one Markov row update", "us": markov, "ratio": 1.0, evidence: 0}]
    for neighbors, depth in [(32, 3), (48, 4), (64, 5)]:
        settings = Settings(category_neighbors=neighbors, prediction_depth=depth)
        predict, learn, places = costs(settings, quick)
        name = f"predict and learn, {neighbors} neighbors of {depth} recent categories"
        took = predict + learn
        table.append({"": name, "us": took, "ratio": took / markov, evidence: places})
    size = migration_slots.layout(Settings().prediction_slots).itemsize
    note = f"CPU time, best of five; {size} bytes a shopper."
    report.show("What predicting the next category costs an event", table, note)


if __name__ == "__main__":
    run(Report(), quick=False)
