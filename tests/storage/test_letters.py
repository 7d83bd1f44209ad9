"""Dead letters are the records that they hold, under the settings of today."""

import json
from pathlib import Path

import msgspec
import pytest

from stream.errors import WrongUse
from stream.messages import DeadLetter
from stream.settings import Settings
from stream.storage.event_log import Accepted, IgnoredType, Record, Rejected, dead_letter, read

OLD = {"user_id": "ann", "event_type": "view", "occurred_at": "1999-12-31T00:00:00Z"}


def letter(value: bytes | None, key: bytes | None = b"ann") -> DeadLetter:
    return DeadLetter(
        topic="behavior-events", partition=3, offset=8, reason="then", key=key, value=value
    )


def records(path: Path, settings: Settings, **more: object) -> list[Record]:
    return list(
        read(
            [str(path)], settings=settings, dead_letters=True, say=print, **more  # type: ignore[arg-type]
        )
    )  # fmt: skip


def written(path: Path, *letters: DeadLetter) -> Path:
    path.write_bytes(msgspec.json.Encoder().encode_lines(letters))
    return path


def test_what_a_setting_lets_in_is_what_was_refused_byte_for_byte(tmp_path: Path) -> None:
    value = json.dumps(OLD, indent=1).encode()
    file = written(tmp_path / "dead-letters.jsonl", letter(value, b"a key of its own"))

    (refused,) = records(file, Settings())
    (accepted,) = records(file, Settings(first_year=1990))

    assert isinstance(refused, Rejected)
    assert isinstance(accepted, Accepted)
    assert (accepted.key, accepted.value) == (b"a key of its own", value)
    assert accepted.timestamp == 946_598_400_000


def test_a_record_that_had_no_key_gets_its_shoppers(tmp_path: Path) -> None:
    value = json.dumps(OLD | {"occurred_at": 1.79e9}).encode()
    file = written(tmp_path / "dead-letters.jsonl", letter(value, None), letter(value, b""))

    assert [r.key for r in records(file, Settings()) if isinstance(r, Accepted)] == [b"ann"] * 2


def test_what_is_refused_again_keeps_its_address_and_its_key(tmp_path: Path) -> None:
    first = letter(b"no JSON", b"a key")
    (refused,) = records(written(tmp_path / "a.jsonl", first), Settings())

    assert isinstance(refused, Rejected)
    again = dead_letter(refused)
    assert msgspec.structs.replace(again, reason="then") == first
    assert again.reason.startswith("JSON is malformed")


def test_other_lines_are_rejected_and_unknown_types_ignored(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", letter(json.dumps(OLD | {"event_type": "nod"}).encode()))
    with file.open("ab") as more:
        more.write(b'{"user_id": "ann"}\n\xff\n')
    ignored, event, noise = records(file, Settings())

    assert isinstance(ignored, IgnoredType)
    assert isinstance(event, Rejected)
    assert isinstance(noise, Rejected)
    assert event.reason.startswith("no dead letter: ")


def test_a_layout_has_no_place_there(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="leave --preset and --map out"):
        records(written(tmp_path / "a.jsonl"), Settings(), preset="taobao")
    with pytest.raises(WrongUse, match="from JSONL"):
        records(tmp_path / "dead-letters.parquet", Settings())
