"""A shopper's move between two categories counts once in a window."""

from hypothesis import given
from hypothesis import strategies as st

from stream.core import flows
from stream.core.flows import REMEMBERED, FlowRow
from stream.core.rows import zeros

MOVES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 3)), max_size=60)


def new() -> FlowRow:
    return zeros(1, flows.LAYOUT, FlowRow)[0]


@given(MOVES)
def test_a_move_counts_unless_it_is_among_the_last_distinct_ones(
    moves: list[tuple[int, int, int]],
) -> None:
    row, remembered = new(), list[tuple[int, int, int]]()
    for move in moves:
        assert flows.note(row, *move) == (move not in remembered)
        if move not in remembered:
            remembered = [*remembered, move][-REMEMBERED:]


def test_a_window_holds_its_beginning_and_not_its_end() -> None:
    assert [flows.window_of(at, 60.0) for at in (0.0, 59.9, 60.0, -0.1)] == [0, 0, 1, -1]
