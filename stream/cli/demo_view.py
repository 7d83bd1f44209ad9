"""What the demo shows while it runs: rates, lag, alerts with their reasons, and a list."""

import bisect
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from stream.cli.watch import COLUMNS, cells, follow

if TYPE_CHECKING:
    from rich.console import RenderableType

    from stream.evaluation.scenarios import Shop, SimulatedEvent
    from stream.messages import MigrationAlert, RecommendationDelta

ALERTS = 8
ITEMS = 5
REFRESHES_A_SECOND = 2
PLAIN_SECONDS = 5.0
ASK_SECONDS = 0.5


class View:
    """What is known of the run at any moment; threads fill it, a screen reads it."""

    def __init__(self, broker: str, group: str, shop: "Shop", seconds: int) -> None:
        self.alerts: deque[MigrationAlert] = deque(maxlen=ALERTS)
        self.alerted = 0
        self.delta: RecommendationDelta | None = None
        self.times: dict[str, list[float]] = {}
        """When each shopper did something: to say after how many events a move was found."""
        self._broker = broker
        self._group = group
        self._seconds = seconds
        self._titles = {
            item.item_id: item.title or item.item_id for item in shop.assortment.catalog()
        }
        self._started = 0.0
        self._sent = 0
        self._stored = 0
        self._shop_time = 0.0
        self._over = threading.Event()
        self._steps: deque[tuple[float, int, int]] = deque(maxlen=10)

    def start(self) -> float:
        """Note that the first event is on its way; the time, by the monotonic clock."""
        self._started = time.monotonic()
        return self._started

    def published(self, event: "SimulatedEvent") -> None:
        """Note an event that is being sent."""
        self._sent += 1
        self._shop_time = event.occurred_at
        self.times.setdefault(event.user_id, []).append(event.occurred_at)

    def lag(self) -> int:
        """Events sent that the worker has not stored and committed yet."""
        return self._sent - self._stored

    def over(self) -> bool:
        return self._over.is_set()

    def end(self) -> None:
        self._over.set()

    def ask_for_progress(self) -> None:
        """Read what the group has committed, until the end."""
        from kafka.errors import KafkaError

        from stream.topology.topics import admin

        with admin(self._broker) as client:
            while not self._over.wait(ASK_SECONDS):
                try:
                    offsets = client.list_group_offsets(self._group)[self._group].values()
                except KafkaError:
                    # Kafka has no coordinator yet for a group that is just being made.
                    continue
                self._stored = sum(max(0, offset.offset) for offset in offsets)
                self._steps.append((time.monotonic(), self._sent, self._stored))

    def follow_alerts(self) -> None:
        """Take alerts as they come, until the end."""
        with closing(follow(self._broker, from_beginning=True)) as alerts:
            for alert in alerts:
                self.alerted += 1
                self.alerts.append(alert)
                if self._over.is_set():
                    return

    def follow_deltas(self) -> None:
        """Keep the newest list that an alert asked for, until the end."""
        import msgspec
        from kafka import KafkaConsumer, TopicPartition

        from stream.messages import RecommendationDelta
        from stream.topology.topics import partitions_of

        topic = "recommendation-deltas"
        consumer = KafkaConsumer(bootstrap_servers=self._broker.split(","))
        with closing(consumer):
            count = partitions_of(self._broker, topic)
            consumer.assign([TopicPartition(topic, number) for number in range(count)])
            while not self._over.is_set():
                for records in consumer.poll(timeout_ms=500).values():
                    asked = [r.value for r in records if b'"alert_id"' in r.value]
                    for value in asked:
                        found = msgspec.json.decode(value, type=RecommendationDelta)
                        self.delta = found if found.items else self.delta

    def progress(self) -> str:
        """One line: time, rates and lag."""
        sent, stored = self._rates()
        passed = time.monotonic() - self._started if self._started else 0.0
        shop_time = f"{datetime.fromtimestamp(self._shop_time, UTC):%Y-%m-%d %H:%M}"
        return (
            f"{min(passed, self._seconds):3.0f} of {self._seconds} s | shop time {shop_time} | "
            f"{sent:,.0f} events/s in, {stored:,.0f} events/s done | lag {self.lag():,} | "
            f"{self.alerted} alerts"
        )

    def now_shown(self) -> str:
        """What one alerted shopper is recommended now, and why."""
        if self.delta is None:
            return ""
        entries = []
        for item in self.delta.items[:ITEMS]:
            because = item.reason.item_id
            why = (
                f"{item.reason.because} {self._title(because)}" if because else item.reason.because
            )
            entries.append(f"  {self._title(item.item_id)} ({why})")
        return "\n".join([f"{self.delta.user_id} is now shown", *entries])

    def screen(self) -> "RenderableType":
        """All of it, to be drawn."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, expand=True, padding=(0, 2, 0, 0))
        for name, width in COLUMNS:
            table.add_column(name, min_width=width, no_wrap=True, header_style="bold")
        for alert in list(self.alerts):
            table.add_row(*map(Text, cells(alert)))
        return Group(Text(self.progress(), style="bold"), "", table, "", Text(self.now_shown()))

    def _title(self, item: str) -> str:
        return self._titles.get(item, item)

    def _rates(self) -> tuple[float, float]:
        """Events sent and events stored a second, over the last few seconds."""
        steps = list(self._steps)
        if len(steps) < 2:
            return 0.0, 0.0
        (began, sent, stored), (ended, sent_now, stored_now) = steps[0], steps[-1]
        return (sent_now - sent) / (ended - began), (stored_now - stored) / (ended - began)


@contextmanager
def shown(broker: str, group: str, shop: "Shop", seconds: int) -> Iterator[View]:
    """A view that is kept up to date and drawn: live on a terminal, as plain lines elsewhere."""
    from rich.console import Console

    view = View(broker, group, shop, seconds)
    console = Console()
    draw = _draw_live if console.is_terminal else _draw_plain
    tasks = [view.ask_for_progress, view.follow_alerts, view.follow_deltas, lambda: draw(view)]
    threads = [threading.Thread(target=task, daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    try:
        yield view
    finally:
        view.end()
        for thread in threads:
            # The one that follows alerts sees the end with the next alert only.
            thread.join(timeout=2.0)


def _draw_live(view: View) -> None:
    from rich.live import Live

    with Live(view.screen(), refresh_per_second=REFRESHES_A_SECOND) as live:
        while not view.over():
            time.sleep(1 / REFRESHES_A_SECOND)
            live.update(view.screen())


def _draw_plain(view: View) -> None:
    """A line every few seconds, and one for each alert that came meanwhile."""
    told = 0
    due = time.monotonic() + PLAIN_SECONDS
    while not view.over():
        time.sleep(0.2)
        if time.monotonic() < due:
            continue
        due += PLAIN_SECONDS
        click.echo(view.progress())
        news = list(view.alerts)[-min(ALERTS, view.alerted - told) :] if view.alerted > told else []
        told = view.alerted
        for alert in news:
            _, user, before, now, pattern, strength, score, why = cells(alert)
            said = f"{pattern}, strength {strength}, score {score}"
            click.echo(f"  {user}: {before} -> {now} ({said}): {why}")


def events_until(times: list[float], moved_at: float, found_at: float) -> int:
    """How many events a shopper had from the move to the session that gave it away.

    >>> events_until([1.0, 2.0, 3.0, 4.0], moved_at=2.0, found_at=3.0)
    2
    """
    return bisect.bisect_right(times, found_at) - bisect.bisect_left(times, moved_at)
