"""`drift forecast` against a real Kafka."""

import json
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
from kafka import KafkaProducer

from stream.core.calendar import Calendar
from stream.core.forecast import Forecaster
from stream.messages import FORECASTS
from stream.topology import topics
from stream.topology.broker import Broker

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def own_broker(embedded_kafka: None) -> Iterator[str]:
    """A Kafka on whose topics nobody else writes."""
    with Broker.start() as running:
        topics.create(running.address, 4)
        yield running.address


def drift_forecast(broker: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stream", "forecast", "--broker", broker, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_newest_forecasts_on_the_topic_are_shown(own_broker: str) -> None:
    empty = drift_forecast(own_broker)
    forecaster = Forecaster(Calendar())
    made = [
        forecast
        for day in range(740_000, 740_070)
        for forecast in forecaster.close_day(day, {("purchases", "tents", None): 3.0})
    ]
    producer = KafkaProducer(bootstrap_servers=own_broker)
    for forecast in made:
        producer.send(FORECASTS, msgspec.json.encode(forecast), b"tents")
    producer.send(FORECASTS, None, b"gone")
    producer.send(FORECASTS, b"{}", b"strange")
    producer.flush()
    producer.close()

    asked = drift_forecast(own_broker, "--json", "--horizon", "week")

    assert empty.returncode == 1
    assert "holds no forecast yet" in empty.stderr
    assert asked.returncode == 0, asked.stderr
    found = json.loads(asked.stdout)["forecasts"]
    week = max(f.period_started_at for f in made if f.horizon == "week")
    assert [(f["category"], f["expected"], f["period_started_at"]) for f in found] == [
        ("tents", 21.0, week)
    ]
    assert "is no forecast known here" in asked.stderr
