"""What the factors add to our lists, by the objective that they learn by."""

from collections.abc import Callable

import msgspec

from stream.evaluation import ranking_engine
from stream.evaluation.logs import Log
from stream.evaluation.ranking_baselines import Judged
from stream.evaluation.ranking_scores import WITH, Scores
from stream.evaluation.ranking_walk import Flags, Walk
from stream.evaluation.report import OURS
from stream.settings import Settings

BARE = f"{OURS}, without factors"
WAYS: dict[str, dict[str, int | str]] = {
    BARE: {"factors_every": 0},
    f"{OURS}, BPR": {"factor_objective": "bpr"},
    f"{OURS}, ISGD": {"factor_objective": "isgd"},
}
"""What is set otherwise than usual, where factors learn by a softmax."""
ABOUT = (
    "The product's ranking with factors that learn by a softmax (as usual), by BPR or by ISGD, and "
    "with none. Frozen within periods, as above. "
)
GAIN = f"Each way less {BARE}, event by event; above 0, factors pay. "


def table(
    log: Log, walk: Walk, usual: Judged, parts: dict[str, Flags], settings: Settings,
    scores: Scores, say: Callable[[str], None],
) -> None:  # fmt: skip
    """Recall and MRR of each way, and less the way without; `usual` is already judged.

    `parts` are those of the log that are reported, by name.
    """
    name = f"With and without factors, {log.name}"
    paired = f"{name}, less without"
    found = {OURS: usual}
    for way, changed in WAYS.items():
        say(f"{name}: {way}")
        judged = ranking_engine.frozen(log, walk, msgspec.structs.replace(settings, **changed))
        found[way] = judged
    scores.report.describe(name, ABOUT + WITH.about)
    scores.report.describe(paired, GAIN + WITH.about)
    for setting, inside in parts.items():
        for way, judged in found.items():
            scores.put(name, way, setting, WITH, judged, inside)
            if way != BARE:
                scores.put_gain(paired, way, setting, WITH, judged, found[BARE], inside)
