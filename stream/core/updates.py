"""What a batch of events teaches about the shop: rows in a shard, packed columns on the wire."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.core.ids import NONE
from stream.core.query_buckets import FEATURES
from stream.core.rows import Float64s, Int8s, Int32s, Int64s, Layout, Rows, zeros
from stream.core.table import distinct
from stream.errors import StreamError
from stream.messages import ShopRecord, ShopUpdates

_decode = msgspec.msgpack.Decoder[ShopRecord](ShopRecord).decode
RECENT = 5
"""Recent distinct items, and categories, that an update carries."""
ABSENT = -1
"""No item, no category, or (as a step) no category to step to."""


class UpdateRow:
    """One event as the shop learns it. Ids are 64-bit, 0 for none; recent ones newest first.

    `position` is the record's offset * 1024 + the event's place in it. `step` says what
    the category is to the shopper: 0 the same, 1 an earlier one, 2 a new one, -1 none.
    `asked` is how many of `buckets` count: those of the query that the event is the answer to.
    """

    position: int
    occurred_at: float
    item_id: int
    category_id: int
    recent_items: Int64s
    recent_categories: Int64s
    step: int
    action: int
    asked: int
    buckets: Int32s


LAYOUT: Layout = np.dtype(
    [
        ("position", "i8"),
        ("occurred_at", "f8"),
        ("item_id", "i8"),
        ("category_id", "i8"),
        ("recent_items", "i8", RECENT),
        ("recent_categories", "i8", RECENT),
        ("step", "i1"),
        ("action", "i1"),
        ("asked", "i1"),
        ("buckets", "i4", FEATURES),
    ],
    align=True,
)


class Columns(NamedTuple):
    """A message's columns as arrays; items and categories are indexes into `ids`, or -1.

    `asked` is the place in `queries` of the query that an event answers, -1 for none; a query
    is its buckets, of which those below 0 don't count.
    """

    ids: Int64s
    queries: Int32s
    position: Int64s
    occurred_at: Float64s
    item: Int32s
    category: Int32s
    recent_items: Int32s
    recent_categories: Int32s
    step: Int8s
    action: Int8s
    asked: Int32s

    def only(self, chosen: NDArray[np.bool_]) -> "Columns":
        """The chosen rows; `ids` and `queries` stay."""
        rows = self._asdict().items()
        columns = {name: column[chosen] for name, column in rows if name not in ("ids", "queries")}
        return self._replace(**columns)


def packed(rows: Rows[UpdateRow], partition: int, name_of: Callable[[int], str]) -> ShopUpdates:
    """The message for these rows. `name_of` is asked for ids that are an event's own alone."""
    table = np.asarray(rows)
    own = np.stack([table["item_id"], table["category_id"]], axis=1)
    every = np.concatenate([own, table["recent_items"], table["recent_categories"]], axis=1)
    ids, columns = distinct(every)
    columns = columns.astype("<i4")
    # -1 finds the last place.
    named = np.zeros(len(ids) + 1, np.bool_)
    named[columns[:, :2]] = True
    names = zip(ids.tolist(), named.tolist(), strict=False)
    answers = np.flatnonzero(table["asked"])
    return ShopUpdates(
        partition=partition,
        ids=ids.astype("<i8").tobytes(),
        names=[name_of(id) if own else "" for id, own in names],
        position=table["position"].astype("<i8").tobytes(),
        occurred_at=table["occurred_at"].astype("<f8").tobytes(),
        item=columns[:, 0].tobytes(),
        category=columns[:, 1].tobytes(),
        recent_items=columns[:, 2 : 2 + RECENT].tobytes(),
        recent_categories=columns[:, 2 + RECENT :].tobytes(),
        step=table["step"].tobytes(),
        action=table["action"].tobytes(),
        asked=answers.astype("<i4").tobytes(),
        queries=_queries(table[answers]).astype("<i4").tobytes(),
    )


def _queries(answers: NDArray[np.void]) -> Int32s:
    """The buckets of the queries that these rows answer, -1 where there are no more."""
    beyond = np.arange(FEATURES) >= answers["asked"][:, np.newaxis]
    return np.asarray(np.where(beyond, ABSENT, answers["buckets"]), np.int32)


