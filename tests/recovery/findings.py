"""What is left after a run, and what an undisturbed one leaves of the same records."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import numpy as np

from stream.core.shop import ShopModel
from stream.core.tallies import key_of
from stream.core.updates import decode, unpacked
from stream.messages import ALERTS, DEAD_LETTERS, DELTAS, FLOWS, UPDATES
from stream.shard import LogRecord, Shard
from stream.stored import StoredPartition, partition_folder
from tests.recovery.environment import Environment
from tests.toy_shop import SMALL


class Published(NamedTuple):
    """What readers end with who drop repeats."""

    alerts: dict[Any, Any]
    dead_letters: dict[Any, Any]
    counts: dict[str, Any]
    learned: list[bytes]
    lists: dict[str, Any]


def read(environment: Environment, owner: Path) -> Published:
    """Alerts and dead letters by id, the newest counts and lists, and what replicas learn.

    The last owner's folder says what counts it would have told next.
    """
    every = [json.loads(one.value or b"") for one in environment.records(ALERTS)]
    detected = [alert for alert in every if alert["kind"] == "detected"]
    alerts = _same([((alert["id"], alert["revision"]), alert) for alert in detected])
    dead = [json.loads(one.value or b"") for one in environment.records(DEAD_LETTERS)]
    return Published(
        alerts,
        _same([(letter["offset"], letter) for letter in dead]),
        _counts(environment, owner),
        _learned(environment),
        _newest(environment, DELTAS, "sequence"),
    )


def _same(named: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
    """By name; a repeat must be the same."""
    found: dict[Any, Any] = {}
    for name, message in named:
        assert found.setdefault(name, message) == message, name
    return found


def _learned(environment: Environment) -> list[bytes]:
    """The rows that every replica learns: of those at or below the highest it knows, none."""
    rows: list[bytes] = []
    highest = -1
    for record in environment.records(UPDATES):
        for row in np.asarray(unpacked(decode(record.value or b""))):
            if row["position"] > highest:
                highest = int(row["position"])
                rows.append(row.tobytes())
    return rows


def _counts(environment: Environment, owner: Path) -> dict[str, float]:
    """Moves and demand as readers end up with them, zeros left out."""
    told = _newest(environment, FLOWS, "source_offset")
    shard = Shard(partition_folder(owner, 0), 0, 1, SMALL)
    told |= {key_of(one): msgspec.to_builtins(one) for one in shard.flows(whole=True)}
    shard.close()
    return _amounts(told)


def counted(events: Sequence[LogRecord]) -> dict[str, float]:
    """The same as one tells who has told nothing before."""
    with TemporaryDirectory() as folder:
        shard = Shard(Path(folder) / "partition", 0, 1, SMALL)
        shard.apply(events, ShopModel(SMALL), muted=True)
        told = {key_of(one): msgspec.to_builtins(one) for one in shard.flows(whole=True)}
        shard.close()
    return _amounts(told)


def _amounts(told: dict[str, Any]) -> dict[str, float]:
    amounts = {key: one.get("shoppers", one.get("quantity")) for key, one in told.items()}
    return {key: amount for key, amount in amounts.items() if amount}


def check_counts(found: dict[str, float], expected: dict[str, float]) -> None:
    """Equal, but for items that sell best no more: of those nothing is told."""
    others = found.keys() - expected.keys()
    assert all(json.loads(key)[0] == "demand" and json.loads(key)[-1] for key in others)
    assert {key: found.get(key) for key in expected} == expected


def _newest(environment: Environment, topic: str, by: str) -> dict[str, Any]:
    """For each key the message with the highest number; of equal ones the last.

    A record without a value takes away what was there before.
    """
    newest: dict[str, Any] = {}
    for record in environment.records(topic):
        key = (record.key or b"").decode()
        if record.value is None:
            newest.pop(key, None)
            continue
        message = json.loads(record.value)
        if message[by] >= newest.get(key, message)[by]:
            newest[key] = message
    return newest


class Prefixes:
    """The strict state after each record, made by nothing but those before it."""

    def __init__(self, events: Sequence[LogRecord]) -> None:
        self._events = events
        self._known: dict[int, str] = {}

    def hash_at(self, offset: int) -> str:
        """After the record at this offset."""
        if offset not in self._known:
            before = [one for one in self._events if one.offset <= offset]
            with TemporaryDirectory() as folder:
                shard = Shard(Path(folder) / "partition", 0, 1, SMALL)
                shard.apply(before, ShopModel(SMALL), muted=True)
                self._known[offset] = shard.hash()
                shard.close()
        return self._known[offset]

    def check(self, folder: Path) -> int:
        """A state folder holds the state after some record: its offset."""
        path = partition_folder(folder, 0)
        # Ended while RocksDB made it, a folder holds nothing; who opens it next makes it anew.
        begun = (path / "CURRENT").exists()
        part = StoredPartition.found(path) if begun else None
        if part is None:
            return -1
        try:
            offset = int(part.header.offset)
            assert part.hash() == self.hash_at(offset), (folder.name, offset)
            return offset
        finally:
            part.checkpoint.close()


def check_lists(found: Published, undisturbed: Published, events: Sequence[LogRecord]) -> None:
    """Whoever has a list undisturbed has one here, valid, and as new as the last alert."""
    assert found.lists.keys() == undisturbed.lists.keys()
    known = {name for one in events for name in _items(one)}
    for delta in found.lists.values():
        items = [entry["item_id"] for entry in delta["items"]]
        assert len(set(items)) == len(items) <= SMALL.list_size
        assert set(items) <= known
    for alert in undisturbed.alerts.values():
        if newest := found.lists.get(alert["user_id"]):
            assert newest["sequence"] >= alert["source_offset"]


def _items(record: LogRecord) -> list[str]:
    try:
        event = json.loads(record.value or b"")
        touches = [event, *event.get("items", [])]
        return [touch["item_id"] for touch in touches if "item_id" in touch]
    except (ValueError, AttributeError, TypeError):
        return []
