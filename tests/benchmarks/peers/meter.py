"""What a peer is told by its environment, and when it counted its first and last event."""

import json
import os
import time
from pathlib import Path

BROKER = os.environ["BENCH_BROKER"]
EVENTS_TOPIC = os.environ["BENCH_EVENTS_TOPIC"]
OUTPUT_TOPIC = os.environ["BENCH_OUTPUT_TOPIC"]
FOLDER = Path(os.environ["BENCH_FOLDER"])
EVENTS = int(os.environ["BENCH_EVENTS"])
MOST_SECONDS = float(os.environ["BENCH_SECONDS"])
RESULT = FOLDER / "result.json"
OUTPUT_EVERY = 50
"""A shopper's 50th, 100th, ... event gives an output."""
LOOK_EVERY = 500


class Meter:
    """Counts events; writes the result at the last one, or when the time is over."""

    def __init__(self) -> None:
        self.events = 0
        self.started_at = 0.0

    def count(self) -> None:
        if self.events == 0:
            self.started_at = time.time()
        self.events += 1
        if self.events % LOOK_EVERY == 0 or self.events == EVENTS:
            self._look(time.time())

    def _look(self, now: float) -> None:
        if RESULT.exists() or (self.events < EVENTS and now - self.started_at < MOST_SECONDS):
            return
        result = {"events": self.events, "started_at": self.started_at, "ended_at": now}
        unfinished = RESULT.with_suffix(".part")
        unfinished.write_text(json.dumps(result))
        unfinished.rename(RESULT)
