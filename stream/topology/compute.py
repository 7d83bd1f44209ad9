"""The one thread of a process in which models compute."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Compute:
    """Runs one thing after another, while the event loop goes on fetching and heartbeating.

    Cores are used by more worker processes, not by more threads.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="compute")
        self._questions: deque[Callable[[], None]] = deque()

    async def __call__(
        self, call: Callable[Parameters, Result], *args: Parameters.args, **named: Parameters.kwargs
    ) -> Result:
        def work() -> Result:
            self._answer()
            return call(*args, **named)

        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def ask(
        self, call: Callable[Parameters, Result], *args: Parameters.args, **named: Parameters.kwargs
    ) -> Result:
        """Run something short before all work that waits, right after the piece under way."""
        answer: Future[Result] = Future()
        self._questions.append(partial(_settle, answer, partial(call, *args, **named)))
        self._thread.submit(self._answer)
        return await asyncio.wrap_future(answer)

    def close(self) -> None:
        """Wait for what is being computed; what waits is not begun."""
        self._thread.shutdown(cancel_futures=True)

    def _answer(self) -> None:
        while self._questions:
            self._questions.popleft()()


def _settle(answer: "Future[Result]", call: Callable[[], Result]) -> None:
    """Let a future have what a call gives; one that nobody waits for any more is left out."""
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(call())
    except BaseException as error:
        answer.set_exception(error)
