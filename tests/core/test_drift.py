"""The shift detector against its equations, its laws, and moves that can be seen."""

import hashlib
import math
import os
import random
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import drift, drift_evidence, drift_ring, drift_work, rows
from stream.core.drift import NEVER, STARTED_OVER, STEADY, TOLD, AlarmRow, DriftRow, WorkRow
from stream.core.drift_detector import Shift, ShiftDetector
from tests.reference.sed import SED, half

ROOT = Path(__file__).parents[2]
SLOTS = 8
Visits = list[list[str]]


class Kept(NamedTuple):
    """One shopper's row, and room to work."""

    row: DriftRow
    work: WorkRow
    alarm: AlarmRow

    def close(self, limit: float, at: float = 0.0) -> int:
        return drift.close(self.row, self.work, self.alarm, limit, NEVER, at, at)

    def unfolded(self) -> WorkRow:
        drift_work.unfold(self.row, self.work)
        return self.work


def kept(slots: int = SLOTS, wide: bool = False) -> Kept:
    return Kept(
        rows.zeros(1, drift.layout(slots, wide), DriftRow)[0],
        rows.zeros(1, drift.work_layout(slots), WorkRow)[0],
        rows.zeros(1, drift.alarm_layout(slots), AlarmRow)[0],
    )


def visited(detector: ShiftDetector, visits: Visits) -> list[tuple[int, Shift]]:
    """Each alarm with the position of the last event of the session that tipped it."""
    found, position = [], 0
    for session, categories in enumerate(visits):
        for category in categories:
            detector.update(category, at=float(position), session=str(session))
            if detector.alarm is not None:
                found.append((position - 1, detector.alarm))
            position += 1
    detector.end_session()
    if detector.alarm is not None:
        found.append((position - 1, detector.alarm))
    return found


def reference(h: float, slots: int, visits: Visits) -> SED:
    slow, position = SED(h, slots), 0
    for session, categories in enumerate(visits):
        for category in categories:
            slow.event(category, session, float(position))
            position += 1
    slow.close()
    return slow


def shop(seed: int, categories: int, sessions: int) -> Visits:
    """A shopper who moves from each taste to another every 60 sessions."""
    rng, visits = random.Random(seed), []
    for session in range(sessions):
        if session % 60 == 0:
            taste = [rng.paretovariate(0.7) for _ in range(categories)]
        length = rng.choice([1, 1, 2, 3, 8, 20, 70])
        visits.append([f"c{c}" for c in rng.choices(range(categories), taste, k=length)])
    return visits


# --------------------------------------------------------------- against the equations


@pytest.mark.parametrize("categories", [2, 7, 20, 60], ids=lambda count: f"{count} categories")
@pytest.mark.parametrize("seed", range(5))
def test_alarms_and_state_agree_with_the_slow_reference(seed: int, categories: int) -> None:
    """With more categories than slots too: evictions, newcomers that find no slot."""
    visits = shop(seed, categories, 400)
    detector = ShiftDetector(false_alarms_per_10k_events=100, slots=SLOTS)

    found = visited(detector, visits)
    slow = reference(detector.limits.threshold, SLOTS, visits)

    assert found
    assert [(at, a.from_category, a.to_category, a.pattern, a.began_at) for at, a in found] == [
        (a.position, a.A, a.B, a.kind, a.began_at) for a in slow.alarms
    ]
    for (_, alarm), expected in zip(found, slow.alarms, strict=True):
        assert alarm.evidence == pytest.approx(expected.T, rel=1e-9)
        assert alarm.strength == pytest.approx(min(expected.strength, 1.0), abs=1e-9)
    assert_same(detector, slow)


