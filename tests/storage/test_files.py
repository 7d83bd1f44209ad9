"""Every line of a file comes out once, whatever the file is packed in or cut by."""

import gzip
import io
import tempfile
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import StreamError, WrongUse
from stream.settings import Settings
from stream.storage import event_log
from stream.storage.event_log import Accepted, IgnoredType, Record, Rejected, Tally, files

SETTINGS = Settings()
ODD_LINES = [
    b'{"user_id": "u", "event_type": "view", "occurred_at": 1600000000}',
    '{"user_id": "é", "event_type": "view", "occurred_at": 1600000000}'.encode(),
    b'{"user_id": "\\u0000"}',
    b'{"user_id": "\\ud800", "event_type": "view", "occurred_at": 1600000000}',
    *[b"{", b"", b"null", b"[1]", b"\xff\xfe", b'"""', b"\x00", b"[" * 3000],
]


def event(user: str = "u", at: int = 1_600_000_000, **more: object) -> bytes:
    fields = "".join(f', "{name}": "{value}"' for name, value in more.items())
    return f'{{"user_id": "{user}", "event_type": "view", "occurred_at": {at}{fields}}}'.encode()


def read(path: Path, **options: object) -> list[Record]:
    options = {"settings": SETTINGS, "say": lambda line: None} | options
    return list(event_log.read([str(path)], **options))  # type: ignore[arg-type]


def packed(data: bytes, suffix: str) -> bytes:
    if suffix == ".gz":
        return gzip.compress(data)
    return zstandard.compress(data) if suffix == ".zst" else data


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_packed_file_says_what_the_plain_one_says(tmp_path: Path, suffix: str) -> None:
    lines = [event(f"u{number}", item_id="tent") for number in range(3)]
    path = tmp_path / f"log.jsonl{suffix}"
    path.write_bytes(packed(b"\n".join(lines) + b"\n", suffix))
    records = read(path)
    assert [record.value for record in records if isinstance(record, Accepted)] == lines
    assert [record.line for record in records] == [1, 2, 3]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_archives_written_one_after_another_are_one_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"log.jsonl{suffix}"
    parts = [packed(event(user) + b"\n", suffix) for user in "abc"]
    path.write_bytes(b"".join(parts))
    assert [record.key for record in read(path) if isinstance(record, Accepted)] == [
        b"a",
        b"b",
        b"c",
    ]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_cut_off_archive_is_told_with_the_last_line_read(tmp_path: Path, suffix: str) -> None:
    data = b"".join(event(f"user-{n * n}") + b"\n" for n in range(20_000))
    path = tmp_path / f"log.jsonl{suffix}"
    path.write_bytes(packed(data, suffix)[:-50])
    with pytest.raises(StreamError, match=r"log\.jsonl.*cut off.*line 1\d{4} is the last"):
        read(path)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_what_is_no_archive_is_told_in_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"log.jsonl{suffix}"
    path.write_bytes(event() * 10)
    with pytest.raises(StreamError, match="is damaged") as told:
        read(path)
    assert "\n" not in str(told.value)


def test_a_file_that_is_no_parquet_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    path.write_bytes(b"PAR1 and then nothing of the kind")
    with pytest.raises(StreamError, match="is not Parquet") as told:
        read(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "fix"),
    [("log.xml", "can't tell the format"), ("absent.csv", "No such file"), ("f.csv", "a folder")],
)
def test_a_file_that_can_not_be_read_is_refused_at_once(
    tmp_path: Path, name: str, fix: str
) -> None:
    (tmp_path / "log.xml").write_bytes(b"<a/>")
    (tmp_path / "f.csv").mkdir()
    with pytest.raises(WrongUse, match=fix):
        event_log.read([str(tmp_path / name)], settings=SETTINGS, say=print)


def test_a_json_array_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_bytes(b"[\n" + event() + b"\n]")
    with pytest.raises(WrongUse, match="jq -c"):
        read(path)


def test_every_line_is_accepted_rejected_or_ignored(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    other = event().replace(b"view", b"page_view")
    path.write_bytes(b"\n".join([event(), b"{", b"", b"  ", other, b'{"user_id": 7}', b""]))
    records, tally = read(path), Tally()
    for record in records:
        tally.add(record)
    assert [type(record) for record in records] == [
        Accepted,
        Rejected,
        IgnoredType,
        IgnoredType,
        IgnoredType,
        Rejected,
    ]
    assert [record.line for record in records] == [1, 2, 3, 4, 5, 6]
    assert tally.ignored == {"(blank line)": 2, "page_view": 1}
    assert tally.lines == 6
    assert isinstance(records[5], Rejected)
    assert "Expected `str`, got `int` - at `$.user_id`" in records[5].reason


@given(st.lists(st.sampled_from(ODD_LINES)))
def test_no_line_is_lost_or_counted_twice(lines: list[bytes]) -> None:
    data = b"\n".join(lines)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "log.jsonl"
        file.write_bytes(data)
        numbers = [record.line for record in read(file)]
    ended = data.count(b"\n") + (0 if data.endswith(b"\n") or not data else 1)
    assert numbers == list(range(1, ended + 1))


def test_a_line_that_is_too_long_is_rejected_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(event("x" * (3 << 20)) + b"\n" + event("next") + b"\n" + event("y" * 2000))
    first, second, third = read(path, settings=Settings(max_value_bytes=1000))
    assert isinstance(first, Rejected)
    assert "max_value_bytes is 1000" in first.reason
    assert len(first.value) == 1001
    assert isinstance(second, Accepted)
    assert isinstance(third, Rejected)


def test_line_ends_of_windows_and_a_byte_order_mark_are_no_part_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + event("a") + b"\r\n" + event("b") + b"\r\n")
    assert [record.value for record in read(path) if isinstance(record, Accepted)] == [
        event("a"),
        event("b"),
    ]


