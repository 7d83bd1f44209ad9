"""One worker on a real Kafka says and stores what a replay does."""

import json
import shutil
import time
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream.storage.replica import MODEL
from stream.stored import SHOP
from stream.topology import topics
from stream.topology.broker import Broker, free_port
from tests.kafka import live

pytestmark = pytest.mark.kafka
EVENTS = 20_000
CATALOG = """
{"item_id": "unheard of", "category": "tents", "title": "Nordhal tent", "brand": "Nordhal"}
{"category": "tents", "name": "Tents and tarps", "parent": "outdoor"}
"""


class Run(NamedTuple):
    """A log read to its end by one worker, and the replay of the same log."""

    broker: str
    worker: live.LiveWorker
    out: Path
    summary: dict[str, Any]
    metrics: str


@pytest.fixture(scope="module")
def run(embedded_kafka: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("worker")
    log = live.simulated(folder / "events.jsonl", EVENTS)
    catalog = folder / "catalog.jsonl"
    catalog.write_text(CATALOG)
    with Broker.start() as broker:
        topics.create(broker.address, live.PARTITIONS)
        live.drift("publish", log, "--catalog", catalog, "--broker", broker.address)
        port = str(free_port())
        told = {"DRIFT_HTTP": port, "DRIFT_REPLICA_SAVE_SECONDS": "1"}
        with live.LiveWorker(broker.address, folder / "state", settings=told) as worker:
            out = folder / "out"
            shown = ["--partitions", live.PARTITIONS, "--catalog", catalog]
            summary = live.drift("replay", log, *shown, "--out", out)
            live.wait_until_read(broker.address)
            yield Run(broker.address, worker, out, summary, f"http://127.0.0.1:{port}/metrics")


def test_its_state_is_that_of_a_replay(run: Run) -> None:
    hashes = live.drift("state", "hash", "--state", run.worker.state)
    assert hashes["partition_hashes"] == run.summary["partition_hashes"]
    assert hashes["state_hash"] == run.summary["state_hash"]


def total(run: Run, name: str, **labels: str) -> float:
    """Of the samples with this name and these labels, as Prometheus reads them now."""
    with urllib.request.urlopen(run.metrics) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_prometheus_reads_how_far_it_is_and_how_its_models_do(run: Run) -> None:
    assert total(run, "drift_events_total", what="accepted") == EVENTS
    assert total(run, "drift_offset") == EVENTS - live.PARTITIONS
    assert total(run, "drift_predictions_matured", horizon="day") > 100
    assert 0 < total(run, "drift_forecast_coverage", horizon="day", series="views") < 1


def test_it_ranks_on_demand_and_asking_changes_nothing(run: Run) -> None:
    asked = "u00000"
    where = run.metrics.removesuffix("/metrics")
    with urllib.request.urlopen(f"{where}/rank?user_id={asked}") as answer:
        ranking = json.load(answer)
    with urllib.request.urlopen(f"{where}/ready") as answer:
        ready = json.load(answer)

    assert (ranking["user_id"], ranking["row"]) == (asked, "memory")
    assert len({item["item_id"] for item in ranking["items"]}) == 20
    assert ranking["source_offset"] == live.ends(run.broker)[ranking["partition"]] - 1
    assert [part["lag"] for part in ready["partitions"].values()] == [0] * live.PARTITIONS
    assert (ready["healthy"], ready["shop_updates"]["lag"]) == (True, 0)
    hashes = live.drift("state", "hash", "--state", run.worker.state)
    assert hashes["state_hash"] == run.summary["state_hash"]


def test_lists_follow_what_is_searched_for(run: Run) -> None:
    sent = [json.loads(record.value) for record in live.read(run.broker, "recommendation-deltas")]
    assert "searched" in reasons(item for delta in sent for item in delta["items"])
    where = run.metrics.removesuffix("/metrics")
    with urllib.request.urlopen(f"{where}/rank?user_id=u00000&query=guitars") as answer:
        asked = json.load(answer)["items"]
    with urllib.request.urlopen(f"{where}/rank?user_id=u00000&query=xyzzy") as answer:
        unheard = json.load(answer)["items"]
    assert "searched" in reasons(asked)
    assert "searched" not in reasons(unheard)


def reasons(items: Iterable[dict[str, Any]]) -> set[str]:
    return {item["reason"]["because"] for item in items}


def test_it_knows_the_catalog_that_was_published(run: Run) -> None:
    model = run.worker.state / SHOP / MODEL
    live.eventually(model.exists)
    told = live.drift("state", "show", "--state", run.worker.state, "--category", "tents")

    assert (told["name"], told["parent"]) == ("Tents and tarps", "outdoor")


def test_its_alerts_are_those_of_a_replay(run: Run) -> None:
    sent = [json.loads(record.value) for record in live.read(run.broker, "migration-alerts")]
    replayed = live.lines(run.out / "migration-alerts.jsonl")
    assert len(live.detected(replayed)) > 10
    assert sorted(live.detected(sent), key=by_id) == sorted(live.detected(replayed), key=by_id)


def test_each_of_its_deltas_carries_a_whole_list(run: Run) -> None:
    sent = [json.loads(record.value) for record in live.read(run.broker, "recommendation-deltas")]
    assert sent
    for delta in sent:
        items = [entry["item_id"] for entry in delta["items"]]
        assert 0 < len(set(items)) == len(items) <= 20
        assert all(items)


def test_outputs_say_in_their_headers_where_they_come_from_and_stay_in_its_partition(
    run: Run,
) -> None:
    for topic, kind in [("migration-alerts", "migration-alert"), ("recommendation-deltas", "")]:
        for record in live.read(run.broker, topic):
            message = json.loads(record.value)
            if message.get("scope") == "population":
                continue
            assert message["id"].startswith(f"behavior-events-{record.partition}-")
            assert record.key.decode() == message["user_id"]
            assert live.header(record, "ce_specversion") == "1.0"
            assert live.header(record, "ce_id") == message["id"]
            assert live.header(record, "ce_source") == (
                f"/interest-drift/behavior-events/{record.partition}"
            )
            assert kind in (live.header(record, "ce_type") or "")
            assert live.header(record, "content-type") == "application/json"
            assert (live.header(record, "ce_time") or "").endswith("+00:00")


def test_it_is_alone_with_its_state_folder(run: Run) -> None:
    with live.LiveWorker(run.broker, run.worker.state, group="another") as second:
        assert second.refusal() == (
            f"drift: state: another worker uses {run.worker.state}: stop it, "
            "or take another --state folder"
        )


def test_told_to_stop_it_ends_well_and_started_again_says_nothing_twice(run: Run) -> None:
    began, heard = time.monotonic(), len(run.worker.log())
    assert run.worker.stop() == 0
    assert time.monotonic() - began < 5
    assert run.worker.log()[heard:] == ""
    assert live.committed(run.broker) == live.ends(run.broker)
    assert {p: (end - 1, run.summary["partition_hashes"][str(p)]) for p, end in
            live.ends(run.broker).items()} == live.stored(run.worker.state)  # fmt: skip
    names = ("migration-alerts", "recommendation-deltas", "shop-updates", "dead-letters")
    before = {name: live.ends(run.broker, name) for name in names}
    run.worker.start()
    run.worker.wait_for("ready after offset", live.PARTITIONS)
    time.sleep(1)
    assert run.worker.stop() == 0
    assert {name: live.ends(run.broker, name) for name in names} == before


def test_from_an_empty_folder_it_catches_up_and_says_nothing_twice(run: Run) -> None:
    """Runs last: it ends the worker and takes its folder."""
    if run.worker.process.poll() is not None:
        run.worker.start()
        run.worker.wait_for("ready after offset", live.PARTITIONS)
    waiting = total(run, "drift_predictions_open")
    assert waiting > 10
    assert run.worker.stop() == 0
    before = {name: live.ends(run.broker, name) for name in ("migration-alerts", "shop-updates")}
    shutil.rmtree(run.worker.state)
    run.worker.start()
    run.worker.wait_for("ready after offset", live.PARTITIONS)
    # It was an owner before: all predictions that wait for their outcome do so again.
    assert total(run, "drift_predictions_open") == waiting
    assert run.worker.stop() == 0
    assert run.worker.log().count("catching up") == live.PARTITIONS
    hashes = live.drift("state", "hash", "--state", run.worker.state)
    assert hashes["partition_hashes"] == run.summary["partition_hashes"]
    assert {name: live.ends(run.broker, name) for name in before} == before


def by_id(message: dict[str, Any]) -> str:
    return str(message["id"])
