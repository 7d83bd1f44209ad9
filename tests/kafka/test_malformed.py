"""What is no behavior event goes to the dead letters, and the stream moves on."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.topology import topics
from stream.topology.broker import Broker
from tests.kafka import live

pytestmark = pytest.mark.kafka

DEEP = b"[" * 100_000 + b"]" * 100_000
GOOD = {"user_id": "ann", "event_type": "view", "occurred_at": 1.79e9, "category": "tents"}


def event(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def without(name: str) -> bytes:
    return json.dumps({k: v for k, v in GOOD.items() if k != name}).encode()


# Key, value, and what the reason says.
BAD: list[tuple[bytes | None, bytes | None, str]] = [
    (b"ann", b"no JSON", "malformed"),
    (b"ann", b"\xff\xfe", ""),
    (b"ann", b"", "truncated"),
    (b"ann", None, "no value"),
    (b"ann", b"[1, 2]", "Expected `object`"),
    (b"ann", without("user_id"), "user_id"),
    (b"ann", event(user_id=""), "$.user_id"),
    (b"ann", event(user_id=7), "$.user_id"),
    (b"ann", without("event_type"), "event_type"),
    (b"ann", event(category=["tents"]), "$.category"),
    (b"ann", event(occurred_at=None), "$.occurred_at"),
    (b"ann", event(occurred_at="yesterday"), "RFC 3339"),
    (b"ann", event(occurred_at=0), "2000 to 2100"),
    (b"ann", event(occurred_at="1970-01-01T00:00:00Z"), "2000 to 2100"),
    (b"ann", event(occurred_at="2101-01-01T00:00:00Z"), "2000 to 2100"),
    (b"ann", b'{"user_id": "a\0nn"}', "malformed"),
    (b"ann", event(user_id="a\0nn"), "NUL"),
    (b"ann", b"\0" * 100, "malformed"),
    (b"", event(), "an empty key"),
    (None, event(), "an empty key"),
    (b"ann", b'{"properties": {"a": ' + DEEP + b"}}", "nested too deep"),
    (b"ann", b'{"nobody knows it": ' + DEEP + b"}", "nested too deep"),
    (b"ann", event(properties={"text": "x" * (2 << 20)}), "max_value_bytes"),
]


@pytest.fixture(scope="module")
def sent(embedded_kafka: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Each bad record with a good one behind it, read by a worker: broker and state folder."""
    state = tmp_path_factory.mktemp("malformed") / "state"
    records: list[tuple[bytes | None, bytes | None]] = []
    for key, value, _ in BAD:
        records += [(key, value), (b"ann", event())]
    # The last year that counts; such a clock must not be moved by one shopper.
    records.append((b"ann", event(occurred_at="2100-12-31T23:59:59Z")))
    with Broker.start() as broker:
        topics.create(broker.address, live.PARTITIONS)
        live.send(broker.address, records, partition=2)
        with live.LiveWorker(broker.address, state) as worker:
            live.wait_until_read(broker.address)
            assert worker.process.poll() is None
            assert worker.stop() == 0
        yield broker.address, state


def test_each_is_in_the_dead_letters_with_its_address_and_the_reason(
    sent: tuple[str, Path],
) -> None:
    records = live.read(sent[0], "dead-letters")
    assert len(records) == len(BAD)
    for number, (record, (key, value, reason)) in enumerate(zip(records, BAD, strict=True)):
        letter = json.loads(record.value)
        assert (letter["topic"], letter["partition"]) == (live.EVENTS, 2)
        assert letter["offset"] == 2 * number
        assert reason in letter["reason"], letter["reason"]
        assert "\n" not in letter["reason"]
        assert len(letter["reason"]) < 300
        assert decoded(letter["key"]) == key == record.key
        assert decoded(letter["value"]) == value
        assert record.partition == 2
        assert live.header(record, "ce_id") == f"behavior-events-2-{2 * number}-dead-letter-0"


def test_the_good_events_behind_them_count(sent: tuple[str, Path]) -> None:
    counts = live.drift("state", "show", "--state", sent[1])["partitions"]["2"]
    assert (counts["accepted"], counts["rejected"]) == (len(BAD) + 1, len(BAD))
    known = live.drift("state", "show", "--state", sent[1], "--user", "ann")
    assert known["interest"] == {"tents": 1.0}


def test_a_replay_of_the_topic_says_the_same(sent: tuple[str, Path], tmp_path: Path) -> None:
    broker, state = sent
    source = f"kafka://{broker}/{live.EVENTS}"
    summary = live.drift("replay", source, "--out", tmp_path)

    assert (
        summary["partition_hashes"]
        == live.drift("state", "hash", "--state", state)["partition_hashes"]
    )
    assert (summary["lines"], summary["accepted"]) == (2 * len(BAD) + 1, len(BAD) + 1)
    assert summary["rejected"] == len(BAD)
    letters = live.lines(tmp_path / "dead-letters.jsonl")
    assert [(letter["partition"], letter["offset"]) for letter in letters] == [
        (2, 2 * number) for number in range(len(BAD))
    ]


def test_what_a_fix_lets_in_is_published_again_from_the_dead_letters(
    sent: tuple[str, Path], tmp_path: Path
) -> None:
    """Runs last: it adds to the log. Those without a key have their shopper's now."""
    broker, _ = sent
    before, aside = live.ends(broker), tmp_path / "rejected.jsonl"
    letters = f"kafka://{broker}/dead-letters"
    told = live.drift(
        "publish", "--from-dead-letters", letters, "--broker", broker, "--rejected", aside
    )

    assert (told["accepted"], told["rejected"]) == (2, len(BAD) - 2)
    new = [
        (record.key, record.value)
        for record in live.read(broker, live.EVENTS)
        if record.offset >= before[record.partition]
    ]
    assert new == [(b"ann", event())] * 2
    again = live.lines(aside)
    assert again[0]["reason"].startswith("JSON is malformed")
    assert {(letter["topic"], letter["partition"]) for letter in again} == {(live.EVENTS, 2)}


def decoded(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
