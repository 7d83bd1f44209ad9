"""What a tree of processes costs, seen from outside."""

import threading
import time
from bisect import bisect
from types import TracebackType
from typing import Self

import psutil

EVERY_SECONDS = 0.1


class TreeMeter:
    """CPU seconds and memory of a process and its children, sampled while it runs."""

    def __init__(self, pid: int) -> None:
        self.peak_mib = 0.0
        self._root = psutil.Process(pid)
        self._seconds_of: dict[int, float] = {}
        self._times: list[float] = []
        self._seconds: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def cpu_seconds(self, since: float, until: float) -> float:
        """What was used between two moments (Unix seconds), interpolated between samples."""
        return self._used_by(until) - self._used_by(since)

    def _used_by(self, moment: float) -> float:
        place = min(max(bisect(self._times, moment), 1), len(self._times) - 1)
        first, last = self._times[place - 1], self._times[place]
        part = (moment - first) / (last - first)
        before, after = self._seconds[place - 1], self._seconds[place]
        return before + (after - before) * min(max(part, 0.0), 1.0)

    def _run(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            try:
                self._sample()
            except psutil.NoSuchProcess:
                return

    def _sample(self) -> None:
        memory = 0
        for process in [self._root, *self._root.children(recursive=True)]:
            try:
                used = process.cpu_times()
                memory += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            # One that ended keeps what it used.
            self._seconds_of[process.pid] = used.user + used.system
        self._times.append(time.time())
        self._seconds.append(sum(self._seconds_of.values()))
        self.peak_mib = max(self.peak_mib, memory / (1 << 20))
