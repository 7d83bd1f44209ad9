"""`drift demo`: all of it in a minute, on a real Kafka."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from stream.errors import StreamError, WrongUse
from stream.messages import ALERTS, DELTAS, EVENTS, UPDATES

if TYPE_CHECKING:
    from stream.cli.demo_progress import Progress
    from stream.evaluation.scenarios import Shop, SimulatedEvent
    from stream.messages import MigrationAlert
    from stream.storage.event_log import Accepted

PARTITIONS = 4
SPEED_UP = 20_000
"""Shop time runs so many times faster than the clock, where the run is long enough."""
LEAST_DAYS = 7.0
"""Of shop time: in less, a shopper's sessions would run into each other."""
CATCH_UP_SECONDS = 60
LOOK_EVERY = 100
"""Events between two looks at the clock, and at what was started."""

Check = Callable[[], None]


class Kafka(NamedTuple):
    """Where the demo runs. `check` raises if what we started there has ended by itself."""

    address: str
    partitions: int
    check: Check


@click.command(epilog="Example: drift demo --seconds 60 --seed 2")
@click.option(
    "--seconds",
    type=click.IntRange(5, 3600),
    default=60,
    show_default=True,
    help="From the first event to the last.",
)
@click.option(
    "--rate",
    type=click.IntRange(100, 20_000),
    default=2000,
    show_default=True,
    help="Events a second.",
)
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
    from stream.cli.demo_progress import Progress
    from stream.cli.demo_summary import summary

    _end_in_order_when_told()
    with ExitStack() as stack:
        # First in, last out: the summary is printed when all is stopped.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="drift-demo-")))
        kafka = _kafka(stack, broker)
        check = _worker(stack, kafka, folder)
        shop = _shop(seconds, rate, seed)
        # A group of its own: what an earlier run committed is nothing to this one.
        progress = Progress(kafka.address, folder.name, kafka.partitions, seconds)
        _run(shop, rate, kafka, progress, check)
        alerts = _all_alerts(kafka.address)
        _say("stopping what was started")
    click.echo(summary(shop.moves, alerts, progress.times))


def _end_in_order_when_told() -> None:
    """SIGTERM, and a terminal that is closed, are Ctrl-C; with nohup the demo goes on."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)


def _kafka(stack: ExitStack, broker: str | None) -> Kafka:
    """A Kafka with empty topics: the one that was named, or one of our own."""
    from stream import access
    from stream.topology import topics
    from stream.topology.broker import Broker

    doing = f"asking {broker}" if broker else "starting Apache Kafka"
    with _step(doing, "Apache Kafka answers") as done:
        check = _no_news
        if broker is None:
            access.forget(os.environ)
            own = stack.enter_context(Broker.start(say=_say))
            broker, check = own.address, own.check
        topics.create(broker, PARTITIONS)
        _refuse_used(broker)
        partitions = topics.partitions_of(broker, EVENTS)
        done(f"at {broker}, topics of {partitions} partitions")
    return Kafka(broker, partitions, check)


def _no_news() -> None:
    """All that we know of a Kafka that is not ours."""


def _refuse_used(broker: str) -> None:
    """Raise if a topic that the demo would add to was ever written to."""
    from stream.topology import topics

    for topic in (EVENTS, UPDATES, ALERTS, DELTAS):
        if topics.holds_records(broker, topic):
            raise WrongUse(
                f"{topic} at {broker} already holds records, and the demo would add simulated "
                "ones: leave --broker and DRIFT_BROKER out, or name an empty Kafka"
            )


def _worker(stack: ExitStack, kafka: Kafka, folder: Path) -> Check:
    """Start a worker and wait until it serves; what raises once it, or Kafka, has ended."""
    from stream.cli.demo_worker import DemoWorker
    from stream.cli.process import collect_rarely
    from stream.settings import Settings
    from stream.shard import warm_up

    # The worker finds them in the cache.
    loading = "loading the kernels (compiled once after each installation: half a minute)"
    with _step(loading, "kernels loaded"):
        warm_up(Settings())
    collect_rarely()

    def check() -> None:
        kafka.check()
        worker.check()

    with _step("starting a worker", "the worker has joined its group"):
        worker = stack.enter_context(DemoWorker(kafka.address, folder))
        worker.wait_until_joined(check)
    return check


def _shop(seconds: int, rate: int, seed: int) -> "Shop":
    from stream.evaluation.scenarios import DAY, Shop

    days = max(LEAST_DAYS, seconds * SPEED_UP / DAY)
    _say(f"publishing {days:.0f} days of a simulated shop in {seconds} s, at {rate:,} events/s")
    return Shop.filling(days=days, events=rate * seconds, ends_at=time.time(), seed=seed)


def _run(shop: "Shop", rate: int, kafka: Kafka, progress: "Progress", check: Check) -> None:
    """Publish the shop and return when the worker has stored all of it."""
    import asyncio

    from stream.cli.demo_view import shown
    from stream.cli.publish import send

    titles = {item.item_id: item.title or item.item_id for item in shop.assortment.catalog()}
    with progress.followed(), shown(progress, titles):
        records = _records(islice(shop, rate * progress.seconds), progress, check)
        asyncio.run(send(records, kafka.address, EVENTS, kafka.partitions, rate))
        _wait_until_stored(progress, check)


def _records(
    events: Iterable["SimulatedEvent"], progress: "Progress", check: Check
) -> Iterator["Accepted"]:
    """The shop's events as records, until the time is over."""
    from stream.storage.event_log import Accepted

    progress.start()
    for number, event in enumerate(events, 1):
        progress.published(event)
        key, milliseconds = event.user_id.encode(), round(event.occurred_at * 1000)
        yield Accepted("demo", number, None, None, milliseconds, key, event.value)
        if number % LOOK_EVERY == 0:
            check()
            if progress.passed() >= progress.seconds:
                return


def _wait_until_stored(progress: "Progress", check: Check) -> None:
    until = time.monotonic() + CATCH_UP_SECONDS
    while progress.not_stored() > 0:
        check()
        if time.monotonic() > until:
            raise StreamError(
                f"the worker is still {progress.not_stored():,} events behind after "
                f"{CATCH_UP_SECONDS} s: take a lower --rate on this machine"
            )
        time.sleep(0.1)


def _all_alerts(broker: str) -> list["MigrationAlert"]:
    """Every detected alert on the topic, once, as it was last told."""
    import msgspec

    from stream.messages import Alert, MigrationAlert
    from stream.settings import Settings
    from stream.storage.event_log import Accepted, read

    records = read([f"kafka://{broker}/{ALERTS}"], settings=Settings(), say=_say)
    values = [record.value for record in records if isinstance(record, Accepted)]
    alerts = [msgspec.json.decode(value, type=Alert) for value in values]
    detected = [alert for alert in alerts if isinstance(alert, MigrationAlert)]
    return list({alert.id: alert for alert in detected}.values())


@contextmanager
def _step(doing: str, done: str) -> Iterator[Callable[[str], None]]:
    """Say what is being done, on a terminal with something that moves, and how long it took.

    What it is called with is added to `done`.
    """
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    began, details = time.monotonic(), [done]
    if not console.is_terminal:
        _say(doing)
    with console.status(doing) if console.is_terminal else nullcontext():
        yield details.append
    _say(f"{' '.join(details)} ({time.monotonic() - began:.1f} s)")


def _say(line: str) -> None:
    click.echo(line, err=True)
