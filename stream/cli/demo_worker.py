"""The worker that `drift demo` starts: a process of its own that does not outlive the demo."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kafka.errors import KafkaError

from stream.errors import StreamError
from stream.topology import keeper
from stream.topology.topics import admin

if TYPE_CHECKING:
    from stream.kafka_clients import KafkaAdminClient

START_SECONDS = 60.0
LOG_LINES = 8


class DemoWorker:
    """A `drift worker`, in a group named as its folder; what it says goes to a file there.

    If the demo is killed, the worker ends and the folder is removed.
    """

    def __init__(self, broker: str, folder: Path) -> None:
        self._broker = broker
        self._group = folder.name
        self._log = folder / "worker.log"
        command = [sys.executable, "-m", "stream", "worker", "--broker", broker]
        command += ["--state", str(folder / "state"), "--group", self._group]
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__, self._log, folder, "", *command],
            stdin=subprocess.PIPE,
            # Ctrl-C at the terminal is for us: we stop the worker in order.
            start_new_session=True,
        )

    def __enter__(self) -> "DemoWorker":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_until_joined(self, check: Callable[[], None]) -> None:
        """Return when the group has given it the partitions: what comes now is read at once."""
        until = time.monotonic() + START_SECONDS
        with admin(self._broker) as client:
            while not self._joined(client):
                check()
                if time.monotonic() > until:
                    raise StreamError(
                        f"the worker did not join its group in {START_SECONDS:.0f} s; "
                        f"{self._last_words()}"
                    )
                time.sleep(0.1)

    def check(self) -> None:
        """Raise a StreamError with the end of its log if it has ended by itself."""
        if self._keeper.poll() is not None:
            raise StreamError(f"the worker ended by itself; {self._last_words()}")

    def stop(self) -> None:
        """Stop it in order; after some time, or a second Ctrl-C, by force."""
        assert self._keeper.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError), self._keeper.stdin as told:
                told.write(keeper.STOP)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._keeper.wait(keeper.GRACE_SECONDS + 10)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._keeper.pid, signal.SIGKILL)
            self._keeper.wait()

    def _joined(self, client: "KafkaAdminClient") -> bool:
        try:
            found = client.describe_groups([self._group])[self._group]
        except KafkaError:
            # There is no such group before the worker asks for it.
            return False
        return bool(found["group_state"] == "Stable")

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(["the end of its log:", *lines[-LOG_LINES:]])
