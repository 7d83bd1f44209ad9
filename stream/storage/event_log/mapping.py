"""Foreign columns become the fields of a behavior event."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, NoReturn

import msgspec

from stream.errors import BadRecord, WrongUse, shown
from stream.messages import BehaviorEvent
from stream.storage.event_log.files import Fields, seconds

FIELDS = BehaviorEvent.__struct_fields__
REQUIRED = ("user_id", "event_type", "occurred_at")
NUMBERS = frozenset(["price", "quantity", "rating"])
JSON = frozenset(["items", "properties"])
MICROSECONDS_FROM, NANOSECONDS_FROM = 10**14, 10**17

Convert = Callable[[Any], Any]
Step = tuple[str, str, Convert]
"""A field, the column that holds it, and what makes the one of the other."""


class Layout(NamedTuple):
    """Which columns of a foreign log hold which fields.

    `columns` lists for each field the names that its column goes by; `order` is the
    order of fields in a file without a header ("" for a column not used).
    """

    columns: Mapping[str, tuple[str, ...]]
    constants: Mapping[str, str] = {}
    order: tuple[str, ...] = ()
    foreign: bool = True
    """Numbers become ids, and times in other notations are read; not so in our own layout."""
    preferred: Mapping[str, tuple[str, Convert]] = {}
    """Columns that, where they hold something, say it better than those in `columns`."""
    strict: bool = False
    """Each column was named by a person, so each must be there."""
    timeless: bool = False
    """Lines are pairs without a time: what `timing` makes of them is what is read."""


CANONICAL = Layout({name: (name,) for name in FIELDS}, foreign=False)


def parsed(mapping: str) -> Layout:
    """The layout of `--map`: a column for each field, or a constant in quotes.

    >>> layout = parsed("user_id=uid,event_type=='view',occurred_at=t")
    >>> layout.columns["user_id"], layout.constants
    (('uid',), {'event_type': 'view'})
    """
    columns: dict[str, tuple[str, ...]] = {}
    constants: dict[str, str] = {}
    for part in re.findall(r"""(?:[^,'"]|'[^']*'|"[^"]*")+""", mapping):
        name, equals, column = (text.strip() for text in part.partition("="))
        if not equals or not column or name not in FIELDS:
            raise WrongUse(
                f"--map {part.strip()!r}: write field=column or field=='constant'; "
                f"fields are {', '.join(FIELDS)}"
            )
        # A shell takes the quotes of =='view' away, so two signs alone mean a constant too.
        if column[0] in "='\"":
            constants[name] = column.removeprefix("=").strip().strip("'\"")
        else:
            columns[name] = (column,)
    missing = [name for name in REQUIRED if name not in columns | constants]
    if missing:
        raise WrongUse(f"--map needs {', '.join(missing)} too: {missing[0]}=column")
    return Layout(columns, constants, strict=True)


def chosen(layout: Layout, there: Iterable[str], source: str) -> dict[str, str]:
    """For each field the column that holds it, of those that are there.

    Raises
    ------
    WrongUse
        Listing the columns that are there, if a needed one is not.
    """
    found = found_columns(layout, there)
    for name, names in layout.columns.items():
        if name not in found and (layout.strict or name in REQUIRED):
            raise WrongUse(
                f"{source}: no column {' or '.join(map(repr, names))} for {name}; "
                f"there are: {', '.join(there)}"
            )
    return found


def found_columns(layout: Layout, there: Iterable[str]) -> dict[str, str]:
    """For each field that has one, the column that holds it; letter case does not count."""
    exact = {name: name for name in there}
    known = {name.strip().lower(): name for name in there} | exact
    found = {}
    for field, names in layout.columns.items():
        for name in names:
            column = known.get(name) or known.get(name.lower())
            if column is not None:
                found[field] = column
                break
    return found


def steps(
    layout: Layout,
    found: Mapping[str, str],
    there: Iterable[str],
    types: Mapping[str, str],
    *,
    from_text: bool,
) -> list[Step]:
    """What to do for each row, the better columns last, so that they have the last word."""
    convert = converters(layout, types, from_text=from_text)
    known = {column.lower(): column for column in there}
    made = [(field, found[field], convert[field]) for field in FIELDS if field in found]
    return made + [
        (field, known[column], better)
        for field, (column, better) in layout.preferred.items()
        if column in known
    ]


def converters(layout: Layout, types: Mapping[str, str], *, from_text: bool) -> dict[str, Convert]:
    """For each field what makes its value of a column's; None leaves the field out."""
    if not layout.foreign:
        plain: Convert = empty_is_none if from_text else present
        special = {name: _number(name) for name in NUMBERS} | {"position": _whole}
        special |= dict.fromkeys(JSON, _json) | {"occurred_at": numeric}
        return {name: special.get(name, plain) if from_text else plain for name in FIELDS}
    made: dict[str, Convert] = dict.fromkeys(FIELDS, text)
    made |= {name: _number(name) for name in NUMBERS} | {"position": _whole}
    made |= dict.fromkeys(JSON, _json) | {"occurred_at": moment}
    return made | {"event_type": lambda value: types.get(key := text(value) or "", key)}


def empty_is_none(value: str) -> str | None:
    return value or None


def present(value: Any) -> Any:
    """The value as it is; a NaN says that there is none."""
    return None if value != value else value


def text(value: Any) -> str | None:
    """The value as text: where a layout says that a number is an id, it becomes one.

    >>> text(12), text(12.0), text(""), text(float("nan"))
    ('12', '12', None, None)
    """
    if isinstance(value, str):
        return value or None
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace") or None
    if isinstance(value, list | dict):
        raise BadRecord(f"{msgspec.json.encode(value)[:40].decode()} is no text")
    return str(value)


def numeric(value: str) -> float | str | None:
    """A number if the text is one; Unix time, then."""
    try:
        return int(value) if value.isdecimal() and len(value) < 20 else float(value)
    except ValueError:
        return value or None


def moment(value: Any) -> float | str | None:
    """Unix seconds, or an RFC 3339 text, of a time in any usual notation.

    Numbers from 1e14 up are microseconds, from 1e17 nanoseconds; below, they are seconds or
    milliseconds as in a behavior event. A time without a zone is taken as UTC.

    >>> moment("1511544070"), moment(1511544070_000000)
    (1511544070, 1511544070)
    >>> moment("2019-10-01 00:00:00 UTC"), moment("2019-10-01")
    ('2019-10-01T00:00:00Z', '2019-10-01T00:00:00Z')
    """
    if isinstance(value, str):
        value = numeric(value)
        if isinstance(value, str):
            return _zoned(value.strip())
    if isinstance(value, date):
        return _instant(value).timestamp()
    if isinstance(value, int) and MICROSECONDS_FROM <= value < 1 << 64:
        return seconds(value, 10**9 if value >= NANOSECONDS_FROM else 10**6)
    return None if value is None or value != value else value


def _instant(value: date) -> datetime:
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _zoned(value: str) -> str:
    """RFC 3339 of `2019-10-01 00:00:00 UTC` and its like; others unchanged, to be refused."""
    if value.endswith((" UTC", " GMT")):
        value = value[:-4] + "Z"
    if len(value) == 10:
        value += "T00:00:00"
    if len(value) > 10 and value[10] == " ":
        value = value[:10] + "T" + value[11:]
    has_zone = value.endswith(("Z", "z")) or "+" in value[19:] or "-" in value[19:]
    return value if has_zone else value + "Z"


def _number(name: str) -> Convert:
    def number(value: Any) -> float | None:
        if value is None or value == "" or value != value:
            return None
        try:
            return int(value) if type(value) is str and value.isdecimal() else float(value)
        except (ValueError, TypeError, OverflowError):
            raise BadRecord(f"{name} {shown(value)} is no number") from None

    return number


def _whole(value: Any) -> int | None:
    number = _number("position")(value)
    if number is not None and number % 1 != 0:
        raise BadRecord(f"position {shown(value)} is no whole number")
    return None if number is None else int(number)


def _json(value: Any) -> Any:
    """JSON within a column of text; nested columns stay what they are."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value) if value else None
    except msgspec.DecodeError as error:
        raise BadRecord(f"not JSON: {error} - in {value[:40]!r}") from None
    except RecursionError:
        raise BadRecord("nested too deep") from None


def reach(path: str) -> Callable[[Fields], Any]:
    """What finds a value in a JSON object, under its name or along `a.b.c`."""
    first, *rest = path.split(".")

    def get(fields: Fields) -> Any:
        if path in fields or not rest:
            return fields.get(path)
        value: Any = fields.get(first)
        for name in rest:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    return get


def refuse(value: object) -> NoReturn:
    """For the JSON encoder: a foreign column may hold what JSON and msgspec know nothing of."""
    raise BadRecord(f"a value of type {type(value).__name__} has no place in JSON")
