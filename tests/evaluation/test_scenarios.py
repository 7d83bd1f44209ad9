"""The simulated shop: same seed same bytes, and moves that are what the truth says."""

import json
import tracemalloc
from collections import Counter, defaultdict
from itertools import islice, pairwise

import pytest
from click.testing import CliRunner

from stream.cli.simulate import simulate
from stream.core.events import Decoder
from stream.errors import WrongUse
from stream.evaluation.assortment import MOST_CATEGORIES, Assortment
from stream.evaluation.scenarios import DAY, EVENTS_PER_SESSION, SESSIONS, Shop
from stream.settings import Settings

ENDS_AT = 1.8e9


@pytest.fixture(scope="module")
def played():
    """A shop of 60 shoppers over 60 days, and its events as dicts."""
    shop = Shop(users=60, seed=3)
    return shop, [json.loads(event.value) for event in islice(shop, 20_000)]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others():
    first, again, other = (list(islice(Shop(users=20, seed=s), 500)) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_events_come_in_time_order_and_say_what_the_stream_says():
    events = list(islice(Shop(users=40, seed=5), 3000))
    assert all(a.occurred_at <= b.occurred_at for a, b in pairwise(events))
    for event in events:
        message = json.loads(event.value)
        assert (message["user_id"], message["occurred_at"]) == event[:2]


def test_every_event_is_one_that_the_engine_accepts():
    decode = Decoder(Settings())
    for event in islice(Shop(users=40, seed=5), 3000):
        (touch,) = decode(event.value)
        assert touch.weight > 0
        assert touch.category
        assert touch.session


def test_sessions_of_a_shopper_lie_further_apart_than_the_gap_that_closes_one(played):
    last = {}
    for event in played[1]:
        user, at = event["user_id"], event["occurred_at"]
        session, before = last.get(user, (None, at))
        same = event["session_id"] == session
        assert session is None or same == (at - before < Settings().session_gap)
        last[user] = event["session_id"], at


def test_sessions_are_short_and_touch_few_categories(played):
    sessions = defaultdict(list)
    for event in played[1]:
        sessions[event["session_id"]].append(event["category"])
    whole = list(sessions.values())[:-60]
    assert max(map(len, whole)) <= 12
    assert max(len(set(categories)) for categories in whole) <= 2
    assert sum(map(len, whole)) / len(whole) == pytest.approx(EVENTS_PER_SESSION, rel=0.05)


def test_the_truth_names_the_first_event_after_each_move(played):
    shop, events = played
    assert shop.moves
    for move in shop.moves:
        first = events[move.first_event]
        assert (first["user_id"], first["occurred_at"]) == (move.user_id, move.moved_at)
        own = [number for number, e in enumerate(events) if e["user_id"] == move.user_id]
        assert sum(number < move.first_event for number in own) == move.events_before
        assert sum(number >= move.first_event for number in own) == move.events_after


def test_who_moves_has_habits_first_and_stays_long_enough(played):
    shop, events = played
    for move in shop.moves:
        own = [e for e in events if e["user_id"] == move.user_id]
        before = {e["session_id"] for e in own if e["occurred_at"] < move.moved_at}
        assert len(before) == move.sessions_before >= 18
        assert move.sessions_after >= 12


def test_interest_leaves_one_category_for_the_other(played):
    shop, events = played
    left, right = Counter(), Counter()
    for move in shop.moves:
        for event in events:
            if event["user_id"] == move.user_id:
                side = left if event["occurred_at"] < move.moved_at else right
                side["from"] += event["category"] == move.from_category
                side["to"] += event["category"] == move.to_category
                side["all"] += 1
    assert left["from"] / left["all"] > 0.45
    assert right["from"] / right["all"] < 0.15
    assert left["to"] / left["all"] < 0.15
    assert right["to"] / right["all"] > 0.45


def test_nobody_moves_where_the_days_are_too_few_for_habits():
    shop = Shop(users=60, days=10, seed=1)
    assert len(list(islice(shop, 10_000))) == 10_000
    assert shop.moves == []


def test_a_filling_shop_has_about_so_many_events_before_its_end():
    shop = Shop.filling(days=14, events=30_000, ends_at=ENDS_AT, seed=2)
    events = list(islice(shop, 30_000))
    assert events[0].occurred_at >= ENDS_AT - 14 * DAY
    assert events[-1].occurred_at == pytest.approx(ENDS_AT, abs=0.8 * DAY)
    assert len({e.user_id for e in events}) == round(30_000 / SESSIONS / EVENTS_PER_SESSION)


def test_items_lead_to_their_natural_successors_more_than_chance(played):
    pairs = Counter()
    for a, b in pairwise(sorted(played[1], key=lambda e: (e["user_id"], e["occurred_at"]))):
        if a["session_id"] == b["session_id"] and "item_id" in a and "item_id" in b:
            pairs[a["item_id"], b["item_id"]] += a["item_id"] != b["item_id"]
    firsts = Counter()
    for (first, _), number in pairs.items():
        firsts[first] += number
    top, visits = firsts.most_common(1)[0]
    best = sum(sorted((n for (a, _), n in pairs.items() if a == top), reverse=True)[:4])
    assert best / visits > 0.4


def test_the_stream_needs_no_more_memory_the_longer_it_runs():
    shop = iter(Shop(users=50, seed=1))
    list(zip(range(5000), shop, strict=False))
    tracemalloc.start()
    for _ in islice(shop, 20_000):
        pass
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 200_000


def test_the_largest_assortment_has_names_of_its_own_for_all_categories():
    shop = Assortment(items=MOST_CATEGORIES, categories=MOST_CATEGORIES, seed=1)
    assert len({item.category for item in shop.catalog()}) == MOST_CATEGORIES


def test_a_small_assortment_works_too():
    events = list(islice(Shop(users=2, items=2, categories=2, seed=1), 200))
    assert {json.loads(e.value)["category"] for e in events} == {"tents", "strollers"}


@pytest.mark.parametrize(("items", "categories"), [(3, 4), (10, 1), (9999, MOST_CATEGORIES + 1)])
def test_an_impossible_assortment_is_refused(items, categories):
    with pytest.raises(ValueError, match=r"must be"):
        Assortment(items=items, categories=categories, seed=1)


def run(*arguments):
    return CliRunner().invoke(simulate, list(map(str, arguments)), catch_exceptions=False)


def test_simulate_writes_events_catalog_and_truth_that_fit_together(tmp_path):
    done = run("--out", tmp_path, "--users", 40, "--days", 60, "--json")
    lines = {
        name: list(map(json.loads, (tmp_path / f"{name}.jsonl").read_text().splitlines()))
        for name in ("events", "catalog", "truth")
    }
    summary = json.loads(done.stdout)
    assert summary["events"] == len(lines["events"])
    assert summary["moves"] == len(lines["truth"]) > 0
    items = {item["item_id"]: item["category"] for item in lines["catalog"]}
    assert len(items) == 2000
    for event in lines["events"]:
        assert items.get(event.get("item_id"), event["category"]) == event["category"]


def test_simulate_stops_after_so_many_events(tmp_path):
    done = run("--out", tmp_path, "--users", 40, "--events", 321)
    assert (tmp_path / "events.jsonl").read_bytes().count(b"\n") == 321
    assert "321 events, 0 shoppers moved" in done.stdout
    assert "Nobody moved" in done.stderr


def test_simulate_refuses_what_excludes_each_other(tmp_path):
    with pytest.raises(WrongUse, match="exclude each other"):
        run("--out", tmp_path, "--events", 5, "--days", 5)
    with pytest.raises(WrongUse, match="give more items"):
        run("--out", tmp_path, "--items", 5)


def test_simulate_says_where_it_can_not_write(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongUse, match="choose another --out"):
        run("--out", tmp_path / "file", "--events", 5)


def test_sessions_begin_with_searches_that_lead_to_items() -> None:
    events = [json.loads(one.value) for one in islice(Shop(seed=3, searches=1.0), 400)]
    searches = [one for one in events if one["event_type"] == "search" and "category" not in one]
    assert len(searches) > 20
    assert len({one["query"] for one in searches}) > 15
    first = searches[0]
    after = [one for one in events if one["session_id"] == first["session_id"]]
    assert [one["event_type"] for one in after[:2]] == ["search", "view_item"]
