"""Sessions, the partition's clock and the queue of sessions' ends, each against something slow."""

import heapq
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.core import sessions
from stream.core.rows import Rows, zeros
from stream.core.sessions import CLOCK, DEADLINE, LAYOUT, ClockRow, Deadline, SessionRow

GAP, SWITCH = 60.0, 5.0
SIGHTINGS = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 20).map(float)), max_size=40)


def clock_after(sightings: list[tuple[int, float]]) -> Rows[ClockRow]:
    clock = zeros(1, CLOCK, ClockRow)
    for shopper, at in sightings:
        sessions.observe(clock[0], shopper, at)
    return clock


def slow_clock(sightings: list[tuple[int, float]]) -> float:
    """The largest time that three distinct shoppers have reached or passed."""
    times = sorted({at for _, at in sightings}, reverse=True)
    for time in times:
        if len({shopper for shopper, at in sightings if at >= time}) >= 3:
            return time
    return -math.inf


# ---------------------------------------------------------------------------- the clock


@given(SIGHTINGS)
def test_the_clock_is_what_three_distinct_shoppers_have_reached(
    sightings: list[tuple[int, float]],
) -> None:
    for end in range(len(sightings) + 1):
        assert sessions.now(clock_after(sightings[:end])[0]) == slow_clock(sightings[:end])


@given(SIGHTINGS, st.integers(1, 6), st.integers(0, 20).map(float))
def test_telling_the_clock_twice_changes_nothing(
    sightings: list[tuple[int, float]], shopper: int, at: float
) -> None:
    once = clock_after([*sightings, (shopper, at)]).tobytes()
    assert clock_after([*sightings, (shopper, at), (shopper, at)]).tobytes() == once


@given(SIGHTINGS, st.integers(1, 6), st.integers(0, 20))
def test_one_shopper_with_a_wild_clock_can_not_move_it_far(
    sightings: list[tuple[int, float]], wild: int, at: int
) -> None:
    """It goes to no time that another shopper has not reached."""
    after = sessions.now(clock_after([*sightings, (wild, 1e12 + at)])[0])
    assert after <= max((at for shopper, at in sightings if shopper != wild), default=-math.inf)


# ---------------------------------------------------------------------------- the queue


@given(st.lists(st.one_of(st.none(), st.tuples(st.integers(0, 9), st.integers(-9, 9)))))
def test_the_queue_gives_what_a_heap_gives_ties_by_key(
    steps: list[tuple[int, int] | None],
) -> None:
    queue, used = zeros(len(steps) + 1, DEADLINE, Deadline), 0
    slow: list[tuple[float, int, int]] = []
    for number, step in enumerate(steps):
        if step is not None:
            at, key = step
            sessions.push(queue, used, float(at), key, number)
            heapq.heappush(slow, (float(at), key, number))
            used += 1
        elif used:
            first = queue[0]
            assert (first.at, first.key) == heapq.heappop(slow)[:2]
            sessions.pop(queue, used)
            used -= 1
    entries = np.asarray(queue)[:used]
    assert sorted(entries[["at", "key"]].tolist()) == sorted((at, key) for at, key, _ in slow)


# ------------------------------------------------------------------------- one session


def opened(at: float, id: int = 0) -> SessionRow:
    row = zeros(1, LAYOUT, SessionRow)[0]
    sessions.begin(row, id, at)
    return row


def goes_on(row: SessionRow, id: int, at: float) -> bool:
    return bool(sessions.continues(row, id, at, GAP, SWITCH))


def test_a_session_ends_only_after_more_than_the_gap() -> None:
    row = opened(100.0)
    assert goes_on(row, 0, 160.0)
    assert not goes_on(row, 0, 160.5)


def test_a_late_event_belongs_to_the_open_session_and_does_not_turn_it_back() -> None:
    row = opened(1000.0)
    assert goes_on(row, 0, 3.0)
    sessions.extend(row, 0, 3.0)
    assert (row.started_at, row.last_at) == (1000.0, 1000.0)


def test_another_id_ends_it_after_so_long_without_the_old_one() -> None:
    row = opened(100.0, id=1)
    assert goes_on(row, 2, 105.0)
    assert not goes_on(row, 2, 105.5)
    # No id says nothing.
    assert goes_on(row, 0, 150.0)


def test_two_devices_interleave_in_one_session() -> None:
    row = opened(100.0, id=1)
    for at, id in [(104.0, 2), (104.5, 1), (109.0, 2), (109.5, 1)]:
        assert goes_on(row, id, at)
        sessions.extend(row, id, at)
    assert (row.id, row.id_at, row.last_at) == (1, 109.5, 109.5)


def test_the_first_id_seen_is_the_sessions() -> None:
    row = opened(100.0)
    assert goes_on(row, 7, 150.0)
    sessions.extend(row, 7, 150.0)
    assert (row.id, row.id_at) == (7, 150.0)
    sessions.extend(row, 0, 152.0)
    assert (row.id, row.id_at, row.last_at) == (7, 150.0, 152.0)
    assert not goes_on(row, 8, 156.0)
