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
    "DRIFT_IDLE_AFTER": "14400",
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
    """Two steady hours, one in which boats rise, and two days for the clocks to pass it."""
    steady = [
        event
        for hour in range(3)
        for ways in (("tents", "boats"), ("lamps", "drums"), ("drums", "tents"))
        for event in moves(hour, *ways, 100)
    ]
    rise = moves(2, "lamps", "boats", 150)
    passed = moves(30, "tents", "tents", 20) + moves(54, "tents", "tents", 20)
    return sorted(steady + rise, key=lambda event: float(event["occurred_at"])) + passed


def late_part() -> list[Any]:
    """What comes within four hours of the clock, and the end of it."""
    near = moves(51.2, "tents", "boats", 60, "near") + moves(52.2, "lamps", "drums", 60, "near")
    after = moves(57, "tents", "tents", 20) + moves(58, "tents", "tents", 20)
    return [*near, *after]


def standing(messages: list[Any]) -> dict[str, Any]:
    """Population alerts as last told, by id, without revisions; withdrawn ones are gone."""
    newest: dict[str, Any] = {}
    for alert in messages:
        if alert["kind"] == "population":
            known = newest.get(alert["id"], alert)
            if alert["revision"] >= known["revision"]:
                newest[alert["id"]] = alert
    return {id: {**a, "revision": 0} for id, a in newest.items() if not a["withdrawn"]}


def sent(broker: str, topic: str = ALERTS) -> list[Any]:
    return [json.loads(record.value) for record in live.read(broker, topic) if record.value]


def newest(forecasts: list[Any]) -> dict[str, Any]:
    named = ("horizon", "series", "category", "item_id", "period_started_at")
    return {json.dumps([forecast[name] for name in named]): forecast for forecast in forecasts}


def test_the_shops_alerts_and_forecasts_are_the_replays_and_survive_a_kill(
    broker: str, tmp_path: Path
) -> None:
    whole = written(tmp_path / "whole.jsonl", first_part() + late_part())
    first = written(tmp_path / "first.jsonl", first_part())
    late = written(tmp_path / "late.jsonl", late_part())
    out = tmp_path / "out"
    live.drift("replay", whole, "--partitions", 2, "--out", out)
    replayed = standing(live.lines(out / f"{ALERTS}.jsonl"))
    assert {alert["direction"] for alert in replayed.values()} >= {"rising", "flow"}
    live.drift("publish", first, "--broker", broker)
    with live.LiveWorker(broker, tmp_path / "state") as worker:
        live.eventually(lambda: standing(sent(broker)))
        worker.kill()
        worker.start()
        worker.wait_for(f"{FLOWS}: ready")
        live.drift("publish", late, "--broker", broker)
        live.eventually(lambda: standing(sent(broker)) == replayed, 20)
        live.wait_until_read(broker)
        assert worker.stop() == 0
        told = sent(broker)
        assert live.committed(broker, topic=FLOWS) == live.ends(broker, FLOWS)

        worker.start()
        worker.wait_for(f"{FLOWS}: ready")
        assert worker.stop() == 0
    assert sent(broker) == told
    assert newest(sent(broker, FORECASTS)) == newest(live.lines(out / f"{FORECASTS}.jsonl"))
    once = {(alert["id"], alert["revision"]): alert for alert in told}
    assert all(alert == once[alert["id"], alert["revision"]] for alert in told)
    keys = {record.key.decode() for record in live.read(broker, ALERTS)}
    assert "boats" in keys
