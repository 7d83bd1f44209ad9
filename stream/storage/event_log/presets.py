"""Well-known logs, by name: which of their columns or properties say what."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from stream.errors import BadRecord, WrongUse
from stream.storage.event_log.files import Fields
from stream.storage.event_log.mapping import Layout, moment, text

UNSET = ("(not set)", "(none)", "")
GA4_TYPES = {"view_search_results": "search"}
SEGMENT_TYPES = {
    "Product Viewed": "view_item",
    "Product Clicked": "select_item",
    "Product List Viewed": "view_item_list",
    "Products Searched": "search",
    "Product Added": "add_to_cart",
    "Product Added to Wishlist": "add_to_wishlist",
    "Wishlist Product Added to Cart": "add_to_cart",
    "Product Removed": "remove_from_cart",
    "Order Completed": "purchase",
    "Order Refunded": "refund",
    "Promotion Viewed": "view_promotion",
    "Promotion Clicked": "select_promotion",
}


class Document(NamedTuple):
    """A log of nested objects: one function makes the event of one of them."""

    event: Callable[[Fields], Fields]
    types: Mapping[str, str]


def dotted(value: Any) -> str | None:
    """A path in our notation of one with dots.

    >>> dotted("electronics.audio.headphone")
    'electronics > audio > headphone'
    """
    code = text(value)
    return code and " > ".join(code.split("."))


def ga4(row: Fields) -> Fields:
    """An event of GA4's BigQuery export. `user_id` counts before `user_pseudo_id`."""
    said = {entry.get("key"): entry.get("value") or {} for entry in row.get("event_params") or ()}
    return _without_none(
        {
            "user_id": text(row.get("user_id")) or text(row.get("user_pseudo_id")),
            "event_type": text(row.get("event_name")),
            "occurred_at": moment(row.get("event_timestamp")),
            "session_id": _parameter(said, "ga_session_id"),
            "currency": _parameter(said, "currency"),
            "query": _parameter(said, "search_term"),
        }
        | _basket([_ga4_item(item) for item in row.get("items") or ()])
    )


def _parameter(said: Mapping[str, Fields], name: str) -> str | None:
    value = said.get(name, {})
    for kind in ("string_value", "int_value", "float_value", "double_value"):
        found = text(value.get(kind))
        if found:
            return found
    return None


def _ga4_item(item: Fields) -> Fields:
    levels = ["item_category", *(f"item_category{level}" for level in range(2, 6))]
    path = [name for level in levels if (name := _set(item.get(level)))]
    return _without_none(
        {
            "item_id": _set(item.get("item_id")) or _set(item.get("item_name")),
            "category": " > ".join(path) or None,
            "position": _number(item.get("item_list_index"), whole=True),
            "price": _number(item.get("price")),
            "quantity": _number(item.get("quantity")),
        }
    )


def segment(row: Fields) -> Fields:
    """An e-commerce call of Segment's spec. `userId` counts before `anonymousId`."""
    said: Fields = row.get("properties") or {}
    return _without_none(
        {
            "user_id": text(row.get("userId")) or text(row.get("anonymousId")),
            "event_type": text(row.get("event")) or text(row.get("type")),
            "occurred_at": moment(row.get("timestamp")),
            "event_id": text(row.get("messageId")),
            "session_id": text(said.get("session_id")),
            "currency": text(said.get("currency")),
            "query": text(said.get("query")),
            "list_id": text(said.get("list_id")),
            "promotion_id": text(said.get("promotion_id")),
            "category": text(said.get("category")),
        }
        | _basket([_segment_item(item) for item in said.get("products") or [said]])
    )


def _segment_item(item: Fields) -> Fields:
    return _without_none(
        {
            "item_id": text(item.get("product_id")) or text(item.get("sku")),
            "category": text(item.get("category")),
            "position": _number(item.get("position"), whole=True),
            "price": _number(item.get("price")),
            "quantity": _number(item.get("quantity")),
        }
    )


def _basket(items: list[Fields]) -> Fields:
    """One item is the event's own; several are its basket."""
    if len(items) == 1:
        return items[0]
    return {"items": items} if items else {}


