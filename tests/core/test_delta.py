"""When a list is sent, and what it says of the one before."""

import numpy as np
import pytest

from stream.core import delta
from stream.core.delta import ListRow, ServedRow
from stream.core.ids import NONE, identify
from stream.core.lately import Lately
from stream.core.ranking import RANKED, RankedRow
from stream.core.rows import Rows, zeros
from stream.core.shop import ShopModel
from tests.toy_shop import SMALL

SIZE = 4
INTERVAL = 20.0


def served() -> ServedRow:
    return zeros(1, delta.layout(SIZE), ServedRow)[0]


def ranked(items: list[int]) -> Rows[RankedRow]:
    """The list stands behind another one, as lists of a batch do."""
    rows = zeros(SIZE + len(items), RANKED, RankedRow)
    for place, item in enumerate(items):
        rows[SIZE + place].item_id = item
        rows[SIZE + place].reason = item % 8
    return rows


def sent(row: ServedRow, items: list[int], at: float = 0.0, full_every: int = 3) -> ListRow:
    out = zeros(1, delta.list_layout(SIZE), ListRow)[0]
    delta.send(row, out, ranked(items), SIZE, len(items), at, 7, full_every)
    return out


def previous(out: ListRow) -> list[int]:
    return list(map(int, out.previous[: int(out.previous_used)]))


def test_the_first_list_is_due_at_once_and_full() -> None:
    row = served()
    assert delta.due(row, 0.0, INTERVAL)
    out = sent(row, [1, 2, 3])
    assert (out.full, out.used, previous(out)) == (1, 3, [])


@pytest.mark.parametrize(("at", "due"), [(99.0, False), (119.9, False), (120.0, True)])
def test_the_next_one_is_due_an_interval_later(at: float, due: bool) -> None:
    row = served()
    sent(row, [1], at=100.0)
    assert delta.due(row, at, INTERVAL) == due


def test_a_log_that_turns_back_far_is_not_silenced_for_years() -> None:
    """One wild timestamp must not hold a shopper's lists until then."""
    row = served()
    sent(row, [1], at=1e9)
    assert delta.due(row, 1000.0, INTERVAL)


def test_after_a_move_it_is_due_at_once_and_once() -> None:
    row = served()
    sent(row, [1], at=100.0)
    row.moved = 1
    assert delta.due(row, 100.0, INTERVAL)
    assert sent(row, [1], at=100.0).moved == 1
    assert not delta.due(row, 100.0, INTERVAL)


def test_a_list_says_what_it_replaces_and_every_third_says_all() -> None:
    row = served()
    lists = [sent(row, items) for items in ([1, 2], [2, 3], [3, 4, 5], [4], [5], [6])]
    assert [out.full for out in lists] == [1, 0, 0, 1, 0, 0]
    assert [previous(out) for out in lists] == [[], [1, 2], [2, 3], [], [4], [5]]


def test_after_a_catch_up_the_next_one_is_full() -> None:
    row = served()
    sent(row, [1, 2])
    row.stale = 1
    assert sent(row, [3]).full == 1
    assert sent(row, [4]).full == 0


def test_every_list_can_be_asked_to_be_full() -> None:
    row = served()
    assert [sent(row, [n], full_every=1).full for n in range(3)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("now", "material"),
    [
        ([1, 2, 3, 4], False),
        ([2, 1, 3, 4], True),
        ([1, 2, 4, 3], True),
        ([1, 2, 3], True),
        ([1, 2, 3, 5], True),
        ([5, 2, 3, 4], True),
    ],
    ids=["same", "leaders", "third", "fewer", "entered last", "entered first"],
)
def test_a_change_is_material_if_items_or_leaders_changed(now: list[int], material: bool) -> None:
    row = served()
    sent(row, [1, 2, 3, 4])
    assert delta.material(row, ranked(now), SIZE, len(now)) == material


def test_an_order_changed_behind_the_leaders_is_not_material() -> None:
    row = zeros(1, delta.layout(5), ServedRow)[0]
    out = zeros(1, delta.list_layout(5), ListRow)[0]
    delta.send(row, out, ranked([1, 2, 3, 4, 5]), SIZE, 5, 0.0, 7, 3)
    assert not delta.material(row, ranked([1, 2, 3, 5, 4]), SIZE, 5)


def test_an_item_is_found_in_the_last_list_alone() -> None:
    row = served()
    assert delta.place_of(row, 2, 0) == -1

    sent(row, [1, 2, 3])
    assert [delta.place_of(row, item, 7) for item in (1, 2, 3, 4)] == [0, 1, 2, -1]
    assert delta.place_of(row, 2, 6) == -1


def test_each_item_keeps_its_reason() -> None:
    row = served()
    sent(row, [15, 6, 7, 0])
    sent(row, [4, 13, 7])
    assert [delta.reason_at(row, place) for place in range(3)] == [4, 5, 7]


def test_items_of_the_list_before_are_the_shops_or_touched_lately_or_unknown() -> None:
    shop, row = ShopModel(SMALL), served()
    known, new, gone = (identify(name) for name in ("tent", "kite", "sail"))
    shop.items.numbers(np.array([known], np.int64), np.zeros(1, np.int32))
    own = Lately()
    own.note([known, new])

    sent(row, [gone, known, new])
    out = sent(row, [1])
    delta.recognize(out, shop.view.cells, shop.view.profiles, own.ids)

    assert previous(out) == [NONE, known, new]
