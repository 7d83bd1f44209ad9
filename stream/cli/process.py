"""How a process that runs the engine is set up."""

import gc
import threading

import click

from stream.settings import Settings

ALLOCATIONS = 200_000
SILENT_SECONDS = 2.0


def prepare(settings: Settings) -> None:
    """Compile the kernels, or load them from the cache, and set up the garbage collector."""
    from stream.shard import warm_up

    said = "drift: compiling the kernels, once after each installation (about half a minute)"
    notice = threading.Timer(SILENT_SECONDS, lambda: click.echo(said, err=True))
    notice.start()
    try:
        warm_up(settings)
    finally:
        notice.cancel()
    collect_rarely()


def collect_rarely() -> None:
    """Let the garbage collector look less often, and never again at what is loaded now.

    A batch makes tens of thousands of objects, none of them in a cycle; looking at them
    every 700 allocations, as Python does by default, is a third of a replay's time.
    """
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 20, 50)