def _set(value: Any) -> str | None:
    found = text(value)
    return None if found in UNSET else found


def _number(value: Any, *, whole: bool = False) -> float | None:
    """A number, also one written as text, as BigQuery writes its integers."""
    if value is None or value in UNSET:
        return None
    try:
        return int(value) if whole else float(value)
    except (ValueError, TypeError, OverflowError):
        # Analytics tools let shops put anything here, and interest does not hang on it.
        return None


def _without_none(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}


def shaped(document: Document, types: Mapping[str, str]) -> Callable[[Fields], Fields]:
    """The document's function, with event types by their names in GA4."""
    known = {name: types.get(name, name) for name in document.types.values()}

    def event(row: Fields) -> Fields:
        try:
            made = document.event(row)
        except (AttributeError, TypeError) as error:
            raise BadRecord(f"not the layout of this preset: {error}") from None
        name = made.get("event_type", "")
        made["event_type"] = known.get(document.types.get(name, ""), types.get(name, name))
        return made

    return event


PRESETS: dict[str, Layout | Document] = {
    "taobao": Layout(
        {
            "user_id": ("user_id", "user", "userid"),
            "item_id": ("item_id", "item", "itemid"),
            "category": ("category_id", "category", "item_category", "categoryid"),
            "event_type": ("behavior_type", "behavior", "type", "event_type"),
            "occurred_at": ("timestamp", "time", "ts", "occurred_at"),
        },
        order=("user_id", "item_id", "category", "event_type", "occurred_at"),
    ),
    "rees46": Layout(
        {
            "occurred_at": ("event_time",),
            "event_type": ("event_type",),
            "item_id": ("product_id",),
            "category": ("category_id",),
            "brand": ("brand",),
            "price": ("price",),
            "user_id": ("user_id",),
            "session_id": ("user_session",),
        },
        order=(
            *("occurred_at", "event_type", "item_id", "category", "category_code"),
            *("brand", "price", "user_id", "session_id"),
        ),
        preferred={"category": ("category_code", dotted)},
    ),
    "retailrocket": Layout(
        {
            "occurred_at": ("timestamp",),
            "user_id": ("visitorid",),
            "event_type": ("event",),
            "item_id": ("itemid",),
        },
        order=("occurred_at", "user_id", "event_type", "item_id", ""),
    ),
    # A rating says that the film was looked at, whatever the stars.
    "movielens": Layout(
        {
            "user_id": ("userid", "user_id", "user_id:token"),
            "item_id": ("movieid", "movie_id", "item_id", "itemid", "item_id:token"),
            "rating": ("rating", "rating:float"),
            "occurred_at": ("timestamp", "timestamp:float"),
        },
        constants={"event_type": "view_item"},
        order=("user_id", "item_id", "rating", "occurred_at"),
    ),
    # `sales_value` is what the whole line cost, so it is no price.
    "completejourney": Layout(
        {
            "user_id": ("household_id", "household_key"),
            "item_id": ("product_id",),
            "session_id": ("basket_id",),
            "quantity": ("quantity",),
            "occurred_at": ("transaction_timestamp",),
        },
        constants={"event_type": "purchase"},
    ),
    # A session and an item a line, as in the files of ADER (Mi, Lin and Faltings 2020, RecSys).
    "session-item": Layout(
        {
            "user_id": ("user_id",),
            "session_id": ("session_id",),
            "item_id": ("item_id",),
            "occurred_at": ("occurred_at",),
        },
        constants={"event_type": "view_item"},
        order=("user_id", "session_id", "item_id", "occurred_at"),
        timeless=True,
    ),
    "ga4": Document(ga4, GA4_TYPES),
    "segment": Document(segment, SEGMENT_TYPES),
}


ALIASES = {"ader": "session-item"}


def named(preset: str) -> Layout | Document:
    """The preset of that name, or a WrongUse that lists them."""
    name = ALIASES.get(preset, preset)
    if name not in PRESETS:
        raise WrongUse(f"no preset {preset!r}; there are: {', '.join(PRESETS)}")
    return PRESETS[name]
