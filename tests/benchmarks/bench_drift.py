"""The shift detector in numbers: false alarms, delays, and nanoseconds an event.

    python -m tests.benchmarks.bench_drift [TAOBAO.csv.gz]

Synthetic streams: 12 categories, a main one A and a second B that swap after 600 events;
shares of A and B are .50/.05 (strong), .35/.10 (medium), .25/.12 (weak), the rest even.
Every event is a session of its own. The optional log is Taobao's user behavior (user,
item, category, behavior, time), one session per gap of 30 minutes.
"""

import csv
import gzip
import sys
from collections.abc import Callable
from itertools import groupby
from time import process_time_ns

import numpy as np
from numpy.typing import NDArray

from stream.core import drift, rows, transitions
from stream.core.compiled import kernel
from stream.core.decay import DAY
from stream.core.drift_stream import Detector, Limits
from stream.core.rows import Rows
from stream.core.transitions import FORWARD, TransitionRow
from tests.benchmarks.report import Row

SLOTS = 32
STRENGTHS = {"strong": (0.50, 0.05), "medium": (0.35, 0.10), "weak": (0.25, 0.12)}
BEFORE, AFTER, CATEGORIES, GAP = 600, 400, 12, 1800.0
# A shop of many categories, for what an event costs: shoppers fill all slots and the bag.
MANY, EVENTS, NEIGHBORS, SHOP_ROWS = 300, 200_000, 64, 10_000
NO_ALARM = Limits(1e30, 1e30)
Codes = NDArray[np.int32]
Numbers = NDArray[np.int64]
detector = Detector(SLOTS)


def alarms_of(categories: Codes, sessions: Numbers, budget: float) -> list[int]:
    """The events at which one stream's alarms were tipped."""
    found = detector.alarms(categories, sessions, Limits(drift.threshold(budget)))
    events: list[int] = found["event"].tolist()
    return events


def drawn(random: np.random.Generator, main: float, second: float, count: int, swap: bool) -> Codes:
    """Events of one law; swapped, the second category is the main one."""
    law = np.full(CATEGORIES, (1 - main - second) / (CATEGORIES - 2))
    law[:2] = (second, main) if swap else (main, second)
    return random.choice(CATEGORIES, count, p=law).astype(np.int32)


def false_alarms(budget: float, streams: int, seed: int) -> float:
    """Alarms per 10,000 events of streams in which nothing moves, 1,000 events each."""
    random, alone, alarms = np.random.default_rng(seed), np.arange(1000), 0
    for main, second in STRENGTHS.values():
        for _ in range(streams):
            stream = drawn(random, main, second, 1000, swap=False)
            alarms += len(alarms_of(stream, alone, budget))
    return alarms / (3 * streams * 1000) * 10_000


def delays(strength: str, budget: float, trials: int, seed: int) -> tuple[float, float]:
    """The mean delay in events of the moves that were found, and the share missed."""
    random, alone, found = np.random.default_rng(seed), np.arange(BEFORE + AFTER), []
    for _ in range(trials):
        first = drawn(random, *STRENGTHS[strength], BEFORE, swap=False)
        second = drawn(random, *STRENGTHS[strength], AFTER, swap=True)
        alarms = alarms_of(np.concatenate([first, second]), alone, budget)
        found += [event - BEFORE + 1 for event in alarms if event >= BEFORE][:1]
    return float(np.mean(found)), 1 - len(found) / trials


def best(of: Callable[[], object]) -> float:
    """CPU nanoseconds an event of a run over EVENTS events, best of five."""
    of()
    took = []
    for _ in range(5):
        start = process_time_ns()
        of()
        took.append(process_time_ns() - start)
    return min(took) / EVENTS


def nanoseconds(events_per_session: int, ring: bool) -> float:
    """What one event of a shopper of many categories costs."""
    random = np.random.default_rng(7)
    shares = 1.0 / np.arange(1, MANY + 1)
    shares /= shares.sum()
    stream = random.choice(MANY, EVENTS, p=shares).astype(np.int32)
    sessions = np.arange(EVENTS) // events_per_session
    whole = Detector(SLOTS, shares.astype(np.float32))
    limits = NO_ALARM if ring else Limits(NO_ALARM.threshold)
    return best(lambda: whole.alarms(stream, sessions, limits))


class ItemRow:
    """An item, of which only what follows it is kept here."""

    transitions: TransitionRow


@kernel
def follow(shop: Rows[ItemRow], items: Numbers, half_life: float) -> None:
    """One Markov row update an event, a second apart: the next item is counted behind it."""
    for event in range(len(items) - 1):
        row, at = shop[items[event]].transitions, float(event)
        transitions.add(row, items[event + 1], FORWARD, 1.0, at, half_life)


def markov_nanoseconds() -> float:
    """What one update of a Markov row costs, rows and neighbors drawn by popularity."""
    random = np.random.default_rng(8)
    layout = np.dtype([("transitions", transitions.layout(NEIGHBORS))], align=True)
    shop = rows.zeros(SHOP_ROWS, layout, ItemRow)
    shares = 1.0 / np.arange(1, SHOP_ROWS + 1)
    items = random.choice(SHOP_ROWS, EVENTS, p=shares / shares.sum())
    return best(lambda: follow(shop, items, 35 * DAY))


def costs() -> list[Row]:
    """The detector beside one Markov row update in the same run."""
    markov = markov_nanoseconds()
    table: list[Row] = [{"": "one Markov row update", "ns": markov, "ratio": 1.0}]
    for events, session in [(1, "one event a session"), (6, "six events a session")]:
        for ring in (False, True):
            took = nanoseconds(events, ring)
            name = f"detector {'and ring' if ring else 'alone'}, {session}"
            table.append({"": name, "ns": took, "ratio": took / markov})
    return table


def taobao(path: str) -> None:
    """Alarms of a real log, at two budgets."""
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
        alarms = [len(alarms_of(*columns(shopper), budget)) for shopper in shoppers]
        alarmed = sum(count > 0 for count in alarms)
        print(
            f"taobao, budget {budget:g}: {sum(alarms)} alarms of {alarmed} of {len(shoppers)} "
            f"shoppers, {len(events)} events"
        )


def columns(shopper: list[tuple[int, float]]) -> tuple[Codes, Numbers]:
    categories, at = zip(*shopper, strict=True)
    ends = np.diff(np.array(at), prepend=at[0]) > GAP
    return np.array(categories, np.int32), np.cumsum(ends)


def main() -> None:
    for budget in (1.0, 10.0):
        print(
            f"budget {budget:g} per 10k: {false_alarms(budget, 300, 11):.2f} false alarms per 10k"
        )
        for strength in STRENGTHS:
            mean, missed = delays(strength, budget, 300, 12)
            print(f"  {strength}: found after {mean:.1f} events, {100 * missed:.1f} % missed")
    for row in costs():
        print(f"{row['']}: {row['ns']:.0f} ns an event, {row['ratio']:.1f} of a Markov update")
    for path in sys.argv[1:]:
        taobao(path)


if __name__ == "__main__":
    main()
