"""Halves of ids, and numbers of half a byte, against Python's own arithmetic."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.core import bits

IDS = st.integers(-(2**63), 2**63 - 1)


@given(IDS)
def test_halves_make_the_id_again(id: int) -> None:
    low = bits.low_of(id)
    assert low == id % 2**32
    assert bits.joined(id >> 32, low) == id


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 15)), max_size=40))
def test_numbers_of_half_a_byte_stand_where_they_were_put(puts: list[tuple[int, int]]) -> None:
    packed, known = np.zeros(5, np.uint8), [0] * 9
    for place, number in puts:
        bits.put_nibble(packed, place, number)
        known[place] = number
    assert [bits.nibble_at(packed, place) for place in range(9)] == known
