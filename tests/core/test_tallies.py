"""What a partition counts of moves and demand, and when it tells it."""

import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.shop import ShopModel
from stream.core.tallies import Demand, Move, Tallies, Told
from stream.messages import CategoryFlow, DemandCount, PartitionClock
from stream.shard import LogRecord, Shard
from tests.toy_shop import SMALL, START, touch

DAY = 86_400.0
NOTHING_LEARNED = ShopModel(SMALL)
SHOP = msgspec.structs.replace(SMALL, flow_window=DAY, flow_step=3600.0, hot_users=50)


def told(path: Path, records: list[LogRecord], batch: int = 1000) -> list[Told]:
    """What a shard of these records tells in the end."""
    shard = Shard(path, 0, 1, SHOP)
    try:
        for first in range(0, len(records), batch):
            shard.apply(records[first : first + batch], NOTHING_LEARNED)
        return shard.flows(whole=True)
    finally:
        shard.close()


def flows(messages: list[Told]) -> dict[tuple[str, str, float], int]:
    return {
        (m.from_category, m.to_category, m.window_started_at): m.shoppers
        for m in messages
        if isinstance(m, CategoryFlow)
    }


def demand(messages: list[Told]) -> dict[tuple[str, str | None, str | None], float]:
    return {
        (m.series, m.category, m.item_id): m.quantity
        for m in messages
        if isinstance(m, DemandCount)
    }


def log(*touches: tuple[str, float, str]) -> list[LogRecord]:
    """Views of categories, and at the end those of three whose times make the clock."""
    ends = [(f"late {n}", 30_000.0, "lamps") for n in range(3)]
    every = [*touches, *ends]
    return [touch(n, user, at, category) for n, (user, at, category) in enumerate(every)]


def test_a_shopper_counts_once_for_a_move_in_a_window(tmp_path: Path) -> None:
    walk = [("ann", 10.0 * n, ["tents", "boats"][n % 2]) for n in range(6)]
    found = flows(told(tmp_path / "s", log(*walk, ("bob", 0.0, "tents"), ("bob", 9.0, "boats"))))

    window = math.floor(START / DAY) * DAY
    assert found == {("tents", "boats", window): 2, ("boats", "tents", window): 1}


def test_staying_and_a_first_category_are_no_moves(tmp_path: Path) -> None:
    assert flows(told(tmp_path / "s", log(("ann", 0.0, "tents"), ("ann", 9.0, "tents")))) == {}


def test_purchases_are_quantities_with_refunds_taken_off_and_views_are_counted(
    tmp_path: Path,
) -> None:
    def trade(n: int, kind: str, quantity: float) -> LogRecord:
        fields = {"event_type": kind, "item_id": "dome", "quantity": quantity}
        return touch(n, "ann", float(n), "tents", **fields)

    trades = [trade(0, "buy", 2.5), trade(1, "refund", 1), trade(2, "view", 7)]
    records = [*trades, *(r._replace(offset=3 + r.offset) for r in log())]

    found = demand(told(tmp_path / "s", records))

    assert found == {
        ("purchases", "tents", None): 1.5,
        ("purchases", "tents", "dome"): 1.5,
        ("views", "tents", None): 1.0,
        ("views", "lamps", None): 3.0,
    }


def test_a_repeated_event_buys_nothing_twice(tmp_path: Path) -> None:
    buys = [touch(n, "ann", 1.0, "tents", event_type="buy", event_id="e") for n in range(2)]
    records = [*buys, *(r._replace(offset=2 + r.offset) for r in log())]

    assert demand(told(tmp_path / "s", records))["purchases", "tents", None] == 1.0


def test_nothing_is_told_before_the_clock_is_known_and_then_a_step_later(tmp_path: Path) -> None:
    shard = Shard(tmp_path / "s", 0, 1, SHOP)
    shard.apply([touch(0, "ann", 0.0, "tents"), touch(1, "bob", 0.0, "tents")], NOTHING_LEARNED)
    assert shard.flows() == []
    shard.apply([touch(2, "cem", 0.0, "tents")], NOTHING_LEARNED)
    first = shard.flows()
    assert [type(message) for message in first] == [DemandCount, PartitionClock]
    shard.apply(
        [touch(3 + n, user, 3000.0, "tents") for n, user in enumerate(("d", "e", "f"))],
        NOTHING_LEARNED,
    )
    assert shard.flows() == []
    shard.apply(
        [touch(6 + n, user, 3600.0, "tents") for n, user in enumerate(("d", "e", "f"))],
        NOTHING_LEARNED,
    )
    later = shard.flows()
    shard.close()

    assert demand(later)["views", "tents", None] == 9.0
    assert isinstance(later[-1], PartitionClock)
    assert later[-1].clock == START + 3600.0


