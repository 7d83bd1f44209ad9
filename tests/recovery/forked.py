"""Kills children of a warm parent. Run as a process of its own: python -m tests.recovery.forked.

The parent has the kernels in memory and opens no database, so that a child begins at once and
takes over no thread of RocksDB's.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from stream.shard import warm_up
from tests.recovery.environment import Trouble
from tests.recovery.steps import STEPS, Counted, Point, kill, watched
from tests.recovery.trials import Stream, World, random_stream
from tests.toy_shop import SMALL


def in_a_child(work: Callable[[], object], killed_after: float | None = None) -> bool:
    """Do it in a forked child; whether it came to its end, for it may be killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        # Not by sys.exit: what the parent has to tidy up is the parent's.
        os._exit(0)
    if killed_after is not None:
        time.sleep(killed_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return False
    if os.waitstatus_to_exitcode(status):
        raise SystemExit("a child failed: its traceback is above")
    return True


class Killed:
    """One stream that a chain of children reads, each killed but the last."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._seed = seed
        self._folder = folder
        self._events = random_stream(seed)
        # Drawn from in the parent, or all children would do the same.
        self._draw = random.Random(seed)

    def run(self, kills: int) -> int:
        """Kill so many, then let one finish and check; how many were killed."""
        done = 0
        for number in range(kills):
            done += not in_a_child(*self._at_a_step() if number % 2 else self._at_any_time())
        in_a_child(self._check)
        return done

    def _at_a_step(self) -> tuple[Callable[[], object], None]:
        step = self._draw.choice(list(STEPS))
        number = self._draw.choice([1, 2, 4, 8, 16])
        point = Point(step, number, self._draw.choice(["before", "after"]))
        seed = self._draw.randrange(1 << 30)
        return lambda: self._live(Counted(point, kill), seed), None

    def _at_any_time(self) -> tuple[Callable[[], object], float]:
        seed = self._draw.randrange(1 << 30)
        return lambda: self._live(Counted(), seed), self._draw.uniform(0.05, 0.4)

    def _live(self, steps: Counted, seed: int) -> None:
        with watched(steps):
            self._world(seed).finish()

    def _check(self) -> None:
        world = self._world(self._seed)
        world.finish()
        Stream(self._seed).check(world)

    def _world(self, seed: int) -> World:
        """What was left by those before."""
        return World(self._folder, self._events, Trouble(0), seed)


def main() -> None:
    """Kill as many as asked for, and say how many that were."""
    kills, seed, each = int(sys.argv[1]), int(sys.argv[2]), 5
    warm_up(SMALL)
    done = 0
    while done < kills:
        with TemporaryDirectory() as folder:
            done += Killed(seed, Path(folder)).run(min(each, kills - done))
        seed += 1
    print(json.dumps({"killed": done}))


if __name__ == "__main__":
    main()
