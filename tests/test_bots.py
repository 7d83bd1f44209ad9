"""A shopper with too many records an hour is flagged, costs little, and teaches nobody."""

import logging
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.shop import ShopModel
from stream.outcome import Outcome
from stream.shard import LogRecord, Shard
from tests.toy_shop import ROOMY, SMALL, START, applied, groups, record, taught, touch

HOUR = 3600.0
MOST = 20
SETTINGS = msgspec.structs.replace(SMALL, most_hourly=MOST, hot_users=ROOMY, delta_interval=0.0)
KINDS = ["view", "buy", "cart", "impression", "click"]


class Life(NamedTuple):
    """A shard, and all that it told."""

    shard: Shard
    told: Outcome


def people(offset: int, at: float) -> LogRecord:
    """One of the calm shoppers, who also tell the time."""
    shelf = f"shelf {offset % 3}"
    return touch(offset, f"user {offset // 2 % 20}", at, shelf, item_id=f"item {offset % 7}")


def bot(offset: int, at: float) -> LogRecord:
    kind, thing = KINDS[offset % 5], f"item {offset % 11}"
    return record(
        offset, user_id="greedy", event_type=kind, occurred_at=START + at,
        category=f"shelf {offset % 4}", item_id=thing,
    )  # fmt: skip


def nothing(offset: int) -> LogRecord:
    """A record that is ignored."""
    return record(offset, user_id="greedy", event_type="scroll", occurred_at=START)


def crowd(after: int) -> list[LogRecord]:
    """Within an hour 200 records of twenty calm shoppers, and of a bot until it made `after`."""
    mixed: list[LogRecord] = []
    for step in range(200):
        at, place = 10.0 * step, 2 * step
        mixed += [people(place, at), bot(place + 1, at) if step < after else nothing(place + 1)]
    return mixed


def lives(path: Path, records: list[LogRecord], shop: ShopModel, step: int = 1000) -> Life:
    """A shard that saw these records in steps, and what came of them."""
    shard = Shard(path, 0, 1, SETTINGS)
    return Life(shard, applied(shard, groups(records, range(0, len(records), step)), shop))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> ShopModel:
    return taught(SETTINGS, crowd(after=0), tmp_path_factory.mktemp("shop"))


def test_beyond_the_limit_a_bot_changes_nothing_that_anybody_sees(
    tmp_path: Path, shop: ShopModel
) -> None:
    flooded, seen = lives(tmp_path / "bot", crowd(after=200), shop)
    calm, expected = lives(tmp_path / "calm", crowd(after=MOST + 1), shop)
    with closing(flooded), closing(calm):
        assert len(seen.deltas) > 100
        assert seen.alerts == expected.alerts
        assert seen.deltas == expected.deltas
        assert flooded.flows(whole=True)[:-1] == calm.flows(whole=True)[:-1]
        assert flooded.records() == calm.records()
        assert flooded.counts["bots"] == calm.counts["bots"] == 1
        assert flooded.counts["from_bots"] == 200 - MOST - 1
        assert calm.counts["from_bots"] == 0


def test_the_shop_learns_nothing_of_it(tmp_path: Path) -> None:
    learned = {
        after: taught(SETTINGS, crowd(after), tmp_path / str(after)).hash()
        for after in (MOST, MOST + 1, 200)
    }
    assert learned[200] == learned[MOST + 1] != learned[MOST]


def test_a_bot_is_named_once_and_not_by_its_id(
    tmp_path: Path, shop: ShopModel, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        shard, _ = lives(tmp_path / "bot", crowd(after=200), shop, step=7)
        shard.close()
    (line,) = [one.getMessage() for one in caplog.records if "in an hour" in one.getMessage()]
    assert line.startswith("partition 0: 1 more bots, each with over 20 records in an hour")
    assert "greedy" not in line


def test_after_a_calm_hour_a_bot_is_a_shopper_again(tmp_path: Path, shop: ShopModel) -> None:
    flood = crowd(after=200)
    later = [people(400 + n, 2 * HOUR + n) for n in range(3)]
    shard, _ = lives(tmp_path / "bot", flood + later, shop)
    with closing(shard):
        outcome = shard.apply([bot(410, 2 * HOUR + 5.0)], shop)
        assert [delta.user_id for delta in outcome.deltas] == ["greedy"]


@given(step=st.integers(1, 60), stop=st.integers(0, 400))
def test_how_records_are_grouped_and_a_stop_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, shop: ShopModel, step: int, stop: int
) -> None:
    records, folder = crowd(after=200), tmp_path_factory.mktemp("bots")
    whole, _ = lives(folder / "whole", records, shop)
    first, _ = lives(folder / "cut", records[:stop], shop, step)
    first.checkpoint()
    first.close()
    second, _ = lives(folder / "cut", records, shop, step)
    with closing(whole), closing(second):
        assert second.hash() == whole.hash()
        assert second.counts["bots"] == whole.counts["bots"]
        assert second.counts["from_bots"] == whole.counts["from_bots"]
