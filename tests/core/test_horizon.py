"""A shard's horizons: periods turn by the clock, are learned from, and predictions settled."""

import random
from collections import defaultdict
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from stream.core import foresight, horizon_counts
from stream.core.codes import LAYOUT as CODE
from stream.core.codes import CodeRow
from stream.core.foresight import Shopper
from stream.core.horizon import NEVER, OPEN_PREDICTIONS, Foreseen, Horizons, Outcome
from stream.core.horizon_counts import HorizonRow
from stream.core.ids import NONE, identify
from stream.core.rows import Int64s, zeros
from stream.core.shop import ShopModel
from stream.settings import Settings
from tests.core.worlds import message
from tests.reference.slow_horizon import label
from tests.reference.slow_shop import SlowUpdate

DAY = 86_400.0
ZONE = "Europe/Berlin"
START = datetime(2026, 6, 1, tzinfo=ZoneInfo(ZONE)).timestamp()
NAMES = ["camping", "sport", "music", "garden", "tent", "stove", "lamp", "boat", "kite", "drum"]
SETTINGS = Settings(horizons=["day", "week"], time_zone=ZONE, prediction_precision=0.5)
Event = tuple[str, str, float]


class Shop:
    """What a shard does around its horizons, in Python: one row a shopper and horizon."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.horizons = Horizons(settings)
        self.codes = zeros(len(NAMES), CODE, CodeRow)
        self.model = ShopModel(settings)
        updates = [SlowUpdate(START, "", (), name, (), 2) for name in NAMES]
        self.model.apply(message(updates))
        ids = np.array([identify(name) for name in NAMES], np.int64)
        np.asarray(self.codes)["id"] = ids
        np.asarray(self.codes)["shop"] = self.model.category_numbers(ids)
        self.shoppers: dict[str, int] = {}
        layout = np.dtype((horizon_counts.layout(), len(settings.horizons)))
        self.rows = np.zeros((20, len(settings.horizons)), layout.base).view(np.recarray)
        self.events = 0
        self.foreseen: list[Foreseen] = []
        self.outcomes: list[Outcome] = []

    def read(self, keys: Int64s) -> tuple[NDArray[np.void], list[str]]:
        names = {identify(name): name for name in self.shoppers}
        wanted = [names[key] for key in keys.tolist()]
        return np.asarray(self.rows)[[self.shoppers[name] for name in wanted]], wanted

    def see(self, event: Event, muted: bool = False) -> None:
        name, category, at = event
        horizons, own = self.horizons, self.horizons.own
        if foresight.turned(own.opens, at):
            for _ in horizons.turn(at, self.codes, self.read, muted):
                pass
            self.outcomes += horizons.take_outcomes()
        desk = horizons.desk(self.codes, self.model)
        place = self.shoppers.setdefault(name, len(self.shoppers))
        for number in range(len(horizons.horizons)):
            row: HorizonRow = self.rows[place, number]
            if not muted and foresight.begins(row, own.opens[number]):
                who = Shopper(identify(name), place, self.events, at, 0)
                foresight.foresee(desk, own, number, row, who)
            code = NAMES.index(category)
            horizon_counts.count(row, self.codes, code, at, own.opens[number])
        self.events += 1
        self.foreseen += horizons.take_foreseen(lambda id: True)


def habits(days: int, seed: int = 1) -> list[Event]:
    """Twelve shoppers with two lasting interests, and two more day by day in turn; else chance."""
    draw, events = random.Random(seed), []
    for day in range(days):
        for hour in range(12):
            for shopper in range(12):
                favorites = [*NAMES[:2], NAMES[2 + (day + shopper) % 2]] * 3
                at = START + day * DAY + hour * 3600 + shopper
                category = draw.choice([*favorites, draw.choice(NAMES)])
                events.append((f"shopper {shopper}", category, at))
    return events


EVENTS = habits(40)


def lived(events: list[Event], settings: Settings = SETTINGS) -> Shop:
    shop = Shop(settings)
    for event in events:
        shop.see(event)
    return shop


@cache
def whole() -> Shop:
    """It has lived through all of them; let no test change it."""
    return lived(EVENTS)


def state(shop: Shop) -> dict[bytes, bytes]:
    """All of it as stored, from nothing."""
    for store in shop.horizons.own.stores:
        store.panel_stored, store.predictions_stored = 0, 0
    return dict(shop.horizons.changed())


def test_periods_are_the_shops_days_and_weeks() -> None:
    shop = lived(EVENTS[:1])
    day, week = shop.horizons.own.opens

    assert (day.began_at, day.ends_at) == (START, START + DAY)
    # The first of June 2026 is a Monday.
    assert (week.began_at, week.ends_at) == (START, START + 7 * DAY)
    assert [standing.period for standing in shop.horizons.standings()] == ["2026-06-01"] * 2
    shop.see(("shopper 1", "sport", START + 9.5 * DAY))
    assert day.began_at == START + 9 * DAY
    assert week.ends_at == START + 14 * DAY


def test_a_clock_that_stands_before_the_end_turns_nothing() -> None:
    shop = lived(EVENTS[:1])
    opens = shop.horizons.own.opens

    assert not foresight.turned(opens, float("-inf"))
    assert not foresight.turned(opens, START + DAY - 1)
    assert foresight.turned(opens, START + DAY)


def test_shoppers_habits_become_predictions_that_come_true() -> None:
    standing = whole().horizons.standings()[0]
    assert standing.batches >= 35
    assert standing.sends_from is not None
    assert standing.precision >= 0.5

    settled = [one.settled for one in whole().outcomes if one.horizon == "day"]
    assert len(settled) > 100
    assert np.mean([one.came_true for one in settled]) > 0.45
    told = np.mean([one.probability for one in settled])
    assert told == pytest.approx(np.mean([one.came_true for one in settled]), abs=0.15)


def test_an_outcome_says_what_the_shoppers_events_say() -> None:
    happened = defaultdict(list)
    for name, category, at in EVENTS:
        happened[name, int((at - START) // DAY)].append(category)
    order = sorted(NAMES, key=identify)
    by_id = {name: f"{order.index(name)}" for name in NAMES}
    names = {identify(name): name for name in NAMES}

    for outcome in whole().outcomes:
        if outcome.horizon == "day":
            day = round((outcome.ended_at - START) / DAY) - 1
            events = [by_id[category] for category in happened[outcome.settled.user, day]]
            asked = by_id[names[outcome.settled.category]]
            assert outcome.settled.came_true == (label(events, asked, 5) == 1)


def test_every_prediction_gets_one_outcome_when_its_period_is_over() -> None:
    made = {(one.horizon, one.position, one.number): one for one in whole().foreseen}
    assert len(made) == len(whole().foreseen)
    settled = {(one.horizon, one.settled.position, one.settled.number) for one in whole().outcomes}

    last = max(at for _, _, at in EVENTS)
    assert settled == {key for key, one in made.items() if one.ends_at <= last}
    assert len(whole().outcomes) == len(settled)
    for one in whole().foreseen:
        assert one.matured >= 50
        assert one.precision >= 0.5
        assert one.origin != one.category


def test_before_the_precision_is_met_nothing_is_said() -> None:
    strict = replace(SETTINGS, prediction_precision=1.0)

    assert not lived(EVENTS[: len(EVENTS) // 4], strict).foreseen
    # Nor of what was said before anything was learned.
    first = min(one.occurred_at for one in whole().foreseen if one.horizon == "day")
    assert first >= START + 3 * DAY


def test_what_was_stored_goes_on_as_if_never_stopped() -> None:
    stored: dict[bytes, bytes] = {}
    shop = Shop()
    for number, event in enumerate(EVENTS):
        shop.see(event)
        if number % 700 == 0:
            stored.update(shop.horizons.changed())
            resumed = Horizons(SETTINGS)
            resumed.restore(stored.items())
            shop.horizons = resumed

    assert shop.foreseen == whole().foreseen
    assert shop.outcomes == whole().outcomes
    assert state(shop) == state(whole())


def test_only_what_changed_is_stored_again() -> None:
    shop = lived(EVENTS[:3000])
    first, second = shop.horizons.changed(), shop.horizons.changed()

    assert sum(len(value) for _, value in second) < 10_000
    assert len(first) >= len(second) == 5 * 2


def test_parts_of_another_layout_are_refused() -> None:
    key, value = whole().horizons.changed()[0]

    with pytest.raises(ValueError, match="another layout"):
        Horizons(SETTINGS).restore([(key, b"x" * 8 + value[8:])])


def test_while_catching_up_events_count_and_nothing_else_happens() -> None:
    shop = Shop()
    for event in EVENTS:
        shop.see(event, muted=True)

    assert not shop.foreseen
    assert not shop.outcomes
    assert shop.rows.tobytes() == whole().rows.tobytes(), "counts are a function of the events"
    assert (
        np.asarray(shop.horizons.own.opens).tobytes()
        == np.asarray(whole().horizons.own.opens).tobytes()
    )
    assert [standing.batches for standing in shop.horizons.standings()] == [0, 0]


def test_a_prediction_of_a_category_without_a_name_is_withdrawn() -> None:
    shop = lived(EVENTS)
    days = [one for one in shop.foreseen if one.ends_at > EVENTS[-1][2]]
    assert days
    for store in shop.horizons.own.stores:
        store.taken = 0
    garden = identify("garden")
    named = shop.horizons.take_foreseen(lambda id: id != garden)
    for _ in shop.horizons.turn(START + 100 * DAY, shop.codes, shop.read):
        pass

    assert {one.category for one in named} == {one.category for one in days} - {garden}
    assert len(shop.horizons.take_outcomes()) == len(named) < len(days)


def test_a_full_table_of_predictions_takes_no_more() -> None:
    shop = lived(EVENTS[:-144])
    store = shop.horizons.own.stores[0]
    store.predictions = store.taken = OPEN_PREDICTIONS
    before = len(shop.foreseen)
    for event in EVENTS[-144:-132]:
        shop.horizons.own.opens[0].ends_at = 1e12
        shop.horizons.own.opens[0].period += 1
        shop.see(event)

    assert len([one for one in shop.foreseen[before:] if one.horizon == "day"]) == 0
    assert shop.horizons.standings()[0].dropped > 0


def test_without_horizons_there_is_nothing_to_turn() -> None:
    horizons = Horizons(Settings(horizons=[]))

    assert not foresight.turned(horizons.own.opens, 1e12)
    assert horizons.standings() == []
    assert horizons.changed() == []


def test_nothing_is_predicted_of_a_shopper_with_few_events() -> None:
    shop = lived([("shopper 1", "sport", START + hour * 3600) for hour in range(9)])
    shop.see(("shopper 1", "music", START + DAY))
    assert shop.horizons.own.stores[0].used == 0
    for hour in range(9):
        shop.see(("shopper 2", "sport", START + DAY + hour * 3600))
    shop.see(("shopper 2", "music", START + DAY + 10 * 3600))
    shop.see(("shopper 2", "music", START + 2 * DAY))

    assert shop.horizons.own.stores[0].used > 0
    assert (np.asarray(shop.horizons.own.panel)["key"][:1] == identify("shopper 2")).all()
    assert NONE == 0
    assert shop.horizons.own.stores[0].limit == NEVER
