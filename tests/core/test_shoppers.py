"""The small parts of a shopper's row: the ring of event ids."""

from hypothesis import given
from hypothesis import strategies as st

from stream.core import shoppers
from stream.core.rows import zeros
from stream.core.shoppers import ShopperRow, StrictRow
from tests.toy_shop import SMALL

REMEMBERED = SMALL.remembered_event_ids


def new() -> StrictRow:
    return zeros(1, shoppers.strict_layout(SMALL), StrictRow)[0]


@given(st.lists(st.integers(0, 7), max_size=40))
def test_a_repeat_is_one_of_the_last_distinct_event_ids(events: list[int]) -> None:
    row, remembered = new().seen, list[int]()
    for event in events:
        assert shoppers.repeated(row, event) == (event in remembered)
        if event and event not in remembered:
            remembered = [*remembered, event][-REMEMBERED:]


def test_an_event_without_an_id_is_never_a_repeat() -> None:
    row = new().seen
    assert not any(shoppers.repeated(row, 0) for _ in range(3))
    assert row.ids.tolist() == [0] * REMEMBERED


def test_the_strict_part_comes_first_in_a_row() -> None:
    """Hashes are made of a prefix of the stored bytes."""
    layout = shoppers.layout(SMALL)
    assert layout.fields is not None
    assert layout.fields["strict"][1] == 0
    assert zeros(1, layout, ShopperRow)[0].strict.session.open == 0
