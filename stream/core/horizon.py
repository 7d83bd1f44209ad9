"""The horizons of a shard: periods of the calendar in which shoppers' interests will enter."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.core import (
    foresight,
    horizon_counts,
    horizon_features,
    horizon_panel,
    horizon_store,
    laplace,
    maturing,
    precision,
    reach,
    rows,
)
from stream.core.calendar import Calendar
from stream.core.codes import CodeRow
from stream.core.foresight import Foresight, PredictionRow
from stream.core.horizon_counts import OpenRow
from stream.core.horizon_features import CandidateRow, Desk, Forgetting, LookRow, MarkRow
from stream.core.horizon_panel import PanelRow, StoreRow
from stream.core.horizon_store import Part
from stream.core.knowledge import CategoryRow, TotalsRow
from stream.core.laplace import LearnerRow
from stream.core.maturing import WITHDRAWN, Settled, Shoppers
from stream.core.precision import PrecisionRow
from stream.core.reach import ReachRow
from stream.core.rows import Int32s, Int64s, Rows, zeros
from stream.core.shop import ShopModel
from stream.messages import Period
from stream.settings import Settings

OPEN_PREDICTIONS = 4096
"""Published predictions of a horizon that wait for their outcome; no more are made."""
NEVER = 2.0
"""A limit that no probability reaches."""


class Foreseen(NamedTuple):
    """A prediction to publish. Categories are ids, `origin` 0 where nothing speaks for it.

    `place` is the shopper's slot in memory, `position` the event's, `number` its own among
    those of the event.
    """

    horizon: Period
    place: int
    position: int
    occurred_at: float
    category: int
    origin: int
    probability: float
    precision: float
    matured: int
    no_marketing: int
    number: int
    ends_at: float


class Pending(NamedTuple):
    """A prediction that waits for its outcome, as its alert told it.

    `key` is the shopper's; `position` and `number` name the event that it was made at.
    """

    key: int
    category: int
    position: int
    number: int
    probability: float


class Outcome(NamedTuple):
    """What became of a published prediction, when its period ended."""

    horizon: Period
    ended_at: float
    settled: Settled


class Standing(msgspec.Struct, frozen=True):
    """How well a horizon's predictions did, and whether alerts are sent."""

    horizon: Period
    period: str | None
    """The first day of the open period."""
    batches: int
    """Periods learned from."""
    sends_from: float | None
    """The probability from which a prediction is an alert; None where no precision suffices."""
    precision: float
    """Of matured predictions at least that sure, or of all, the share that came true."""
    matured: int
    panel: int
    open_predictions: int
    dropped: int
    """Predictions that found no room."""


ReadAll = Callable[[Int64s], tuple[NDArray[np.void], list[str]]]


def _of_horizon(read: ReadAll, horizon: int, keys: Int64s) -> Shoppers:
    """The rows of one horizon, as `read` finds them."""
    shoppers, names = read(keys)
    return rows.copied(shoppers[:, horizon], len(shoppers)), names


def empty(count: int, panel: int, predictions: int) -> Foresight:
    """Tables for `count` horizons, with so many rows for each; nothing is learned yet."""
    own = Foresight(
        opens=zeros(count, horizon_counts.OPEN, OpenRow),
        learners=zeros(count, laplace.LEARNER, LearnerRow),
        precisions=zeros(count, precision.PRECISION, PrecisionRow),
        reaches=zeros(count, reach.REACH, ReachRow),
        stores=zeros(count, horizon_panel.STORE, StoreRow),
        panel=zeros(count * panel, horizon_panel.PANEL, PanelRow),
        predictions=zeros(count * predictions, foresight.PREDICTION, PredictionRow),
    )
    for horizon in range(count):
        laplace.start(own.learners[horizon])
        own.stores[horizon].limit = NEVER
    return own


