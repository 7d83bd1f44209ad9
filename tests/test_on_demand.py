"""Lists that are asked for: those of deltas, for whoever it is, and asking leaves no trace."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.core.shop import ShopModel
from stream.errors import WrongUse
from stream.messages import CatalogEntries, CatalogItem, RankQuestion
from stream.on_demand import Strangers
from stream.settings import Settings
from stream.shard import LogRecord, Shard
from tests.toy_shop import SMALL, groups, streams, taught, touch, walked


def views(user: str, *items: str, first: int = 0, at: float = 0.0) -> list[LogRecord]:
    """A shopper looks at these items, each of the category that its name begins with."""
    return [
        touch(first + n, user, at + 30.0 * n, item.split("-")[0], item_id=item)
        for n, item in enumerate(items)
    ]


CAMPERS = ("tents-1", "tents-2", "lamps-1", "tents-2", "lamps-1", "lamps-2")
SAILORS = ("boats-1", "boats-2", "boats-1", "boats-2")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> ShopModel:
    """Where most look at tents and lamps, and two at boats."""
    records: list[LogRecord] = []
    for shopper in range(8):
        items = SAILORS if shopper > 5 else CAMPERS
        records += views(f"shopper {shopper}", *items, first=len(records), at=600.0 * shopper)
    return taught(SMALL, records, tmp_path_factory.mktemp("shop"))


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[Shard]:
    shard = Shard(tmp_path, 2, 4, SMALL)
    yield shard
    shard.close()


@given(records=streams(most=120), cuts=st.lists(st.integers(1, 120), max_size=4))
@settings(max_examples=8)
def test_asking_leaves_no_trace(
    records: list[LogRecord], cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    told = []
    whole: list[object]
    for asks in (False, True):
        shop, shard = ShopModel(SMALL), Shard(tmp_path_factory.mktemp("shard"), 0, 1, SMALL)
        whole = []
        for part in groups(records, cuts):
            outcome = shard.apply(part, shop)
            whole.append((outcome.alerts, outcome.deltas))
            for user in ("ann", "bob", "cem", "dag", "eva", "fay", "nobody") if asks else ():
                shard.ranking(user, shop)
        kept = shard.memory(), dict(shard.counts)
        told.append((whole, kept, shard.hash(), shop.hash(), shard.records(), shard.standings()))
        shard.close()
    assert told[0] == told[1]


def test_it_is_the_list_that_a_delta_of_that_moment_has(shard: Shard, shop: ShopModel) -> None:
    records = views("zoe", "tents-1", "lamps-1", "tents-2")
    others = [touch(n, f"other {n}", 60.0, "tents", item_id="tents-2") for n in range(3, 6)]
    (*_, delta) = shard.apply(records[:1], shop).deltas
    ranking = shard.ranking("zoe", shop)

    # Nobody else was there yet, so the partition has no clock but the shopper's own time.
    assert ranking.items == delta.items
    assert (ranking.occurred_at, ranking.source_offset) == (delta.occurred_at, delta.sequence)
    shard.apply([*records[1:], *others], shop)
    later = shard.ranking("zoe", shop)
    assert (later.source_offset, later.partition, later.row) == (5, 2, "memory")
    assert {one.category for one in later.interests} == {"tents", "lamps"}
    assert sum(one.share for one in later.interests) == pytest.approx(1.0, abs=1e-4)
    assert "tents-2" not in [item.item_id for item in later.items]


def test_a_row_is_read_from_the_disk_and_stays_there(shard: Shard, shop: ShopModel) -> None:
    shard.apply(views("zoe", "tents-1", "lamps-1"), shop)
    here = shard.ranking("zoe", shop)
    shard.checkpoint()
    for n in range(2 * SMALL.hot_users):
        shard.apply([touch(10 + n, f"other {n}", 60.0 + n, "boats", item_id="boats-1")], shop)
        shard.checkpoint()
    before = shard.memory()
    there = shard.ranking("zoe", shop)

    assert (here.row, there.row) == ("memory", "disk")
    assert {item.item_id for item in there.items} == {item.item_id for item in here.items}
    assert shard.memory() == before


def test_who_is_new_gets_what_everybody_takes(shard: Shard, shop: ShopModel) -> None:
    ranking = shard.ranking("nobody", shop)
    assert (ranking.row, ranking.interests) == ("none", [])
    assert ranking.items[0].item_id.startswith(("tents", "lamps"))
    assert {item.reason.because for item in ranking.items} == {"category"}


def test_a_list_is_as_long_as_asked_for_and_no_longer_than_lists_are(
    shard: Shard, shop: ShopModel
) -> None:
    whole = shard.ranking("nobody", shop).items
    assert len(whole) == SMALL.list_size
    assert shard.ranking("nobody", shop, 2).items == whole[:2]
    with pytest.raises(WrongUse, match=r"k is 4: ask for 1 to 3 entries"):
        shard.ranking("nobody", shop, 4)


def test_what_is_sold_out_or_blocked_is_in_no_answer(shard: Shard, tmp_path: Path) -> None:
    shop = taught(SMALL, walked(3, 200), tmp_path / "shop")
    asked = RankQuestion(recent_items=["tents-1", "tents-2"])
    usual = Strangers(SMALL).ranking(asked, shop).items
    sold = usual[0].item_id
    shop.apply(CatalogEntries([CatalogItem(item_id=sold, category="tents", in_stock=False)]))
    now = Strangers(SMALL).ranking(asked, shop).items
    assert sold not in [item.item_id for item in now]
    assert sold not in [item.item_id for item in shard.ranking("nobody", shop).items]


def test_who_is_not_named_gets_what_goes_with_the_items_and_the_category(shop: ShopModel) -> None:
    strangers = Strangers(SMALL)
    campers = strangers.ranking(RankQuestion(recent_items=["lamps-1", "tents-2"]), shop)
    (first, *_) = campers.items
    assert (first.item_id, first.reason.item_id) == ("tents-1", "lamps-1")
    assert not {"lamps-1", "boats-1", "boats-2"} & {item.item_id for item in campers.items}

    sailors = strangers.ranking(RankQuestion(category="boats", recent_items=["kayak"]), shop)
    assert sailors.items[0].item_id.startswith("boats")
    assert (sailors.user_id, sailors.unknown) == (None, ["kayak"])
    assert [one.category for one in sailors.interests] == ["boats"]


def test_a_shop_that_knows_nothing_answers_with_an_empty_list(shard: Shard) -> None:
    empty = ShopModel(SMALL)
    assert shard.ranking("nobody", empty).items == []
    assert Strangers(SMALL).ranking(RankQuestion(category="tents"), empty).unknown == ["tents"]


def test_the_settings_that_make_lists_make_answers(shop: ShopModel, tmp_path: Path) -> None:
    barred: Settings = replace(SMALL, blocked_categories=["boats"])
    records = [r for n in range(4) for r in views(f"s{n}", *SAILORS, *CAMPERS, first=10 * n)]
    known = taught(barred, records, tmp_path)
    asked = RankQuestion(category="boats", recent_items=["boats-1"])
    listed = {item.item_id for item in Strangers(barred).ranking(asked, known).items}
    assert not any(item.startswith("boats") for item in listed)
