"""`drift demo`: all of it in a minute, on a real Kafka."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stream.errors import StreamError, WrongUse

if TYPE_CHECKING:
    from stream.cli.demo_view import View
    from stream.evaluation.scenarios import Shop
    from stream.messages import MigrationAlert

GROUP = "demo"
PARTITIONS = 4
SPEED_UP = 20_000
"""Shop time runs so many times faster than the clock, where the run is long enough."""
LEAST_DAYS = 7.0
"""Of shop time: in less, a shopper's sessions would run into each other."""
CATCH_UP_SECONDS = 60
LOG_LINES = 8


@click.command(epilog="Example: drift demo --seconds 60 --seed 2")
@click.option(
    "--seconds",
    type=click.IntRange(5, 3600),
    default=60,
    show_default=True,
    help="From the first event to the last.",
)
@click.option("--rate", type=click.IntRange(100, 20_000), default=2000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the simulated shop.")
@click.option(
    "--broker",
    metavar="HOST:PORT",
    envvar="DRIFT_BROKER",
    show_envvar=True,
    help="An empty Kafka to use.  [default: one of its own]",
)
def demo(seconds: int, rate: int, seed: int, broker: str | None) -> None:
    """Watch shoppers' interests move, on a real Kafka.

    Starts a broker and a worker in a temporary folder, publishes a simulated shop whose
    migrations are known, shows the alerts as they come, stops all it started, and says
    how many of the migrations were found, how soon, and how many alerts were false.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="drift-demo-")))
        address = _prepared(stack, broker)
        shop = _shop(seconds, rate, seed)
        worker = stack.enter_context(_Worker(address, folder))
        from stream.cli.demo_view import shown

        with shown(address, GROUP, shop, seconds) as view:
            _publish(shop, address, rate, seconds, view, worker)
            _wait_for(worker, view)
        worker.stop()
        alerts = _all_alerts(address)
    _print_summary(shop, alerts, view.times)


def _prepared(stack: ExitStack, broker: str | None) -> str:
    """Compiled kernels, and the address of a Kafka with empty topics."""
    from stream.cli.process import prepare
    from stream.settings import Settings
    from stream.topology import topics
    from stream.topology.broker import Broker

    _say("compiling the kernels (some seconds the first time, then from a cache)")
    prepare(Settings())
    if broker is None:
        _say("starting Apache Kafka")
        broker = stack.enter_context(Broker.start(say=_say)).address
    topics.create(broker, PARTITIONS)
    if topics.holds_records(broker, topics.EVENTS):
        raise WrongUse(
            f"{broker} already holds behavior events, and the demo would add simulated ones: "
            "leave --broker and DRIFT_BROKER out, or name an empty Kafka"
        )
    _say(f"Kafka answers at {broker}; 7 topics, {PARTITIONS} partitions")
    return broker


def _shop(seconds: int, rate: int, seed: int) -> "Shop":
    from stream.evaluation.scenarios import Shop

    days = max(LEAST_DAYS, seconds * SPEED_UP / 86_400)
    return Shop.filling(days=days, events=rate * seconds, ends_at=time.time(), seed=seed)


class _Worker:
    """A `drift worker` in a process of its own; what it says goes to a file."""

    def __init__(self, broker: str, folder: Path) -> None:
        self._log = folder / "worker.log"
        command = [sys.executable, "-m", "stream", "worker", "--broker", broker]
        command += ["--state", str(folder / "state"), "--group", GROUP]
        # Checkpoints come often, so that what the view shows is not seconds old.
        environment = os.environ | {"DRIFT_CHECKPOINT_SECONDS": "0.5"}
        _say("starting a worker")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def check(self) -> None:
        """Raise if it ended by itself, with the end of what it said."""
        if self._process.poll() is not None:
            last = self._log.read_text(errors="replace").splitlines()[-LOG_LINES:]
            raise StreamError(f"the worker ended: {' | '.join(last)}")

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _publish(
    shop: "Shop", broker: str, rate: int, seconds: int, view: "View", worker: _Worker
) -> None:
    """Send the shop's events at `rate` for `seconds`, counted from the first."""
    import asyncio

    from stream.cli.publish import send
    from stream.storage.event_log import Accepted
    from stream.topology.topics import EVENTS

    def records() -> Iterator[Accepted]:
        ends_at = view.start() + seconds
        for number, event in enumerate(shop):
            if number % 100 == 0:
                worker.check()
                if number >= rate * seconds or time.monotonic() >= ends_at:
                    return
            view.published(event)
            milliseconds = round(event.occurred_at * 1000)
            key = event.user_id.encode()
            yield Accepted("demo", number, None, None, milliseconds, key, event.value)

    asyncio.run(send(records(), broker, EVENTS, PARTITIONS, rate))


def _wait_for(worker: _Worker, view: "View") -> None:
    """Return when the worker has stored all that was published."""
    until = time.monotonic() + CATCH_UP_SECONDS
    while view.lag() > 0:
        worker.check()
        if time.monotonic() > until:
            raise StreamError(f"the worker is still {view.lag()} events behind; this machine "
                              "is too slow for --rate")  # fmt: skip
        time.sleep(0.2)


def _all_alerts(broker: str) -> list["MigrationAlert"]:
    """Every alert on the topic, once."""
    import msgspec

    from stream.cli.watch import TOPIC
    from stream.messages import MigrationAlert
    from stream.settings import Settings
    from stream.storage.event_log import Accepted, read

    records = read([f"kafka://{broker}/{TOPIC}"], settings=Settings(), say=_say)
    values = [record.value for record in records if isinstance(record, Accepted)]
    alerts = [msgspec.json.decode(value, type=MigrationAlert) for value in values]
    return list({alert.id: alert for alert in alerts}.values())


def _print_summary(
    shop: "Shop", alerts: list["MigrationAlert"], times: dict[str, list[float]]
) -> None:
    from stream.evaluation.score import score
    from stream.settings import Settings

    result = score(shop.moves, alerts, shop.events)
    budget = Settings().false_alarms_per_10k_events
    click.echo(f"\n{shop.events:,} events, {len(alerts)} alerts")
    if not result.moves:
        click.echo("nobody has moved yet: shoppers do so after a third of a minute at the least")
        return
    click.echo(
        f"found {result.found} of {result.moves} migrations ({result.found_share:.0%}); of those "
        f"named right: from {result.right_from}, to {result.right_to}"
    )
    if result.median_delay is not None:
        click.echo(
            f"how soon: half of them within {result.median_delay / 86_400:.1f} days of shop time, "
            f"or {_median_events(shop, alerts, times):.0f} events of the shopper"
        )
    click.echo(
        f"false alarms: {result.false_alarms}, that is {result.false_alarms_per_10k:.2f} per "
        f"10,000 events (the budget is {budget:g})"
    )


def _median_events(
    shop: "Shop", alerts: list["MigrationAlert"], times: dict[str, list[float]]
) -> float:
    """Events of a shopper from the move to the session that gave it away."""
    from statistics import median

    from stream.cli.demo_view import events_until

    found: dict[str, float] = {}
    moved = {move.user_id: move.moved_at for move in shop.moves}
    for alert in sorted(alerts, key=lambda alert: alert.occurred_at):
        if alert.occurred_at >= moved.get(alert.user_id, float("inf")):
            found.setdefault(alert.user_id, alert.occurred_at)
    return median(events_until(times[user], moved[user], at) for user, at in found.items())


def _say(line: str) -> None:
    click.echo(line, err=True)
