"""Which local days have closed in all partitions, and what was sold and viewed on them."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from stream.core.calendar import Calendar
from stream.core.tallies import Told
from stream.messages import DemandCount, PartitionClock, Series
from stream.settings import Settings

Key = tuple[Series, str | None, str | None]


def closed_at(told: Iterable[Told], idle_after: float) -> float | None:
    """The time that every partition has passed, but for those far behind; None for no clock."""
    clocks = [message.clock for message in told if isinstance(message, PartitionClock)]
    if not clocks:
        return None
    return min(clock for clock in clocks if clock >= max(clocks) - idle_after)


def closed_days(told: Iterable[Told], settings: Settings) -> list[tuple[int, dict[Key, float]]]:
    """Each closed day's totals over all partitions, in order; days without any are left out.

    `told` has the newest message of each key.

    Examples
    --------
    >>> told = [
    ...     DemandCount(partition=p, day="2026-01-05", series="views", category="tents",
    ...                 item_id=None, quantity=2.0, source_offset=9)
    ...     for p in range(2)
    ... ]
    >>> clock = PartitionClock(partition=0, partitions=2, clock=1767657600.0, source_offset=9)
    >>> closed_days([*told, clock], Settings())
    [(739621, {('views', 'tents', None): 4.0})]
    """
    messages = list(told)
    until = closed_at(messages, settings.idle_after)
    if until is None:
        return []
    open_day = Calendar(settings.time_zone, settings.week_starts_on).day_of(until)
    thousandths: defaultdict[int, defaultdict[Key, int]] = defaultdict(lambda: defaultdict(int))
    for message in messages:
        if not isinstance(message, DemandCount):
            continue
        day = date.fromisoformat(message.day).toordinal()
        if day < open_day:
            key = (message.series, message.category, message.item_id)
            thousandths[day][key] += round(1000 * message.quantity)
    return [
        (day, {key: total / 1000 for key, total in sorted(totals.items(), key=_by_name)})
        for day, totals in sorted(thousandths.items())
    ]


def _by_name(entry: tuple[Key, int]) -> tuple[str, str, str]:
    series, category, item = entry[0]
    return series, category or "", item or ""
