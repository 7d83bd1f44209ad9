"""A category's shelf against a dictionary, evictions included."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import shelf
from stream.core.rows import zeros
from stream.core.shelf import ITEMS, ShelfRow


def shown(row: ShelfRow) -> dict[int, float]:
    return {int(row.items[slot]): float(row.weights[slot]) for slot in range(row.used)}


@given(st.lists(st.integers(0, ITEMS + 8), max_size=300))
def test_a_shelf_is_a_dictionary_of_decayed_counts(events: list[int]) -> None:
    row, slow = zeros(1, shelf.LAYOUT, ShelfRow)[0], dict[int, float]()
    for item in events:
        slow = {other: 0.995 * weight for other, weight in slow.items()}
        if item not in slow and len(slow) == ITEMS:
            del slow[min(slow, key=lambda other: slow[other])]
        slow[item] = slow.get(item, 0.0) + 1.0
        shelf.learn(row, item)
        assert shown(row).keys() == slow.keys()
    assert shown(row) == pytest.approx(slow, rel=1e-5)
    assert float(shelf.total(row)) == pytest.approx(1 + sum(slow.values()), rel=1e-5)
