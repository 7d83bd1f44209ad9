"""The ring against its equation, and what it sees before a session is over."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.core import codes, drift_ring, rows
from stream.core.codes import CodeRow
from stream.core.drift_detector import ShiftDetector
from stream.core.drift_ring import RingRow
from stream.core.rows import Rows
from tests.reference.drift_ring import Ring

CATEGORIES = 90
POPULARITY = np.array([1 / (1 + n) for n in range(CATEGORIES)], np.float32)
POPULARITY /= POPULARITY.sum()
SHARES = {str(number): float(share) for number, share in enumerate(POPULARITY)}
NEVER = -math.inf


def shop() -> Rows[CodeRow]:
    known = rows.zeros(CATEGORIES, codes.LAYOUT, CodeRow)
    np.asarray(known)["popularity"] = POPULARITY
    return known


def heard(events: Sequence[int], wide: bool = False) -> list[float]:
    """What the ring tells after each event, minus infinity for nothing."""
    row, known = rows.zeros(1, drift_ring.layout(True, wide), RingRow)[0], shop()
    return [drift_ring.listen(row, known, event) for event in events]


STREAMS = st.lists(
    st.tuples(
        st.lists(st.integers(0, CATEGORIES - 1), min_size=1, max_size=12), st.integers(1, 60)
    ),
    min_size=1,
    max_size=12,
).map(lambda parts: [part[n % len(part)] for part, count in parts for n in range(count * 3)])


@given(STREAMS, st.booleans())
@example([7] * 1400, False)
@example([n * n % CATEGORIES for n in range(2500)], True)
@example([n % 66 for n in range(900)] + [80] * 100, False)
def test_the_log_ratio_agrees_with_the_slow_reference(events: list[int], wide: bool) -> None:
    """Counts that fill up, a memory that is halved, more categories than the bag holds."""
    slow = Ring(SHARES)
    told = [slow.event(str(event)) for event in events]
    expected = [NEVER if ratio is None else ratio for ratio in told]

    assert heard(events, wide) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_it_tells_every_fourth_event_once_forty_have_left_it() -> None:
    told = [place for place, ratio in enumerate(heard([1, 2, 3] * 40), 1) if ratio > NEVER]
    assert told == list(range(90, 121, 4))


def test_another_taste_is_evidence_and_the_same_taste_is_none() -> None:
    assert max(heard([3, 4, 5] * 100)) < 0.0
    moved = heard([3, 4, 5] * 40 + [70, 71, 72] * 17)
    assert max(moved[:120]) < 0.0
    assert max(moved[120:]) > 20.0


# --------------------------------------------------------------- in the estimator

CAMPS, BANDS = ["tents", "lamps", "maps"], ["drums", "flutes", "lutes"]
SHOP = dict.fromkeys([*CAMPS, *BANDS], 1 / 6)


def detector(**limits: float) -> ShiftDetector:
    return ShiftDetector(popularity=SHOP, **({"ring_threshold": 4.0} | limits))


def alarms(found: ShiftDetector, events: Sequence[str], length: int) -> list[tuple[int, str]]:
    """Where alarms were told, and by what; sessions are of so many events."""
    told = []
    for place, category in enumerate(events):
        found.update(category, session=str(place // length))
        if found.alarm is not None:
            told.append((place, found.alarm.source))
    return told


def test_a_large_move_is_told_inside_the_session() -> None:
    events = CAMPS * 40 + BANDS * 20
    (by_ring,) = alarms(detector(), events, 60)
    assert by_ring[1] == "ring"
    assert 120 < by_ring[0] < 160
    assert alarms(ShiftDetector(), events, 60) == []


def test_its_alarm_is_a_restart_with_its_own_evidence_and_threshold() -> None:
    found = detector()
    for place, category in enumerate(CAMPS * 40 + BANDS * 10):
        found.update(category, at=place * 10.0)
        if found.alarm is not None:
            break
    shift = found.alarm
    assert shift is not None
    assert (shift.pattern, shift.source, shift.threshold) == ("restart", "ring", 4.0)
    assert shift.evidence > 4.0
    assert shift.from_category in CAMPS
    assert shift.to_category in BANDS
    assert shift.session_ended_at == place * 10.0
    assert shift.began_at >= shift.session_started_at


def test_after_an_alarm_the_ring_is_silent_for_forty_events() -> None:
    told = alarms(detector(ring_threshold=-50.0), CAMPS * 100, 64)
    places = [place for place, _ in told]
    assert places[0] == 89
    assert all(later - earlier >= 40 for earlier, later in pairwise(places))
    assert len(places) > 3


@given(STREAMS)
def test_a_ring_that_never_tips_changes_no_alarm(events: list[int]) -> None:
    names = [str(event) for event in events]
    with_ring = ShiftDetector(1000.0, popularity=SHARES, ring_threshold=1e9)
    assert alarms(with_ring, names, 3) == alarms(ShiftDetector(1000.0), names, 3)


def test_a_detector_with_a_ring_goes_on_from_its_snapshot() -> None:
    events = CAMPS * 40 + BANDS * 20
    whole, first = detector(), detector()
    expected = alarms(whole, events, 60)
    alarms(first, events[:100], 60)
    resumed = ShiftDetector.restore(first.snapshot())
    for place in range(100, len(events)):
        resumed.update(events[place], session=str(place // 60))
    assert resumed.snapshot() == whole.snapshot()
    assert expected


def test_a_category_without_a_share_counts_as_the_rarest() -> None:
    known, unknown = detector(), detector()
    rare = ["kites"] * 30
    named = ShiftDetector(popularity=SHOP | {"kites": 1 / 6}, ring_threshold=4.0)
    assert alarms(known, CAMPS * 40 + rare, 60) == alarms(named, CAMPS * 40 + rare, 60)
    assert unknown.alarm is None
