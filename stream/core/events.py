"""From the bytes of a record to touches: who did what with what, and when."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from stream.core.ids import NONE, identify
from stream.core.presence import UNWANTED, WANTED
from stream.errors import BadRecord, shown
from stream.messages import FORGET, BasketItem, BehaviorEvent
from stream.settings import Settings

MILLISECONDS_FROM = 1e11
MOST_ITEMS = 1000
VIEW, KEEP, BUY, RETURNED = 0, 1, 2, 3
MOST_QUANTITY = 1e9
# An escaped NUL, but not the six characters after an escaped backslash.
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
SHOWN, CLICKED = 1, 2
SEARCH = "search"
FEEDBACK = {"view_item_list": SHOWN, "select_item": CLICKED}
"""What an event says of a list of ours, if it names one."""
LIST_ID = re.compile(r".+-\d+-(\d{1,18})-delta-\d+")
MARKETING = {None: 0, True: WANTED, False: UNWANTED}
ACTIONS = {"add_to_cart": KEEP, "add_to_wishlist": KEEP, "purchase": BUY, "refund": RETURNED}


class Touch(NamedTuple):
    """One shopper touched one item or category. An event with `items` makes several."""

    user_id: str
    occurred_at: float
    item_id: str | None
    category: str | None
    weight: float
    action: int
    session: int
    """64-bit id of the session, 0 if none is given."""
    event: int
    """64-bit id of the event_id, 0 if none is given."""
    quantity: float = 1.0
    """How many were bought, or whatever was done to them."""
    rating: float | None = None
    feedback: int = 0
    """1 for an entry of a list that was shown, 2 for one that was clicked."""
    sequence: int = -1
    """Of that list."""
    place: int = -1
    """Where in the list it stood, from 0; -1 where it is not told."""
    marketing: int = 0
    """1 for a shopper who may be contacted, 2 for one who may not, 0 where nothing is said."""
    query: str = ""
    """What the shopper searched for by it."""


class Ignored(NamedTuple):
    """A well-formed event of a type that no setting knows."""

    event_type: str


class Forget(NamedTuple):
    """A request to forget a shopper."""

    user_id: str
    occurred_at: float


class Decoder:
    """Reads behavior events as the settings say.

    Examples
    --------
    >>> decode = Decoder(Settings())
    >>> value = b'{"user_id": "u", "event_type": "view", "occurred_at": 1e9, "category": "A"}'
    >>> decode(value)[0][:4]
    ('u', 1000000000.0, None, 'A')
    """

    def __init__(self, settings: Settings) -> None:
        self._decode = msgspec.json.Decoder(BehaviorEvent).decode
        weights = settings.weights()
        self._types = {
            name: (weights[known], ACTIONS.get(known, VIEW))
            for name, known in settings.canonical_types().items()
        }
        self._feedback = {
            name: FEEDBACK[known]
            for name, known in settings.canonical_types().items()
            if known in FEEDBACK
        }
        self._searches = {
            name for name, known in settings.canonical_types().items() if known == SEARCH
        }
        self._first = datetime(settings.first_year, 1, 1, tzinfo=UTC).timestamp()
        self._last = datetime(settings.last_year + 1, 1, 1, tzinfo=UTC).timestamp()
        self._years = f"{settings.first_year} to {settings.last_year}"
        self._most_bytes = settings.max_value_bytes
        self._cut = cutter(settings.category_level)

    def __call__(self, value: bytes | None) -> list[Touch] | Forget | Ignored:
        """The record's touches, in order.

        Raises
        ------
        BadRecord
            Saying what is wrong and where.
        """
        event = self.event(value)
        known = self._types.get(event.event_type)
        if known is None:
            if event.event_type == FORGET:
                return Forget(event.user_id, self.time(event.occurred_at))
            return Ignored(event.event_type)
        at = self.time(event.occurred_at)
        heard = self._heard(event)
        session = identify(event.session_id) if event.session_id else NONE
        number = identify(event.event_id) if event.event_id else NONE
        marketing = MARKETING[event.marketing]
        if event.items is None:
            quantity = _quantity(event.quantity)
            query = (event.query or "") if event.event_type in self._searches else ""
            return [
                Touch(event.user_id, at, event.item_id, self._cut(event.category), *known,
                      session, number, quantity, event.rating, *heard, _place(event.position),
                      marketing, query)
            ]  # fmt: skip
        return self._basket(event, event.items, at, known, session, number, heard, marketing)

    def event(self, value: bytes | None) -> BehaviorEvent:
        """The record as its message, not yet looked at beyond types."""
        if value is None:
            raise BadRecord("no value")
        if len(value) > self._most_bytes:
            raise BadRecord(f"{len(value)} bytes, max_value_bytes is {self._most_bytes}")
        if b"\\u0000" in value and NUL.search(value):
            raise BadRecord("a NUL character in a string")
        try:
            return self._decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRecord(str(error)) from None
        except RecursionError:
            raise BadRecord("nested too deep") from None

    def time(self, occurred_at: float | str) -> float:
        """Unix seconds of what `occurred_at` says."""
        if isinstance(occurred_at, str):
            at = _rfc3339(occurred_at)
        else:
            try:
                at = float(occurred_at)
            except OverflowError:
                raise BadRecord("occurred_at is too large for a time") from None
            if at >= MILLISECONDS_FROM:
                at /= 1000.0
        if not self._first <= at < self._last:
            raise BadRecord(f"occurred_at {shown(occurred_at)} is outside the years {self._years}")
        return at

    def _heard(self, event: BehaviorEvent) -> tuple[int, int]:
        """What the event says of a list, and the list's sequence; of others' lists nothing."""
        kind = self._feedback.get(event.event_type, 0)
        of_ours = LIST_ID.fullmatch(event.list_id) if kind and event.list_id else None
        return (kind, int(of_ours[1])) if of_ours else (0, -1)

    def _basket(
        self,
        event: BehaviorEvent,
        items: list[BasketItem],
        at: float,
        known: tuple[float, int],
        session: int,
        number: int,
        heard: tuple[int, int],
        marketing: int,
    ) -> list[Touch]:
        if not 0 < len(items) <= MOST_ITEMS:
            raise BadRecord(f"{len(items)} items; 1 to {MOST_ITEMS} fit one event - at `$.items`")
        # Each item is an event of its own, so it needs an id of its own to be told from a repeat.
        numbers = [number and identify(f"{number}:{place}") for place in range(len(items))]
        return [
            Touch(event.user_id, at, item.item_id, self._cut(item.category or event.category),
                  *known, session, own, _quantity(item.quantity), None, *heard,
                  _place(item.position), marketing)
            for item, own in zip(items, numbers, strict=True)
        ]  # fmt: skip


def _place(position: int | None) -> int:
    """Where in a list something stood, -1 where it is not told or can't be."""
    return position if position is not None and 0 <= position < MOST_ITEMS else -1


def _quantity(given: float | None) -> float:
    """What was given, or 1; negative ones would take from what others bought."""
    if given is None:
        return 1.0
    if not 0 <= given <= MOST_QUANTITY:
        raise BadRecord(f"quantity {given} is not from 0 to {MOST_QUANTITY:.0f}")
    return float(given)


def _rfc3339(text: str) -> float:
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise BadRecord(f"occurred_at {shown(text)} is no RFC 3339 time") from None
    if moment.tzinfo is None:
        raise BadRecord(f"occurred_at {shown(text)} has no time zone: end it with Z or +hh:mm")
    return moment.timestamp()


def cutter(level: int) -> Callable[[str | None], str | None]:
    """What cuts a path `A > B > C` after `level` parts; 0 cuts nothing."""
    if level == 0:
        return lambda category: category

    def cut(category: str | None) -> str | None:
        parts = [part.strip() for part in (category or "").split(">")]
        return " > ".join([part for part in parts if part][:level]) or None

    return cut
