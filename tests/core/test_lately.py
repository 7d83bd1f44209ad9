"""The table of what the shop has yet to learn, against a set."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.core import lately, table
from stream.core.bits import low_of
from stream.core.ids import NONE
from stream.core.lately import PROBES, Lately

IDS = st.integers(-(2**63), 2**63 - 1).filter(lambda id: id != 0)
LISTS = st.lists(IDS, unique_by=low_of, max_size=40)


@given(touched=LISTS, learned=LISTS, strangers=st.lists(IDS, max_size=5))
def test_what_was_touched_is_known_by_its_half_until_the_shop_has_learned_it(
    touched: list[int], learned: list[int], strangers: list[int]
) -> None:
    own, cells = Lately(), table.empty(len(learned) + len(touched))
    own.note(touched * 2)
    known = {low_of(id): id for id in touched}
    for id in [*touched, *learned, *strangers]:
        assert lately.whole(own.ids, low_of(id)) == known.get(low_of(id), NONE)

    every = list(dict.fromkeys([*learned, *touched[::2]]))
    table.fill(cells, np.array(every, np.int64), len(every))
    own.meet(cells, 1)
    left = {low_of(id): id for id in touched if id not in every}
    for id in [*touched, *learned, *strangers]:
        assert lately.whole(own.ids, low_of(id)) == left.get(low_of(id), NONE)


def test_a_table_that_is_full_keeps_what_it_has() -> None:
    ids = np.zeros(64, np.int64)
    for item in range(1, 100):
        lately.note(ids, item << 32)

    assert lately.whole(ids, 0) == 1 << 32
    assert sorted(ids.tolist())[-PROBES:] == [item << 32 for item in range(1, PROBES + 1)]
    assert np.count_nonzero(ids) == PROBES


def test_a_shop_that_learned_nothing_is_not_asked() -> None:
    own, cells = Lately(), table.empty(8)
    own.note([7])
    own.meet(cells, 3)
    table.insert(cells, 7, 0)
    own.meet(cells, 3)
    assert lately.whole(own.ids, 7) == 7
    own.meet(cells, 4)
    assert lately.whole(own.ids, 7) == NONE
