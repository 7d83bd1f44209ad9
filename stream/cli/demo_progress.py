"""How far `drift demo` has come: events out, events done, alerts and a list that came back."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import msgspec
from kafka import TopicPartition
from kafka.errors import KafkaError

from stream.kafka_clients import consumer
from stream.messages import ALERTS, DELTAS, Alert, MigrationAlert, RecommendationDelta
from stream.topology.topics import admin

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

    from stream.evaluation.scenarios import SimulatedEvent

ASK_SECONDS = 0.5
RATE_STEPS = 10
"""Rates are told over so many askings."""
POLL_MILLISECONDS = 200
_delta = msgspec.json.Decoder(RecommendationDelta)
_alert: msgspec.json.Decoder[Alert] = msgspec.json.Decoder(Alert)


class Sequence(msgspec.Struct):
    """Of a delta, the one field that says how far its partition has come."""

    sequence: int


_sequence = msgspec.json.Decoder(Sequence)


class Progress:
    """What is known of the run at any moment. Threads fill it, a screen reads it.

    An event is done when outputs have come back that were made of it or of a later one of its
    partition: the group's commits alone would say so a second later.
    """

    def __init__(self, broker: str, group: str, partitions: int, seconds: int) -> None:
        self.seconds = seconds
        self.sent = 0
        self.shop_time = 0.0
        self.alerts: list[MigrationAlert] = []
        self.delta: RecommendationDelta | None = None
        """The newest list that an alert asked for."""
        self.times: dict[str, list[float]] = {}
        """When each shopper did something: to say after how many events a move was found."""
        self._broker = broker
        self._group = group
        self._partitions = range(partitions)
        self._returned = dict.fromkeys(self._partitions, 0)
        self._stored = dict.fromkeys(self._partitions, 0)
        self._began: float | None = None
        self._over = threading.Event()
        self._steps: deque[tuple[float, int, int]] = deque(maxlen=RATE_STEPS)

    def start(self) -> None:
        """Note that the first event is on its way."""
        self._began = time.monotonic()

    def passed(self) -> float:
        """Seconds since the first event."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    def published(self, event: "SimulatedEvent") -> None:
        """Note an event that is being sent."""
        self.sent += 1
        self.shop_time = event.occurred_at
        self.times.setdefault(event.user_id, []).append(event.occurred_at)

    def done(self) -> int:
        """Events whose outputs are on their topics."""
        return sum(max(self._returned[n], self._stored[n]) for n in self._partitions)

    def lag(self) -> int:
        """Events sent that are not done."""
        return max(0, self.sent - self.done())

    def not_stored(self) -> int:
        """Events sent that the worker has not checkpointed and committed."""
        return self.sent - sum(self._stored.values())

    def rates(self) -> tuple[float, float]:
        """Events sent and events done a second, over the last few seconds of publishing."""
        steps = list(self._steps)
        if len(steps) < 2:
            return 0.0, 0.0
        (began, sent, done), (ended, sent_now, done_now) = steps[0], steps[-1]
        return (sent_now - sent) / (ended - began), (done_now - done) / (ended - began)

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Keep it up to date, in threads, to the end of the block."""
        tasks = [self._follow_outputs, self._ask_what_is_stored]
        threads = [threading.Thread(target=task, daemon=True) for task in tasks]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _follow_outputs(self) -> None:
        """Take alerts and deltas as they come."""
        places = [TopicPartition(topic, n) for topic in (ALERTS, DELTAS) for n in self._partitions]
        client = consumer(self._broker, auto_offset_reset="earliest", enable_auto_commit=False)
        with closing(client):
            client.assign(places)
            while not self._over.is_set():
                for place, records in client.poll(timeout_ms=POLL_MILLISECONDS).items():
                    take = self._take_alerts if place.topic == ALERTS else self._take_deltas
                    take(place.partition, records)

    def _take_alerts(self, partition: int, records: "list[ConsumerRecord]") -> None:
        for record in records:
            alert = _alert.decode(record.value)
            # One told again names its category better; it is no second move.
            if isinstance(alert, MigrationAlert) and not alert.revision:
                self.alerts.append(alert)

    def _take_deltas(self, partition: int, records: "list[ConsumerRecord]") -> None:
        # One without a value says that a shopper was forgotten.
        records = [record for record in records if record.value is not None]
        if records:
            self._returned[partition] = _sequence.decode(records[-1].value).sequence + 1
        for record in records:
            # Few are asked for by an alert; decoding all would cost more than the rest.
            if b'"alert_id"' in record.value:
                asked = _delta.decode(record.value)
                self.delta = asked if asked.items else self.delta

    def _ask_what_is_stored(self) -> None:
        """Read what the group has committed."""
        with admin(self._broker) as client:
            while not self._over.wait(ASK_SECONDS):
                try:
                    offsets = client.list_group_offsets(self._group)[self._group]
                except KafkaError:
                    # Kafka has no coordinator yet for a group that is just being made.
                    continue
                for place, committed in offsets.items():
                    self._stored[place.partition] = max(0, committed.offset)
                if self.passed() < self.seconds:
                    self._steps.append((time.monotonic(), self.sent, self.done()))
