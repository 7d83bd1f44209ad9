"""The steps of a batch through a worker, and how to end or hold a worker at one of them."""

import asyncio
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Literal, NamedTuple
from unittest import mock

from stream.core.events import Decoder
from stream.shard import Shard
from stream.storage.checkpoint import Checkpoint
from stream.storage.snapshots import Snapshots
from stream.topology.outputs import Publisher
from tests.recovery.environment import Environment, Producer

Side = Literal["before", "after"]


class Event:
    """A batch in the shape of Faust's event: what it holds, and that it is done with."""

    class Message(NamedTuple):
        value: Sequence[Any]
        offset: int

    def __init__(self, records: Sequence[Any], acknowledged: Callable[[int], None]) -> None:
        self.message = self.Message(records, records[-1].offset)
        self._acknowledged = acknowledged

    def ack(self) -> None:
        self._acknowledged(self.message.offset)


STEPS: dict[str, tuple[type, str]] = {
    "decode": (Decoder, "__call__"),
    "apply": (Shard, "apply"),
    "pack": (Publisher, "packed"),
    "deliver": (Publisher, "deliver"),
    "arrive": (Producer, "_send"),
    "write": (Checkpoint, "write"),
    "acknowledge": (Event, "ack"),
    "commit": (Environment, "commit"),
    "snapshot": (Snapshots, "save"),
    "scrub": (Checkpoint, "scrub"),
}
"""Each step as the method that does it; a further one needs a line here and nothing else."""
THAT_WAIT = ("decode", "apply", "pack", "deliver", "arrive", "write")
"""Where a worker can be held while the rest of the world goes on."""


class Point(NamedTuple):
    """Where something happens: the step, the how many-th time, and on which side of it."""

    step: str
    number: int
    side: Side


class Crash(BaseException):
    """The worker ends here."""


def crash() -> None:
    raise Crash


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Counted:
    """Counts the steps, and does something at one point."""

    def __init__(self, point: Point | None = None, act: Callable[[], object] = crash) -> None:
        self.counts: Counter[str] = Counter()
        self.reached = False
        self._point = point
        self._act = act

    def passing(self, step: str, side: Side) -> object:
        if side == "before":
            self.counts[step] += 1
        if self._point == (step, self.counts[step], side) and not self.reached:
            self.reached = True
            return self._act()
        return None


class Freeze:
    """Holds whoever comes, thread or task, until `wake`."""

    def __init__(self) -> None:
        self.frozen = threading.Event()
        self._woken = threading.Event()

    def __call__(self) -> object:
        self.frozen.set()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._woken.wait(30)
            return None
        return self._wait()

    async def _wait(self) -> None:
        while not self._woken.is_set():
            await asyncio.sleep(0.001)

    def wake(self) -> None:
        self._woken.set()


@contextmanager
def watched(counted: Counted) -> Iterator[None]:
    """Every step tells `counted` of its beginning and end."""
    with ExitStack() as stack:
        for step, (owner, name) in STEPS.items():
            told = _told(getattr(owner, name), step, counted)
            stack.enter_context(mock.patch.object(owner, name, told))
        yield


def _told(original: Any, step: str, counted: Counted) -> Any:
    if iscoroutinefunction(original):

        @wraps(original)
        async def waiting(*args: Any, **named: Any) -> Any:
            if held := counted.passing(step, "before"):
                await held
            result = await original(*args, **named)
            if held := counted.passing(step, "after"):
                await held
            return result

        return waiting

    @wraps(original)
    def calling(*args: Any, **named: Any) -> Any:
        counted.passing(step, "before")
        result = original(*args, **named)
        counted.passing(step, "after")
        return result

    return calling
