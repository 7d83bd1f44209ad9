"""Whatever a line of a foreign layout holds, it is accepted, ignored or rejected."""

import csv
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given
from hypothesis import strategies as st

from stream.settings import Settings
from stream.storage.event_log import Record, Rejected, read

MAP = "user_id=u,event_type=t,occurred_at=at,item_id=i,quantity=q,position=p,properties=x,rating=r"
COLUMNS = ("u", "t", "at", "i", "q", "p", "x", "r")
GOOD = {"u": "ann", "t": "view", "at": "1700000000", "i": "dome"}
NESTED = "[" * 50_000
LONGEST_REASON = 300

cells = st.text(max_size=20) | st.sampled_from(
    ["", "NaN", "inf", "-inf", "1e999", "9" * 5000, "x" * 100_000, NESTED, '"', "1\n2"]
)
values = (
    cells | st.integers() | st.floats() | st.booleans() | st.sampled_from([10**400])
    | st.lists(st.integers(), max_size=2) | st.dictionaries(st.text(max_size=3), st.none())
)  # fmt: skip


def records(name: str, text: str) -> list[Record]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, newline="", errors="replace")
        return list(read([str(path)], settings=Settings(), mapping=MAP, say=lambda line: None))


def check(found: list[Record]) -> None:
    assert found
    for record in found:
        if isinstance(record, Rejected):
            assert 0 < len(record.reason) <= LONGEST_REASON
            assert "\n" not in record.reason


@given(column=st.sampled_from(COLUMNS), cell=cells)
@example(column="x", cell=NESTED)
@example(column="q", cell="x" * 100_000)
@example(column="u", cell="9" * 5000)
@example(column="at", cell="x" * 100_000)
def test_any_cell_of_a_table(column: str, cell: str) -> None:
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(COLUMNS)
    writer.writerow([(GOOD | {column: cell}).get(name, "") for name in COLUMNS])
    check(records("log.csv", table.getvalue()))


@given(column=st.sampled_from(COLUMNS), value=values)
@example(column="q", value=10**400)
@example(column="u", value=10**400)
@example(column="at", value=10**400)
@example(column="p", value=float("inf"))
def test_any_value_of_a_foreign_object(column: str, value: object) -> None:
    usual = GOOD | dict.fromkeys(COLUMNS[4:])
    check(records("log.jsonl", f"{json.dumps(usual)}\n{json.dumps(usual | {column: value})}\n"))
