"""What an operator forbids is in no list, whatever comes in whatever order."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.ids import identify
from stream.core.interest import InterestProfile
from stream.core.shop import ShopModel
from stream.core.standing import BARRED
from stream.messages import CatalogEntries, CatalogItem, RecommendationDelta
from stream.replay import Replay
from stream.settings import Settings
from stream.shard import LogRecord
from tests.reference import slow_ranking
from tests.toy_shop import SMALL, START, TASTES, USERS, touch

LONG = msgspec.structs.replace(SMALL, delta_interval=0.0)
CATEGORIES = [category for taste in TASTES for category in taste]
SEEDS = st.integers(0, 10_000)


def with_rules(**rules: object) -> Settings:
    return msgspec.structs.replace(LONG, **rules)  # type: ignore[arg-type]  # as a file gives them


def walked(seed: int, count: int = 200) -> list[LogRecord]:
    """Touches of items that stay in their category, by shoppers of one taste or two."""
    chance, records = random.Random(seed), []
    for offset in range(count):
        user = chance.choice(USERS)
        taste = TASTES[USERS.index(user) % 3] if chance.random() < 0.7 else CATEGORIES
        category = chance.choice(taste)
        item = f"{category}-{chance.randrange(3)}"
        kind = chance.choice(["view", "view", "view", "cart", "buy"])
        records.append(touch(offset, user, offset * 5.0, category, item_id=item, event_type=kind))
    return records


def listed(
    settings: Settings,
    records: list[LogRecord],
    told: Callable[[ShopModel], None] = lambda shop: None,
) -> list[RecommendationDelta]:
    """The deltas of a replay, in which the catalog is told after each adoption."""
    deltas, step = [], settings.adopt_every
    with TemporaryDirectory() as folder:
        replay = Replay(Path(folder), 1, settings)
        for first in range(0, len(records), step):
            deltas += replay.feed(records[first : first + step]).deltas
            told(replay.shop)
        replay.close()
    return deltas


def items(deltas: list[RecommendationDelta]) -> set[str]:
    """Every item that is in a list, or a reason for one."""
    listed = {entry.item_id for delta in deltas for entry in delta.items}
    reasons = {entry.reason.item_id for delta in deltas for entry in delta.items}
    return listed | {name for name in reasons if name}


def categories(names: set[str]) -> set[str]:
    return {name.split("-")[0] for name in names}


@given(seed=SEEDS, blocked=st.sets(st.sampled_from(CATEGORIES), min_size=1, max_size=3))
def test_nothing_of_a_blocked_category_is_ever_listed(seed: int, blocked: set[str]) -> None:
    settings = with_rules(blocked_categories=sorted(blocked), list_current=True, list_bought=True)
    deltas = listed(settings, walked(seed))
    named = {entry.reason.category for delta in deltas for entry in delta.items}
    assert deltas
    assert not blocked & categories(items(deltas))
    assert not blocked & named


@given(seed=SEEDS, blocked=st.sets(st.integers(0, 2), min_size=1))
def test_a_blocked_item_is_never_listed(seed: int, blocked: set[int]) -> None:
    names = [f"tents-{number}" for number in sorted(blocked)]
    deltas = listed(with_rules(blocked_items=names, list_current=True), walked(seed))
    assert deltas
    assert not set(names) & items(deltas)


def test_without_the_rules_they_are_listed() -> None:
    """The two tests above would hold in a shop that lists nothing."""
    assert categories(items(listed(LONG, walked(0)))) == set(CATEGORIES)


def test_an_item_that_moves_to_a_blocked_category_leaves_the_lists_and_comes_back() -> None:
    settings = with_rules(blocked_categories=["adult"], adopt_every=1)
    steps = [("lamp", "lamps"), ("tent", "tents"), ("lamp", "lamps")]
    steps += [("tent", "adult"), ("lamp", "lamps"), ("tent", "tents"), ("lamp", "lamps")]
    records = [
        touch(offset, "ann", offset * 5.0, category, item_id=item)
        for offset, (item, category) in enumerate(steps)
    ]
    # Lists know of records before their own: the fourth blocks the tent, the sixth frees it.
    lists = {
        delta.sequence: [entry.item_id for entry in delta.items]
        for delta in listed(settings, records)
    }
    assert "tent" in lists[2]
    assert "tent" not in lists[4]
    assert "tent" in lists[6]


@given(seed=SEEDS, most=st.integers(1, 2), diversity=st.sampled_from(["none", "mmr", "calibrated"]))
def test_the_cap_holds_in_every_list(seed: int, most: int, diversity: str) -> None:
    settings = with_rules(list_per_category=most, list_diversity=diversity)
    for delta in listed(settings, walked(seed)):
        counts = Counter(entry.item_id.split("-")[0] for entry in delta.items)
        assert max(counts.values(), default=0) <= most


@pytest.mark.parametrize(
    ("said", "setting"),
    [({"adult": True}, "list_adult"), ({"in_stock": False}, "list_out_of_stock")],
)
def test_what_the_catalog_flags_is_listed_only_where_the_setting_says_so(
    said: dict[str, bool], setting: str
) -> None:
    def tell(shop: ShopModel) -> None:
        names = [name for name in shop.items.names if name.startswith(("tents", "drums"))]
        shop.apply(CatalogEntries([CatalogItem(name, **said) for name in names]))  # type: ignore[arg-type]

    def found(**rules: bool) -> set[str]:
        # From the hundredth record on, all of them were told of.
        deltas = listed(with_rules(**rules), walked(1), tell)
        entries = [entry for delta in deltas if delta.sequence > 100 for entry in delta.items]
        return categories({entry.item_id for entry in entries})

    assert found() == set(CATEGORIES) - {"tents", "drums"}
    assert found(**{setting: True}) == set(CATEGORIES)


def test_what_the_catalog_blocks_is_listed_again_once_it_no_longer_does() -> None:
    def tell(blocked: bool) -> Callable[[ShopModel], None]:
        entry = CatalogItem("tents-0", blocked=blocked)
        return lambda shop: shop.apply(CatalogEntries([entry]))

    assert "tents-0" not in items(listed(LONG, walked(1), tell(True)))
    assert "tents-0" in items(listed(LONG, walked(1), tell(False)))


def test_a_model_that_was_stored_still_bars_what_the_settings_bar(tmp_path: Path) -> None:
    settings = with_rules(blocked_items=["tents-0"], blocked_categories=["drums"])
    replay = Replay(tmp_path, 1, settings)
    replay.feed(walked(0))
    stored = ShopModel.restore(replay.shop.snapshot().pack(), settings)
    replay.close()

    assert stored.hash() == replay.shop.hash()
    barred = np.asarray(stored.profiles)[: stored.items.used]["standing"] >= BARRED
    names = {name for name, bar in zip(stored.items.names, barred, strict=True) if bar}
    assert names == {"tents-0", "drums-0", "drums-1", "drums-2"}
    assert stored.items.number_of(identify("tents-0")) >= 0


def mean_divergence(settings: Settings, records: list[LogRecord]) -> float:
    """How far lists are from what each shopper cared about when it was sent, in nats."""
    profiles = {
        user: InterestProfile(settings.short_half_life, settings.long_half_life, 3)
        for user in USERS
    }
    lists = {delta.sequence: delta for delta in listed(settings, records)}
    weights, found = settings.weights() | {"buy": 5.0, "cart": 3.0, "view": 1.0}, []
    for record in records:
        event = msgspec.json.decode(record.value or b"")
        profile = profiles[event["user_id"]]
        at = event["occurred_at"] - START
        profile.update(event["category"], at, weights[event["event_type"]])
        if record.offset in lists and lists[record.offset].items:
            names = [entry.item_id for entry in lists[record.offset].items]
            taste = {category: profile.share(category) for category in CATEGORIES}
            category_of = {name: name.split("-")[0] for name in names}
            found.append(slow_ranking.divergence(names, category_of, taste))
    return sum(found) / len(found)


def test_calibrated_lists_are_nearer_to_what_shoppers_care_about() -> None:
    records = walked(5, 400)
    usual = mean_divergence(LONG, records)
    calibrated = with_rules(list_diversity="calibrated", list_diversity_weight=0.8)
    assert mean_divergence(calibrated, records) < 0.75 * usual
