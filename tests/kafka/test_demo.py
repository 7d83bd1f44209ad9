"""The demo as a newcomer runs it, but shorter."""

import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

pytestmark = pytest.mark.kafka


def start(*arguments: str) -> "subprocess.Popen[str]":
    environment = {name: value for name, value in os.environ.items() if name != "DRIFT_BROKER"}
    return subprocess.Popen(
        [sys.executable, "-m", "stream", "demo", *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.usefixtures("embedded_kafka")
def test_the_demo_finds_moves_on_a_real_kafka_and_says_how_many() -> None:
    demo = start("--seconds", "15", "--seed", "1")
    said, errors = demo.communicate(timeout=240)

    assert demo.returncode == 0, errors
    found = re.search(r"found (\d+) of (\d+) migrations", said)
    false = re.search(r"false alarms: \d+, that is ([\d.]+) per", said)
    assert found
    assert false
    assert int(found[1]) >= 0.8 * int(found[2]) > 0
    assert float(false[1]) <= 2.0
    assert "events/s in" in said
    assert " % -> " in said


@pytest.mark.usefixtures("embedded_kafka")
def test_ctrl_c_ends_all_that_the_demo_started() -> None:
    demo = start("--seconds", "60")
    children: list[psutil.Process] = []
    deadline = time.monotonic() + 120
    while len(children) < 3 and time.monotonic() < deadline:
        time.sleep(0.5)
        children = psutil.Process(demo.pid).children(recursive=True)
    demo.send_signal(signal.SIGINT)
    _, errors = demo.communicate(timeout=60)

    assert len(children) >= 3, "a broker, its keeper and a worker"
    assert demo.returncode == 130
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
