"""`drift topics`: create the topics, or say what is wrong with them."""

from collections.abc import Sequence

import click

from stream.cli.options import broker_option, json_option
from stream.errors import StreamError

DEFAULT_PARTITIONS = 4


@click.group(epilog="Example: drift topics create --partitions 8")
def topics() -> None:
    """Create or check the topics."""


@topics.command(epilog="Example: drift topics create --broker 127.0.0.1:9092 --partitions 8")
@broker_option
@click.option(
    "--partitions",
    type=click.IntRange(1, 100_000),
    default=DEFAULT_PARTITIONS,
    show_default=True,
    help="Of the topics keyed by shopper: as many workers can share the work.",
)
@json_option
def create(broker: str, partitions: int, as_json: bool) -> None:
    """Create the topics that are missing, then check all."""
    from stream.topology import topics as ours

    created = ours.create(broker, partitions)
    problems = ours.check(broker, partitions)
    if as_json:
        _print_json(created=created, problems=problems)
    else:
        click.echo(f"created {', '.join(created)}" if created else "all topics were there")
    _end(problems, as_json)


@topics.command(epilog="Example: drift topics check --json")
@broker_option
@click.option(
    "--partitions",
    type=click.IntRange(1, 100_000),
    help="What the topics keyed by shopper should have; else what behavior-events has.",
)
@json_option
def check(broker: str, partitions: int | None, as_json: bool) -> None:
    """Say what is wrong with the topics; exit code 1 if anything is."""
    from stream.topology import topics as ours

    problems = ours.check(broker, partitions)
    if as_json:
        _print_json(problems=problems)
    elif not problems:
        click.echo(f"all {len(ours.TOPICS)} topics are as they should be")
    _end(problems, as_json)


def _print_json(**result: Sequence[str]) -> None:
    import orjson

    click.echo(orjson.dumps(result))


def _end(problems: Sequence[str], as_json: bool) -> None:
    """Exit code 1 if there are problems, each told in a line on stderr."""
    if not problems:
        return
    if not as_json:
        for problem in problems[:-1]:
            click.echo(f"drift: {problem}", err=True)
        raise StreamError(problems[-1])
    raise click.exceptions.Exit(1)
