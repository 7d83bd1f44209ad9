"""A toy shop for the tests of the spine: few shoppers, small rows, everything happens often."""

import json
import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from hypothesis import strategies as st

from stream.core.shop import ShopModel
from stream.outcome import Outcome
from stream.settings import Settings
from stream.shard import LogRecord, Shard
from stream.storage.partitioning import partition_of

START = 1_700_000_000.0
SMALL = Settings(
    session_gap=60.0,
    session_switch=5.0,
    false_alarms_per_10k_events=1000.0,
    cooldown=30.0,
    return_window=50_000.0,
    amend_after=4,
    detector_slots=4,
    interest_slots=3,
    recent_items=4,
    remembered_event_ids=4,
    neighbors=3,
    factors=10,
    content_buckets=64,
    query_buckets=64,
    negatives=3,
    adopt_every=7,
    list_size=3,
    delta_interval=20.0,
    full_list_every=3,
    hot_users=4,
)
"""Every bound of a row is met within a hundred events, and one alarm in twenty is false."""
ROOMY = 1000
"""With so many hot users no shopper of a toy shop ever leaves memory."""
USERS = ["ann", "bob", "cem", "dag", "eva", "fay"]
TASTES = [["tents", "lamps"], ["boats", "kites"], ["drums", "tubas", "lutes", "pipes", "bells"]]
TYPES = ["view"] * 8 + ["cart", "fav", "buy", "buy", "remove", "impression", "impression"]
BROKEN = [
    b"",
    b"not JSON",
    b"[]",
    b'{"event_type": "view", "occurred_at": 1700000000}',
    b'{"user_id": "ann", "event_type": "view", "occurred_at": 0}',
    b'{"user_id": "ann", "event_type": "view", "occurred_at": 1700000000, "item_id": 7}',
    b'{"user_id": "ann", "event_type": "scroll", "occurred_at": 1700000000}',
]


def record(
    offset: int, partition: int = 0, key: bytes | None = None, **fields: object
) -> LogRecord:
    """A record of the events topic; its key is the user_id unless another is given."""
    user = str(fields.get("user_id", ""))
    at = fields.get("occurred_at", START)
    time = round(at * 1000) if isinstance(at, int | float) else 0
    value = json.dumps(fields).encode()
    return LogRecord(partition, offset, time, user.encode() if key is None else key, value)


def touch(
    offset: int, user: str, at: float, category: str | None = None, **more: object
) -> LogRecord:
    """A view at `at` seconds after the start, unless `more` says other."""
    fields: dict[str, object] = {"user_id": user, "event_type": "view", "occurred_at": START + at}
    if category is not None:
        fields["category"] = category
    return record(offset, **(fields | more))


class Walk:
    """Shoppers with tastes, who move to other tastes; now and then something odd."""

    def __init__(self, seed: int, partitions: int) -> None:
        self._random = random.Random(seed)
        self._partitions = partitions
        self._offsets = [0] * partitions
        self._at = START
        self._taste = {user: self._random.randrange(3) for user in USERS}

    def next(self) -> LogRecord:
        chance = self._random
        user = chance.choice(USERS)
        self._at += chance.choice([0, 1, 3, 3, 10, 40])
        if chance.random() < 0.02:
            self._taste[user] = chance.randrange(3)
        key, value = user.encode(), json.dumps(self._event(user)).encode()
        if chance.random() < 0.03:
            value = chance.choice(BROKEN)
        if chance.random() < 0.01:
            key = chance.choice([b"", b"somebody"])
        partition = partition_of(user.encode(), self._partitions)
        # Compacted and transactional logs have gaps.
        self._offsets[partition] += chance.choice([1, 1, 1, 1, 2])
        return LogRecord(partition, self._offsets[partition], int(self._at * 1000), key, value)

    def _event(self, user: str) -> dict[str, object]:
        chance = self._random
        event: dict[str, object] = {"user_id": user, "event_type": chance.choice(TYPES)}
        event["occurred_at"] = self._time()
        event |= self._thing(user)
        if chance.random() < 0.2:
            event["event_id"] = f"{user}-{chance.randrange(5)}"
        if chance.random() < 0.4:
            event["session_id"] = f"{user}-{chance.randrange(2)}"
        if chance.random() < 0.1:
            event["items"] = [self._thing(user) for _ in range(chance.randint(1, 6))]
        return event

    def _time(self) -> float:
        """Now; at times late or, rarer, far ahead: such a record is still accepted."""
        odds = self._random.random()
        if odds < 0.05:
            return self._at - self._random.choice([1, 30, 500, 1e6])
        return self._at + (1e7 if odds > 0.995 else 0.0)

    def _thing(self, user: str) -> dict[str, object]:
        chance = self._random
        taste = TASTES[self._taste[user] if chance.random() < 0.9 else chance.randrange(3)]
        category = chance.choice(taste)
        thing: dict[str, object] = {}
        if chance.random() < 0.9:
            thing["category"] = category
        if chance.random() < 0.9:
            thing["item_id"] = f"{category}-{chance.randrange(4)}"
        return thing


