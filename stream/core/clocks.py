"""How far the partitions' event times are, and so which times are over for the shop."""

import math

from stream.core.flows import KEPT_WINDOWS
from stream.messages import PartitionClock
from stream.settings import Settings


class Clocks:
    """The newest clock of every partition.

    Examples
    --------
    >>> clocks = Clocks(Settings(idle_after=100.0))
    >>> for partition, clock in [(0, 950.0), (1, 700.0)]:
    ...     clocks.learn(PartitionClock(partition=partition, partitions=2, clock=clock,
    ...                                 source_offset=0))
    >>> clocks.passed, clocks.closed
    (700.0, 850.0)
    """

    def __init__(self, settings: Settings) -> None:
        self._idle_after = settings.idle_after
        self._window = settings.flow_window
        self._newest: dict[int, PartitionClock] = {}
        self._partitions = 0

    def learn(self, message: PartitionClock) -> None:
        """Of one partition the highest source offset counts."""
        known = self._newest.get(message.partition)
        if known is None or message.source_offset > known.source_offset:
            self._newest[message.partition] = message
            self._partitions = max(self._partitions, message.partitions)

    @property
    def passed(self) -> float:
        """The time that every partition has reached; minus infinity as long as one is unknown."""
        if not self._newest or len(self._newest) < self._partitions:
            return -math.inf
        return min(message.clock for message in self._newest.values())

    @property
    def closed(self) -> float:
        """What ends by this time is over: without those that are idle."""
        return max(self.passed, self._furthest() - self._idle_after)

    def settled(self, patience: float) -> float:
        """Of what ends by this time, nothing changes any more.

        A partition that lies more than `patience` seconds behind the furthest is not waited for.
        """
        # One window more than events count behind the clock, for each is compared with the next.
        alone = self.passed - (KEPT_WINDOWS + 1) * self._window
        return min(self.closed, max(alone, self._furthest() - patience))

    def _furthest(self) -> float:
        return max((message.clock for message in self._newest.values()), default=-math.inf)
