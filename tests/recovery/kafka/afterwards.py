"""What workers left on a real Kafka and in their folders, beside a replay of the same records."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from stream.core.shop import ShopModel
from stream.core.updates import decode
from stream.messages import ALERTS, DELTAS, EVENTS, UPDATES
from stream.replay import Replay
from stream.settings import Settings
from stream.shard import LogRecord
from stream.storage.partitioning import partition_of
from stream.storage.replica import load_model
from stream.stored import SHOP
from tests.kafka import live


def publish(broker: str, lines: Sequence[bytes]) -> None:
    """Send events to the partitions of their shoppers, and return when all are there."""
    parts: dict[int, list[tuple[bytes | None, bytes | None]]] = {}
    for line in lines:
        parts.setdefault(partition(line), []).append((_key(line), line))
    for place, own in parts.items():
        live.send(broker, own, place)


def partition(line: bytes) -> int:
    """Where an event belongs."""
    return partition_of(_key(line), live.PARTITIONS)


def _key(line: bytes) -> bytes:
    user: str = json.loads(line)["user_id"]
    return user.encode()


def check(broker: str, folders: Sequence[Path], scratch: Path) -> int:
    """Hashes, detected alerts and newest lists are as they should be; how many were compared."""
    events = live.read(broker, EVENTS)
    replay = Replay(scratch / "replay", live.PARTITIONS, Settings())
    try:
        replayed = replay.feed(
            [LogRecord(r.partition, r.offset, r.timestamp, r.key, r.value) for r in events]
        )
        check_states(events, folders, replay.hashes(), scratch)
        expected = msgspec.to_builtins([*replayed.alerts, *replay.findings().alerts])
        compared = check_alerts(broker, expected)
    finally:
        replay.close()
    check_models(broker, folders)
    return compared + check_lists(broker)


def check_states(
    events: Sequence[Any], folders: Sequence[Path], hashes: Sequence[str], scratch: Path
) -> None:
    """Whoever read a partition last has the replay's state; all others had it on their way."""
    records: dict[int, list[Any]] = {p: [] for p in range(live.PARTITIONS)}
    for record in events:
        records[record.partition].append(record)
    stored = [(p, *found) for folder in folders for p, found in live.stored(folder).items()]
    whole = {p: hash for p, offset, hash in stored if offset == len(records[p]) - 1}
    assert whole == dict(enumerate(hashes))
    for number, (p, offset, hash) in enumerate(stored):
        before = records[p][: offset + 1]
        assert hash == live.hash_after(before, scratch / str(number), p), (p, offset)


def check_alerts(broker: str, expected: Sequence[Any]) -> int:
    """Without repeats the detected ones are the replay's, and so are the shop's in the end."""
    every = [json.loads(record.value) for record in live.read(broker, ALERTS)]
    assert live.standing(every) == live.standing(list(expected))
    sent, replayed = live.detected(every), live.detected(list(expected))
    assert replayed
    assert {_name(alert): alert for alert in sent} == {_name(alert): alert for alert in replayed}
    # A repeat is the same alert.
    assert all(alert in replayed for alert in sent)
    return len(replayed)


def _name(alert: Any) -> tuple[str, int]:
    return alert["id"], alert["revision"]


def check_lists(broker: str) -> int:
    """The newest list of every shopper is one."""
    newest: dict[str, Any] = {}
    for record in live.read(broker, DELTAS):
        delta = json.loads(record.value)
        if delta["sequence"] >= newest.get(delta["user_id"], delta)["sequence"]:
            newest[delta["user_id"]] = delta
    assert newest
    for delta in newest.values():
        items = [entry["item_id"] for entry in delta["items"]]
        assert 0 < len(set(items)) == len(items) <= 20
        assert all(items)
    return len(newest)


def check_models(broker: str, folders: Sequence[Path]) -> None:
    """Each replica that was saved is what the log up to its position teaches."""
    saved = [load_model(folder / SHOP, Settings()) for folder in folders]
    hashes = {model.position: model.hash() for model in saved if model is not None}
    assert hashes
    model = ShopModel(Settings())
    for record in live.read(broker, UPDATES):
        model.apply(decode(record.value), record.offset)
        if model.position in hashes:
            assert model.hash() == hashes.pop(model.position)
    assert not hashes