class Room:
    """Where looks at shoppers work: marks for every category of the shop, and candidates."""

    def __init__(self, candidates: int = horizon_features.CANDIDATES) -> None:
        self.popular: Int32s = np.full(horizon_features.POPULAR, -1, np.int32)
        self._marks = zeros(1, horizon_features.MARK, MarkRow)
        self._looks = zeros(1, horizon_features.LOOK, LookRow)
        self._candidates = zeros(candidates, horizon_features.CANDIDATE, CandidateRow)
        self._weights = np.zeros(horizon_features.POPULAR)

    def rank(
        self, categories: Rows[CategoryRow], totals: TotalsRow, used: int, forgetting: Forgetting
    ) -> None:
        """Find out which of the `used` categories are popular now."""
        at, half_life = float(totals.popularity.updated_at), forgetting.popularity_half_life
        horizon_features.find_most_popular(
            categories, used, at, half_life, self.popular, self._weights
        )

    def desk(
        self,
        codes: Rows[CodeRow],
        categories: Rows[CategoryRow],
        totals: Rows[TotalsRow],
        forgetting: Forgetting,
    ) -> Desk:
        """What a look reads and where it works, with a mark for each of the shop's categories."""
        if len(self._marks) < len(categories):
            self._marks = rows.grown(self._marks, len(categories))
        return Desk(
            codes, categories, totals, self.popular, self._marks, self._looks, self._candidates,
            forgetting,
        )  # fmt: skip