def assert_same(detector: ShiftDetector, slow: SED) -> None:
    """All fields of the row; float32 totals may have been rounded the other way."""
    stored = kept(detector.slots, wide=True)
    np.asarray(stored.row).view(np.ndarray)[...] = np.asarray(detector._row)[0]
    row = stored.unfolded()
    names = [detector._categories[number] for number in row.categories[: row.used]]
    assert names == [slot.category for slot in slow.slots]
    arrays = {
        "reference": "L", "short": "s", "gain_slow": "R1", "gain_fast": "R2", "move": "RM",
        "window": "sE", "before": "LE",
    }  # fmt: skip
    for name, letters in arrays.items():
        expected = [getattr(slot, letters) for slot in slow.slots]
        assert row[name][: row.used].tolist() == expected, name
    totals = {
        "reference_total": "N", "short_total": "S", "novelty": "V", "restart": "RR",
        "window_total": "SE", "before_total": "NE",
    }  # fmt: skip
    for name, letters in totals.items():
        assert row[name] == pytest.approx(getattr(slow, letters), rel=1e-6), name
    assert row.sessions == slow.sessions
    assert (names[row.top - 1] if row.top else None) == (slow.top.category if slow.top else None)
    assert bool(row.rising) == (slow.began_at is not None)


def test_a_long_history_forgets_as_the_reference_does() -> None:
    """Past 1000 sessions of reference, and past 4000 events of the naming window."""
    rng = random.Random(3)
    visits = [rng.choices("abc", [5, 3, 2], k=rng.choice([2, 9])) for _ in range(1500)]
    detector = ShiftDetector(false_alarms_per_10k_events=1, slots=SLOTS)

    assert visited(detector, visits) == []
    assert_same(detector, reference(detector.limits.threshold, SLOTS, visits))
    assert 500 < detector._row[0].reference_total < 1000 * 3**0.25


def test_a_leader_that_loses_its_slot_no_longer_leads() -> None:
    visits = [["tents"]] * 6 + [["boats"]] * 4 + [["boats", "kites"]]
    detector = ShiftDetector(slots=2)
    visited(detector, visits[:-1])
    assert detector._row[0].top == 1

    detector = ShiftDetector(slots=2)
    visited(detector, visits)

    assert detector._row[0].top == 0
    assert_same(detector, reference(detector.limits.threshold, 2, visits))


# --------------------------------------------------------------- what a person sees


def weekly(*tastes: tuple[str, int]) -> Visits:
    """Sessions of four events, three of the taste and one of other things."""
    others = ["books", "garden", "toys"]
    return [[name, others[i % 3], name, name] for name, count in tastes for i in range(count)]


def test_a_move_is_told_with_its_direction_and_its_beginning() -> None:
    [(position, alarm)] = visited(ShiftDetector(), weekly(("tents", 30), ("strollers", 12)))

    assert (alarm.from_category, alarm.to_category) == ("tents", "strollers")
    assert 30 * 4 < position < 42 * 4
    assert 0 < alarm.began_at < alarm.session_started_at
    assert alarm.session_ended_at == position == alarm.session_started_at + 3
    assert 0.3 < alarm.strength <= 1.0
    assert alarm.evidence > alarm.threshold == 20_000.0
    assert alarm.source == "sessions"
    first, second = alarm.changes[:2]
    assert {first.category, second.category} == {"tents", "strollers"}
    assert sum(change.after for change in alarm.changes) == pytest.approx(1.0, abs=0.3)


def test_a_steady_taste_raises_no_alarm() -> None:
    assert visited(ShiftDetector(), weekly(("tents", 300))) == []


def test_a_tighter_budget_alarms_later() -> None:
    visits = weekly(("tents", 30), ("strollers", 30))
    positions = [
        visited(ShiftDetector(false_alarms_per_10k_events=budget), visits)[0][0]
        for budget in (10, 1, 0.01)
    ]

    assert positions == sorted(positions)
    assert positions[0] < positions[-1]


def test_the_first_eight_sessions_only_learn() -> None:
    visits = weekly(("tents", 4), ("strollers", 4))

    assert visited(ShiftDetector(false_alarms_per_10k_events=1000), visits) == []


