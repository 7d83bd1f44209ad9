"""How a partition's state is stored: keys that sort, headers and rows that come back."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import shoppers
from stream.core.rows import zeros
from stream.core.shoppers import ShopperRow
from stream.storage import codec
from stream.storage.codec import Header, RowCodec
from tests.toy_shop import SMALL

KEYS = st.integers(-(1 << 63), (1 << 63) - 1)


def header() -> Header:
    return Header(
        settings="f", meaning={"seed": 7}, layout=b"l", topic="t", partition=1, partitions=4,
        offset=9, clock=b"c", queue=b"q", categories=2, counts={"accepted": 3},
    )  # fmt: skip


@given(KEYS)
def test_a_rows_key_is_nine_bytes_between_the_bounds_and_says_the_shopper(key: int) -> None:
    stored = codec.row_key(key)
    assert codec.ROW <= stored < codec.AFTER_ROWS
    assert int.from_bytes(stored[1:], "big", signed=True) == key


def test_keys_of_different_kinds_do_not_mix() -> None:
    keys = [codec.HEADER, codec.category_key(0), codec.category_key(1 << 31), codec.row_key(-1)]
    assert len({key[:1] for key in keys}) == 3
    assert codec.category_key(255) < codec.category_key(256)


def test_a_header_comes_back() -> None:
    assert codec.decode(codec.encode(header())) == header()


def test_what_is_no_header_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        codec.decode(codec.encode(header())[:-1])


def test_rows_and_user_ids_come_back() -> None:
    layout = shoppers.layout(SMALL)
    rows = zeros(5, layout, ShopperRow)
    for slot in range(5):
        rows[slot].strict.session.last_at = 10.0 * slot
    rowcodec = RowCodec(layout)
    users = ["", "ann", "bob", "žofie", ""]

    values = rowcodec.values(np.asarray(rows), np.array([3, 1]), users)

    assert [rowcodec.user(value) for value in values] == ["žofie", "ann"]
    room = zeros(5, layout, ShopperRow)
    rowcodec.fill(np.asarray(room), [0, 4], values)
    assert [float(room[slot].strict.session.last_at) for slot in range(5)] == [30, 0, 0, 0, 10]
    assert room[0].tobytes() == rows[3].tobytes()
