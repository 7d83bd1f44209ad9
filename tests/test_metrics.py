"""What Prometheus reads: a partition's counts and clock, and how predictions and forecasts do."""

import socket
import urllib.request
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream.core.shop import ShopModel
from stream.errors import WrongUse
from stream.messages import DemandForecast
from stream.shard import Shard
from stream.topology.broker import free_port
from stream.topology.metrics import Metrics
from tests.toy_shop import SMALL, START, touch

FORECAST = DemandForecast(
    category="tents",
    series="purchases",
    horizon="week",
    period_started_at=START,
    period_ends_at=START + 7 * 86_400,
    expected=3.0,
    low=1.0,
    high=6.0,
    interval=0.8,
    method="level",
    periods=9,
    wape=0.25,
    coverage=0.75,
    made_at=START,
    settings="x",
)


def scraped(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Name and label values, by the names of labels, of every sample, over HTTP."""
    port = free_port()
    metrics.serve("127.0.0.1", port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_partition_tells_its_counts_its_clock_and_its_predictions(tmp_path: Path) -> None:
    shard, metrics = Shard(tmp_path, 3, 4, SMALL), Metrics()
    views = [touch(n, user, 60.0 * n, "tents") for n, user in enumerate(["ann", "bob", "cem"] * 2)]
    shard.apply([*views, touch(6, "ann", 400, event_type="scroll")], ShopModel(SMALL))
    metrics.read(shard)
    shard.close()

    samples = scraped(metrics)
    assert samples["drift_events_total", "3", "accepted"] == 6
    assert samples["drift_events_total", "3", "ignored"] == 1
    assert samples["drift_reason_worth", "3", "follows"] == 1.0
    assert samples["drift_offset", "3"] == 6
    assert samples["drift_event_time_seconds", "3"] == START + 180
    assert samples["drift_predictions_matured", "week", "3"] == 0
    assert ("drift_prediction_sent_from", "week", "3") not in samples


def test_matured_forecasts_tell_their_error_and_coverage() -> None:
    metrics = Metrics()
    fresh = msgspec.structs.replace(FORECAST, horizon="day", wape=None, coverage=None)
    metrics.score([FORECAST, fresh])
    samples = scraped(metrics)
    assert samples["drift_forecast_wape", "week", "purchases"] == 0.25
    assert samples["drift_forecast_coverage", "week", "purchases"] == 0.75
    assert ("drift_forecast_wape", "day", "purchases") not in samples


def test_a_partition_that_went_elsewhere_is_not_told_of(tmp_path: Path) -> None:
    shard, metrics = Shard(tmp_path, 3, 4, SMALL), Metrics()
    metrics.read(shard)
    shard.close()
    metrics.forget(3)
    metrics.forget(2)
    assert not scraped(metrics)


def test_an_address_that_is_taken_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(WrongUse, match=f"can't listen at 127.0.0.1:{port}"):
            Metrics().serve("127.0.0.1", port)
    with pytest.raises(WrongUse, match=r"can't listen at no\.such\.host"):
        Metrics().serve("no.such.host.invalid", port)
