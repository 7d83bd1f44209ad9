"""The rules for Prometheus: sound, right about when they fire, and of metrics that there are."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.topology.metrics import Metrics

FOLDER = Path(__file__).parents[1] / "docker" / "prometheus"
RULES = yaml.safe_load((FOLDER / "rules.yml").read_text())
WORDS = re.compile(r"drift_[a-z_]+")


ALERTS: list[dict[str, Any]] = [rule for group in RULES["groups"] for rule in group["rules"]]
SOUND = ["check rules rules.yml", "test rules rules_test.yml", "check config prometheus.yml"]


def exported() -> set[str]:
    """The names of all samples that a worker may export."""
    endings = {"counter": ["_total"], "summary": ["_sum", "_count"], "gauge": [""]}
    return {
        family.name + ending
        for family in Metrics().families(60.0)
        for ending in endings[family.type]
    }


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: str(rule["alert"]))
def test_a_rule_is_of_metrics_that_a_worker_exports_and_says_what_to_do(
    rule: dict[str, Any],
) -> None:
    assert set(WORDS.findall(rule["expr"])) <= exported()
    assert rule["annotations"].keys() == {"summary", "action"}
    assert rule["labels"]["severity"] in ("page", "ticket")


@pytest.mark.parametrize("words", SOUND)
def test_promtool_finds_them_sound(words: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool: apt-get install prometheus, or from prometheus.io")
    done = subprocess.run([promtool, *words.split()], cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workers_that_it_scrapes_are_those_of_the_compose_file() -> None:
    compose = yaml.safe_load((FOLDER.parent / "compose.yaml").read_text())
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (scraped,) = config["scrape_configs"]
    wanted = [
        f"{name}:{service['environment']['DRIFT_HTTP'].rpartition(':')[2]}"
        for name, service in compose["services"].items()
        if name.startswith("worker")
    ]
    assert scraped["static_configs"] == [{"targets": wanted}]
