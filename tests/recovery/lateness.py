"""What repeats and late events change, measured: python -m tests.recovery.lateness.

Of a simulated shop, one event in twenty comes twice, and all come up to ten minutes late, in the
order in which they then arrive. It is held against the same shop in order and without repeats.
"""

import itertools
import json
import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from stream.core.ids import identify
from stream.core.shop import ShopModel
from stream.core.tallies import key_of
from stream.evaluation.scenarios import Shop
from stream.messages import CategoryFlow, DemandCount, MigrationAlert
from stream.settings import Settings
from stream.shard import LogRecord, Shard

LATE = 600.0
REPEATED = 0.05
EVENTS = 12_000
AFTER = 30 * 86_400.0
"""Events of three shoppers so much later end all sessions, in both runs."""


class Left(NamedTuple):
    """What a partition holds and said in the end."""

    demand: dict[str, float]
    moves: dict[str, float]
    interest: dict[tuple[str, str], tuple[float, float]]
    """The short and the long sum of each shopper and category, at one time."""
    recent: dict[str, list[int]]
    sessions: int
    alerts: list[MigrationAlert]
    repeats: int


def shop(seed: int, events: int = EVENTS, users: int = 60) -> list[dict[str, object]]:
    """Events with ids, in the order of their times."""
    made = itertools.islice(Shop(users=users, items=300, categories=12, seed=seed), events)
    return [{**json.loads(e.value), "event_id": f"e{n}"} for n, e in enumerate(made)]


def disturbed(
    events: Sequence[dict[str, object]], seed: int, in_turn: bool = False
) -> list[dict[str, object]]:
    """The same, some twice, in the order in which they arrive.

    With `in_turn`, the events of one shopper do not overtake each other, but others'.
    """
    draw = random.Random(seed)
    arrivals: list[tuple[float, int, dict[str, object]]] = []
    before: dict[object, float] = {}
    for event in events:
        for _ in range(2 if draw.random() < REPEATED else 1):
            arrives = float(str(event["occurred_at"])) + draw.uniform(0, LATE)
            if in_turn:
                arrives = max(arrives, before.get(event["user_id"], arrives))
                before[event["user_id"]] = arrives
            arrivals.append((arrives, len(arrivals), event))
    return [event for _, _, event in sorted(arrivals, key=lambda arrival: arrival[:2])]


def left_by(events: Sequence[dict[str, object]]) -> Left:
    """Run a partition over these events."""
    last = max(float(str(event["occurred_at"])) for event in events)
    ends = [
        {"user_id": f"end {n}", "event_type": "view", "occurred_at": last + AFTER}
        for n in range(3)
    ]  # fmt: skip
    records = [
        LogRecord(0, n, 0, str(e["user_id"]).encode(), json.dumps(e).encode())
        for n, e in enumerate([*events, *ends])
    ]
    with TemporaryDirectory() as folder:
        shard = Shard(Path(folder) / "partition", 0, 1, Settings())
        model = ShopModel(Settings())
        alerts = []
        for first in range(0, len(records), 500):
            alerts += shard.apply(records[first : first + 500], model).alerts
        told = shard.flows(whole=True)
        users = sorted({str(event["user_id"]) for event in events})
        rows, _ = shard._residence.peek([identify(user, Settings().seed) for user in users])
        found = Left(
            {key_of(m): m.quantity for m in told if isinstance(m, DemandCount)},
            {key_of(m): m.shoppers for m in told if isinstance(m, CategoryFlow) and m.shoppers},
            _interest(users, rows, shard.categories, last + AFTER),
            {u: _recent(row) for u, row in zip(users, rows, strict=True)},
            int(rows["strict"]["drift"]["sessions"].sum()),
            alerts,
            shard.counts["repeats"],
        )
        shard.close()
    return found


def _interest(
    users: Sequence[str], rows: np.ndarray, categories: Sequence[str], at: float
) -> dict[tuple[str, str], tuple[float, float]]:
    settings, found = Settings(), {}
    for user, row in zip(users, rows["strict"]["interest"], strict=True):
        for slot in range(int(row["used"])):
            elapsed = at - float(row["updated_at"])
            short = float(row["short"][slot]) * 2 ** (-elapsed / settings.short_half_life)
            long = float(row["long"][slot]) * 2 ** (-elapsed / settings.long_half_life)
            found[user, categories[int(row["categories"][slot])]] = short, long
    return found


def _recent(row: np.ndarray) -> list[int]:
    recents = row["strict"]["recents"]
    return [int(item) for item in recents["lows"][: int(recents["used"])]]


def furthest(clean: Left, other: Left) -> float:
    """The largest relative difference of a decayed sum."""
    assert clean.interest.keys() == other.interest.keys()
    pairs = [
        (one, two)
        for key in clean.interest
        for one, two in zip(clean.interest[key], other.interest[key], strict=True)
    ]
    return max(abs(one - two) / max(abs(one), 1e-300) for one, two in pairs)


def same_recent(clean: Left, other: Left) -> float:
    """Of the recent items the share that is known in both."""
    both = [len(set(clean.recent[u]) & set(other.recent[u])) for u in clean.recent]
    return sum(both) / sum(len(set(items)) for items in clean.recent.values())


def same_alerts(clean: Left, other: Left) -> tuple[int, int, int]:
    """Moves that both tell (shopper, from and to), and how many each tells."""
    one, two = (
        {(a.user_id, a.from_category, a.to_category) for a in left.alerts}
        for left in (clean, other)
    )
    return len(one & two), len(one), len(two)


def other_moves(clean: Left, other: Left) -> float:
    """By how much counts of moves differ, as a share of all moves."""
    every = clean.moves.keys() | other.moves.keys()
    apart = sum(abs(clean.moves.get(key, 0) - other.moves.get(key, 0)) for key in every)
    return apart / sum(clean.moves.values())


def told(seed: int, in_turn: bool) -> str:
    """One run in a line."""
    events = shop(seed)
    arriving = disturbed(events, seed, in_turn)
    clean, other = left_by(events), left_by(arriving)
    both, one, two = same_alerts(clean, other)
    return (
        f"seed {seed}, {'each shopper in turn' if in_turn else 'in any order'}: "
        f"repeats recognized {other.repeats} of {len(arriving) - len(events)}, "
        f"demand equal {clean.demand == other.demand}, "
        f"moves differ by {other_moves(clean, other):.1%}, "
        f"sums by {furthest(clean, other):.1e}, "
        f"recent items the same {same_recent(clean, other):.1%}, "
        f"sessions {clean.sessions} and {other.sessions}, alerts {both} in both of {one} and {two}"
    )


if __name__ == "__main__":
    for seed, in_turn in itertools.product((1, 2, 3), (False, True)):
        print(told(seed, in_turn))
