"""Rows that are asked for before they are read."""

import os
import re

import numba
import numpy as np
import pytest

from stream.core.prefetch import LINE, prefetch
from stream.core.rows import Int64s, Rows, zeros

COMPILED = os.environ.get("NUMBA_DISABLE_JIT") != "1"


class PartRow:
    numbers: Int64s


class WideRow:
    id: int
    recent: Int64s
    part: PartRow


PART = np.dtype([("numbers", "f4", 100)], align=True)
WIDE = np.dtype([("id", "i8"), ("recent", "i4", 5), ("part", PART)], align=True)


# Without a cache, from which no code could be read back.
@numba.njit(error_model="numpy")
def whole(rows: Rows[WideRow], place: int) -> int:
    prefetch(rows[place], "recent")
    return rows[place].id


@numba.njit(error_model="numpy")
def part_of(rows: Rows[WideRow], place: int) -> int:
    prefetch(rows[place].part, "numbers")
    return rows[place].id


@numba.njit(error_model="numpy")
def written(rows: Rows[WideRow], others: Rows[WideRow]) -> int:
    row = rows[0]
    for place in range(5):
        row.recent[place] = -1
        if others[place].id > 0:
            row.recent[place] = others[place].id
            prefetch(others[row.recent[place]], "id")
    return others[row.recent[1]].id


@pytest.mark.parametrize(
    ("kernel", "size"), [(whole, WIDE.itemsize - WIDE.fields["recent"][1]), (part_of, 400)]
)
@pytest.mark.skipif(not COMPILED, reason="kernels run uncompiled")
def test_each_line_from_the_field_on_is_asked_for(kernel, size: int) -> None:
    rows = zeros(3, WIDE, WideRow)
    np.asarray(rows)["id"] = 5, 6, 7
    assert kernel(rows, 2) == 7
    [code] = kernel.inspect_llvm().values()
    assert len(re.findall(r"call void @llvm\.prefetch", code)) == -(-size // LINE) + 1


def test_no_byte_changes_but_those_that_are_written() -> None:
    rows, others = zeros(1, WIDE, WideRow), zeros(9, WIDE, WideRow)
    np.asarray(others)["id"] = 3, 1, 0, 8, 5, 6, 7, 8, 9
    before = others.tobytes()

    assert written(rows, others) == 1

    assert rows[0].recent.tolist() == [3, 1, -1, 8, 5]
    assert others.tobytes() == before
