"""What is rising, falling, and led to in the whole shop: moves of all partitions, by window."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from stream.core.clocks import Clocks
from stream.core.flow_changes import Change, Way, changes
from stream.core.ids import identify
from stream.core.tallies import flow_key
from stream.messages import FLOWS, CategoryFlow, FlowSource, PopulationAlert
from stream.settings import Settings

MOST_SOURCES = 3
DIGITS = 4
"""Of shares, ratios and test statistics."""
FORGOTTEN_WINDOWS, FORGOTTEN_AFTER = 32, 14 * 86_400.0
"""A window that is so many windows, and so many seconds, behind the furthest clock is over."""
Direction = Literal["rising", "falling", "flow"]


class Window:
    """The moves of one window: what each partition says of a flow, and the sums.

    `told` are the alerts that stand, by id, as last told.
    """

    def __init__(self, started_at: float, ends_at: float) -> None:
        self.started_at = started_at
        self.ends_at = ends_at
        self.told: dict[str, PopulationAlert] = {}
        self.closed = False
        self.totals: Counter[Way] = Counter()
        self._said: dict[tuple[int, str, str], tuple[int, int]] = {}

    def learn(self, flow: CategoryFlow) -> bool:
        """Whether it changes a sum. Of one key the highest source offset counts."""
        way = flow.from_category, flow.to_category
        offset, shoppers = self._said.get((flow.partition, *way), (-1, 0))
        if flow.source_offset <= offset:
            return False
        self._said[flow.partition, *way] = flow.source_offset, flow.shoppers
        self.totals[way] += flow.shoppers - shoppers
        if not self.totals[way]:
            # A move that a late event took back is as one that nobody made.
            del self.totals[way]
        return flow.shoppers != shoppers

    def told_under(self) -> list[str]:
        """The keys of all that the partitions said."""
        return [flow_key(partition, self.started_at, *way) for partition, *way in self._said]


class Population:
    """Alerts of the shop as a whole, from what its partitions count.

    A window that closes is compared with the one before. What comes later is compared again,
    and an alert that it changes is told again: with the same id and a higher revision. So in
    the end what was told last is a function of the last counts and clocks, in whatever order
    they came.

    Parameters
    ----------
    settings
        The length of a window, the share of false alerts, and the least shoppers of one.
    """

    def __init__(self, settings: Settings) -> None:
        self._length = float(settings.flow_window)
        self._rate = settings.false_discovery_rate
        self._least = settings.min_users
        self._settings = settings.fingerprint()
        self._windows: dict[int, Window] = {}
        self._changed: set[int] = set()
        self._settled = -math.inf

    def learn(self, flow: CategoryFlow) -> bool:
        """Take a count; whether its window is still open to it."""
        if flow.window_ends_at <= self._settled:
            return False
        length = flow.window_ends_at - flow.window_started_at
        if not math.isclose(length, self._length, rel_tol=1e-6):
            # Of a group with other settings.
            return True
        number = round(flow.window_started_at / self._length)
        window = self._windows.get(number)
        if window is None:
            window = Window(flow.window_started_at, flow.window_ends_at)
            self._windows[number] = window
        if window.learn(flow):
            self._changed.update((number, number + 1))
        return True

    def advance(self, clocks: Clocks, position: int) -> list[PopulationAlert]:
        """Compare what has closed or changed, and return the alerts that this makes or changes.

        `position` is that of the newest message known, and makes the revisions of corrections.
        """
        told: list[PopulationAlert] = []
        for number in sorted(self._windows):
            window = self._windows[number]
            if window.ends_at > clocks.closed:
                break
            complete = window.ends_at <= clocks.passed
            if number in self._changed or not window.closed or _completed(window, complete):
                revision = position + 1 if window.closed else 0
                told += self._compared(number, window, complete, revision)
                window.closed = True
        self._changed = {number for number in self._changed if not self._is_closed(number)}
        return told

    def settle(self, clocks: Clocks) -> list[str]:
        """Forget windows that nothing can change any more; the keys of what they counted."""
        patience = max(FORGOTTEN_WINDOWS * self._length, FORGOTTEN_AFTER)
        self._settled = max(self._settled, clocks.settled(patience))
        over = [n for n, window in self._windows.items() if window.ends_at <= self._settled]
        return [key for number in sorted(over) for key in self._windows.pop(number).told_under()]

    def _is_closed(self, number: int) -> bool:
        window = self._windows.get(number)
        return window is None or window.closed

    def _compared(
        self, number: int, window: Window, complete: bool, revision: int
    ) -> list[PopulationAlert]:
        """What is to be told of a window now; nothing where the one before is not known."""
        before = self._windows.get(number - 1)
        if before is None:
            return []
        found = changes(before.totals, window.totals, self._rate, self._least)
        alerts = {
            alert.id: alert for alert in (self._alert(window, one, complete) for one in found)
        }
        taken_back = [
            msgspec.structs.replace(alert, withdrawn=True)
            for id, alert in window.told.items()
            if id not in alerts
        ]
        new = [alert for id, alert in alerts.items() if window.told.get(id) != alert]
        window.told = alerts
        return [msgspec.structs.replace(alert, revision=revision) for alert in new + taken_back]

    def _alert(self, window: Window, change: Change, complete: bool) -> PopulationAlert:
        direction = _direction(change)
        return PopulationAlert(
            id=_id(window, direction, change),
            direction=direction,
            category=change.category,
            from_category=change.origin,
            sources=self._sources(window.totals, change),
            shoppers=self._unless_few(change.now),
            shoppers_before=self._unless_few(change.before),
            ratio=round(change.ratio, DIGITS),
            z=round(change.z, DIGITS),
            false_discovery_rate=self._rate,
            window_started_at=window.started_at,
            window_ends_at=window.ends_at,
            complete=complete,
            settings=self._settings,
        )

    def _unless_few(self, shoppers: int) -> int | None:
        return shoppers if shoppers >= self._least else None

    def _sources(self, totals: Counter[Way], change: Change) -> list[FlowSource]:
        """The largest flows into what rises, or out of what falls; none of a handful of people."""
        category = change.category
        falls = change.z < 0.0
        named = [
            (shoppers, target if falls else origin)
            for (origin, target), shoppers in totals.items()
            if (origin if falls else target) == category
        ]
        whole = sum(shoppers for shoppers, _ in named)
        largest = sorted(
            (entry for entry in named if change.origin in (None, entry[1])),
            key=lambda entry: (-entry[0], entry[1]),
        )
        return [
            FlowSource(name, shoppers, round(shoppers / whole, DIGITS))
            for shoppers, name in largest[:MOST_SOURCES]
            if shoppers >= self._least
        ]


def _completed(window: Window, complete: bool) -> bool:
    """Whether the last partition has come to a window's end since its alerts were told."""
    return complete and any(not alert.complete for alert in window.told.values())


def _direction(change: Change) -> Direction:
    if change.origin is not None:
        return "flow"
    return "rising" if change.z > 0.0 else "falling"


def _id(window: Window, direction: Direction, change: Change) -> str:
    names: Sequence[str] = [change.category]
    if change.origin is not None:
        names = [change.origin, change.category]
    number = identify(msgspec.json.encode(names).decode()) % (1 << 64)
    return f"{FLOWS}-0-{window.started_at:.0f}-{direction}-{number:016x}"
