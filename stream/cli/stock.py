"""What the shop has on hand, from a file, and how far that will go by the forecasts."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from stream.errors import WrongUse
from stream.messages import DemandForecast
from stream.storage.event_log import files

LONGEST = 1 << 16
FIELDS = ("category", "item_id", "on_hand", "lead_time_days")
DAY = 86_400.0


class Stock(NamedTuple):
    """What there is of a category or of an item, and how long an order takes to come."""

    category: str | None
    item_id: str | None
    on_hand: float
    lead_time_days: float


class Reach(Struct, frozen=True, kw_only=True):
    """How far a stock will go. What no forecast tells is None."""

    category: str | None
    item_id: str | None
    on_hand: float
    lead_time_days: float
    demand: float | None
    """Expected within the lead time."""
    days_of_cover: float | None
    shortage: float | None
    """The chance that more is asked for within the lead time than there is."""
    overstock: float | None
    """On hand beyond the upper end of the quarter's interval."""


def read_stock(path: Path) -> list[Stock]:
    """The lines of a CSV or JSONL file.

    Raises
    ------
    WrongUse
        Naming the line, its value and what would do.
    """
    files.check(path)
    if files.kind(path).format == "parquet":
        raise WrongUse(f"--stock {path}: give CSV or JSONL")
    stocks: dict[tuple[str | None, str | None], Stock] = {}
    for number, line in _objects(path):
        stock = _stock(line, f"--stock {path}, line {number}")
        if stock[:2] in stocks:
            name = stock.item_id or stock.category
            raise WrongUse(f"--stock {path}, line {number}: {name} has a line already")
        stocks[stock[:2]] = stock
    if not stocks:
        raise WrongUse(
            f"--stock {path} is empty: give lines of category or item_id and {FIELDS[2:]}"
        )
    return list(stocks.values())


def _objects(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Each line's fields by name, and its number from 1; blank lines are left out."""
    lines = files.lines(path, LONGEST, files.Meter())
    if files.kind(path).format == "jsonl":
        for number, line in lines:
            if line.strip():
                yield number, _decoded(line, f"--stock {path}, line {number}")
        return
    records = files.csv_records(lines)
    _, header = next(records, (0, b""))
    mark = files.delimiter(header, files.kind(path).suffix)
    names = [name.strip().lower() for name in _split(header, mark, f"--stock {path}, line 1")]
    _check_header(names, path)
    for number, record in records:
        if record.strip():
            values = _split(record, mark, f"--stock {path}, line {number}")
            yield number, dict(zip(names, map(str.strip, values), strict=False))


def _check_header(names: Sequence[str], path: Path) -> None:
    for name in FIELDS[2:]:
        if name not in names:
            raise WrongUse(
                f"--stock {path}, line 1: no column {name}; there are: {', '.join(names)}"
            )


def _decoded(line: bytes, address: str) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WrongUse(f"{address}: {error}") from None


def _split(record: bytes, mark: str, address: str) -> list[str]:
    try:
        return files.fields(record, mark)
    except ValueError as error:
        raise WrongUse(f"{address}: {error}") from None


def _stock(line: Mapping[str, Any], address: str) -> Stock:
    category, item = line.get("category") or None, line.get("item_id") or None
    if category is None and item is None:
        raise WrongUse(f"{address}: name a category or an item_id")
    return Stock(
        # Of an item the category is known from the forecasts.
        None if item is not None else str(category),
        None if item is None else str(item),
        _number(line, "on_hand", address),
        _number(line, "lead_time_days", address),
    )


def _number(line: Mapping[str, Any], name: str, address: str) -> float:
    given = line.get(name)
    try:
        value = float(given) if given not in (None, "") else math.nan
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value >= 0.0):
        raise WrongUse(f"{address}: {name} must be a number from 0 up, got {given!r}")
    return value


def reaches(stocks: Sequence[Stock], forecasts: Sequence[DemandForecast]) -> list[Reach]:
    """How far each stock will go, the likeliest shortage first."""
    by_name: dict[tuple[str | None, str | None], list[DemandForecast]] = {}
    for forecast in forecasts:
        own = forecast.item_id is None
        name = (forecast.category if own else None, forecast.item_id)
        by_name.setdefault(name, []).append(forecast)
    found = [reach(stock, by_name.get(stock[:2], [])) for stock in stocks]
    return sorted(found, key=lambda r: (-(r.shortage or 0.0), r.days_of_cover or math.inf))


def reach(stock: Stock, forecasts: Sequence[DemandForecast]) -> Reach:
    """How far one stock will go by its forecasts, one of each horizon.

    What will be asked for in some days is taken from the shortest period that is as long, or
    from the longest, in proportion. The chance of a shortage is that of a gamma distribution
    of that mean; its standard deviation is that of a bell which the forecast's interval
    belongs to, times the square root of the proportion, or, beyond the longest period, times
    the proportion itself.
    """
    lengths = sorted(((_days(f), f) for f in forecasts), key=lambda pair: pair[0])
    demand = shortage = cover = overstock = None
    if lengths:
        demand, spread = _demand(lengths, stock.lead_time_days)
        shortage = _above(stock.on_hand, demand, spread)
        cover = _cover(lengths, stock.on_hand)
    quarter = next((f for _, f in lengths if f.horizon == "quarter"), None)
    if quarter is not None:
        overstock = max(stock.on_hand - quarter.high, 0.0)
    return Reach(
        category=stock.category,
        item_id=stock.item_id,
        on_hand=stock.on_hand,
        lead_time_days=stock.lead_time_days,
        demand=demand,
        days_of_cover=cover,
        shortage=shortage,
        overstock=overstock,
    )


def _days(forecast: DemandForecast) -> float:
    return (forecast.period_ends_at - forecast.period_started_at) / DAY


Lengths = Sequence[tuple[float, DemandForecast]]


def _demand(lengths: Lengths, days: float) -> tuple[float, float]:
    """What is expected in so many days, and its standard deviation."""
    length, forecast = next((pair for pair in lengths if pair[0] >= days), lengths[-1])
    part = days / length
    z = NormalDist().inv_cdf(0.5 + forecast.interval / 2)
    spread = (forecast.high - forecast.expected) / z
    return forecast.expected * part, spread * (math.sqrt(part) if part <= 1.0 else part)


def _above(on_hand: float, mean: float, spread: float) -> float:
    """The chance that more than `on_hand` is asked for."""
    from scipy.special import gammaincc

    if mean <= 0.0 or spread <= 0.0:
        return 1.0 if mean > on_hand else 0.0
    shape = (mean / spread) ** 2
    return float(gammaincc(shape, on_hand * shape / mean))


def _cover(lengths: Lengths, on_hand: float) -> float | None:
    """Days until it is sold, by the shortest period that lasts as long; None for never."""
    for length, forecast in lengths:
        if forecast.horizon != "day" and on_hand <= forecast.expected:
            return on_hand / forecast.expected * length if on_hand else 0.0
    length, forecast = lengths[-1]
    return on_hand / forecast.expected * length if forecast.expected > 0.0 else None
