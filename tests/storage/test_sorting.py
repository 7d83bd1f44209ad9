"""Order is noticed, and made on disk when asked for."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stream.settings import Settings
from stream.storage import event_log
from stream.storage.event_log import Accepted, Record, Rejected
from stream.storage.event_log.sorting import by_time, watched


def accepted(line: int, at: int) -> Accepted:
    return Accepted("log", line, None, None, at, b"u", b"v")


TIMES = st.lists(st.integers(0, 9))


@given(times=TIMES, run_bytes=st.sampled_from([1, 1000, 1 << 20]))
def test_sorting_on_disk_is_a_stable_sort(times: list[int], run_bytes: int) -> None:
    records = [accepted(line, at) for line, at in enumerate(times, 1)]
    expected = sorted(records, key=lambda record: record.timestamp)
    assert list(by_time(iter(records), run_bytes)) == expected


def test_rejected_lines_come_first_and_none_is_lost() -> None:
    bad = Rejected("log", 2, "bad", b"x")
    records: list[Record] = [accepted(1, 5), bad, accepted(3, 4)]
    assert list(by_time(iter(records), 1)) == [bad, accepted(3, 4), accepted(1, 5)]


def test_a_run_longer_than_a_block_comes_back_whole() -> None:
    records = [accepted(line, -line) for line in range(1, 2001)]
    assert list(by_time(iter(records), 1000 * 401)) == records[::-1]


@given(TIMES)
def test_the_first_line_out_of_order_is_said_once(times: list[int]) -> None:
    said: list[str] = []
    records = [accepted(line, at) for line, at in enumerate(times, 1)]
    assert list(watched(iter(records), said.append)) == records
    early = [line for line, at in enumerate(times, 1) if at < max(times[: line - 1], default=0)]
    if not early:
        assert said == []
    else:
        assert len(said) == 1
        assert said[0].startswith(f"log, line {early[0]}: earlier than")
        assert "--sort" in said[0]


def test_sources_are_sorted_into_one_stream(tmp_path: Path) -> None:
    for name, rows in [("a.csv", "1,i,c,pv,1600000003\n2,i,c,pv,1600000001\n"),
                       ("b.csv", "3,i,c,pv,1600000002\n4,i,c,pv,1600000001\n")]:  # fmt: skip
        (tmp_path / name).write_text(rows)
    said: list[str] = []
    records = event_log.read(
        [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")],
        settings=Settings(),
        preset="taobao",
        sort=True,
        say=said.append,
    )
    assert [record.key for record in records if isinstance(record, Accepted)] == [
        b"2",
        b"4",
        b"3",
        b"1",
    ]
    assert said == []
