"""Ended, held or cut off at any step, a partition ends as if nothing had happened."""

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from functools import cache

import pytest

from tests.recovery.steps import STEPS, THAT_WAIT, Point
from tests.recovery.table import Tell
from tests.recovery.trials import Stream

stream = cache(Stream)


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3))])
def test_ended_before_or_after_any_step_it_goes_on_and_loses_nothing(seed: int, tell: Tell) -> None:
    draw = random.Random(seed)
    for step in STEPS:
        number = draw.randint(1, min(9, stream(seed).counts.get(step, 1)))
        for point in (Point(step, number, "before"), Point(step, 1, "after")):
            stream(seed).crash_at(point, seed)
    tell("ended by an exception at each step of a batch", 2 * len(STEPS))


@pytest.mark.parametrize(
    ("seeds", "points"),
    [
        (range(10, 11), 4),
        *(
            pytest.param(range(first, first + 5), 20, marks=pytest.mark.slow)
            for first in range(20, 70, 5)
        ),
    ],
)
def test_ended_at_random_points_of_random_streams_it_loses_nothing(
    seeds: range, points: int, tell: Tell
) -> None:
    """Batches, and who takes them, depend on time: a point that was not reached is no try."""
    draw, reached = random.Random(seeds.start), 0
    for seed in seeds:
        tried = 0
        while tried < points:
            point = stream(seed).point(draw, draw.choice(list(STEPS)))
            tried += stream(seed).crash_at(point, draw.randrange(1 << 30)).reached
        reached += tried
    stream.cache_clear()
    tell("ended by an exception at random points of random streams", reached)


@pytest.mark.parametrize(
    ("streams", "runs"), [(1, 3), pytest.param(10, 20, marks=pytest.mark.slow)]
)
def test_outputs_lost_repeated_and_late_are_repeated_and_none_is_missing(
    streams: int, runs: int, tell: Tell
) -> None:
    draw, met = random.Random(streams), Counter[str]()
    for seed in range(1, 1 + streams):
        for _ in range(runs):
            point = stream(seed).point(draw, "deliver")
            tried = stream(seed).crash_at(point, draw.randrange(1 << 30), 0.3)
            met.update(tried.met)
    assert sum(met.values()) > runs
    for kind, times in met.items():
        tell(f"outputs {kind} on their way", times)


@pytest.mark.parametrize(
    ("steps", "runs"),
    [(("decode", "deliver", "write"), 1), pytest.param(THAT_WAIT, 20, marks=pytest.mark.slow)],
)
def test_held_at_a_step_while_another_takes_over_it_publishes_nothing_once_it_knows(
    steps: Sequence[str], runs: int, tell: Tell
) -> None:
    draw, held = random.Random(runs), 0
    for run in range(runs):
        for step in steps:
            point = stream(1).point(draw, step)
            held += stream(1).freeze_at(point, run).reached
    assert held > 0
    tell("held at a step while another took over", held)


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_at_any_moment_a_forked_child_leaves_what_the_next_goes_on_from(
    kills: int, tell: Tell
) -> None:
    command = [sys.executable, "-m", "tests.recovery.forked", str(kills), "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"killed": kills}
    tell("SIGKILL of forked children, at steps and at any moment", kills)
