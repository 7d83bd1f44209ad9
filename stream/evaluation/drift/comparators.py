"""Usual ways to notice a change, fed with the same streams: what a shop would try first."""

import math
from collections import Counter
from collections.abc import Iterable

import numpy as np
from river.drift import ADWIN

from stream.core.compiled import kernel, outlined
from stream.core.rows import Float64s, Int32s, Int64s
from stream.evaluation.drift.streams import Found, Streams

NAMING = 30
"""What the last so many events gained over those before names the move."""
WARM_UP = 30
ALLOWED = 0.1
"""Page-Hinkley: a rise of the mean by less is no change."""
MOST_SURPRISE = 8.0
FOLLOWED, FIRST = 12, 60
"""ADWIN, one against the rest: for each of the shopper's top so many of the first so many."""


@kernel
def weighed(count: int) -> float:
    """x ln x, which is 0 at 0."""
    return count * math.log(count) if count > 0 else 0.0


@kernel
def change_of(old: int, new: int) -> float:
    return weighed(new) - weighed(old)


@outlined
def two_windows(
    categories: Int32s,
    first: Int64s,
    now: Int64s,
    past: Int64s,
    recent: int,
    before: int,
    threshold: float,
    streams: Int64s,
    events: Int64s,
) -> int:
    """Likelihood ratio of the last `recent` events against `before` ones ahead of them.

    With counts a and b of n and m events, G = Σ a ln a + Σ b ln b - Σ (a+b) ln(a+b)
    - n ln n - m ln m + (n+m) ln(n+m); an alarm where it exceeds the threshold, then anew.
    `now` and `past` are room to count each category.
    """
    used = 0
    for stream in range(len(first) - 1):
        base = first[stream]
        now[:] = 0
        past[:] = 0
        start, inner = 0, 0.0
        for place in range(first[stream + 1] - base):
            new = categories[base + place]
            inner += change_of(now[new], now[new] + 1)
            inner -= change_of(now[new] + past[new], now[new] + past[new] + 1)
            now[new] += 1
            if place - recent >= start:
                moved = categories[base + place - recent]
                inner += change_of(now[moved], now[moved] - 1)
                inner += change_of(past[moved], past[moved] + 1)
                now[moved] -= 1
                past[moved] += 1
            if place - recent - before >= start:
                gone = categories[base + place - recent - before]
                inner += change_of(past[gone], past[gone] - 1)
                inner -= change_of(now[gone] + past[gone], now[gone] + past[gone] - 1)
                past[gone] -= 1
            held = min(place + 1 - start - recent, before)
            if held < before // 2:
                continue
            ratio = inner - weighed(recent) - weighed(held) + weighed(recent + held)
            if ratio > threshold:
                if used < len(events):
                    streams[used], events[used] = stream, place
                    used += 1
                now[:] = 0
                past[:] = 0
                start, inner = place + 1, 0.0
    return used


@outlined
def surprises(categories: Int32s, first: Int64s, counts: Int64s, surprise: Float64s) -> None:
    """-ln of each event's chance by the counts before it, novelty among them; 8 at most.

    `counts` is room to count each category.
    """
    for stream in range(len(first) - 1):
        counts[:] = 0
        novelties = 1.0
        for event in range(first[stream], first[stream + 1]):
            category, total = categories[event], event - first[stream]
            fresh = novelties / (total + 2)
            chance = fresh
            if counts[category]:
                chance = (1 - fresh) * counts[category] / total
            else:
                novelties += 1
            surprise[event] = min(-math.log(chance), MOST_SURPRISE)
            counts[category] += 1


@outlined
def page_hinkley(
    surprise: Float64s, first: Int64s, threshold: float, streams: Int64s, events: Int64s
) -> int:
    """An alarm where surprise rose above its mean by more than the threshold in sum."""
    used = 0
    for stream in range(len(first) - 1):
        count, mean, total, least = 0, 0.0, 0.0, 0.0
        for event in range(first[stream], first[stream + 1]):
            count += 1
            mean += (surprise[event] - mean) / count
            if count <= WARM_UP:
                continue
            total += surprise[event] - mean - ALLOWED
            least = min(least, total)
            if total - least > threshold:
                if used < len(events):
                    streams[used], events[used] = stream, event - first[stream]
                    used += 1
                count, mean, total, least = 0, 0.0, 0.0, 0.0
    return used


def one_against_rest(categories: Int32s, delta: float) -> list[int]:
    """Alarms of an ADWIN for each of the shopper's first top categories."""
    alarms: list[int] = []
    waiting: list[int] = []
    watched: dict[int, ADWIN] = {}
    needed = FIRST
    for event, category in enumerate(categories.tolist()):
        if not watched:
            waiting.append(category)
            if len(waiting) >= needed:
                watched = _watched(waiting, delta)
            continue
        tipped = False
        for followed, detector in watched.items():
            detector.update(float(category == followed))
            tipped = detector.drift_detected or tipped
        if tipped:
            alarms.append(event)
            waiting, needed, watched = [], FIRST // 2, {}
    return alarms


def _watched(waiting: list[int], delta: float) -> dict[int, ADWIN]:
    watched = {
        category: ADWIN(delta=delta, clock=1, grace_period=10)
        for category, _ in Counter(waiting).most_common(FOLLOWED)
    }
    for category in waiting:
        for followed, detector in watched.items():
            detector.update(float(category == followed))
    return watched


def unnamed(stream: Iterable[int], event: Iterable[int]) -> Found:
    """Alarms that don't say from where to where."""
    numbers = np.array(list(stream), np.int64), np.array(list(event), np.int64)
    none = np.full(len(numbers[0]), -1, np.int32)
    unknown = np.full(len(none), np.nan)
    return Found(*numbers, none, none, none, unknown, unknown, np.zeros(len(none), np.int8))


def named(streams: Streams, found: Found) -> Found:
    """The same alarms with `from` and `to`: what the last 30 events lost and gained most.

    The events before them reach back to 30 events before the alarm before.
    """
    pairs, earlier = [], (-1, 0)
    for number, place in zip(found.stream.tolist(), found.event.tolist(), strict=True):
        start = earlier[1] if number == earlier[0] else 0
        base = int(streams.first[number])
        pairs.append(_moved(streams.categories[base + start : base + place + 1]))
        earlier = number, max(start, place - NAMING)
    names = np.array(pairs, np.int32).reshape(-1, 2)
    return found._replace(from_category=names[:, 0], to_category=names[:, 1])


def _moved(categories: Int32s) -> tuple[int, int]:
    recent, before = categories[-NAMING:], categories[:-NAMING]
    there, place = np.unique(categories, return_inverse=True)
    cut = len(before)
    rise = np.bincount(place[cut:], minlength=len(there)) / max(len(recent), 1)
    rise -= np.bincount(place[:cut], minlength=len(there)) / max(cut, 1)
    return int(there[np.argmin(rise)]), int(there[np.argmax(rise)])
