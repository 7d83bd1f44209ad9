"""Where forecasts come from: the topic, a replay's file, or a log that is read now."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from stream.core.forecast_demand import HORIZONS, KNOWN_BY, LEAST
from stream.errors import StreamError, WrongUse
from stream.messages import FORECASTS, DemandForecast, Series

if TYPE_CHECKING:
    from stream.evaluation.logs import Log
    from stream.settings import Settings

BOTH: tuple[Series, ...] = ("purchases", "views")


class Found(NamedTuple):
    """All forecasts there are, old ones too, and what is missing where there are none."""

    forecasts: list[DemandForecast]
    missing: list[str]


def from_topic(broker: str, series: Series) -> Found:
    """What workers published; of each key the topic keeps the newest, and some older ones."""
    from stream.storage.event_log.ranges import read

    records = read(f"kafka://{broker}/{FORECASTS}", None, None, _say)
    found = [
        forecast
        for record in records
        for forecast in _decoded(record.value, f"{FORECASTS}[{record.partition}]@{record.offset}")
    ]
    if not found:
        raise StreamError(
            f"{FORECASTS} at {broker} holds no forecast yet: a worker publishes one when a day "
            f"has ended and {LEAST['day']} were seen"
        )
    return Found(found, without_forecast(found, series))


def _say(line: str) -> None:
    click.echo(f"drift: {line}", err=True)


def _decoded(value: bytes, address: str) -> Iterator[DemandForecast]:
    """The forecast; nothing for a tombstone, or, with a line on stderr, for a stranger's record."""
    if not value:
        return
    try:
        yield msgspec.json.decode(value, type=DemandForecast)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _say(f"{address} is no forecast known here: {error}")


def from_file(path: Path, series: Series) -> Found:
    """What a replay wrote; `path` is its file or its folder."""
    file = path / f"{FORECASTS}.jsonl" if path.is_dir() else path
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise WrongUse(f"--from: can't read {file}: {error.strerror}") from None
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(msgspec.json.decode(line, type=DemandForecast))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WrongUse(f"--from {file}, line {number} is no forecast: {error}") from None
    return Found(found, without_forecast(found, series))


def without_forecast(found: Iterable[DemandForecast], series: Series) -> list[str]:
    """What the horizons need of which there is no forecast.

    >>> without_forecast([], "purchases")[:2]
    ['day: needs 14 days', 'week: needs 4 weeks']
    """
    there = {forecast.horizon for forecast in found if forecast.series == series}
    return [f"{h}: needs {LEAST[h]} {KNOWN_BY[h]}s" for h in HORIZONS if h not in there]


def from_log(log: "Log", settings: "Settings", series: Series) -> Found:
    """What a shop would have said of the log's closed days, period by period."""
    from stream.core.calendar import Calendar
    from stream.core.forecast import Forecaster, Key
    from stream.evaluation.demand_days import daily, item_days

    calendar = Calendar(settings.time_zone, settings.week_starts_on)
    forecaster, found = Forecaster.configured(settings), list[DemandForecast]()
    items = item_days(log, series, calendar, settings.forecast_items)
    for day, categories in daily(log, series, calendar).totals():
        totals: dict[Key, float] = {**categories, **items.get(day, {})}
        found += forecaster.close_day(day, totals)
    return Found(found, [str(lack) for lack in forecaster.shortfalls() if lack.series == series])


def newest(forecasts: Sequence[DemandForecast]) -> list[DemandForecast]:
    """Of each horizon and series the forecasts of the period that was begun last."""
    last: dict[tuple[str, str], float] = {}
    for forecast in forecasts:
        kind = forecast.horizon, forecast.series
        last[kind] = max(last.get(kind, 0.0), forecast.period_started_at)
    kept = {
        (f.horizon, f.series, f.category, f.item_id): f
        for f in forecasts
        if f.period_started_at == last[f.horizon, f.series]
    }
    return list(kept.values())
