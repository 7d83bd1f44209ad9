"""How soon moves are found at equal rates of false alarms: ours beside the usual methods."""

from collections.abc import Callable, Sequence

from stream.evaluation.drift import iid, real
from stream.evaluation.logs import Log
from stream.evaluation.report import Report


def tables(logs: Sequence[Log], seed: int, report: Report, say: Callable[[str], None]) -> None:
    """Simulated shoppers first, then each log's own, spliced and shuffled."""
    iid.tables(seed, report, say)
    for log in logs:
        real.tables(log, seed, report, say)
