"""Rows on their way from memory while something else is computed: a hint that changes no result.

A row of thousands of items is rarely in the CPU's nearest cache, and to wait for it takes as long
as dozens of additions. A ranking reads hundreds of them; asked for early, they come meanwhile.
"""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

LINE = 64
"""Bytes that come at once."""
READ, NEAREST, DATA = 0, 3, 1
"""What `llvm.prefetch` is told: for reading, into the nearest cache, not as code."""


def prefetch(row: object, field: str) -> None:
    """Ask for a row, or a part that is a row, from a field to its end. Uncompiled, nothing happens.

    The field is a constant.
    """


def _fetching(context: Any, row: types.Record, field: types.StringLiteral) -> Any:
    def build(target: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Any:
        integer = ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, integer, integer, integer])
        ask = cast(Any, cgutils).get_or_insert_function(builder.module, shape, "llvm.prefetch.p0i8")
        how = [integer(READ), integer(NEAREST), integer(DATA)]
        start = builder.bitcast(values[0], cgutils.voidptr_t)
        first, last = row.offset(field.literal_value), row.size - 1
        # Rows begin anywhere in a line, so the last byte may be in one more.
        for place in [*range(first, last, LINE), last]:
            builder.call(ask, [builder.gep(start, [integer(place)]), *how])
        return target.get_dummy_value()

    return types.void(row, field), build


# Its stub has it called as it is written, with the compiler's context.
_fetch = cast(Any, intrinsic(prefer_literal=True)(_fetching))


# By LLVM, not by numba's `inline="always"`: that takes writes to parts of rows for dead.
@overload(prefetch, prefer_literal=True, jit_options={"forceinline": True})
def _prefetch(row: Any, field: Any) -> Callable[[Any, Any], None]:
    def ask(row: Any, field: Any) -> None:
        _fetch(row, field)

    return ask