def test_what_was_told_is_not_told_again_after_a_restart(tmp_path: Path) -> None:
    records = log(("ann", 0.0, "tents"), ("ann", 9.0, "boats"))
    first = Shard(tmp_path / "s", 0, 1, SHOP)
    first.apply(records, NOTHING_LEARNED)
    assert first.flows(whole=True)
    first.checkpoint()
    first.close()
    again = Shard(tmp_path / "s", 0, 1, SHOP)
    told_again = again.flows(whole=True)
    again.close()

    assert [type(message) for message in told_again] == [PartitionClock]


def test_what_an_owner_told_before_it_crashed_is_corrected(tmp_path: Path) -> None:
    """It told of the purchase; the one after it reads purchase and refund at once."""
    both = [
        touch(3 + n, "ann", 5.0, "tents", event_type=t) for n, t in enumerate(["buy", "refund"])
    ]
    sold = []
    for records in (both[:1], both):
        shard = Shard(tmp_path / "s", 0, 1, SHOP)
        shard.apply([*log(), *records], NOTHING_LEARNED)
        sold.append(demand(shard.flows(whole=True))["purchases", "tents", None])
        shard.close()

    assert sold == [1.0, 0.0]


@pytest.mark.parametrize("batch", [1, 3])
def test_how_records_are_grouped_changes_no_count(tmp_path: Path, batch: int) -> None:
    walk = [
        (["ann", "bob", "cem"][n % 3], 40.0 * n, ["tents", "boats", "lamps"][n * n % 3])
        for n in range(60)
    ]
    whole = told(tmp_path / "a", log(*walk))

    assert told(tmp_path / "b", log(*walk), batch) == whole


def test_what_comes_more_than_four_windows_late_counts_nowhere(tmp_path: Path) -> None:
    shard = Shard(tmp_path / "s", 0, 1, SHOP)
    shard.apply(log(), NOTHING_LEARNED)
    late = touch(9, "ann", 30_000.0 - 5 * DAY, "tents", event_type="buy")
    shard.apply([late], NOTHING_LEARNED)
    found = demand(shard.flows(whole=True))
    counted = shard.counts["too_late"]
    shard.close()

    assert ("purchases", "tents", None) not in found
    assert counted == 1


def test_what_no_event_can_change_is_told_and_then_forgotten(tmp_path: Path) -> None:
    shard = Shard(tmp_path / "s", 0, 1, SHOP)
    shard.apply(log(("ann", 0.0, "tents"), ("ann", 9.0, "boats")), NOTHING_LEARNED)
    shard.apply([touch(20 + n, f"late {n}", 6 * DAY, "lamps") for n in range(3)], NOTHING_LEARNED)
    last = flows(shard.flows(whole=True))
    kept = shard._tallies
    shard.close()

    assert list(last.values()) == [1]
    assert kept.moves == {}
    assert {cell.category for cell in kept.demand} == {shard.categories.index("lamps")}


CELLS = st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(1, 9)), max_size=20)


@given(CELLS)
def test_stored_cells_come_back_as_they_were(changes: list[tuple[bool, int, int]]) -> None:
    tallies, stored = Tallies(SHOP), dict[bytes, bytes | None]()
    for moved, number, amount in changes:
        cell = Move(1, number, 0) if moved else Demand(1, 0, number, number)
        tallies._change(tallies.moves if moved else tallies.demand, cell, amount)  # type: ignore[misc, arg-type]  # either kind
        if amount % 2:
            stored.update(tallies.take_changed())
    stored.update(tallies.take_changed())
    restored = Tallies(SHOP)
    restored.restore((key, value) for key, value in stored.items() if value is not None)

    assert (restored.moves, restored.demand) == (tallies.moves, tallies.demand)
