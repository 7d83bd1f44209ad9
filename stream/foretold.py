"""What a shard foretells of its shoppers, and what became of it, as messages."""

import re
from collections.abc import Mapping, Sequence

from stream.core.engine_rows import PLACES
from stream.core.horizon import Foreseen, Outcome, Pending
from stream.core.ids import NONE, identify
from stream.messages import PredictedAlert, PredictionOutcome

DIGITS = 5
"""Of scores and shares: float32 has little more, and a list has twenty of each."""

RANKS = 100
"""Numbers that the predictions made at one touch may have."""

Foretold = PredictedAlert | PredictionOutcome


class Foreteller:
    """Writes predictions and their outcomes, with ids that a repeat would have too."""

    def __init__(self, topic: str, partition: int, settings: str) -> None:
        self._prefix = f"{topic}-{partition}"
        self._settings = settings

    def alerts(
        self, foreseen: Sequence[Foreseen], users: Sequence[str], names: Mapping[int, str]
    ) -> list[PredictedAlert]:
        """Predicted alerts; `users` are by place in memory, `names` by the categories' ids."""
        return [
            PredictedAlert(
                id=self._predicted_id(one.position, one.number),
                user_id=users[one.place],
                from_category=None if one.origin == NONE else names[one.origin],
                to_category=names[one.category],
                probability=round(one.probability, DIGITS),
                horizon=one.horizon,
                period_ends_at=one.ends_at,
                precision=round(one.precision, DIGITS),
                matured=one.matured,
                marketing=not one.no_marketing,
                occurred_at=one.occurred_at,
                source_offset=one.position // PLACES,
                settings=self._settings,
            )
            for one in foreseen
        ]

    def outcomes(
        self, outcomes: Sequence[Outcome], offset: int, names: Mapping[int, str]
    ) -> list[PredictionOutcome]:
        """What became of predictions, told with the record at `offset`, which ended the period."""
        return [
            PredictionOutcome(
                id=f"{self._prefix}-{offset}-outcome-{number}",
                user_id=one.settled.user,
                predicted_id=self._predicted_id(one.settled.position, one.settled.number),
                to_category=names[one.settled.category],
                probability=round(one.settled.probability, DIGITS),
                horizon=one.horizon,
                came_true=one.settled.came_true,
                occurred_at=one.ended_at,
                source_offset=offset,
                settings=self._settings,
            )
            for number, one in enumerate(outcomes)
        ]

    def told(self, alert: PredictedAlert, key: int) -> Pending | None:
        """A prediction of the shopper with this key, as its alert tells it.

        None if a worker with other settings told it, or nobody of this partition.
        """
        named = re.fullmatch(
            rf"{re.escape(self._prefix)}-(\d{{1,15}})-predicted-(\d{{1,9}})", alert.id
        )
        if named is None or alert.settings != self._settings:
            return None
        place, rank = divmod(int(named[2]), RANKS)
        position = int(named[1]) * PLACES + place
        return Pending(key, identify(alert.to_category), position, rank, alert.probability)

    def _predicted_id(self, position: int, number: int) -> str:
        # Two touches of one record can both foretell: the place tells them apart.
        offset, place = divmod(position, PLACES)
        return f"{self._prefix}-{offset}-predicted-{place * RANKS + number}"
