"""The shift detector in numbers: false alarms, delays, and nanoseconds an event.

    python tests/benchmarks/bench_drift.py [TAOBAO.csv.gz]

Synthetic streams: 12 categories, a main one A and a second B that swap after 600 events;
shares of A and B are .50/.05 (strong), .35/.10 (medium), .25/.12 (weak), the rest even.
Every event is a session of its own. The optional log is Taobao's user behavior (user,
item, category, behavior, time), one session per gap of 30 minutes.
"""

import csv
import gzip
import sys
from itertools import groupby
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

from stream.core import drift, rows
from stream.core.compiled import kernel
from stream.core.drift import AlarmRow, DriftRow
from stream.core.rows import Rows

SLOTS = 32
STRENGTHS = {"strong": (0.50, 0.05), "medium": (0.35, 0.10), "weak": (0.25, 0.12)}
BEFORE, AFTER, CATEGORIES, GAP = 600, 400, 12, 1800.0
Codes = NDArray[np.int32]


@kernel
def follow(
    row: DriftRow, room: Rows[AlarmRow], categories: Codes, at: NDArray[np.float64],
    gap: float, threshold: float,
) -> int:  # fmt: skip
    """How many alarms one stream raises; as many as there is room for stay in `room`."""
    told, started_at, last_at = 0, at[0], at[0]
    for position in range(len(categories)):
        category, now = categories[position], at[position]
        if now - last_at > gap or drift.full(row, category):
            if drift.close(row, room[min(told, len(room) - 1)], threshold, started_at, last_at):
                told += 1
            started_at = now
        drift.count(row, category)
        last_at = now
    if drift.close(row, room[min(told, len(room) - 1)], threshold, started_at, last_at):
        told += 1
    return told


def alarms_of(categories: Codes, at: NDArray[np.float64], gap: float, budget: float) -> list[float]:
    """The times at which the alarms of one stream were tipped."""
    row = rows.zeros(1, drift.layout(SLOTS), DriftRow)[0]
    room = rows.zeros(64, drift.alarm_layout(SLOTS), AlarmRow)
    told = follow(row, room, categories, at, gap, drift.threshold(budget))
    return [float(alarm.ended_at) for alarm in np.asarray(room).view(np.recarray)[:told]]


def drawn(random: np.random.Generator, main: float, second: float, count: int, swap: bool) -> Codes:
    """Events of one law; swapped, the second category is the main one."""
    law = np.full(CATEGORIES, (1 - main - second) / (CATEGORIES - 2))
    law[:2] = (second, main) if swap else (main, second)
    return random.choice(CATEGORIES, count, p=law).astype(np.int32)


def false_alarms(budget: float, streams: int, seed: int) -> float:
    """Alarms per 10,000 events of streams in which nothing moves, 1,000 events each."""
    random, at, alarms = np.random.default_rng(seed), np.arange(1000.0), 0
    for main, second in STRENGTHS.values():
        for _ in range(streams):
            stream = drawn(random, main, second, 1000, swap=False)
            alarms += len(alarms_of(stream, at, 0.0, budget))
    return alarms / (3 * streams * 1000) * 10_000


def delays(strength: str, budget: float, trials: int, seed: int) -> tuple[float, float]:
    """The mean delay in events of the moves that were found, and the share missed."""
    random, at, found = np.random.default_rng(seed), np.arange(float(BEFORE + AFTER)), []
    for _ in range(trials):
        first = drawn(random, *STRENGTHS[strength], BEFORE, swap=False)
        second = drawn(random, *STRENGTHS[strength], AFTER, swap=True)
        alarms = alarms_of(np.concatenate([first, second]), at, 0.0, budget)
        found += [at - BEFORE + 1 for at in alarms if at >= BEFORE][:1]
    return float(np.mean(found)), 1 - len(found) / trials


def nanoseconds(gap: float) -> float:
    """What one event costs, best of five; a gap of 0 makes each event a session."""
    random = np.random.default_rng(7)
    stream, at = drawn(random, 0.35, 0.10, 200_000, swap=False), np.arange(200_000.0)
    at += np.cumsum(random.random(200_000) < 1 / 6) * GAP * 2
    took = []
    for _ in range(5):
        row = rows.zeros(1, drift.layout(SLOTS), DriftRow)[0]
        room = rows.zeros(64, drift.alarm_layout(SLOTS), AlarmRow)
        start = perf_counter_ns()
        follow(row, room, stream, at, gap, drift.threshold(1.0))
        took.append(perf_counter_ns() - start)
    return min(took) / len(stream)


def taobao(path: str) -> None:
    """Alerts of a real log, at two budgets."""
    with gzip.open(path, "rt") as file:
        events = sorted(
            (int(user), int(at), int(category))
            for user, _, category, _, at in csv.reader(file)
            if user.isdigit()
        )
    codes: dict[int, int] = {}
    shoppers = [
        [(codes.setdefault(category, len(codes)), float(at)) for _, at, category in group]
        for _, group in groupby(events, key=lambda event: event[0])
    ]
    for budget in (1.0, 10.0):
        alarms = [len(alarms_of(*columns(shopper), GAP, budget)) for shopper in shoppers]
        alarmed = sum(count > 0 for count in alarms)
        print(
            f"taobao, budget {budget:g}: {sum(alarms)} alerts of {alarmed} of {len(shoppers)} "
            f"shoppers, {len(events)} events"
        )


def columns(shopper: list[tuple[int, float]]) -> tuple[Codes, NDArray[np.float64]]:
    categories, at = zip(*shopper, strict=True)
    return np.array(categories, np.int32), np.array(at)


def main() -> None:
    for budget in (1.0, 10.0):
        print(
            f"budget {budget:g} per 10k: {false_alarms(budget, 300, 11):.2f} false alarms per 10k"
        )
        for strength in STRENGTHS:
            mean, missed = delays(strength, budget, 300, 12)
            print(f"  {strength}: found after {mean:.1f} events, {100 * missed:.1f} % missed")
    print(f"one event a session: {nanoseconds(0.0):.0f} ns an event")
    print(f"some six events a session: {nanoseconds(GAP):.0f} ns an event")
    for path in sys.argv[1:]:
        taobao(path)


if __name__ == "__main__":
    main()
