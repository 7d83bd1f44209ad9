"""The recent items of a shopper against a list."""

from hypothesis import given
from hypothesis import strategies as st

from stream.core import recents
from stream.core.recents import MOST_COUNTED, RecentsRow
from stream.core.rows import zeros

SLOTS = 4
PUSHES = st.lists(st.tuples(st.integers(1, 7), st.integers(0, 2)), max_size=40)


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
    used = int(row.used)
    found = zip(row.items[:used], row.counts[:used], row.actions[:used], strict=True)
    assert [tuple(map(int, entry)) for entry in found] == known


def test_an_item_that_left_comes_back_as_a_new_one() -> None:
    row = row_after([(9, 2), (1, 0), (2, 0), (3, 0), (4, 0), (9, 0)])
    assert (row.items[0], row.counts[0], row.actions[0]) == (9, 1, 0)


def test_counting_stops_before_a_byte_is_full() -> None:
    assert row_after([(1, 0)] * 300).counts[0] == MOST_COUNTED
