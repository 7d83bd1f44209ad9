"""Events so far ahead of all others that nobody believes them before three shoppers agree."""

import numpy as np

from stream.core import sessions
from stream.core.rows import Rows
from stream.core.sessions import ClockRow


class Witnesses:
    """Asks a partition's clock what is too far ahead, where that is not clear without it.

    An event that is refused is a witness all the same: it tells the clock its time, so a shop
    that was closed for long goes on with the third.

    Parameters
    ----------
    clock
        The partition's clock, one row; the loop sets it too.
    most
        How many seconds an event may be ahead of it.
    """

    def __init__(self, clock: Rows[ClockRow], most: float) -> None:
        self._clock = clock
        self._most = most
        self.look_again()

    def look_again(self) -> None:
        """Take what the clock has seen meanwhile.

        Whatever the time is once there are three, it is no less than the earliest of them.
        """
        clock = self._clock[0]
        times = clock.times[: int(clock.used)]
        self._believed = min(times, default=np.inf) + self._most
        self._settled = bool(np.isfinite(sessions.now(clock)))

    def needed(self, at: float) -> bool:
        """Whether an event may be too far ahead, by what is known before this batch is run."""
        if at > self._believed:
            return True
        if not self._settled:
            self._believed = min(self._believed, at + self._most)
        return False

    def too_far(self, shopper: int, at: float) -> float:
        """Hear an event; how many seconds it is ahead if that is too much, else 0.

        All events before it must have told the clock their times.
        """
        clock = self._clock[0]
        sessions.observe(clock, shopper, at)
        ahead = float(at - sessions.now(clock))
        return ahead if self._most < ahead < np.inf else 0.0
