"""What a worker's log looks like: lines for people, or JSON for machines."""

import json
import logging
from datetime import UTC, datetime

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
SAID_AGAIN_AFTER = 30.0
FIELDS = ("partition",)
"""What a record may be given by `extra`."""


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and what the record was given."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: vars(record)[name] for name in FIELDS if name in vars(record)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class Seldom:
    """Lets a library say the same thing twice a minute: of a broker that is down it does ten
    times a second.
    """

    def __init__(self, library: str) -> None:
        self._library = library
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] != self._library:
            return True
        text = f"{record.name} {record.msg}"
        if record.created - self._said.get(text, 0.0) < SAID_AGAIN_AFTER:
            return False
        self._said[text] = record.created
        return True


def log_to_stderr(level: str, kind: str) -> None:
    """Log to stderr as `text` or `json`, the libraries only what a person must know."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if kind == "json" else logging.Formatter(TEXT))
    handler.addFilter(Seldom("aiokafka"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    # The libraries' own news hide ours, and may hold what a record holds.
    for library in ("aiokafka", "aiohttp", "faust", "mode", "stream.topology.batches", "numba"):
        logging.getLogger(library).setLevel("WARNING")
    # What it logs of a broker that is down is our one line.
    logging.getLogger("kafka").setLevel("CRITICAL")
