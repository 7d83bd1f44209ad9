"""`drift calibrate`: thresholds that spend a budget of false alarms, from stored history."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from stream.cli.log_options import StoredLogs, log_options
from stream.cli.options import json_option, settings_option
from stream.cli.zones import loaded

if TYPE_CHECKING:
    from stream.calibration import Calibration


@click.command(
    epilog="Example: drift calibrate events.jsonl --out calibration.json; then "
    "DRIFT_CALIBRATION=calibration.json drift worker ..."
)
@log_options(required=True, by_part=False)
@click.option(
    "--out",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The calibration, for the setting `calibration`.",
)
@click.option(
    "--budget",
    "budgets",
    metavar="X",
    multiple=True,
    type=click.FloatRange(0, 1000, min_open=True),
    help="False alarms for each 10,000 events; may be given several times.  "
    "[default: 0.5, 1, 2, 5 and 10]",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.25,
    show_default=True,
    help="The part of each budget that the ring may spend; 0 leaves it off, .5 finds shoppers "
    "who start over sooner.",
)
@click.option(
    "--shuffle",
    type=click.Choice(["session", "day"]),
    default="day",
    show_default=True,
    help="What stays together when history is shuffled. Sessions of one day are often about "
    "the same thing; by session, that counts as a move.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of all that is drawn.")
@settings_option
@json_option
def calibrate(
    logs: StoredLogs,
    out: Path,
    budgets: tuple[float, ...],
    share: float,
    shuffle: Literal["session", "day"],
    seed: int,
    settings: Path | None,
    as_json: bool,
) -> None:
    """Set the detector's thresholds from stored history, for some budgets of false alarms.

    SOURCE is the shop's stored log, a month or more of it; categories are cut as the
    settings say, as the worker does. The file that it writes also turns on the ring,
    which finds large moves sooner. The same SOURCE and seed write the same file.
    """
    from stream.evaluation.calibrating import BUDGETS, Choices, calibrate

    known = loaded(settings, logs.sources.preset)
    (log,) = logs.read(known)
    choices = Choices(
        budgets=budgets or BUDGETS,
        share=share,
        shuffle=shuffle,
        session_gap=known.session_gap,
        slots=known.detector_slots,
        seed=seed,
    )
    made = calibrate(log, choices, lambda line: click.echo(f"drift: {line}", err=True))
    _write(made, out)
    _print(made, out, as_json)


def _write(made: "Calibration", out: Path) -> None:
    """All of the file or nothing of it: a worker may read it at any time."""
    import msgspec

    from stream.errors import WrongUse

    text = msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, out)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise WrongUse(f"--out: can't write {out}: {error.strerror}") from None


def _print(made: "Calibration", out: Path, as_json: bool) -> None:
    if as_json:
        import msgspec

        shown = {"out": str(out), "fingerprint": made.fingerprint(), "budgets": made.budgets}
        click.echo(msgspec.json.encode(shown))
        return
    _print_table(made)
    click.echo(_on_chance(made))
    click.echo(f"{out}: {made.shoppers:,} shoppers, {len(made.popularity):,} categories")


def _print_table(made: "Calibration") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="False alarms for each 10,000 events", title_justify="left")
    heads = ("budget", "realized", "alerts a day", "shoppers alerted", "by chance",
             "share by chance", "threshold", "ring")  # fmt: skip
    for head in heads:
        table.add_column(head, justify="right")
    for budget in made.budgets:
        ring = budget.ring_threshold
        table.add_row(
            f"{budget.false_alarms_per_10k_events:g}",
            f"{budget.realized_per_10k_events:.2f}",
            f"{budget.alerts_per_day:,.1f}",
            f"{budget.shoppers_alerted:.1%}",
            f"{budget.shoppers_by_chance:.1%}",
            f"{budget.chance_share:.0%}",
            f"{budget.threshold:,.0f}",
            "off" if ring is None else f"{ring:.1f}",
        )
    Console().print(table)


def _on_chance(made: "Calibration") -> str:
    """What the table means, in words."""
    parts = [
        f"{budget.chance_share:.0%} at {budget.false_alarms_per_10k_events:g}"
        for budget in made.budgets
    ]
    return (
        f"Of the shoppers with an alert, chance alone would alert as many as {', '.join(parts)}: "
        "an alert says that an interest probably moved, not that it did."
    )
