"""A shopper's move between two categories counts once in a window, in the order of the events."""

from collections import Counter
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from stream.core import flows
from stream.core.flows import CHANGE, CHANGES, EVENTS, MOVES, OFTEN, ChangeRow, FlowRow
from stream.core.rows import zeros

WINDOW = 60.0
PERIOD = 400.0
"""Visits come before it, so that repeated they still have times of their own."""
Visit = tuple[float, int]


def new() -> FlowRow:
    return zeros(1, flows.LAYOUT, FlowRow)[0]


def counted(visits: list[Visit]) -> Counter[tuple[int, int, int]]:
    """What the kernel counts of one shopper's visits, in the order in which they arrive."""
    row, changes, counts = new(), zeros(CHANGES, CHANGE, ChangeRow), Counter[tuple[int, int, int]]()
    for at, code in visits:
        used = flows.enter(row, at, code, WINDOW, changes, 0)
        for place in range(used):
            told = changes[place]
            counts[int(told.window), int(told.origin), int(told.target)] += int(told.by)
    return counts


def expected(visits: list[Visit]) -> Counter[tuple[int, int, int]]:
    """Each pair of neighbors in time, once a window."""
    moves = {
        (int(at // WINDOW), origin, target)
        for (_, origin), (at, target) in pairwise(sorted(visits, key=lambda visit: visit[0]))
        if origin != target
    }
    return Counter(moves)


visits = st.lists(
    st.tuples(st.integers(0, 3999).map(lambda at: at * PERIOD / 4000), st.integers(0, 3)),
    max_size=EVENTS, unique_by=lambda visit: visit[0],
)  # fmt: skip


@given(visits)
@example([(1.0, 0), (3.0, 1), (2.0, 2)])
@example([(70.0, 0), (10.0, 1), (65.0, 1)])
def test_in_any_order_the_counts_end_as_if_all_came_in_time(visits: list[Visit]) -> None:
    found = counted(visits)
    assert +found == expected(visits)
    assert min(found.values(), default=0) >= 0


@given(visits, st.integers(1, EVENTS - 1), st.data())
def test_so_they_do_where_a_long_log_comes_a_little_out_of_order(
    visits: list[Visit], late: int, data: st.DataObject
) -> None:
    """No event is behind more others than are remembered."""
    long = [(at + PERIOD * times, code) for times in range(4) for at, code in sorted(visits)]
    delays = [data.draw(st.integers(0, late)) for _ in long]
    arrived = sorted(range(len(long)), key=lambda place: (place + delays[place], place))
    assert +counted([long[place] for place in arrived]) == expected(long)


def test_of_equal_times_the_one_that_came_first_is_first() -> None:
    assert counted([(5.0, 1), (5.0, 2), (4.0, 0)]) == {(0, 0, 1): 1, (0, 1, 2): 1}


def test_before_all_that_are_remembered_nothing_counts() -> None:
    usual = [(100.0 + place, place % 2) for place in range(EVENTS + 1)]
    assert counted([*usual, (50.0, 3)]) == counted(usual)


def test_a_move_made_very_often_stays_counted() -> None:
    row = new()
    move = flows.fingerprint(1, 2, 3)
    assert [bool(flows.note(row, move)) for _ in range(OFTEN + 3)] == [True] + [False] * (OFTEN + 2)
    assert not any(flows.undo(row, move) for _ in range(OFTEN + 3))


def test_the_oldest_of_too_many_moves_is_forgotten() -> None:
    row = new()
    moves = [flows.fingerprint(0, 1, target) for target in range(MOVES + 1)]
    assert all(flows.note(row, move) for move in moves)
    assert not flows.note(row, moves[1])
    assert flows.note(row, moves[0])


def test_a_window_holds_its_beginning_and_not_its_end() -> None:
    assert [flows.window_of(at, 60.0) for at in (0.0, 59.9, 60.0, -0.1)] == [0, 0, 1, -1]
