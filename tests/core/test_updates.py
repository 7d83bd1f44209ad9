"""Update rows on the wire."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.ids import NONE, identify
from stream.core.query_buckets import FEATURES
from stream.core.rows import zeros
from stream.core.updates import LAYOUT, UpdateRow, decode, encode, packed, unpacked
from stream.errors import StreamError
from tests.core.worlds import NAME_OF, many, message, rows_of
from tests.reference.slow_shop import SlowUpdate

IDS = st.sampled_from([NONE, *NAME_OF])
ROWS = st.lists(
    st.tuples(
        st.integers(0, 2**62),
        st.floats(0, 4e9),
        IDS,
        IDS,
        st.lists(IDS, min_size=5, max_size=5),
        st.lists(IDS, min_size=5, max_size=5),
        st.integers(-1, 2),
        st.integers(0, 2),
        st.lists(st.integers(0, 4095), max_size=FEATURES),
    ),
    max_size=30,
)


@given(records=ROWS)
def test_a_message_gives_back_its_rows(records: list[tuple[Any, ...]]) -> None:
    rows = zeros(len(records), LAYOUT, UpdateRow)
    whole = [(*one, len(query), query + [0] * (FEATURES - len(query))) for *one, query in records]
    np.asarray(rows)[:] = np.array(whole, LAYOUT)

    sent = decode(encode(packed(rows, 3, NAME_OF.__getitem__)))

    assert sent.partition == 3
    assert unpacked(sent).tobytes() == rows.tobytes()


def test_only_an_events_own_ids_are_named() -> None:
    asked = []

    def name_of(id: int) -> str:
        asked.append(NAME_OF[id])
        return NAME_OF[id]

    update = SlowUpdate(0.0, "tent", ("stove",), "camping", ("sport",), 2)
    sent = packed(rows_of([update]), 0, name_of)

    assert sorted(asked) == ["camping", "tent"]
    assert sorted(sent.names) == ["", "", "camping", "tent"]
    assert sent.names[np.frombuffer(sent.ids, "<i8").tolist().index(identify("tent"))] == "tent"


def test_an_event_takes_about_a_hundred_bytes() -> None:
    assert len(encode(message(many(1_000)))) / 1_000 < 100


WRONG = {
    "ids": b"1234567",
    "position": b"1",
    "occurred_at": np.array([np.nan]).tobytes(),
    "item": np.array([2], "<i4").tobytes(),
    "category": b"",
    "recent_items": np.array([0, 0, 0, 0, -2], "<i4").tobytes(),
    "recent_categories": b"12345678",
    "step": np.array([3], "i1").tobytes(),
    "action": np.array([-2], "i1").tobytes(),
}


@pytest.mark.parametrize("column", WRONG)
def test_a_malformed_column_is_refused_by_name(column: str) -> None:
    sent = message([SlowUpdate(1e9, "tent", ("stove",))], partition=5)
    broken = msgspec.structs.replace(sent, **{column: WRONG[column]})

    with pytest.raises(StreamError, match=f"partition 5: column {column} "):
        unpacked(broken)


def test_a_position_below_0_is_refused() -> None:
    with pytest.raises(StreamError, match="column position has a value below 0"):
        unpacked(message([SlowUpdate(1e9, "tent", ())], first=-1))


@pytest.mark.parametrize("ids", [[0, 1], [1, 1]])
def test_ids_must_be_ids(ids: list[int]) -> None:
    sent = message([SlowUpdate(1e9, "tent", ("stove",))])

    with pytest.raises(StreamError, match="an id is 0 or stands there twice"):
        unpacked(msgspec.structs.replace(sent, ids=np.array(ids, "<i8").tobytes()))


def test_each_id_needs_a_name_even_if_an_empty_one() -> None:
    sent = message([SlowUpdate(1e9, "tent", ("stove",))])

    with pytest.raises(StreamError, match="1 names for 2 ids"):
        unpacked(msgspec.structs.replace(sent, names=["tent"]))


def test_bytes_that_are_no_message_are_refused() -> None:
    with pytest.raises(StreamError, match="no such message"):
        decode(b"{}")
