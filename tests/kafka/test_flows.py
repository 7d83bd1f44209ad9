"""What two partitions count becomes one alert of the shop, the same as a replay's."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.topology import topics
from stream.topology.broker import Broker
from tests.kafka import live

pytestmark = pytest.mark.kafka
ALERTS, FLOWS, FORECASTS = "migration-alerts", "category-flows", "demand-forecasts"
HOUR = 3600.0
START = 1_767_312_000.0
SETTINGS = {
    "DRIFT_FLOW_WINDOW": "3600",
    "DRIFT_FLOW_STEP": "600",
    "DRIFT_IDLE_AFTER": "172800",
}


@pytest.fixture
def broker(embedded_kafka: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A Kafka with two partitions; workers and replays have the settings of these tests."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    with Broker.start() as running:
        topics.create(running.address, 2)
        yield running.address


def moves(hour: float, origin: str, target: str, shoppers: int, tag: str = "") -> list[Any]:
    """So many shoppers, on both partitions, go from one category to another within an hour."""
    found = []
    for n in range(shoppers):
        at = START + hour * HOUR + n * 3.0
        user = f"{origin}-{target}-{hour}-{tag}-{n}"
        for later, category in ((0.0, origin), (1.0, target)):
            event = {"user_id": user, "occurred_at": at + later, "category": category}
            found.append({**event, "event_type": "purchase"})
    return found


def written(path: Path, events: list[Any]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def first_part() -> list[Any]:
    """Five weeks of tents, two steady hours, one in which boats rise, and two days after it."""
    weeks = [event for day in range(35, 0, -1) for event in moves(-24 * day, "tents", "tents", 12)]
    steady = [
        event
        for hour in range(3)
        for ways in (("tents", "boats"), ("lamps", "drums"), ("drums", "tents"))
        for event in moves(hour, *ways, 100)
    ]
    rise = moves(2, "lamps", "boats", 150)
    passed = moves(30, "tents", "tents", 20) + moves(54, "tents", "tents", 20)
    return weeks + sorted(steady + rise, key=lambda event: float(event["occurred_at"])) + passed


def late_part() -> list[Any]:
    """What comes within four hours of the clock, and the end of it."""
    near = moves(51.2, "tents", "boats", 60, "near") + moves(52.2, "lamps", "drums", 60, "near")
    after = moves(57, "tents", "tents", 20) + moves(58, "tents", "tents", 20)
    return [*near, *after]


def sent(broker: str, topic: str = ALERTS) -> list[Any]:
    return [json.loads(record.value) for record in live.read(broker, topic) if record.value]


def newest(forecasts: list[Any]) -> dict[str, Any]:
    """As a compacted topic keeps them: of a category and horizon the last."""
    named = ("horizon", "series", "category", "item_id")
    return {json.dumps([forecast[name] for name in named]): forecast for forecast in forecasts}


def test_the_shops_alerts_and_forecasts_are_the_replays_and_survive_a_kill(
    broker: str, tmp_path: Path
) -> None:
    whole = written(tmp_path / "whole.jsonl", first_part() + late_part())
    first = written(tmp_path / "first.jsonl", first_part())
    late = written(tmp_path / "late.jsonl", late_part())
    out = tmp_path / "out"
    live.drift("replay", whole, "--partitions", 2, "--out", out)
    replayed = live.standing(live.lines(out / f"{ALERTS}.jsonl"))
    assert {alert["direction"] for alert in replayed.values()} >= {"rising", "flow"}
    live.drift("publish", first, "--broker", broker)
    with live.LiveWorker(broker, tmp_path / "state") as worker:
        live.eventually(lambda: live.standing(sent(broker)))
        worker.kill()
        worker.start()
        worker.wait_for(f"{FLOWS}: ready")
        live.drift("publish", late, "--broker", broker)
        live.eventually(lambda: live.standing(sent(broker)) == replayed, 20)
        live.wait_until_read(broker)
        assert worker.stop() == 0
        told = sent(broker)
        assert live.committed(broker, topic=FLOWS) == live.ends(broker, FLOWS)

        worker.start()
        worker.wait_for(f"{FLOWS}: ready")
        assert worker.stop() == 0
    assert sent(broker) == told
    forecasts = newest(sent(broker, FORECASTS))
    assert {json.loads(key)[0] for key in forecasts} == {"day", "week"}
    assert forecasts == newest(live.lines(out / f"{FORECASTS}.jsonl"))
    once = {(alert["id"], alert["revision"]): alert for alert in told}
    assert all(alert == once[alert["id"], alert["revision"]] for alert in told)
    keys = {record.key.decode() for record in live.read(broker, ALERTS)}
    assert "boats" in keys
