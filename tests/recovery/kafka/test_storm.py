"""Through kills, stops, joins, freezes and a broker that goes away, workers lose nothing."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from stream.topology.broker import Broker
from tests.kafka import live
from tests.recovery.kafka import afterwards
from tests.recovery.kafka.storm import Storm, pieces
from tests.recovery.table import Tell

pytestmark = pytest.mark.kafka

TOLD = {
    "join": "a worker joins",
    "kill": "SIGKILL of a worker at work",
    "kill_starting": "SIGKILL of a worker that starts",
    "stop": "SIGTERM of a worker, and a start",
    "leave": "SIGTERM of a worker, another joins",
    "freeze": "SIGSTOP of a worker beyond its session, and SIGCONT",
    "restart_broker": "the broker stopped and started",
    "slow_broker": "a broker that answers now and then",
}
SAMPLE = ["kill", "freeze", "kill_starting", "restart_broker", "stop", "kill"]
WHOLE = (
    ["kill"] * 10 + ["kill_starting"] * 4 + ["stop"] * 4 + ["leave"] * 4
    + ["restart_broker"] * 2 + ["freeze"] * 2 + ["slow_broker"] * 2
)  # fmt: skip


@pytest.mark.parametrize(
    ("workers", "events", "happens", "seed"),
    [
        (2, 10_000, SAMPLE, 1),
        pytest.param(3, 60_000, WHOLE, 2, marks=pytest.mark.slow),
        pytest.param(2, 60_000, WHOLE, 3, marks=pytest.mark.slow),
    ],
)
def test_through_a_storm_workers_end_where_a_replay_ends(
    kafka: Broker,
    tmp_path: Path,
    tell: Tell,
    workers: int,
    events: int,
    happens: Sequence[str],
    seed: int,
) -> None:
    log = live.simulated(tmp_path / "events.jsonl", events, users=60, seed=seed)
    parts = pieces(log.read_bytes().splitlines(), len(happens) + 1)
    order = random.Random(seed).sample(happens, len(happens))
    with Storm(kafka, tmp_path, seed) as storm:
        for _ in range(workers):
            storm.do("join")
        for part, name in zip(parts, order, strict=False):
            afterwards.publish(kafka.address, part)
            storm.do(name)
        afterwards.publish(kafka.address, parts[-1])
        storm.settle()
    assert afterwards.check(kafka.address, storm.folders, tmp_path / "scratch") > 0
    for name, fault in TOLD.items():
        if times := storm.done[name]:
            tell(fault, times)
