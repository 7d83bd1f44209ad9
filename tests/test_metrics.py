"""What Prometheus reads: a partition's counts and clock, and how predictions and forecasts do."""

from pathlib import Path

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from stream.core.shop import ShopModel
from stream.messages import DemandForecast
from stream.shard import LogRecord, Shard
from stream.topology.metrics import Metrics
from tests.toy_shop import SMALL, START, record, touch

BAD_JSON = LogRecord(0, 91, 0, b"ann", b"not JSON")
TOO_EARLY = record(92, user_id="ann", event_type="view", occurred_at=0)
REASONS = ("json", "key", "occurred_at")
"""What is wrong with these, and with a record without a key."""

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
    """Name and label values, by the names of labels, of every sample as it is exposed."""
    text = metrics.exposition(60.0).decode()
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
    assert not [name for name, *_ in scraped(metrics) if name.startswith("drift_offset")]


def test_what_is_in_memory_and_what_was_refused_is_told(tmp_path: Path) -> None:
    shard, metrics = Shard(tmp_path, 3, 4, SMALL), Metrics()
    views = [touch(n, f"u{n}", 60.0 * n, "tents") for n in range(SMALL.hot_users + 2)]
    broken = [record(90, user_id="", event_type="view", occurred_at=START), BAD_JSON, TOO_EARLY]
    outcome = shard.apply([*views, *broken], ShopModel(SMALL))
    metrics.read(shard)
    metrics.refused(outcome.dead_letters)
    shard.close()

    samples = scraped(metrics)
    assert samples["drift_hot_rows", "3"] == SMALL.hot_users
    assert samples["drift_evicted_rows_total", "3"] == 2
    assert samples["drift_changed_rows", "3"] == SMALL.hot_users + 2
    refused = {reason: samples["drift_dead_letters_total", "3", reason] for reason in REASONS}
    assert refused == dict.fromkeys(REASONS, 1)


def test_checkpoints_lag_and_what_is_left_are_told_of_each_partition() -> None:
    metrics = Metrics()
    part = metrics.vitals.opened(1, lambda: 7)
    part.catching_up(120)
    part.checkpointed(0.25)
    part.checkpointed(0.5)
    metrics.vitals.replica.lag = lambda: 3

    samples = scraped(metrics)
    assert samples["drift_lag", "1"] == 7
    assert samples["drift_catch_up_left", "1"] == 120
    assert samples["drift_checkpoint_seconds_count", "1"] == 2
    assert samples["drift_checkpoint_seconds_sum", "1"] == 0.75
    assert samples["drift_checkpoint_age_seconds", "1"] < 5
    assert samples[("drift_shop_updates_lag",)] == 3
    assert (samples[("drift_ready",)], samples[("drift_healthy",)]) == (0, 1)
