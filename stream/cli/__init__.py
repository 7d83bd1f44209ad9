"""The `drift` command. Each subcommand is one module, imported when it is asked for."""

import importlib
import sys

import click

from stream.errors import StreamError

# A subcommand's module has a click command of the same name; the text is its short help.
COMMANDS = {
    "broker": "Run a real single-node Apache Kafka, nothing to install.",
    "calibrate": "Set thresholds for budgets of false alarms from stored history.",
    "demo": "A broker, a simulated shop, a worker and a live view, in a minute.",
    "evaluate": "Measure detection, prediction and forecasts beside simple methods.",
    "forecast": "What categories will sell, and how far the stock goes.",
    "forget": "Erase shoppers: from the state, the disk and the lists.",
    "publish": "Send behavior events from files to Kafka.",
    "replay": "Run the engine over files or a range of the log.",
    "simulate": "Write a shop with known migrations to files.",
    "state": "Look into, verify, copy and restore stored state.",
    "topics": "Create or check the topics.",
    "watch": "Follow the alerts topic.",
    "worker": "Run one member of the consumer group.",
}


class Commands(click.Group):
    """Subcommands by name, so that `drift --help` imports none of them."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"stream.cli.{name}"), name)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: drift demo",
)
@click.version_option(package_name="interest-drift", prog_name="drift")
def drift() -> None:
    """See shoppers' interests move, as it happens, on Kafka.

    Commands that talk to Kafka take --broker HOST:PORT or DRIFT_BROKER.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run `drift`. What a person can mend is one line and an exit code; a bug is a traceback."""
    try:
        sys.exit(drift.main(arguments, prog_name="drift", standalone_mode=False) or 0)
    except StreamError as error:
        click.echo(f"drift: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"drift: {_in_one_line(error)}", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)


def _in_one_line(error: click.ClickException) -> str:
    said = " ".join(error.format_message().split())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{said} Try: {error.ctx.command_path} --help"
    return said
