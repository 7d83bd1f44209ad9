"""Counts of a horizon against a dictionary, labels against sorted lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import horizon_counts, levels
from stream.core.codes import LAYOUT as CODE
from stream.core.codes import CodeRow
from stream.core.horizon_counts import OPEN, HorizonRow, OpenRow
from stream.core.rows import Rows, zeros
from tests.reference import slow_horizon
from tests.reference.slow_horizon import SlowCounts

NAMES = ["a", "b", "c", "d", "e", "f", "g"]
LONG, SHORT, LEAST = 1000.0, 100.0, 4
Event = tuple[str, float, int]
# Category, seconds since the event before (late ones too), and whether a new period begins.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from([0.0, 0.01, 7.0, 250.0, -300.0, 90_000.0]),
        st.sampled_from([0, 0, 0, 1]),
    ),
    max_size=60,
)


def codes() -> Rows[CodeRow]:
    """Categories whose ids are in the order of their names, but whose codes are not."""
    rows = zeros(len(NAMES), CODE, CodeRow)
    for code in range(len(NAMES)):
        rows[code].id = len(NAMES) - code
    return rows


CODES = codes()


def code_of(name: str) -> int:
    return len(NAMES) - 1 - NAMES.index(name)


def id_of(name: str) -> int:
    return int(CODES[code_of(name)].id)


def opened(period: int = 1) -> OpenRow:
    opens = zeros(1, OPEN, OpenRow)
    np.asarray(opens)[0] = (period, LEAST, 0.0, 0.0, LONG, SHORT)
    return opens[0]


def empty(slots: int = 8, wide: bool = False) -> HorizonRow:
    return zeros(1, horizon_counts.layout(wide, slots), HorizonRow)[0]


def walked(steps: list[tuple[str, float, int]]) -> list[Event]:
    """Each event's category, time and period."""
    at, period, events = 0.0, 1, []
    for name, elapsed, turn in steps:
        at, period = at + elapsed, period + turn
        events.append((name, at, period))
    return events


def counted(events: list[Event], slots: int = 8, wide: bool = False) -> HorizonRow:
    row = empty(slots, wide)
    for name, at, period in events:
        horizon_counts.count(row, CODES, code_of(name), at, opened(period))
    return row


def name_in(row: HorizonRow, slot: int) -> str:
    return NAMES[len(NAMES) - 1 - horizon_counts.code_in(row, slot)]


@pytest.mark.parametrize("wide", [False, True])
@given(steps=STEPS)
def test_rows_equal_a_dictionary_evictions_included(
    wide: bool, steps: list[tuple[str, float, int]]
) -> None:
    slow, row = SlowCounts(4, LONG, SHORT, LEAST), empty(4, wide)
    for name, at, period in walked(steps):
        slow.count(name, at, period)
        horizon_counts.count(row, CODES, code_of(name), at, opened(period))

    used = int(row.used)
    held = {name: slow.slots[name] for name in slow.order}
    assert [name_in(row, slot) for slot in range(used)] == slow.order
    for name in ("long", "short", "ever", "now"):
        expected = [getattr(slot, name) for slot in held.values()]
        assert getattr(row, name)[:used].tolist() == expected, name
    assert (row.long_at, row.short_at) == (slow.long_at, slow.short_at)
    assert (row.period, row.events, row.last_period) == (
        slow.period, slow.events, slow.last_period,
    )  # fmt: skip
    tops = [slot for slot in horizon_counts.top(row, CODES) if slot >= 0]
    assert [name_in(row, slot) for slot in tops] == slow.largest("long")


@given(steps=STEPS)
def test_memories_are_sums_of_decayed_events(steps: list[tuple[str, float, int]]) -> None:
    events = walked(steps)
    row = counted(events)

    for slot in range(row.used):
        for level, landmark, half_life in [
            (int(row.long[slot]), row.long_at, LONG),
            (int(row.short[slot]), row.short_at, SHORT),
        ]:
            exact = sum(
                2.0 ** ((at - landmark) / half_life)
                for name, at, _ in events
                if name == name_in(row, slot)
            )
            # Each addition rounds by a half of a 2048th part of a doubling, at most.
            assert levels.weight_of(level) == pytest.approx(exact, rel=3e-3, abs=2e-4)


@given(steps=STEPS, asked=st.sampled_from(NAMES))
def test_labels_are_told_from_the_period_and_after_it(
    steps: list[tuple[str, float, int]], asked: str
) -> None:
    events = walked(steps)
    row, id = counted(events), id_of(asked)
    periods = sorted({period for _, _, period in events})

    for period in range(1, 70):
        here = [name for name, _, other in events if other == period]
        told = horizon_counts.label(row, CODES, id, period, LEAST)
        if period in periods[-2:]:
            assert told == slow_horizon.label(here, asked, LEAST)
        else:
            assert told == -1


def test_an_empty_row_has_no_label_and_no_largest() -> None:
    assert horizon_counts.label(empty(), CODES, 1, 1, LEAST) == -1
    assert horizon_counts.top(empty(), CODES) == (-1, -1, -1)


def test_of_equals_the_lower_id_is_among_the_three_largest() -> None:
    row = counted([(name, 0.0, 1) for name in "gfedcba"])

    assert [name_in(row, slot) for slot in horizon_counts.top(row, CODES)] == ["a", "b", "c"]
    assert horizon_counts.label(row, CODES, id_of("c"), 1, LEAST) == 1
    assert horizon_counts.label(row, CODES, id_of("d"), 1, LEAST) == 0


def test_whole_counts_stop_where_their_bytes_end() -> None:
    row = counted([("a", 0.0, 1)] * 400)

    assert (row.ever[0], row.now[0], row.events) == (255, 255, 127)
    assert levels.weight_of(int(row.long[0])) == pytest.approx(400, rel=0.05)


def test_a_code_of_more_than_16_bits_needs_a_wide_row() -> None:
    many = zeros(70_000, CODE, CodeRow)
    for wide in (False, True):
        row = empty(4, wide)
        for _ in range(LEAST):
            horizon_counts.count(row, many, 65_535, 0.0, opened())
        assert row.used == int(wide)
        assert row.events == LEAST


def test_a_row_takes_400_bytes() -> None:
    assert horizon_counts.layout().itemsize == 400
    assert horizon_counts.layout(wide=True).itemsize == 400
