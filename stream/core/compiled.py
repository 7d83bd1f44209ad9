"""One decorator for all arithmetic, and a compile cache that cannot go stale."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])
HERE = Path(__file__).parent
# Made by numba at its import, by name, so that type checkers see none of them.
SETTINGS = vars(numba.config)


@cache
def cache_name(folder: Path) -> str:
    """Name this exact text of all modules here and in `folder`: any edit changes it."""
    # A warm cache would answer a run with bounds checks by code without them.
    digest = hashlib.blake2b(repr(SETTINGS["BOUNDSCHECK"]).encode(), digest_size=8)
    for path in sorted({*HERE.glob("*.py"), *folder.glob("*.py")}):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@contextmanager
def cache_of_these_sources(folder: Path) -> Iterator[None]:
    """Let numba cache in a folder of its own for each state of the sources.

    Numba compares the file of the outermost function only: after an edit to a
    kernel in another file, the loop would go on running the old one. Kernels call
    kernels of their own folder and of this one.
    """
    usual = SETTINGS["CACHE_DIR"]
    SETTINGS["CACHE_DIR"] = str(Path(usual or HERE / "__pycache__") / cache_name(folder))
    try:
        yield
    finally:
        SETTINGS["CACHE_DIR"] = usual


def kernel(function: Function) -> Function:
    """Compile a function on first use, inline it where kernels call it, free the GIL.

    It raises nothing and divides as NumPy does; what can go wrong is a return
    value. It makes no array, and counts no references to those that it is given: for the
    dozens of a whole engine, counting took a microsecond a call. With
    `NUMBA_DISABLE_JIT=1` it stays plain Python with the same bits.
    """
    return _compiled(function, inline=True)


def inner(function: Function) -> Function:
    """A kernel for kernels alone: with no way in from Python, it is compiled sooner.

    Python that calls it all the same crashes, unless it is uncompiled.
    """
    return _compiled(function, inline=True, from_python=False)


def outlined(function: Function) -> Function:
    """A kernel that stays a call: for what is large and runs once a session or a list.

    Inlined wherever it is called, it would be compiled again each time.
    """
    return _compiled(function, inline=False)


def _compiled(function: Function, inline: bool, from_python: bool = True) -> Function:
    # The stubs know no wrappers, nor `_nrt`, numba's runtime that counts.
    njit = cast(Any, numba.njit)
    compile_it = njit(
        cache=True, nogil=True, error_model="numpy", forceinline=inline,
        no_cpython_wrapper=not from_python, no_cfunc_wrapper=True, _nrt=False,
    )  # fmt: skip
    with cache_of_these_sources(Path(function.__code__.co_filename).parent):
        return cast(Function, compile_it(function))