class Horizons:
    """What one partition's shard predicts of its shoppers' next day, week, month or quarter.

    Each horizon has an open period of the shop's calendar. It turns when the partition's clock
    passes its end; an event belongs to the period that is open when it is processed, so one
    that comes some minutes late, or early, counts where it arrives. The kernels that the
    shard's loop calls for every event are `foresight.turned`, `foresight.begins`,
    `foresight.foresee` and `horizon_counts.count`; all else is here.

    Which period is open is a function of the clock. What is learned is served state: stored,
    but frozen while catching up.

    Parameters
    ----------
    settings
        Horizons, the precision that alerts must reach, time zone, week start, half-lives.

    Examples
    --------
    >>> horizons = Horizons(Settings(horizons=["day"], time_zone="Europe/Berlin"))
    >>> [standing.sends_from for standing in horizons.standings()]
    [None]
    """

    def __init__(self, settings: Settings) -> None:
        self.horizons: list[Period] = list(settings.horizons)
        self.own = empty(len(self.horizons), horizon_panel.ROOM, OPEN_PREDICTIONS)
        self._calendar = Calendar(settings.time_zone, settings.week_starts_on)
        self._target = float(settings.prediction_precision)
        self._forgetting = Forgetting(
            float(settings.transition_half_life), float(settings.popularity_half_life)
        )
        self._room = Room()
        self._adopted = -1
        self._outcomes: list[Outcome] = []
        for number, horizon in enumerate(self.horizons):
            np.asarray(self.own.opens)[number] = horizon_counts.paced(horizon)

    def desk(self, codes: Rows[CodeRow], shop: ShopModel) -> Desk:
        """What the loop needs beside `own`; ask again after the shop model learned.

        Each code's `shop` must be right by then.
        """
        view, forgetting = shop.view, self._forgetting
        if self._adopted != shop.position:
            self._room.rank(view.categories, view.totals[0], shop.categories.used, forgetting)
            self._adopted = shop.position
        return self._room.desk(codes, view.categories, view.totals, forgetting)

    def turn(
        self, clock: float, codes: Rows[CodeRow], read: ReadAll, muted: bool = False
    ) -> Iterator[None]:
        """Open the periods in which `clock` lies, and learn from those that it ended.

        It works in steps of a few milliseconds; go through them all before the next event.

        Parameters
        ----------
        clock
            The partition's, Unix seconds.
        codes
            The partition's categories.
        read
            From keys of shoppers to their rows, an array of shape (shoppers, horizons) that is
            empty for the unknown, and their names.
        muted
            While catching up: what was predicted is dropped, and nothing is learned of it.
        """
        for number, horizon in enumerate(self.horizons):
            open = self.own.opens[number]
            if clock < open.ends_at:
                continue
            if open.period > 0 and not muted:
                own = partial(_of_horizon, read, number)
                settled = maturing.outcomes(self.own, number, codes, own)
                self._outcomes += [Outcome(horizon, float(open.ends_at), one) for one in settled]
                yield
                yield from maturing.mature(self.own, number, codes, own, self._target)
            maturing.clear(self.own, number)
            self._open(open, horizon, clock)

    def _open(self, open: OpenRow, horizon: Period, clock: float) -> None:
        day = self._calendar.day_of(clock)
        open.period = self._calendar.first_day(horizon, day)
        open.began_at = self._calendar.start_of(horizon, clock)
        open.ends_at = self._calendar.end_of(horizon, clock)

    def take_foreseen(self, named: Callable[[int], bool]) -> list[Foreseen]:
        """The predictions made since the last call; each stays open until its period ends.

        Call it while the shoppers' places still hold them. Those of a category without a name
        are withdrawn: `named` says of an id whether it has one.
        """
        foreseen: list[Foreseen] = []
        for number, horizon in enumerate(self.horizons):
            store, start = self.own.stores[number], number * OPEN_PREDICTIONS
            table = np.asarray(self.own.predictions)
            table = table[start + int(store.taken) : start + int(store.predictions)]
            nameless = [not named(id) for id in table["category"].tolist()]
            table["number"][np.array(nameless, np.bool_)] = WITHDRAWN
            columns = [table[name].tolist() for name in Foreseen._fields[1:-1]]
            ends_at = float(self.own.opens[number].ends_at)
            foreseen += [
                Foreseen._make((horizon, *one, ends_at))
                for one in zip(*columns, strict=True)
                if one[-1] != WITHDRAWN
            ]
            store.taken = store.predictions
        return foreseen

    def take_over(self, horizon: Period, ends_at: float, told: Sequence[Pending]) -> int:
        """Keep predictions that another owner of the shoppers published; how many are new.

        None where that period is not open. An outcome follows them as if they were made here.
        """
        number = self.horizons.index(horizon) if horizon in self.horizons else -1
        if number < 0 or self.own.opens[number].ends_at != ends_at:
            return 0
        store, start = self.own.stores[number], number * OPEN_PREDICTIONS
        table = np.asarray(self.own.predictions)[start : start + OPEN_PREDICTIONS]
        used = int(store.predictions)
        here = set(
            zip(*(table[name][:used].tolist() for name in ("position", "number")), strict=True)
        )
        new = [one for one in told if (one.position, one.number) not in here]
        last = min(used + len(new), OPEN_PREDICTIONS)
        for place, one in enumerate(new[: last - used], used):
            for name in Pending._fields:
                table[name][place] = getattr(one, name)
        # Outcomes are numbered in the order in which the predictions were made.
        table[:last].sort(order=["position", "number"])
        store.predictions, store.taken, store.predictions_stored = last, last, 0
        return last - used

    def forget(self, key: int) -> None:
        """Let nothing here be of a shopper: no candidates, no predictions."""
        for number in range(len(self.horizons)):
            horizon_store.forget(self.own, number, key)

    def standings(self) -> list[Standing]:
        """How each horizon does."""
        return [self._standing(number) for number in range(len(self.horizons))]

    def changed(self) -> list[Part]:
        """Keys and values to store with the rows: all that changed since the last call."""
        return horizon_store.changed(self.own)

    def restore(self, parts: Iterable[Part]) -> None:
        """Take over what `changed` gave, the newest value of each key."""
        horizon_store.restore(self.own, parts)

    def _standing(self, number: int) -> Standing:
        store, open = self.own.stores[number], self.own.opens[number]
        sends = float(store.limit) if store.limit <= 1.0 else None
        share, matured = precision.trust(self.own.precisions[number], sends or 0.0)
        return Standing(
            horizon=self.horizons[number],
            period=Calendar.name(int(open.period)) if open.period else None,
            batches=int(self.own.learners[number].batches),
            sends_from=sends,
            precision=share,
            matured=matured,
            panel=int(store.used),
            open_predictions=int(store.predictions),
            dropped=int(store.dropped),
        )

    def take_outcomes(self) -> list[Outcome]:
        """What became of predictions, since the last call."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes
