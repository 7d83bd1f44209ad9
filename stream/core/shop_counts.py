"""The whole shop, from what its partitions count: alerts, forecasts, and counts that are over."""

from datetime import date
from typing import NamedTuple

from stream.core.clocks import Clocks
from stream.core.demand_days import DemandDays
from stream.core.population import Population
from stream.core.tallies import Told, key_of
from stream.messages import (
    CategoryFlow,
    DemandCount,
    DemandForecast,
    PartitionClock,
    PopulationAlert,
)
from stream.settings import Settings

ENOUGH_DAYS = 200
"""Days after which every horizon has a forecast, and one to be scored."""


class Findings(NamedTuple):
    """What was found; `ended` are keys of counts that nobody needs any more."""

    alerts: list[PopulationAlert]
    forecasts: list[DemandForecast]
    ended: list[str]


class ShopCounts:
    """Learns the counts of all partitions; each partition's in the order in which it told them.

    Look after each clock: a partition tells its counts before it, so that what is found does
    not depend on how messages are grouped.
    """

    def __init__(self, settings: Settings) -> None:
        self._demand = DemandDays(settings)
        self._population = Population(settings)
        self._clocks = Clocks(settings)
        self._ended: list[str] = []

    def learn(self, message: Told) -> bool:
        """Take a message; whether there may be something to find."""
        if isinstance(message, CategoryFlow):
            if not self._population.learn(message):
                self._ended.append(key_of(message))
            return False
        if isinstance(message, DemandCount):
            self._demand.learn(message)
            return False
        self._clocks.learn(message)
        return True

    def find(self, position: int) -> Findings:
        """What closed or changed since the last time.

        `position` grows from one time to the next; revisions of corrections are made of it.
        """
        alerts = self._population.advance(self._clocks, position)
        forecasts = self._demand.advance(self._clocks)
        self._demand.settle(self._clocks)
        ended, self._ended = self._ended, []
        return Findings(alerts, forecasts, ended + self._population.settle(self._clocks))


def warm_up(settings: Settings) -> None:
    """Compile what forecasts are made with, before a shop waits for it."""
    shop = ShopCounts(settings)
    for day in range(ENOUGH_DAYS):
        shop.learn(
            DemandCount(
                partition=0, day=date.fromordinal(720_000 + day).isoformat(), series="purchases",
                category="a", item_id=None, quantity=1.0, source_offset=0,
            )
        )  # fmt: skip
    at = (720_000 - date(1970, 1, 1).toordinal() + ENOUGH_DAYS) * 86_400.0
    shop.learn(PartitionClock(partition=0, partitions=1, clock=at, source_offset=0))
    shop.find(0)
