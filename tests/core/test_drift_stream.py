"""The detector over finished streams: the same alarms as event by event."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core.drift import PATTERNS, SOURCES
from stream.core.drift_stream import Detector, Limits, alarms
from tests.reference.drift_ring import Ring
from tests.reference.sed import SED

Stream = tuple[np.ndarray, np.ndarray]
LOOSE = Limits(200.0)


def shopper(seed: int, categories: int, visits: int = 200) -> Stream:
    """A shopper who moves to another taste every 40 visits."""
    rng, events, sessions = random.Random(seed), [], []
    for visit in range(visits):
        if visit % 40 == 0:
            taste = [rng.paretovariate(0.7) for _ in range(categories)]
        length = rng.choice([1, 1, 2, 3, 8, 20, 70])
        events += rng.choices(range(categories), taste, k=length)
        sessions += [visit] * length
    return np.array(events, np.int32), np.array(sessions, np.int64)


def popularity(categories: int) -> np.ndarray:
    shares = np.arange(1.0, categories + 1.0)
    return (shares / shares.sum()).astype(np.float32)


@given(
    seed=st.integers(0, 10_000),
    categories=st.sampled_from([2, 7, 20, 100]),
    slots=st.sampled_from([2, 8, 32]),
    gamma=st.sampled_from([math.inf, 0.5, 3.0]),
)
@settings(max_examples=25)
def test_alarms_agree_with_the_slow_reference_with_and_without_the_ring(
    seed: int, categories: int, slots: int, gamma: float
) -> None:
    events, sessions = shopper(seed, categories)
    shares = popularity(categories)
    ring = Ring({str(n): float(share) for n, share in enumerate(shares)})
    slow = SED(200.0, slots, gamma, ring if gamma < math.inf else None)
    for place, (event, session) in enumerate(zip(events, sessions, strict=True)):
        slow.event(str(event), session, float(place))
    slow.close()

    found = alarms(events, sessions, Limits(200.0, gamma), slots, shares)

    assert [
        (a["event"], str(a["from_category"]), str(a["to_category"]), PATTERNS[a["pattern"]],
         SOURCES[a["source"]], a["began"])
        for a in found
    ] == [(a.position, a.A, a.B, a.kind, a.source, a.began_at) for a in slow.alarms]  # fmt: skip
    assert found["evidence"] == pytest.approx([a.T for a in slow.alarms], rel=1e-6)
    assert found["strength"] == pytest.approx([a.strength for a in slow.alarms], abs=1e-6)


def test_one_detector_forgets_one_stream_before_the_next() -> None:
    shared = Detector(slots=8, popularity=popularity(20))
    streams = [shopper(seed, 20) for seed in range(4)]
    limits = Limits(200.0, 2.0)
    once = [shared.alarms(*stream, limits).tolist() for stream in streams]
    assert once == [alarms(*s, limits, 8, popularity(20)).tolist() for s in streams]
    assert any(once)


def test_events_without_a_category_count_for_nothing() -> None:
    events, sessions = shopper(1, 20)
    places = np.sort(np.random.default_rng(1).choice(2 * len(events), len(events), replace=False))
    gaps, longer = np.full(2 * len(events), -1, np.int32), np.zeros(2 * len(events), np.int64)
    gaps[places], longer[places] = events, sessions
    expected, found = alarms(events, sessions, LOOSE), alarms(gaps, longer, LOOSE)
    assert len(expected)
    assert found["event"].tolist() == places[expected["event"]].tolist()
    assert found["evidence"].tolist() == expected["evidence"].tolist()


def test_no_more_alarms_are_kept_than_asked_for() -> None:
    stream = shopper(1, 20)
    whole = alarms(*stream, LOOSE)
    assert len(whole) > 2
    assert alarms(*stream, LOOSE, most=2).tolist() == whole[:2].tolist()


def test_an_empty_stream_has_no_alarms() -> None:
    nothing = np.zeros(0, np.int32), np.zeros(0, np.int64)
    assert len(alarms(*nothing, Limits(1.0, 1.0), popularity=popularity(2))) == 0


def test_excess_is_the_logarithm_of_how_far_the_evidence_went() -> None:
    found = alarms(*shopper(1, 20), Limits(200.0, 1.0), popularity=popularity(20))
    ring = found["source"] == 1
    assert ring.any()
    assert (~ring).any()
    assert found["excess"][ring].tolist() == (found["evidence"][ring] - 1.0).tolist()
    assert found["excess"][~ring] == pytest.approx(np.log(found["evidence"][~ring] / 200.0))


def settles(first: int, second: int, later: int) -> Stream:
    """Forty visits to `first`, then more to `second` than to `later`, then the reverse."""
    visits = [[first, 9, first]] * 40 + [[second, second, later]] * 9 + [[later] * 3] * 60
    events = [category for visit in visits for category in visit]
    return np.array(events, np.int32), np.repeat(np.arange(len(visits)), 3)


def test_what_gained_is_looked_at_again_so_many_events_later() -> None:
    stream, limits = settles(1, 2, 3), Limits(1000.0)
    first, *_ = alarms(*stream, limits, amend_after=50)
    assert (first["from_category"], first["to_category"], first["amended_to"]) == (1, 2, 3)
    never, *_ = alarms(*stream, limits)
    assert (never["to_category"], never["amended_to"]) == (2, -1)
    soon, *_ = alarms(*stream, limits, amend_after=1)
    assert soon["amended_to"] == -1


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        (None, "the ring needs the popularity of every category"),
        (popularity(19), "the ring needs the popularity of every category"),
        (np.zeros(20, np.float32), "popularity must be positive"),
    ],
)
def test_a_ring_without_popularity_is_refused(shares: np.ndarray | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        alarms(*shopper(1, 20), Limits(200.0, 1.0), popularity=shares)
