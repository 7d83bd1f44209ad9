"""How interest moves through the whole shop, window by window, over all partitions."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from stream.core.closed_days import closed_at
from stream.core.flow_statistics import (
    TwoCounts,
    discoveries,
    interaction,
    two_proportions,
    two_sided,
)
from stream.core.ids import identify
from stream.core.tallies import Told, key_of
from stream.messages import FLOWS, CategoryFlow, FlowSource, PartitionClock, PopulationAlert
from stream.settings import Settings

LEAST_IN_CELL = 16
LEAST_IN_ROW = 30
MOST_SOURCES = 5
DIGITS = 5

Moves = Counter[tuple[str, str]]
Direction = Literal["rising", "falling", "flow"]


class Window(NamedTuple):
    """The moves of one window, and of the one before; `began_at` in Unix seconds."""

    began_at: float
    now: Moves
    before: Moves


class Found(NamedTuple):
    """A test that passed: what it is about, how it counted, and its statistic."""

    direction: Direction
    category: str
    origin: str | None
    counts: TwoCounts
    z: float


class Population:
    """Alerts of the shop as a whole, from what its partitions count.

    The newest alerts are a function of the newest value of each key, in whatever order they
    came. A window closes when the clock of every partition has passed its end; one far behind
    the furthest is not waited for. What comes later corrects it: the same alert, one revision
    up.

    Parameters
    ----------
    settings
        Window, idle rule, false-discovery rate, and how few shoppers are too few.

    Examples
    --------
    >>> population = Population(Settings())
    >>> population.learn(PartitionClock(partition=0, partitions=1, clock=9e8, source_offset=1))
    >>> population.close()
    []
    """

    def __init__(self, settings: Settings) -> None:
        self._length = float(settings.flow_window)
        self._idle_after = float(settings.idle_after)
        self._rate = float(settings.false_discovery_rate)
        self._least = settings.min_users
        self._settings = settings.fingerprint()
        self._newest: dict[str, Told] = {}
        self._windows: dict[float, set[str]] = defaultdict(set)
        self._changed: set[float] = set()
        self._incomplete: set[float] = set()
        self._alerts: dict[str, PopulationAlert] = {}

    def learn(self, message: Told) -> None:
        """Take one count or clock; of one key the highest source offset wins."""
        key = key_of(message)
        known = self._newest.get(key)
        if known is not None and known.source_offset >= message.source_offset:
            return
        self._newest[key] = message
        if isinstance(message, CategoryFlow):
            began_at = message.window_started_at
            self._windows[began_at].add(key)
            self._changed |= {began_at, began_at + self._length}
        elif isinstance(message, PartitionClock):
            self._changed |= self._incomplete

    def close(self) -> list[PopulationAlert]:
        """The alerts that are new, and corrections of earlier ones, in the order of windows."""
        clocks = [one for one in self._newest.values() if isinstance(one, PartitionClock)]
        until = closed_at(clocks, self._idle_after)
        told: list[PopulationAlert] = []
        if until is None:
            return told
        for began_at in sorted(self._changed):
            if began_at + self._length > until:
                continue
            self._changed.discard(began_at)
            complete = self._complete(clocks, began_at)
            (self._incomplete.discard if complete else self._incomplete.add)(began_at)
            if began_at in self._windows:
                told += self._revised(began_at, complete)
        return told

    def final(self) -> list[PopulationAlert]:
        """The newest revision of every alert, by id."""
        return [self._alerts[id] for id in sorted(self._alerts)]

    def _complete(self, clocks: list[PartitionClock], began_at: float) -> bool:
        passed = sum(clock.clock >= began_at + self._length for clock in clocks)
        return passed == max(clock.partitions for clock in clocks)

    def _revised(self, began_at: float, complete: bool) -> list[PopulationAlert]:
        """What the window's tests say now, where it is not what they said before."""
        window = Window(began_at, self._moves(began_at), self._moves(began_at - self._length))
        found = {alert.id: alert for alert in self._tested(window, complete)}
        earlier = {id for id, one in self._alerts.items() if one.window_started_at == began_at}
        told = []
        for id in sorted(found.keys() | earlier):
            known = self._alerts.get(id)
            alert = found.get(id) or msgspec.structs.replace(self._alerts[id], withdrawn=True)
            if known is not None:
                alert = msgspec.structs.replace(alert, revision=known.revision)
                if alert == known:
                    continue
                alert = msgspec.structs.replace(alert, revision=known.revision + 1)
            self._alerts[id] = alert
            told.append(alert)
        return told

    def _moves(self, began_at: float) -> Moves:
        moves: Moves = Counter()
        for key in self._windows.get(began_at, ()):
            flow = self._newest[key]
            assert isinstance(flow, CategoryFlow)
            moves[flow.from_category, flow.to_category] += flow.shoppers
        return moves

    def _tested(self, window: Window, complete: bool) -> list[PopulationAlert]:
        if min(window.now.total(), window.before.total()) < LEAST_IN_ROW:
            return []
        found = [*self._trends(window), *self._flows(window)]
        return [self._alert(one, window, complete) for one in found]

    def _trends(self, window: Window) -> list[Found]:
        """Categories to which a larger or smaller part of all moves leads than before."""
        now, before = _into(window.now), _into(window.before)
        sums = window.before.total(), window.now.total()
        tests = [
            (category, TwoCounts(before[category], now[category], *sums))
            for category in sorted(now.keys() | before.keys())
            if before[category] + now[category] >= LEAST_IN_CELL
        ]
        found = [
            Found("rising" if z > 0 else "falling", category, None, counts, z)
            for category, counts in tests
            for z in [two_proportions(counts)]
        ]
        return [
            one
            for one in self._passed(found)
            if (one.counts.now if one.z > 0 else one.counts.before) >= self._least
        ]

    def _flows(self, window: Window) -> list[Found]:
        """Ways that more take than before, though others do not come to the same place."""
        out_now, out_before = _out_of(window.now), _out_of(window.before)
        in_now, in_before = _into(window.now), _into(window.before)
        all_now, all_before = window.now.total(), window.before.total()
        found = []
        for origin, target in sorted(window.now.keys() | window.before.keys()):
            way = origin, target
            n1, n2 = window.before[way], window.now[way]
            rows = out_before[origin], out_now[origin]
            if n1 + n2 < LEAST_IN_CELL or min(rows) < LEAST_IN_ROW:
                continue
            cell = TwoCounts(n1, n2, *rows)
            rest = TwoCounts(
                in_before[target] - n1, in_now[target] - n2, all_before - rows[0],
                all_now - rows[1],
            )  # fmt: skip
            found.append(Found("flow", target, origin, cell, interaction(cell, rest)))
        return [one for one in self._passed(found) if one.z > 0 and one.counts.now >= self._least]

    def _passed(self, found: list[Found]) -> list[Found]:
        passed = discoveries([two_sided(one.z) for one in found], self._rate)
        return [one for one, right in zip(found, passed, strict=True) if right]

    def _alert(self, one: Found, window: Window, complete: bool) -> PopulationAlert:
        counts = one.counts
        before = (counts.before + 0.5) / (counts.all_before + 1)
        now = (counts.now + 0.5) / (counts.all_now + 1)
        return PopulationAlert(
            id=self._id(one, window.began_at),
            direction=one.direction,
            category=one.category,
            from_category=one.origin,
            sources=self._sources(one, window),
            shoppers=counts.now,
            shoppers_before=counts.before,
            ratio=round(now / before, DIGITS),
            z=round(one.z, DIGITS),
            false_discovery_rate=self._rate,
            window_started_at=window.began_at,
            window_ends_at=window.began_at + self._length,
            complete=complete,
            settings=self._settings,
        )

    def _id(self, one: Found, began_at: float) -> str:
        what = one.category if one.origin is None else f"{one.origin}\n{one.category}"
        return f"{FLOWS}-0-{began_at:.0f}-{one.direction}-{identify(what) % (1 << 64):016x}"

    def _sources(self, one: Found, window: Window) -> list[FlowSource]:
        """Where those who came are from, or where those who left went: no handful of people."""
        if one.direction == "flow":
            return []
        place = 0 if one.direction == "rising" else 1
        ways = {
            way[place]: count
            for way, count in window.now.items()
            if way[1 - place] == one.category and count >= self._least
        }
        largest = sorted(ways.items(), key=lambda entry: (-entry[1], entry[0]))[:MOST_SOURCES]
        every = sum(n for way, n in window.now.items() if way[1 - place] == one.category)
        return [FlowSource(name, count, round(count / every, DIGITS)) for name, count in largest]


def _into(moves: Mapping[tuple[str, str], int]) -> Counter[str]:
    return _sums((target, count) for (_, target), count in moves.items())


def _out_of(moves: Mapping[tuple[str, str], int]) -> Counter[str]:
    return _sums((origin, count) for (origin, _), count in moves.items())


def _sums(counts: Iterable[tuple[str, int]]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for name, count in counts:
        sums[name] += count
    return sums
