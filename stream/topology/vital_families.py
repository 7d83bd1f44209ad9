"""A worker's vital signs as Prometheus reads them: lag, checkpoints, catching up, memory."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from stream.shard import Memory
from stream.topology.vitals import Vitals, WorkerHealth


def worker(health: WorkerHealth) -> Iterator[Metric]:
    """What `/health` and `/ready` say."""
    healthy = GaugeMetricFamily("drift_healthy", "1 while /health answers 200, else 0.")
    healthy.add_metric([], health.healthy)
    ready = GaugeMetricFamily("drift_ready", "1 while /ready answers 200, else 0.")
    ready.add_metric([], health.ready)
    shop = GaugeMetricFamily(
        "drift_shop_updates_lag", "Records of shop-updates that the shop model has yet to learn."
    )
    if health.shop_updates.lag is not None:
        shop.add_metric([], health.shop_updates.lag)
    return iter([healthy, ready, shop])


def partitions(vitals: Vitals, health: WorkerHealth) -> Iterator[Metric]:
    """How far behind each partition is, and its checkpoints."""
    labels = ["partition"]
    lag = GaugeMetricFamily("drift_lag", "Records of the events not applied yet.", labels=labels)
    left = GaugeMetricFamily(
        "drift_catch_up_left", "Records still to be caught up in silence.", labels=labels
    )
    age = GaugeMetricFamily(
        "drift_checkpoint_age_seconds", "Since the last checkpoint or the start.", labels=labels
    )
    still = GaugeMetricFamily(
        "drift_stands_still_seconds", "Since it last got on, or had nothing to do.", labels=labels
    )
    took = SummaryMetricFamily("drift_checkpoint_seconds", "What checkpoints took.", labels=labels)
    for name, one in health.partitions.items():
        part = vitals.partitions[int(name)]
        left.add_metric([name], one.left)
        age.add_metric([name], one.checkpoint_age_seconds)
        still.add_metric([name], one.stands_still_seconds)
        took.add_metric([name], part.checkpoints, part.checkpoint_seconds)
        if one.lag is not None:
            lag.add_metric([name], one.lag)
    return iter([lag, left, age, still, took])


def memory(rows: Mapping[str, Memory]) -> Iterator[Metric]:
    """Shoppers' rows of each partition."""
    labels = ["partition"]
    hot = GaugeMetricFamily("drift_hot_rows", "Shoppers' rows in memory.", labels=labels)
    changed = GaugeMetricFamily(
        "drift_changed_rows", "Rows that the next checkpoint writes.", labels=labels
    )
    evicted = CounterMetricFamily(
        "drift_evicted_rows", "Rows that left memory since the partition came.", labels=labels
    )
    for partition, told in rows.items():
        hot.add_metric([partition], told.hot)
        changed.add_metric([partition], told.changed)
        evicted.add_metric([partition], told.evicted)
    return iter([hot, changed, evicted])


def refused(letters: Mapping[tuple[str, str], int]) -> Iterator[Metric]:
    """Dead letters, by the class of their reason."""
    family = CounterMetricFamily(
        "drift_dead_letters",
        "Records refused since the worker started, by what was wrong: a field's name, json, "
        "key, size, or other.",
        labels=["partition", "reason"],
    )
    for (partition, reason), count in letters.items():
        family.add_metric([partition, reason], count)
    return iter([family])


def requests(
    answered: Mapping[tuple[str, str], int], seconds: Mapping[str, float]
) -> Iterator[Metric]:
    """HTTP requests, by path and status."""
    count = CounterMetricFamily(
        "drift_http_requests", "Requests answered.", labels=["path", "status"]
    )
    took = SummaryMetricFamily("drift_http_seconds", "What answers took.", labels=["path"])
    for (path, status), number in answered.items():
        count.add_metric([path, status], number)
    for path, total in seconds.items():
        of_path = sum(number for (other, _), number in answered.items() if other == path)
        took.add_metric([path], of_path, total)
    return iter([count, took])