def test_two_sessions_after_an_alarm_only_learn() -> None:
    shopper, told = kept(), []
    for session in range(40):
        for category in [0, 1 if session < 20 else 2]:
            drift.count(shopper.row, category)
        told.append(shopper.close(5.0, session))
    alarms = [session for session, brought in enumerate(told) if brought == TOLD]

    assert len(alarms) > 1
    assert all(later - earlier >= 3 for earlier, later in pairwise(alarms))


def test_a_shopper_of_one_category_has_nowhere_to_move() -> None:
    detector = ShiftDetector(false_alarms_per_10k_events=1000, slots=SLOTS)

    assert visited(detector, [["tents"]] * 200) == []


def test_an_alarm_is_told_once() -> None:
    detector = ShiftDetector(false_alarms_per_10k_events=10)
    alarms = visited(detector, weekly(("tents", 30), ("strollers", 100)))

    assert len(alarms) == 1


# --------------------------------------------------------------- sessions


def sessions_of(detector: ShiftDetector) -> int:
    return int(detector._row[0].sessions)


def test_a_gap_a_session_id_or_64_events_end_a_session() -> None:
    by_gap, by_id, by_count = ShiftDetector(), ShiftDetector(), ShiftDetector()
    for at in (0.0, 1800.0, 3600.1, 3500.0):
        by_gap.update("tents", at=at)
    for session in ("a", "a", "b", "c"):
        by_id.update("tents", session=session)
    for _ in range(129):
        by_count.update("tents")

    assert sessions_of(by_gap) == 1
    assert sessions_of(by_id) == 2
    assert sessions_of(by_count) == 2


def test_a_thirteenth_new_category_ends_a_session() -> None:
    detector = ShiftDetector(slots=32)
    for number in range(12):
        detector.update(f"category {number}")
    detector.update("category 3")
    assert sessions_of(detector) == 0

    detector.update("one more")

    assert sessions_of(detector) == 1


def test_closing_an_empty_session_changes_nothing() -> None:
    detector = ShiftDetector()
    detector.update("tents", at=0.0)
    detector.end_session()
    before = detector.snapshot()

    detector.end_session()

    assert detector.snapshot() == before


def test_a_zero_row_is_a_shopper_without_events() -> None:
    shopper = kept()

    assert shopper.close(1.0) == STEADY
    assert not drift.full(shopper.row, 0)
    assert shopper.row.tobytes() == bytes(shopper.row.nbytes)


# --------------------------------------------------------------- numbers

EVENTS = st.lists(
    st.tuples(st.sampled_from("abcdefghijklmnop"), st.integers(0, 6)), min_size=1, max_size=300
)


@given(events=EVENTS, slots=st.sampled_from([2, SLOTS]), budget=st.sampled_from([1.0, 1000.0]))
def test_every_number_stays_finite_and_every_share_a_share(
    events: list[tuple[str, int]], slots: int, budget: float
) -> None:
    detector, session = ShiftDetector(budget, slots), 0
    for category, step in events:
        session += step // 4
        detector.update(category, session=str(session))
        if detector.alarm is not None:
            assert detector.alarm.from_category != detector.alarm.to_category
            assert 0.0 <= detector.alarm.strength <= 1.0
            assert all(0.0 <= c.before <= 1.0 >= c.after >= 0.0 for c in detector.alarm.changes)
    for name in detector._work.dtype.names:
        assert np.isfinite(detector._work[name]).all(), name


def test_evidence_is_bounded_where_no_threshold_is() -> None:
    shopper, most = kept(), drift_work.upper_half(1e30)
    for session in range(60):
        for name in ("gain_slow", "gain_fast", "move"):
            shopper.row[name][: shopper.row.used] = most
        shopper.row.restart = 1e30
        drift.count(shopper.row, session % 2 + (session > 50) * 2)
        assert shopper.close(math.inf, session) == STEADY

    assert shopper.row.gain_fast.max() == most
    assert all(np.isfinite(shopper.work[name]).all() for name in shopper.work.dtype.names)


