"""A shard's prediction of next categories, in the loop: predict, then learn what came."""

from typing import NamedTuple, Self

from stream.core import migration, migration_evidence, migration_slots
from stream.core.codes import CodeRow
from stream.core.compiled import kernel
from stream.core.knowledge import CategoryRow, TotalsRow
from stream.core.migration import LIKELY, LikelyRow, MixtureRow, Pace
from stream.core.migration_evidence import MarkRow, OutlookRow
from stream.core.migration_slots import MigrationRow
from stream.core.rows import Rows, grown, pack, unpack, zeros
from stream.settings import Settings


class Predictor(NamedTuple):
    """What a shard learned of how its shoppers go on, one row, and the room to predict in.

    What is learned is served state: it depends on how far the shop model was, so it is stored
    with the rows but is no part of the strict state, and it is frozen while catching up.
    """

    mixtures: Rows[MixtureRow]
    outlooks: Rows[OutlookRow]
    marks: Rows[MarkRow]
    pace: Pace

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """One that has learned nothing."""
        slots, depth = settings.prediction_slots, settings.prediction_depth
        room = migration_evidence.outlook_layout(slots, settings.category_neighbors, depth)
        return cls(
            mixtures=migration.mixtures(slots),
            outlooks=zeros(1, room, OutlookRow),
            marks=zeros(1, migration_evidence.MARK, MarkRow),
            pace=migration.pace(settings),
        )

    def marking(self, categories: int) -> Self:
        """The same, with a mark for each of so many categories of the shop."""
        if len(self.marks) >= categories:
            return self
        return self._replace(marks=grown(self.marks, categories))

    def pack(self) -> bytes:
        """What was learned, as bytes to store."""
        return pack(self.mixtures)

    def restored(self, stored: bytes) -> Self:
        """The same, with what `pack` gave; it raises ValueError if that has another layout."""
        return self._replace(mixtures=unpack(stored, self.mixtures.dtype, MixtureRow))


@kernel
def predict(
    own: Predictor,
    row: MigrationRow,
    codes: Rows[CodeRow],
    categories: Rows[CategoryRow],
    totals: TotalsRow,
    at: float,
) -> bool:
    """Predict a shopper's next category at this time; false for one without a category yet."""
    return bool(
        migration.predict(
            row, codes, categories, totals, own.mixtures[0], own.outlooks[0], own.marks, at,
            migration_slots.gap_of(row, at), own.pace,
        )
    )  # fmt: skip


@kernel
def learn(own: Predictor, row: MigrationRow, codes: Rows[CodeRow], code: int) -> None:
    """Learn that the category with this code came, as `predict` just saw the shopper."""
    migration.learn(own.mixtures[0], row, codes, own.outlooks[0], own.marks, code)


@kernel
def follow(
    own: Predictor,
    row: MigrationRow,
    codes: Rows[CodeRow],
    categories: Rows[CategoryRow],
    totals: TotalsRow,
    code: int,
    at: float,
) -> None:
    """Predict a shopper's next category, then learn that the one with this code came."""
    if predict(own, row, codes, categories, totals, at):
        learn(own, row, codes, code)


def likely(
    own: Predictor,
    row: MigrationRow,
    codes: Rows[CodeRow],
    categories: Rows[CategoryRow],
    totals: TotalsRow,
    at: float,
    count: int,
) -> list[tuple[int, int, float]]:
    """The `count` likeliest next categories, the lower id of equals first.

    Each is its code, -1 for none of the shopper's, its number in the shop, and its chance.
    """
    found = zeros(count, LIKELY, LikelyRow)
    if not predict(own, row, codes, categories, totals, at):
        return []
    used = migration.likely(own.outlooks[0], row, codes, categories, totals, own.marks, found)
    return [(int(one.code), int(one.shop), float(one.chance)) for one in list(found)[:used]]
