"""The table from ids to row numbers against a dict."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.core import table
from stream.core.bits import low_of

IDS = st.integers(-(2**63), 2**63 - 1).filter(lambda id: id != 0)


@given(ids=st.lists(IDS, unique=True, max_size=40), strangers=st.lists(IDS, max_size=10))
def test_every_id_is_found_and_no_other(ids: list[int], strangers: list[int]) -> None:
    cells = table.empty(len(ids))
    table.fill(cells, np.array(ids, np.int64), len(ids))

    numbers = {id: number for number, id in enumerate(ids)}
    for id in [*ids, *strangers]:
        assert table.find(cells, id) == numbers.get(id, table.MISSING)


@given(ids=st.lists(IDS, unique_by=low_of, max_size=40), strangers=st.lists(IDS, max_size=10))
def test_an_id_is_found_by_its_low_half(ids: list[int], strangers: list[int]) -> None:
    cells = table.empty(len(ids))
    table.fill(cells, np.array(ids, np.int64), len(ids))

    numbers = {low_of(id): number for number, id in enumerate(ids)}
    for low in map(low_of, [*ids, *strangers]):
        assert table.find_low(cells, low) == numbers.get(low, table.MISSING)


def test_ids_that_begin_at_the_same_cell_are_all_found() -> None:
    cells = table.empty(8)
    ids = [number << 32 for number in range(1, 9)]
    for row, id in enumerate(ids):
        table.insert(cells, id, row)

    assert [table.find(cells, id) for id in ids] == list(range(8))
    assert 0 <= table.find_low(cells, 0) < 8


@given(room=st.integers(1, 1000))
def test_at_most_half_of_the_cells_are_taken(room: int) -> None:
    assert 2 * room <= len(table.empty(room)) <= max(16, 4 * room)