def test_nothing_is_divided_by_an_empty_history() -> None:
    shopper = kept()

    assert drift_evidence.share_of_weight(shopper.work) == 0.0
    assert drift_evidence.recent_part(shopper.work) == 0.0
    drift.count(shopper.row, 3)
    assert shopper.close(-1.0) == STARTED_OVER
    work = shopper.unfolded()
    assert all(np.isfinite(work[name]).all() for name in work.dtype.names)


# --------------------------------------------------------------- bytes


def test_a_row_of_32_slots_takes_624_bytes_and_with_the_ring_924() -> None:
    ring = drift_ring.layout(on=True, wide=False).itemsize
    assert drift.layout(32).itemsize == 624
    assert drift.layout(32).itemsize + ring <= 924
    assert drift_ring.layout(on=False, wide=False).itemsize <= 16


def test_weights_beyond_what_16_bits_hold_stay_at_the_most() -> None:
    shopper = kept(2)
    for category in (0, 1):
        drift.count(shopper.row, category)
    assert shopper.close(math.inf) == STEADY
    for name in ("reference", "short", "window", "before"):
        shopper.work[name][:2] = (1e9, 0.0)
    drift_work.fold(shopper.work, shopper.row)
    for name in ("reference", "short", "window", "before"):
        assert shopper.row[name].tolist() == [65_535, 0]


@given(st.floats(0.0, 1e30))
def test_evidence_keeps_its_first_two_digits(evidence: float) -> None:
    read = drift_work.read_half(drift_work.upper_half(evidence))
    assert read == half(evidence)
    assert read == pytest.approx(evidence, rel=2**-8, abs=1e-37)


@pytest.mark.parametrize("wide", [False, True])
def test_the_largest_code_followed_comes_back_as_it_was(wide: bool) -> None:
    shopper, most = kept(wide=wide), drift.followed(wide) - 1
    for session in range(3):
        for category in (0, most):
            drift.count(shopper.row, category)
        assert shopper.close(math.inf, session) == STEADY
    assert shopper.row.used == 2
    assert shopper.work.categories[:2].tolist() == [0, most]


def digest_of_a_run() -> str:
    """Some 2,000 events with moves, evictions and alarms, of the ring too, as bytes."""
    popularity = {f"c{number}": 1 / (number + 2) for number in range(20)}
    detector = ShiftDetector(100, SLOTS, popularity=popularity, ring_threshold=1.0)
    alarms = visited(detector, shop(1, 20, 130))
    assert {alarm.source for _, alarm in alarms} == {"sessions", "ring"}
    return hashlib.sha256(detector.snapshot() + repr(alarms).encode()).hexdigest()


def test_plain_python_gives_the_same_bytes_as_compiled_code() -> None:
    program = "from tests.core.test_drift import digest_of_a_run; print(digest_of_a_run())"
    plain = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONHASHSEED": "1"},
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )

    assert plain.stdout.strip() == digest_of_a_run()


# --------------------------------------------------------------- wrong use


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"false_alarms_per_10k_events": 0}, "false_alarms_per_10k_events .* got 0"),
        ({"slots": 1}, "slots must be from 2 to 512, got 1"),
        ({"session_gap": 0}, "session_gap must be positive, got 0"),
        ({"threshold": 0.0}, "threshold must be positive, got 0"),
        ({"ring_threshold": 5.0}, "popularity and ring_threshold go together"),
        ({"popularity": {"a": 1.0}}, "popularity and ring_threshold go together"),
        ({"popularity": {}, "ring_threshold": 5.0}, "popularity must hold positive shares"),
        ({"popularity": {"a": 0.0}, "ring_threshold": 5.0}, "must hold positive shares"),
    ],
)
def test_a_wrong_parameter_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ShiftDetector(**wrong)


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="at must be finite, got nan"):
        ShiftDetector().update("tents", at=float("nan"))
