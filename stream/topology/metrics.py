"""What a worker tells Prometheus: counts and clocks of its partitions, and how its models do."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from stream.core.clicks import ReasonRecord
from stream.core.horizon import Standing
from stream.core.ranking import REASONS
from stream.messages import BehaviorEvent, DeadLetter, DemandForecast
from stream.shard import Memory, Shard
from stream.topology import vital_families
from stream.topology.vitals import Vitals

FIELDS = frozenset(BehaviorEvent.__struct_fields__)


class Reading(NamedTuple):
    """A partition as it stood after a batch."""

    offset: int
    clock: float | None
    counts: dict[str, int]
    standings: list[Standing]
    records: list[ReasonRecord]
    memory: Memory


class Scored(NamedTuple):
    """How good matured forecasts of a horizon and series were, as the newest one says."""

    wape: float | None
    coverage: float | None


class Metrics:
    """Holds the newest readings. Lanes write them, also in the compute thread; the server reads.

    Each reading is replaced as a whole, so neither side waits for the other.
    """

    def __init__(self) -> None:
        self.vitals = Vitals()
        self._partitions: dict[str, Reading] = {}
        self._letters: Counter[tuple[str, str]] = Counter()
        self._answered: Counter[tuple[str, str]] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._forecasts: dict[tuple[str, str], Scored] = {}

    def read(self, shard: Shard) -> None:
        """Take down how a partition stands."""
        counts = dict(shard.counts)
        self._partitions[str(shard.partition)] = Reading(
            shard.offset,
            shard.clock(),
            counts,
            shard.standings(),
            shard.records(),
            shard.memory(),
        )

    def forget(self, partition: int) -> None:
        """It belongs to another worker now."""
        self._partitions.pop(str(partition), None)

    def score(self, forecasts: Iterable[DemandForecast]) -> None:
        """Take down what new forecasts say of the matured ones."""
        for one in forecasts:
            self._forecasts[one.horizon, one.series] = Scored(one.wape, one.coverage)

    def refused(self, letters: Sequence[DeadLetter]) -> None:
        """Count dead letters by what was wrong with them."""
        self._letters.update((str(one.partition), reason_class(one.reason)) for one in letters)

    def answered(self, path: str, status: int, took_seconds: float) -> None:
        """Count an HTTP request."""
        self._answered[path, str(status)] += 1
        self._seconds[path] += took_seconds

    def exposition(self, unhealthy_after: float) -> bytes:
        """What `/metrics` answers."""
        return generate_latest(_Families(list(self.families(unhealthy_after))))

    def families(self, unhealthy_after: float) -> Iterator[Metric]:
        """All that is told."""
        partitions = sorted(self._partitions.items())
        health = self.vitals.health(unhealthy_after)
        yield from vital_families.worker(health)
        yield from vital_families.partitions(self.vitals, health)
        yield from vital_families.memory({name: reading.memory for name, reading in partitions})
        yield from vital_families.refused(dict(self._letters))
        yield from vital_families.requests(dict(self._answered), dict(self._seconds))
        yield from _progress(partitions)
        yield from _predictions(partitions)
        yield from _feedback(partitions)
        yield from _forecasts(sorted(self._forecasts.items()))


class _Families(Collector):
    """Families as prometheus_client takes them."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def reason_class(reason: str) -> str:
    """What was wrong with a record: few classes, whatever it held.

    >>> reason_class("Expected `str`, got `int` - at `$.item_id`")
    'item_id'
    >>> reason_class("JSON is malformed: invalid character (byte 0)")
    'json'
    """
    for name in re.findall(r"^\w+|(?<=`\$\.)\w+|(?<=required field `)\w+", reason):
        if name in FIELDS:
            return str(name)
    for words, name in (("key:", "key"), ("max_value_bytes", "size"), ("malformed", "json")):
        if words in reason:
            return name
    return "other"


def _progress(partitions: list[tuple[str, Reading]]) -> Iterator[Metric]:
    offset = GaugeMetricFamily(
        "drift_offset", "Last record of the events applied.", labels=["partition"]
    )
    clock = GaugeMetricFamily(
        "drift_event_time_seconds", "The partition's event time, Unix.", labels=["partition"]
    )
    events = CounterMetricFamily(
        "drift_events",
        "What became of records and touches since the first record, and messages made of them.",
        labels=["partition", "what"],
    )
    for partition, reading in partitions:
        offset.add_metric([partition], reading.offset)
        if reading.clock is not None:
            clock.add_metric([partition], reading.clock)
        for what, count in sorted(reading.counts.items()):
            events.add_metric([partition, what], count)
    return iter([offset, clock, events])


def _predictions(partitions: list[tuple[str, Reading]]) -> Iterator[Metric]:
    labels = ["partition", "horizon"]
    precision = GaugeMetricFamily(
        "drift_prediction_precision",
        "Share of matured predictions that came true, of those sure enough to be sent or of all.",
        labels=labels,
    )
    matured = GaugeMetricFamily(
        "drift_predictions_matured", "How many the precision is of.", labels=labels
    )
    least = GaugeMetricFamily(
        "drift_prediction_sent_from",
        "Probability from which a prediction is sent; absent while none is.",
        labels=labels,
    )
    waiting = GaugeMetricFamily(
        "drift_predictions_open", "Sent predictions that wait for their outcome.", labels=labels
    )
    for partition, reading in partitions:
        for standing in reading.standings:
            names = [partition, standing.horizon]
            precision.add_metric(names, standing.precision)
            matured.add_metric(names, standing.matured)
            waiting.add_metric(names, standing.open_predictions)
            if standing.sends_from is not None:
                least.add_metric(names, standing.sends_from)
    return iter([precision, matured, least, waiting])


def _feedback(partitions: list[tuple[str, Reading]]) -> Iterator[Metric]:
    labels = ["partition", "reason"]
    shown = CounterMetricFamily(
        "drift_list_entries_shown", "Entries of lists told as shown, by reason.", labels=labels
    )
    clicked = CounterMetricFamily(
        "drift_list_entries_clicked", "Entries told as clicked, by reason.", labels=labels
    )
    worth = GaugeMetricFamily(
        "drift_reason_worth",
        "What clicks make of a reason's scores, freed of places; 1 is as all.",
        labels=labels,
    )
    for partition, reading in partitions:
        for reason, record in zip(REASONS, reading.records, strict=True):
            shown.add_metric([partition, reason], record.shown)
            clicked.add_metric([partition, reason], record.clicked)
            worth.add_metric([partition, reason], record.worth)
    return iter([shown, clicked, worth])


def _forecasts(scores: list[tuple[tuple[str, str], Scored]]) -> Iterator[Metric]:
    labels = ["horizon", "series"]
    wape = GaugeMetricFamily(
        "drift_forecast_wape", "Sum of |error| / sum sold, matured forecasts.", labels=labels
    )
    coverage = GaugeMetricFamily(
        "drift_forecast_coverage", "How often the intervals held the truth.", labels=labels
    )
    for names, score in scores:
        if score.wape is not None:
            wape.add_metric(names, score.wape)
        if score.coverage is not None:
            coverage.add_metric(names, score.coverage)
    return iter([wape, coverage])