def columns_of(message: ShopUpdates) -> Columns:
    """The message's columns.

    Raises
    ------
    StreamError
        Naming the column and what is wrong with it.
    """
    events, answers = len(message.position) // 8, len(message.asked) // 4
    queries = _column(message, "queries", "<i4", answers, FEATURES)
    columns = Columns(
        ids=_column(message, "ids", "<i8", len(message.ids) // 8),
        queries=queries,
        position=_column(message, "position", "<i8", events),
        occurred_at=_column(message, "occurred_at", "<f8", events),
        item=_column(message, "item", "<i4", events),
        category=_column(message, "category", "<i4", events),
        recent_items=_column(message, "recent_items", "<i4", events, RECENT),
        recent_categories=_column(message, "recent_categories", "<i4", events, RECENT),
        step=_column(message, "step", "<i1", events),
        action=_column(message, "action", "<i1", events),
        asked=_asked(message, events, answers),
    )
    _check(message, columns)
    return columns


def unpacked(message: ShopUpdates) -> Rows[UpdateRow]:
    """The rows that `packed` made the message of."""
    columns = columns_of(message)
    rows = zeros(len(columns.position), LAYOUT, UpdateRow)
    # -1 finds the last place.
    ids = np.append(columns.ids, NONE)
    table = np.asarray(rows)
    for name in ("position", "occurred_at", "step", "action"):
        table[name] = getattr(columns, name)
    table["item_id"] = ids[columns.item]
    table["category_id"] = ids[columns.category]
    table["recent_items"] = ids[columns.recent_items]
    table["recent_categories"] = ids[columns.recent_categories]
    answers = np.flatnonzero(columns.asked >= 0)
    table["asked"][answers] = (columns.queries >= 0).sum(axis=1)
    table["buckets"][answers] = np.maximum(columns.queries, 0)
    return rows


def encode(message: ShopRecord) -> bytes:
    """The message as it goes on the wire: msgpack, for JSON makes its columns a third longer."""
    return msgspec.msgpack.encode(message)


def decode(value: bytes) -> ShopRecord:
    """The message of a record's value.

    Raises
    ------
    StreamError
        Saying what is wrong.
    """
    try:
        message: ShopRecord = _decode(value)
    except msgspec.DecodeError as error:
        raise StreamError(f"shop-updates: a record is no such message: {error}") from None
    return message


def _refused(message: ShopUpdates, why: str) -> StreamError:
    return StreamError(
        f"shop-updates of partition {message.partition}: {why}; "
        "was the record written by another version?"
    )


def _column(message: ShopUpdates, name: str, kind: str, events: int, wide: int = 1) -> Any:
    stored = cast(bytes, getattr(message, name))
    expected = events * wide * np.dtype(kind).itemsize
    if len(stored) != expected:
        raise _refused(message, f"column {name} has {len(stored)} bytes, expected {expected}")
    column = np.frombuffer(stored, kind)
    return column.reshape(events, wide) if wide > 1 else column


def _asked(message: ShopUpdates, events: int, answers: int) -> Int32s:
    """The place of each event's query, -1 for none."""
    of = _column(message, "asked", "<i4", answers)
    if ((of < 0) | (of >= events)).any():
        raise _refused(message, f"column asked has a value outside 0 to {events - 1}")
    asked = np.full(events, ABSENT, np.int32)
    asked[of] = np.arange(answers, dtype=np.int32)
    return asked


def _check(message: ShopUpdates, columns: Columns) -> None:
    """Refuse what the kernels would stumble over."""
    ids = columns.ids
    if len(message.names) != len(ids):
        raise _refused(message, f"{len(message.names)} names for {len(ids)} ids")
    if (ids == NONE).any() or len(distinct(ids)[0]) != len(ids):
        raise _refused(message, "an id is 0 or stands there twice")
    if not np.isfinite(columns.occurred_at).all():
        raise _refused(message, "column occurred_at has a value that is no time")
    if (columns.position < 0).any():
        raise _refused(message, "column position has a value below 0")
    bounds = {"item": len(ids), "category": len(ids), "step": 3, "action": 3}
    bounds |= {"recent_items": len(ids), "recent_categories": len(ids)}
    for name, end in bounds.items():
        column = getattr(columns, name)
        if ((column < ABSENT) | (column >= end)).any():
            raise _refused(message, f"column {name} has a value outside -1 to {end - 1}")
