"""`drift worker`: one member of the consumer group."""

import asyncio
import logging
import re
import socket
from pathlib import Path

import click

from stream.cli.options import broker_option, settings_option, state_option
from stream.cli.process import collect_rarely

SAID_AGAIN_AFTER = 30.0


class Seldom:
    """Lets a library say the same thing twice a minute: of a broker that is down it does ten
    times a second.
    """

    def __init__(self, library: str) -> None:
        self._library = library
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] != self._library:
            return True
        text = f"{record.name} {record.msg}"
        if record.created - self._said.get(text, 0.0) < SAID_AGAIN_AFTER:
            return False
        self._said[text] = record.created
        return True


@click.command(epilog="Example: drift worker --broker 127.0.0.1:9092 --state /var/lib/drift")
@broker_option
@state_option(required=True)
@click.option(
    "--group",
    default="interest-drift",
    show_default=True,
    help="The consumer group; its workers share the partitions.",
)
@click.option(
    "--name",
    metavar="NAME",
    help="Of this member, kept over restarts: it then gets its partitions back at once.  "
    "[default: made of the host's name and the path of --state]",
)
@settings_option
@click.option(
    "--metrics",
    "metrics_port",
    metavar="PORT",
    type=click.IntRange(1, 65_535),
    envvar="DRIFT_METRICS",
    show_envvar=True,
    help="Answer Prometheus at http://HOST:PORT/metrics; each worker needs a port of its own.",
)
@click.option(
    "--metrics-host",
    metavar="HOST",
    default="127.0.0.1",
    show_default=True,
    help="The address to answer at; 0.0.0.0 is every network of this machine.",
)
@click.option(
    "--log-level",
    type=click.Choice(["info", "warning", "error"]),
    default="info",
    show_default=True,
)
def worker(
    broker: str,
    state: Path,
    group: str,
    name: str | None,
    settings: Path | None,
    metrics_port: int | None,
    metrics_host: str,
    log_level: str,
) -> None:
    """Run one member of the consumer group until SIGTERM or Ctrl-C.

    It reads behavior-events and publishes alerts, deltas and what the shop learns.
    Start as many as there are cores and partitions, each with a --state of its own.
    """
    from stream.settings import load

    loaded = load(settings)
    logging.basicConfig(
        level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # The libraries' own news hide ours, and may hold what a record holds.
    for library in ("aiokafka", "faust", "mode", "stream.topology.batches", "numba"):
        logging.getLogger(library).setLevel("WARNING")
    # What it logs of a broker that is down is our one line.
    logging.getLogger("kafka").setLevel("CRITICAL")
    for handler in logging.getLogger().handlers:
        handler.addFilter(Seldom("aiokafka"))
    from stream.topology.metrics import Metrics
    from stream.topology.worker import Worker

    member, metrics = name or _name(state), Metrics()
    if metrics_port is not None:
        metrics.serve(metrics_host, metrics_port)

    async def run() -> None:
        await Worker(broker, state, group, member, loaded, metrics).run()

    collect_rarely()
    asyncio.run(run())


def _name(state: Path) -> str:
    """A name that no other worker has, of the characters that Kafka allows.

    >>> _name(Path("/var/lib/drift")).endswith("-var-lib-drift")
    True
    """
    return re.sub(r"[^a-zA-Z0-9._-]+", "-", f"{socket.gethostname()}{state.resolve()}")[-200:]
