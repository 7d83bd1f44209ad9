"""The recent items of a shopper against a list."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.core import lately, recents
from stream.core.bits import low_of
from stream.core.ids import NONE, identify
from stream.core.recents import MOST_COUNTED, RecentsRow
from stream.core.rows import zeros
from stream.core.updates import RECENT

SLOTS = 8
# Of both signs, and with halves of both.
ITEMS = [7, -7, 1 << 40 | 9, -(1 << 63), (1 << 63) - 1, *map(identify, "abcdefg")]
PUSHES = st.lists(st.tuples(st.sampled_from(ITEMS), st.integers(0, 2)), max_size=60)


def row_after(pushes: list[tuple[int, int]]) -> RecentsRow:
    row = zeros(1, recents.layout(SLOTS), RecentsRow)[0]
    for item, action in pushes:
        recents.push(row, item, action)
    return row


def slow(pushes: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Item, count and strongest action, newest first."""
    known: list[tuple[int, int, int]] = []
    for item, action in pushes:
        count, strongest = next(((c, a) for i, c, a in known if i == item), (0, 0))
        others = [entry for entry in known if entry[0] != item]
        known = [(item, count + 1, max(strongest, action)), *others][:SLOTS]
    return known


@given(PUSHES)
def test_the_row_holds_the_last_distinct_items_with_counts_and_strongest_actions(
    pushes: list[tuple[int, int]],
) -> None:
    row, known = row_after(pushes), slow(pushes)
    places = range(recents.length(row))
    found = [
        (recents.low_at(row, place), recents.count_at(row, place), recents.action_at(row, place))
        for place in places
    ]
    assert found == [(low_of(item), count, action) for item, count, action in known]
    newest = [recents.item_at(row, place) for place in places[:RECENT]]
    assert newest == [item for item, *_ in known[:RECENT]]


def test_an_item_that_left_comes_back_as_a_new_one() -> None:
    row = row_after([(9, 2), *((item, 0) for item in range(10, 10 + SLOTS)), (9, 0)])
    assert recents.item_at(row, 0) == 9
    assert (recents.count_at(row, 0), recents.action_at(row, 0)) == (1, 0)


def test_counting_stops_before_it_reaches_the_action() -> None:
    row = row_after([(1, 2)] * 300)
    assert (recents.count_at(row, 0), recents.action_at(row, 0)) == (MOST_COUNTED, 2)


def test_an_older_item_is_known_whole_if_it_was_touched_lately() -> None:
    ids, row = np.zeros(16, np.int64), row_after([(item, 0) for item in ITEMS[:SLOTS]])
    lately.note(ids, ITEMS[0])

    expected = [*reversed(ITEMS[SLOTS - RECENT : SLOTS]), *[NONE] * (SLOTS - RECENT - 1), ITEMS[0]]
    assert [recents.whole_at(row, place, ids) for place in range(SLOTS)] == expected