def test_a_quoted_field_may_hold_a_delimiter_a_quote_or_a_line_end(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(
        "user_id,event_type,occurred_at,query\n"
        'a,search,1600000000,"tents, big"\n'
        'b,search,1600000000,"a ""big"" one"\n'
        'c,search,1600000000,"two\nlines"\n'
        "d,search,1600000000,plain\n"
    )
    records = read(path)
    assert [record.line for record in records] == [2, 3, 4, 6]
    assert all(isinstance(record, Accepted) for record in records)
    assert b'"query":"two\\nlines"' in records[2].value  # type: ignore[union-attr]


def test_a_quote_left_open_costs_its_own_line_only(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    good = [f"u{n},search,1600000000,tent" for n in range(100)]
    path.write_text(
        "user_id,event_type,occurred_at,query\n"
        + "\n".join(['x,search,1600000000,"open', *good, 'y,search,1600000000,5" disk'])
    )
    records = read(path)
    assert [type(record) for record in records] == [Rejected] + [Accepted] * 101
    assert [record.line for record in records] == list(range(2, 104))


def test_a_row_with_missing_fields_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user_id,event_type,occurred_at\nu,view\n")
    (record,) = read(path)
    assert isinstance(record, Rejected)
    assert record.reason == "2 fields where 3 are due"
    assert record.value == b"u,view"


def test_parquet_says_what_jsonl_says(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    rows = [
        {"user_id": "a", "event_type": "view", "occurred_at": 1_600_000_000, "item_id": "tent"},
        {"user_id": "b", "event_type": "buy", "occurred_at": 1_600_000_001, "item_id": None},
    ]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=1)
    assert [record.value for record in read(path) if isinstance(record, Accepted)] == [
        b'{"user_id":"a","event_type":"view","occurred_at":1600000000,"item_id":"tent"}',
        b'{"user_id":"b","event_type":"buy","occurred_at":1600000001}',
    ]


def test_a_packed_parquet_file_is_read_too(tmp_path: Path) -> None:
    room = io.BytesIO()
    row = {"user_id": "a", "event_type": "view", "occurred_at": 1_600_000_000}
    pq.write_table(pa.Table.from_pylist([row]), room)
    path = tmp_path / "log.parquet.gz"
    path.write_bytes(gzip.compress(room.getvalue()))
    assert len(read(path)) == 1


def test_a_number_is_no_id_in_our_own_layout(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    row = {"user_id": 12, "event_type": "view", "occurred_at": 1_600_000_000}
    pq.write_table(pa.Table.from_pylist([row]), path)
    (record,) = read(path)
    assert isinstance(record, Rejected)
    assert "$.user_id" in record.reason


def test_times_of_parquet_become_unix_seconds(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    table = pa.table(
        {
            "user_id": ["a", "b"],
            "event_type": ["view", "view"],
            "occurred_at": pa.array([1_600_000_000_500_000_000, 1_600_000_001_000_000_000]).cast(
                pa.timestamp("ns")
            ),
        }
    )
    pq.write_table(table, path)
    assert [r.timestamp for r in read(path) if isinstance(r, Accepted)] == [
        1_600_000_000_500,
        1_600_000_001_000,
    ]


def test_memory_stays_flat_on_a_long_file(tmp_path: Path) -> None:
    def peak(lines: int) -> int:
        path = tmp_path / f"{lines}.csv.gz"
        path.write_bytes(gzip.compress(b"u,%s,c,pv,1600000000\n" % (b"i" * 200) * lines))
        tracemalloc.start()
        for _ in event_log.read([str(path)], settings=SETTINGS, preset="taobao", say=print):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(100)
    assert peak(30_000) < peak(10_000) * 1.2


def test_the_meter_ends_at_the_size_of_the_files(tmp_path: Path) -> None:
    path, meter = tmp_path / "log.jsonl.gz", event_log.Meter()
    path.write_bytes(gzip.compress(event()))
    read(path, meter=meter)
    assert meter.done == meter.total == path.stat().st_size


def test_the_delimiter_is_told_from_the_first_line() -> None:
    assert files.delimiter(b"1\t2\t3,5", ".data") == "\t"
    assert files.delimiter(b"a;b;c", ".csv") == ";"
    assert files.delimiter(b"1::2::3", ".dat") == "::"


def test_a_parquet_file_damaged_in_the_middle_is_told_with_the_last_row_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log.parquet"
    row = {"user_id": "a", "event_type": "view", "occurred_at": 1_600_000_000}
    pq.write_table(pa.Table.from_pylist([row] * 20_000), path, row_group_size=5_000)
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 3] = bytes(len(data) // 3 - 4)
    path.write_bytes(data)
    with pytest.raises(StreamError, match=r"log\.parquet is damaged: .*row \d+ is the last"):
        read(path)


def test_a_cut_off_packed_parquet_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet.zst"
    path.write_bytes(zstandard.compress(b"PAR1" * 1000)[:-3])
    with pytest.raises(StreamError, match="is damaged or cut off"):
        read(path)
