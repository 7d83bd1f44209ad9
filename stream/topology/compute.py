"""The one thread of a process in which models compute."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Compute:
    """Runs one thing after another, while the event loop goes on fetching and heartbeating.

    Cores are used by more worker processes, not by more threads.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="compute")

    async def __call__(
        self, call: Callable[Parameters, Result], *args: Parameters.args, **named: Parameters.kwargs
    ) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: call(*args, **named))

    def close(self) -> None:
        """Wait for what is being computed; what waits is not begun."""
        self._thread.shutdown(cancel_futures=True)
