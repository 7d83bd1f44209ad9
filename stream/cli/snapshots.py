"""`drift state snapshot|restore|rebuild`: copies of stored state, and making it anew."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from stream.cli.options import json_option, state_option
from stream.errors import StreamError, WrongUse

partition_option: Callable[[Any], Any] = click.option(
    "--partition", type=click.IntRange(min=0), metavar="N", help="Only this partition."
)


@click.command(epilog="Example: drift state snapshot --state /var/lib/drift --to s3://shop/drift")
@state_option(required=True)
@click.option("--to", "url", required=True, metavar="URL", help="A folder, s3://... and the like.")
@json_option
def snapshot(state: Path, url: str, as_json: bool) -> None:
    """Copy the state of a worker that does not run; a running one does it by itself."""
    from stream.state_folder import save_snapshots
    from stream.storage.claim import Claim
    from stream.storage.snapshots import Snapshots

    with Claim(state):
        made = [_told(manifest) for manifest in save_snapshots(state, Snapshots(url))]
    _print(made, "snapshot of {part} at offset {offset}, {bytes:,} bytes", as_json)


@click.command(epilog="Example: drift state restore --from s3://shop/drift --state /var/lib/drift")
@click.option("--from", "url", required=True, metavar="URL", help="Where snapshots are.")
@state_option(required=True)
@partition_option
@json_option
def restore(url: str, state: Path, partition: int | None, as_json: bool) -> None:
    """Put the newest good snapshots into a state folder; a worker then reads the rest.

    Where there are some of several settings, those of the last one made are taken.
    """
    from stream.storage.claim import Claim
    from stream.storage.snapshots import Snapshots

    snapshots = Snapshots(url)
    parts = snapshots.parts() if partition is None else [f"partition-{partition}"]
    if not parts:
        raise StreamError(f"snapshots: there are none in {url}")
    with Claim(state):
        for part in parts:
            _refuse_what_holds_state(state / part)
        settings = snapshots.newest_settings()
        made = [_restored(snapshots, part, settings, state / part) for part in parts]
    _print(made, "restored {part} at offset {offset}, {bytes:,} bytes", as_json)


@click.command(epilog="Example: drift state rebuild --state /var/lib/drift")
@state_option(required=True)
@partition_option
@json_option
def rebuild(state: Path, partition: int | None, as_json: bool) -> None:
    """Have the state made anew from the log by the next worker on this folder.

    What is there is moved aside and kept. The worker reads the whole log again, and publishes
    nothing that the group has committed.
    """
    from stream.state_folder import beside_partitions
    from stream.storage.aside import ask_for_log, move_aside
    from stream.storage.claim import Claim
    from stream.stored import partition_folder, partition_folders

    with Claim(state):
        folders = partition_folders(state)
        if partition is not None:
            folders = [path for path in folders if path == partition_folder(state, partition)]
            if not folders:
                raise WrongUse(f"--partition {partition}: there is none in {state}")
        made = []
        for path in folders:
            made.append({"part": path.name, "kept": str(move_aside(path, "aside"))})
            ask_for_log(path)
        for path in beside_partitions(state) if partition is None else ():
            made.append({"part": path.name, "kept": str(move_aside(path, "aside"))})
    _print(made, "{part} is made anew; what it held is kept in {kept}", as_json)


def _refuse_what_holds_state(path: Path) -> None:
    if path.exists() and any(path.iterdir()):
        raise WrongUse(f"{path} holds state already: move it away first, or restore elsewhere")


def _restored(snapshots: Any, part: str, settings: str | None, path: Path) -> dict[str, object]:
    from stream.storage.aside import restore_first

    found, refused = restore_first(snapshots, snapshots.newest_first(part, settings), path)
    for error in refused:
        click.echo(f"drift: {error}; trying an older snapshot", err=True)
    if found is None:
        raise StreamError(f"snapshots: no good one of {part} in {snapshots.url}")
    return _told(found)


def _told(manifest: Any) -> dict[str, object]:
    return {
        "part": manifest.part,
        "offset": manifest.offset,
        "settings": manifest.content.settings,
        "bytes": manifest.size,
    }


def _print(made: Sequence[dict[str, Any]], line: str, as_json: bool) -> None:
    import orjson

    if as_json:
        click.echo(orjson.dumps(made))
        return
    for one in made:
        click.echo(line.format(**one))
