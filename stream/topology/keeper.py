"""Runs one command that must not outlive its parent. Started as a script, with no imports of ours.

    python keeper.py LOG REMOVE ARCHIVE COMMAND...

A parent killed by SIGKILL can't clean up, but the kernel closes its end of the
pipe to our standard input: that ends the command, on Linux and macOS alike.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys

GRACE_SECONDS = 20.0
STOP = b"stop"


def parent_speaks(parent: int) -> bool:
    """Whether the parent wrote, closed the pipe or is gone; waits a fifth of a second."""
    readable, _, _ = select.select([0], [], [], 0.2)
    # Children that the parent forked may hold the pipe open after its death.
    return bool(readable) or os.getppid() != parent


def end(child: subprocess.Popen[bytes]) -> bool:
    """Ask the command to end, and say whether it did; after `GRACE_SECONDS`, make it."""
    child.terminate()
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return False
    return True


def told_to_stop() -> bool:
    readable, _, _ = select.select([0], [], [], 0)
    return bool(readable) and os.read(0, len(STOP)) == STOP


def name_for_good(made: str) -> None:
    """Rename what the command wrote: `classes.jsa.123` is whole now, and becomes `classes.jsa`."""
    with contextlib.suppress(FileNotFoundError):
        os.replace(made, os.path.splitext(made)[0])


def keep(log: str, remove: str, archive: str, command: list[str]) -> int:
    """Run the command and return its exit code.

    Its output is added to the file `log`. The folder `remove` goes with it,
    unless the parent lives to say what becomes of it. The file `archive` is
    written by the command as it ends. Both are "" for none.
    """
    parent = os.getppid()
    with open(log, "ab") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    with contextlib.suppress(KeyboardInterrupt):
        while child.poll() is None and not parent_speaks(parent):
            pass
    orphaned = child.poll() is None and not told_to_stop()
    ended_in_time = end(child)
    if archive and ended_in_time:
        name_for_good(archive)
    if orphaned and remove:
        shutil.rmtree(remove, ignore_errors=True)
    return child.wait()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _, kafka_log, folder, classes, *program = sys.argv
    sys.exit(abs(keep(kafka_log, folder, classes, program)))
