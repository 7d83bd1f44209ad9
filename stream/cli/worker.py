"""`drift worker`: one member of the consumer group."""

import asyncio
import os
import re
import socket
from pathlib import Path
from typing import Any

import click

from stream.cli.log_lines import log_to_stderr
from stream.cli.options import broker_option, settings_option, state_option
from stream.cli.process import collect_rarely
from stream.errors import WrongUse

VARIABLE = "DRIFT_HTTP_TOKEN"
Place = tuple[str, int]


class HostAndPort(click.ParamType):
    """`PORT` of this machine alone, or `HOST:PORT`."""

    name = "[host:]port"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Place:
        """The two.

        >>> HostAndPort().convert("9464", None, None), HostAndPort().convert("[::]:80", None, None)
        (('127.0.0.1', 9464), ('::', 80))
        """
        if isinstance(value, tuple):
            return value
        host, _, port = str(value).rpartition(":")
        if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) <= 65_535):
            self.fail(f"{value!r}: give PORT or HOST:PORT, the port from 1 to 65535", param, ctx)
        return host.strip("[]") or "127.0.0.1", int(port)


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
    "--http",
    "--metrics",
    "http",
    metavar="[HOST:]PORT",
    type=HostAndPort(),
    envvar=["DRIFT_HTTP", "DRIFT_METRICS"],
    show_envvar=True,
    help="Answer /rank, /partitions, /health, /ready and /metrics at this address, of this machine "
    "alone unless HOST says other; each worker needs a port of its own.",
)
@click.option(
    "--http-token-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    envvar="DRIFT_HTTP_TOKEN_FILE",
    show_envvar=True,
    help=f"A file with the token that every request must bring; or set {VARIABLE} to it.",
)
@click.option(
    "--log-level",
    type=click.Choice(["info", "warning", "error"]),
    default="info",
    show_default=True,
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    envvar="DRIFT_LOG_FORMAT",
    show_envvar=True,
    show_default=True,
    help="Lines for people, or a JSON object a line.",
)
def worker(
    broker: str,
    state: Path,
    group: str,
    name: str | None,
    settings: Path | None,
    http: Place | None,
    http_token_file: Path | None,
    log_level: str,
    log_format: str,
) -> None:
    """Run one member of the consumer group until SIGTERM or Ctrl-C.

    It reads behavior-events and publishes alerts, deltas and what the shop learns.
    Start as many as there are cores and partitions, each with a --state of its own.
    """
    from stream.settings import load

    loaded, token = load(settings), _token(http_token_file)
    log_to_stderr(log_level, log_format)
    from stream.topology.metrics import Metrics
    from stream.topology.web import Address
    from stream.topology.worker import Worker

    member, address = name or _name(state), Address(*http, token) if http else None

    async def run() -> None:
        await Worker(broker, state, group, member, loaded, Metrics(), address).run()

    collect_rarely()
    asyncio.run(run())


def _token(file: Path | None) -> str:
    """The token of the file or of the environment, "" for none."""
    if file is None:
        return os.environ.get(VARIABLE, "")
    try:
        token = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"--http-token-file: can't read {file}: {_said(error)}") from None
    if not token:
        raise WrongUse(f"--http-token-file: {file} is empty: write the token into it")
    return token


def _said(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "" if isinstance(error, OSError) else "it is no text"


def _name(state: Path) -> str:
    """A name that no other worker has, of the characters that Kafka allows.

    >>> _name(Path("/var/lib/drift")).endswith("-var-lib-drift")
    True
    """
    return re.sub(r"[^a-zA-Z0-9._-]+", "-", f"{socket.gethostname()}{state.resolve()}")[-200:]