def restless(seed: int, count: int) -> list[LogRecord]:
    """Four shoppers who change between two tastes, at times to a third, and soon back again.

    They visit at the same hours, so that one event ends the sessions of several.
    """
    chance, tastes = random.Random(seed), dict.fromkeys(USERS[:4], 0)
    records: list[LogRecord] = []
    for visit in range(count):
        for user in chance.sample(USERS[:4], 4):
            if chance.random() < 0.08:
                tastes[user] = chance.choice([0, 1, 1 - tastes[user] % 2, 2])
            for event in range(chance.randint(1, 6)):
                usual = chance.random() < 0.9
                category = chance.choice(TASTES[tastes[user]][:2] if usual else ["maps"])
                at = visit * 100.0 + len(records) % 7 + event
                records.append(touch(len(records), user, at, category))
    return records[:count]


class Log(list[LogRecord]):
    """So many records of one walk; a shorter walk is the beginning of a longer one."""

    def __init__(self, seed: int, count: int, partitions: int) -> None:
        walk = Walk(seed, partitions)
        super().__init__(walk.next() for _ in range(count))
        self._made_by = f"walked({seed}, {count}, {partitions})"

    def __repr__(self) -> str:
        # A failure is told by what makes it, not by 40 KB of records.
        return self._made_by


def walked(seed: int, count: int, partitions: int = 1) -> list[LogRecord]:
    """The first records of the walk with this seed."""
    return Log(seed, count, partitions)


def streams(partitions: int = 1, most: int = 250) -> st.SearchStrategy[list[LogRecord]]:
    """Walks of up to `most` records."""
    return st.builds(walked, st.integers(0, 10_000), st.integers(0, most), st.just(partitions))


def groups(records: Sequence[LogRecord], cuts: Iterable[int]) -> list[Sequence[LogRecord]]:
    """The records cut at these places, of which those beyond the end don't count."""
    places = sorted({0, len(records), *(cut for cut in cuts if cut < len(records))})
    return [records[a:b] for a, b in pairwise(places)]


def taught(settings: Settings, records: Sequence[LogRecord], folder: Path) -> ShopModel:
    """A shop model that knows what these records teach."""
    from stream.replay import Replay

    replay = Replay(folder, 1, settings)
    replay.feed(records)
    replay.close()
    return replay.shop


def merged(outcomes: Sequence[Outcome]) -> Outcome:
    """All the messages of several batches."""
    whole = Outcome()
    for outcome in outcomes:
        whole.alerts += outcome.alerts
        whole.deltas += outcome.deltas
        whole.dead_letters += outcome.dead_letters
        whole.names |= outcome.names
    return whole


def applied(shard: Shard, parts: Iterable[Sequence[LogRecord]], shop: ShopModel) -> Outcome:
    """What came of these batches."""
    return merged([shard.apply(part, shop) for part in parts])
