"""Options that mean the same in every command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
Option = Callable[[Command], Command]

broker_option: Option[Any] = click.option(
    "--broker",
    metavar="HOST:PORT",
    envvar="DRIFT_BROKER",
    default="127.0.0.1:9092",
    show_default=True,
    show_envvar=True,
    help="The Kafka to talk to; several of one cluster with commas between.",
)

settings_option: Option[Any] = click.option(
    "--settings",
    metavar="FILE",
    envvar="DRIFT_SETTINGS",
    show_envvar=True,
    type=click.Path(path_type=Path),
    help="A TOML file of settings; DRIFT_* variables win over it.",
)

json_option: Option[Any] = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON."
)


def state_option(*, required: bool) -> Option[Any]:
    """`--state DIR`, as a Path that need not exist, or None where it is not required."""
    return click.option(
        "--state",
        metavar="DIR",
        required=required,
        type=click.Path(file_okay=False, path_type=Path),
        help="The folder that holds the state.",
    )
