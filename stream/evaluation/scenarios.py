"""A simulated shop whose shoppers' interests move at known times."""

import random
from bisect import bisect
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import accumulate, count
from math import inf
from typing import NamedTuple, Self

import msgspec
from msgspec import Struct

from stream.evaluation.assortment import Assortment
from stream.evaluation.searches import Search, Searches
from stream.messages import BehaviorEvent

DAY = 86_400.0
STARTS_AT = 1_767_225_600.0
"""2026-01-01T00:00:00Z: files come out the same on any day."""
EVENTS_PER_SESSION = 5.67
"""What sessions have on average (measured); only the sizes of scenarios rest on it."""
SESSIONS = 60
"""Of one shopper, where a scenario chooses: enough to know habits, and to lose them."""

SESSION_GAP = 2400.0
"""A shopper's sessions lie further apart than the half hour that closes one."""
SESSION_LASTS = 220.0
LOOK = 10.0
"""Seconds between a search and what it leads to, and from one to the next."""
PACE_SPREAD = 0.35
"""Standard deviation of the logarithm of shoppers' times between sessions."""
MOST_EVENTS = 12
MAIN_SHARES = (0.52, 0.62)
SIDES = (0.15, 0.11, 0.07)
"""Shares of the side interests, from the strongest."""
LEFT_BEHIND = 0.04
"""What a mover still looks at of the old main category, as a share."""
SETTLED, STAYS = 18, 24
"""Sessions before a move, and at least so many expected after it."""


class SimulatedEvent(NamedTuple):
    """One record for the topic `behavior-events`, or one line of a file."""

    user_id: str
    occurred_at: float
    value: bytes


class Move(Struct):
    """A shopper's interest moved: what a detector is to find.

    Counts grow with the stream: `events_after` is what has come so far.
    """

    user_id: str
    from_category: str
    to_category: str
    moved_at: float
    """Unix seconds of the first event after the move."""
    first_event: int
    """That event's number among all events, from 0."""
    events_before: int
    sessions_before: int
    events_after: int = 0
    sessions_after: int = 0


class Shopper(Struct):
    """What a shopper likes, and how far the shopper has come."""

    user_id: str
    pace: float
    """Seconds between two sessions, on average."""
    likes: list[int]
    """Categories: the main one, then the side ones."""
    odds: list[float]
    """Running sums of their shares; what lacks to 1 is exploration."""
    moves_to: int = -1
    moves_after: int = -1
    """Sessions before the move; -1 for never."""
    sessions: int = 0
    events: int = 0
    move: Move | None = None


