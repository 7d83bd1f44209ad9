"""`drift state`: look into, hash and verify what is stored."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from stream.cli.options import json_option, settings_option, state_option
from stream.cli.snapshots import rebuild, restore, snapshot
from stream.errors import StreamError, WrongUse


@click.group(epilog="Example: drift state hash --state /var/lib/drift --json")
def state() -> None:
    """Look into, hash and verify stored state; copy it, and make it anew."""


for command in (snapshot, restore, rebuild):
    state.add_command(command)


@state.command(epilog="Example: drift state show --state /var/lib/drift --user u42")
@state_option(required=True)
@click.option(
    "--user",
    metavar="ID",
    help="A shopper: interest, likely next categories, sessions, recent items, list.",
)
@settings_option
@click.option("--item", metavar="ID", help="An item: popularity and what goes with it.")
@click.option("--category", metavar="NAME", help="A category, likewise.")
@json_option
def show(
    state: Path,
    user: str | None,
    settings: Path | None,
    item: str | None,
    category: str | None,
    as_json: bool,
) -> None:
    """Say what is known: of all, or of one shopper, item or category.

    A shopper is named by the id that events have; where keyed hashes stand for these, it takes
    the `user_id_key`, from --settings or DRIFT_USER_ID_KEY.
    """
    if sum(named is not None for named in (user, item, category)) > 1:
        raise WrongUse("name one of --user, --item and --category")
    with ExitStack() as stack:
        partitions = _opened(state, stack)
        shop = _shop(state, partitions)
        if user is not None:
            known = _user(partitions, _named(partitions, user, settings), shop)
        elif item is not None:
            known = _known(shop, "item", item)
        elif category is not None:
            known = _known(shop, "category", category)
        else:
            known = _overview(partitions, shop)
    _print(known, as_json)


@state.command("hash", epilog="Example: drift state hash --state /var/lib/drift --json")
@state_option(required=True)
@json_option
def hash_(state: Path, as_json: bool) -> None:
    """The hashes of the strict state, as a replay's summary has them."""
    from stream.stored import combined_hash

    with ExitStack() as stack:
        partitions = _opened(state, stack)
        hashes = {str(part.header.partition): part.hash() for part in partitions}
        shop = _shop(state, partitions)
    known = {
        "state_hash": combined_hash(list(hashes.values())),
        "partition_hashes": hashes,
        "model_hash": shop and shop.hash(),
        "model_position": shop and shop.position,
    }
    _print(known, as_json)


@state.command(epilog="Example: drift state verify --state /var/lib/drift")
@state_option(required=True)
@click.option(
    "--snapshots",
    "url",
    metavar="URL",
    help="Read the snapshots there too.  [default: the folder `snapshots` of --state, if any]",
)
@json_option
def verify(state: Path, url: str | None, as_json: bool) -> None:
    """Read everything and say what is damaged; exit code 1 if anything is."""
    from stream.state_folder import problems_in, problems_of
    from stream.storage.snapshots import Snapshots

    problems = list(problems_in(state))
    own = state / "snapshots"
    if url is not None or own.is_dir():
        problems += problems_of(Snapshots(url or str(own)))
    if as_json:
        _print({"problems": problems}, as_json)
    elif not problems:
        click.echo("partitions, shop model and snapshots are whole")
    if problems and not as_json:
        for problem in problems[:-1]:
            click.echo(f"drift: {problem}", err=True)
        raise StreamError(problems[-1])
    if problems:
        raise click.exceptions.Exit(1)


def _opened(state: Path, stack: ExitStack) -> Sequence[Any]:
    from stream.stored import stored_partitions

    return [stack.enter_context(closing(part)) for part in stored_partitions(state)]


def _shop(state: Path, partitions: Sequence[Any]) -> Any:
    from stream.stored import stored_shop

    return stored_shop(state, partitions[0].settings)


def _user(partitions: Sequence[Any], user: str, shop: Any) -> dict[str, Any]:
    """Every partition is asked: clients hash keys differently."""
    found = [(part, known) for part in partitions if (known := part.user(user)) is not None]
    if not found:
        raise StreamError(f"no shopper {user!r} in this folder")
    partition, known = found[0]
    known = dict(known)
    known["next_categories"] = partition.next_categories(user, shop) if shop else {}
    for field in ("recent_items", "list"):
        names = shop.item_names_by_low(known[field]) if shop else {}
        known[field] = [names.get(id) or f"id {id}" for id in known[field]]
    known["last_event_at"] = _time(known["last_event_at"])
    return known


def _named(partitions: Sequence[Any], user: str, settings: Path | None) -> str:
    """What the shopper is called in this folder."""
    from stream.settings import load

    known = partitions[0].settings.user_id_key
    if known is None:
        return user
    key = load(settings).user_id_key
    if key is None or key.check != known.check:
        raise WrongUse(
            "keyed hashes stand for user ids in this folder, made with "
            f"{'a' if key is None else 'another'} user_id_key: give it with --settings or "
            "DRIFT_USER_ID_KEY"
        )
    return key.pseudonym(user)


def _known(shop: Any, kind: str, name: str) -> dict[str, Any]:
    from stream.stored import describe

    if shop is None or (known := describe(shop, kind, name)) is None:
        raise StreamError(f"no {kind} {name!r} in the shop model of this folder")
    return dict(known)


def _overview(partitions: Sequence[Any], shop: Any) -> dict[str, Any]:
    return {
        "settings": partitions[0].header.settings,
        "partitions": {
            str(part.header.partition): {
                "offset": part.header.offset,
                "event_time": _time(part.clock()),
                "categories": part.header.categories,
                **({} if part.scrubbed() else {"erasing_up_to": part.erasure().offset}),
                **part.header.counts,
                **({"feedback": told} if (told := part.feedback()) else {}),
            }
            for part in partitions
        },
        "shop": shop
        and {
            "position": shop.position,
            "items": shop.items.used,
            "categories": shop.categories.used,
        },
    }


def _time(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def _print(known: dict[str, Any], as_json: bool) -> None:
    import orjson

    if as_json:
        click.echo(orjson.dumps(known))
    else:
        _print_tree(known, "")


def _print_tree(known: dict[str, Any], indent: str) -> None:
    for name, value in known.items():
        if isinstance(value, dict):
            click.echo(f"{indent}{name}")
            _print_tree(value, indent + "  ")
        elif isinstance(value, list):
            click.echo(f"{indent}{name}: {', '.join(map(str, value)) or 'none'}")
        else:
            click.echo(f"{indent}{name}: {value}")
