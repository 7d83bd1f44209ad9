"""Things that happen to workers and to their broker, in the order that a seed draws."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from stream.topology.broker import Broker
from tests.kafka import live

SLOW_SECONDS = 3.0
WITHOUT_BROKER = ("start the worker again when it does", "no broker answers at")


class Storm:
    """A few workers of one group; whoever ends because the broker is gone is started again."""

    def __init__(self, kafka: Broker, folder: Path, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self.folders: list[Path] = []
        self._kafka = kafka
        self._folder = folder
        self._draw = random.Random(seed)
        self._workers: list[live.LiveWorker] = []
        self._all = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._all.close()

    def join(self) -> None:
        """One more worker."""
        state = self._folder / f"worker-{len(self.folders)}"
        self.folders.append(state)
        self._workers.append(self._all.enter_context(live.LiveWorker(self._kafka.address, state)))

    def kill(self) -> None:
        """SIGKILL at work, and a start soon after."""
        victim = self._one_at_work()
        victim.kill()
        time.sleep(self._draw.uniform(0, 0.5))
        victim.start()

    def kill_starting(self) -> None:
        """SIGKILL while it starts."""
        victim = self._one_at_work()
        victim.kill()
        victim.start()
        time.sleep(self._draw.uniform(0.5, 4))
        victim.kill()
        victim.start()

    def stop(self) -> None:
        """SIGTERM, and a start."""
        victim = self._one_at_work()
        assert victim.stop() == 0, victim.log()
        victim.start()

    def leave(self) -> None:
        """SIGTERM of one that does not come back; another joins."""
        victim = self._one_at_work()
        assert victim.stop() == 0, victim.log()
        self._workers.remove(victim)
        self.join()

    def freeze(self) -> None:
        """SIGSTOP until others own its partitions; then it wakes up."""
        victim = self._one_at_work()
        others = [worker for worker in self._workers if worker is not victim]
        for worker in others:
            worker.wait_for("ready after offset")
        heard = {worker: worker.log().count("assigned partitions") for worker in others}
        victim.send(signal.SIGSTOP)
        for worker, times in heard.items():
            worker.wait_for("assigned partitions", times + 1)
        time.sleep(self._draw.uniform(0.5, 1.5))
        victim.send(signal.SIGCONT)

    def restart_broker(self) -> None:
        """Kafka is gone for a while."""
        self._kafka.restart()

    def slow_broker(self) -> None:
        """Kafka answers only now and then."""
        pid = _process_in(self._kafka.data)
        until = time.monotonic() + SLOW_SECONDS
        while time.monotonic() < until:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(self._draw.uniform(0.1, 0.5))
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.1)

    def do(self, name: str) -> None:
        """One of the above, by its name."""
        getattr(self, name)()
        self.done[name] += 1

    def settle(self) -> None:
        """Wait until all that was published is read, and let all workers end well."""
        deadline = time.monotonic() + 180
        while live.committed(self._kafka.address) != live.ends(self._kafka.address):
            assert time.monotonic() < deadline, [worker.log() for worker in self._workers]
            self._revive()
            time.sleep(0.2)
        for worker in self._workers:
            worker.wait_for("assigned partitions")
            assert worker.stop() == 0, worker.log()

    def _one_at_work(self) -> live.LiveWorker:
        """Any that serves a partition."""
        worker = self._draw.choice(self._workers)
        until = time.monotonic() + 90
        while "ready after offset" not in worker.log():
            assert time.monotonic() < until, worker.log()
            self._revive()
            time.sleep(0.05)
        time.sleep(self._draw.uniform(0, 1))
        self._revive()
        return worker

    def _revive(self) -> None:
        for worker in self._workers:
            if worker.process.poll() is not None:
                # Nothing else may end a worker.
                last = worker.log().splitlines()[-1]
                assert any(words in last for words in WITHOUT_BROKER), worker.log()
                self.done["ended without a broker"] += 1
                worker.start()


def pieces(lines: Sequence[bytes], count: int) -> list[Sequence[bytes]]:
    """A log in so many parts of about one size."""
    size = -(-len(lines) // count)
    return [lines[first : first + size] for first in range(0, len(lines), size)]


def _process_in(folder: Path) -> int:
    """The Java process that works in a folder."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            java = (process / "comm").read_text().strip() == "java"
            if java and Path(os.readlink(process / "cwd")) == folder.resolve():
                return int(process.name)
    raise AssertionError(f"no Kafka works in {folder}")