class Shop:
    """An endless stream of a shop's events, in time order, and the moves in it.

    Each shopper has a main category (more than half of what they look at), three side ones and
    now and then another. Of those who come often enough a share moves, once: another
    category takes the place of the main one, after at least 18 sessions and with 24 more
    expected before `days` are over. All others never move, so whatever is
    found in them is false. Cut the stream by number or time; it needs the memory of
    its shoppers and open sessions only.

    Parameters
    ----------
    days
        The span in which moves are planned.
    sessions_per_day
        Of one shopper, on average. Moves need some 42 sessions in `days`.
    movers
        The share of those with enough sessions that moves.
    searches
        The share of sessions that begin with a search; its words and what it leads to come first.

    Examples
    --------
    >>> from itertools import islice
    >>> shop = Shop(users=50, seed=1)
    >>> events = list(islice(shop, 10_000))
    >>> shop.moves[0].from_category, shop.moves[0].to_category
    ('baby monitors', 'strollers')
    """

    def __init__(
        self,
        users: int = 2000,
        items: int = 2000,
        categories: int = 40,
        seed: int = 1,
        days: float = 60.0,
        sessions_per_day: float = 1.0,
        starts_at: float = STARTS_AT,
        movers: float = 0.4,
        searches: float = 0.0,
    ) -> None:
        self.assortment = Assortment(items, categories, seed)
        self.searches = Searches(self.assortment, searches, seed)
        self.moves: list[Move] = []
        self.events = 0
        self._movers = movers
        self._span = days * DAY
        self._gap = DAY / sessions_per_day
        self._draw = random.Random(f"shop {seed}")
        self._order = count()
        self._due: list[tuple[float, int, Shopper, bytes | None]] = []
        for number in range(users):
            self._arrive(number, starts_at)

    @classmethod
    def filling(cls, days: float, events: int, ends_at: float, seed: int = 1) -> Self:
        """A shop in which about `events` events fill the `days` before `ends_at`.

        It has so many shoppers that each comes 60 times; that is what moves need.
        """
        return cls(
            users=max(1, round(events / SESSIONS / EVENTS_PER_SESSION)),
            seed=seed,
            days=days,
            sessions_per_day=SESSIONS / days,
            starts_at=ends_at - days * DAY,
        )

    def __iter__(self) -> Iterator[SimulatedEvent]:
        """The events from where the stream stands, in time order, without end."""
        return self.before(inf)

    def before(self, ends_at: float) -> Iterator[SimulatedEvent]:
        """The events from where the stream stands to a time, in time order."""
        while self._due and self._due[0][0] < ends_at:
            at, _, shopper, value = heappop(self._due)
            if value is None:
                value = self._begin(shopper, at)
            self.events += 1
            shopper.events += 1
            if shopper.move:
                shopper.move.events_after += 1
            yield SimulatedEvent(shopper.user_id, at, value)

    def _arrive(self, number: int, starts_at: float) -> None:
        """Make up a shopper, and the time of the first session."""
        draw = self._draw
        # With this location the sessions per day average to what was asked for.
        pace = self._gap * draw.lognormvariate(PACE_SPREAD**2 / 2, PACE_SPREAD)
        likes = self._likes()
        main = draw.uniform(*MAIN_SHARES)
        odds = list(accumulate((main, *SIDES)))[: len(likes)]
        shopper = Shopper(f"u{number:05d}", pace, likes, odds)
        expected = int(self._span / pace)
        if expected >= SETTLED + STAYS and draw.random() < self._movers:
            shopper.moves_after = draw.randint(SETTLED, expected - STAYS)
            shopper.moves_to = self._elsewhere(likes[0])
        self._push(starts_at + draw.random() * pace, shopper, None)

    def _likes(self) -> list[int]:
        """A main category and side ones, the first of them where the main one leads to."""
        draw = self._draw
        number = len(self.assortment.categories)
        main = draw.randrange(number)
        related = draw.choice(self.assortment.categories[main].onward)
        others = [c for c in draw.sample(range(number), min(4, number)) if c not in (main, related)]
        return [main, related, *others][: 1 + len(SIDES)]

    def _elsewhere(self, main: int) -> int:
        """A category to move to: mostly one that the main category leads to."""
        if self._draw.random() < 0.6:
            return self._draw.choice(self.assortment.categories[main].onward)
        return (main + self._draw.randrange(1, len(self.assortment.categories))) % len(
            self.assortment.categories
        )

    def _begin(self, shopper: Shopper, at: float) -> bytes:
        """Plan a session that starts now and when the next one does; its first event."""
        if shopper.sessions == shopper.moves_after:
            self._move(shopper, at)
        shopper.sessions += 1
        if shopper.move:
            shopper.move.sessions_after += 1
        search = self.searches.next(shopper.likes)
        asked = self._searched(shopper, at, search) if search else []
        begins = float(asked[-1].occurred_at) + LOOK if asked else at
        first, *later = [*asked, *self._session(shopper, begins)]
        for event in later:
            at = float(event.occurred_at)
            self._push(at, shopper, msgspec.json.encode(event))
        rest = max(shopper.pace - SESSION_GAP - SESSION_LASTS, SESSION_GAP)
        self._push(at + SESSION_GAP + self._draw.gammavariate(2, rest / 2), shopper, None)
        return msgspec.json.encode(first)

    def _move(self, shopper: Shopper, at: float) -> None:
        """Another category takes the main one's place."""
        old, new, names = shopper.likes[0], shopper.moves_to, self.assortment.categories
        main = shopper.odds[0]
        sides = [side for side in shopper.likes[1:] if side != new]
        shopper.likes = [new, old, *sides]
        shopper.odds = list(accumulate((main, LEFT_BEHIND, *SIDES)))[: len(shopper.likes)]
        shopper.move = Move(
            shopper.user_id, names[old].name, names[new].name, at, self.events,
            shopper.events, shopper.sessions,
        )  # fmt: skip
        self.moves.append(shopper.move)

    def _session(self, shopper: Shopper, at: float) -> list[BehaviorEvent]:
        """A visit to one category or two: views, and what sometimes comes of them."""
        draw, session = self._draw, f"{shopper.user_id}-{shopper.sessions}"
        first = self._category(shopper)
        second = self._category(shopper) if draw.random() < 0.7 else first
        events: list[BehaviorEvent] = []
        item = -1
        for number in range(3 + int(draw.expovariate(0.42))):
            category = first if draw.random() < 0.65 else second
            if number == 0 and draw.random() < 0.25:
                steps = [("search", -1)]
            else:
                item = self._item(item, category)
                steps = [(step, item) for step in self._funnel()]
            for step, touched in steps:
                events.append(self._event(shopper.user_id, session, at, step, category, touched))
                at += 6 + draw.expovariate(1 / 40)
        return events[:MOST_EVENTS]

    def _searched(self, shopper: Shopper, at: float, search: Search) -> list[BehaviorEvent]:
        """A search, whose words are all that it says, and the items that it leads to."""
        user, session = shopper.user_id, f"{shopper.user_id}-{shopper.sessions}"
        events = [
            BehaviorEvent(user, "search", round(at, 3), session_id=session, query=search.text)
        ]
        for number, category in enumerate(search.looks, 1):
            item = self.assortment.popular(category, self.searches.draw)
            then = at + LOOK * number
            events.append(self._event(user, session, then, "view_item", category, item))
        return events

    def _category(self, shopper: Shopper) -> int:
        place = bisect(shopper.odds, self._draw.random())
        if place < len(shopper.likes):
            return shopper.likes[place]
        return self._draw.randrange(len(self.assortment.categories))

    def _item(self, last: int, category: int) -> int:
        """The next item: what follows the last one, or what is popular."""
        if last < 0 or self._draw.random() < 0.4:
            return self.assortment.popular(category, self._draw)
        if last in self.assortment.categories[category].items:
            return self.assortment.successor(last, self._draw)
        return self.assortment.companion(last, category)

    def _funnel(self) -> list[str]:
        """A view; of ten one goes to the cart, and of those four are bought."""
        luck = self._draw.random()
        if luck < 0.04:
            return ["view_item", "add_to_cart", "purchase"]
        if luck < 0.1:
            return ["view_item", "add_to_cart"]
        return ["view_item", "add_to_wishlist"] if luck < 0.15 else ["view_item"]

    def _event(
        self, user_id: str, session_id: str, at: float, step: str, category: int, item: int
    ) -> BehaviorEvent:
        name = self.assortment.categories[category].name
        return BehaviorEvent(
            user_id=user_id,
            event_type=step,
            occurred_at=round(at, 3),
            item_id=self.assortment.item_id(item) if item >= 0 else None,
            category=name,
            session_id=session_id,
            query=name if item < 0 else None,
            price=self.assortment.price(item) if step == "purchase" else None,
        )

    def _push(self, at: float, shopper: Shopper, value: bytes | None) -> None:
        """Later; of two at one time, what was planned first comes first."""
        heappush(self._due, (round(at, 3), next(self._order), shopper, value))
