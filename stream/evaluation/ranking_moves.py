"""How soon a shopper's list follows a move of interest, beside simple lists and no detector."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from stream.core.rows import Float64s
from stream.evaluation import ranking_held, ranking_published, ranking_splices
from stream.evaluation.bootstrap import Interval, by_shopper, median
from stream.evaluation.logs import Log
from stream.evaluation.plots import lines
from stream.evaluation.ranking_held import Followed, followed
from stream.evaluation.ranking_judge import SIZE
from stream.evaluation.ranking_published import USUAL
from stream.evaluation.ranking_scores import less_others
from stream.evaluation.ranking_splices import LOOKED, Moved
from stream.evaluation.ranking_walk import Walk, walk
from stream.evaluation.report import OURS, Metric, Report
from stream.settings import Settings

DEAF, USUALLY_DEAF = f"{OURS}, no detector", f"{USUAL}, no detector"
TOLD = f"{OURS}, told of the move"
WITHIN = (5, 10, 20, LOOKED)
UNREACHED = 1e-290
"""So small a budget of false alarms that no evidence is ever enough."""
ABOUT = (
    "Lists of 20 as the product sends them, replayed over the log with each change sent, and as "
    "rarely as the settings say (usual emission); the item on the screen is never listed. "
    "Counted is after how many events of the new interest the list in hand is first one half "
    "of it; the median is given if it is 50 at most. What keeps a list from following is what "
    "the shopper took before the move and may take again: its part in the lists is given. "
    "Recall@20 is how often the list in hand has the item of the next event, over those of the "
    "51 events from the move on that are of another item than the one on the screen. Recency "
    "lists the ten items taken last and fills up with the most taken items of their categories. "
    "Without a detector no alert asks for a list. Told of the move is how it would be if the "
    "engine knew of each move and forgot what was before: from then on it is another shopper. "
    "Intervals draw whole shoppers. "
)
SHOP = (
    "Shoppers of a simulated shop move at known times; of the new interest are items of the "
    "category that they move to, in which a little more than half of what follows is. "
)
SPLICED = (
    "At one moment each of the busiest shoppers goes on as another of them, so that the same "
    "items are taken at the same times. Of the new interest are the categories that have a "
    "larger share of the next 51 events than of all before. "
)


class Sink(NamedTuple):
    """Where the numbers go, and with which seed they are drawn."""

    seed: int
    report: Report
    say: Callable[[str], None]


def in_simulated_shop(users: int, settings: Settings, sink: Sink) -> None:
    """The table of a simulated shop with so many shoppers."""
    moved = ranking_splices.simulated(users, sink.seed, settings)
    if moved is None:
        sink.report.note(f"Of {users} simulated shoppers too few moved to measure lists.")
        return
    _tables(moved, "simulated shop", SHOP, settings, sink)


def in_log(log: Log, steps: Walk, settings: Settings, sink: Sink) -> None:
    """The table of a log's spliced shoppers, if it has categories and enough busy ones."""
    moved = ranking_splices.spliced(log, steps, sink.seed)
    if moved is None:
        sink.report.note(
            f"{log.name}: too few shoppers have enough events with a category on both sides of "
            "a moment to be spliced, so what follows a move is not measured."
        )
        return
    _tables(moved, log.name, SPLICED, settings, sink)


def _tables(moved: Moved, name: str, about: str, settings: Settings, sink: Sink) -> None:
    table = f"After a move, {name}"
    sink.report.describe(table, about + ABOUT)
    found = {**_ours(moved, table, settings, sink), **_simple(moved)}
    _measures(sink.report)
    for method, one in found.items():
        _put(sink, table, method, one)
    _put_less(sink, table, found)
    _plot(sink.report, table, found)


def _ours(moved: Moved, table: str, settings: Settings, sink: Sink) -> dict[str, Followed]:
    """The product's lists, sent at each change and usually, with and without a detector."""
    usual, found = replace(settings, list_size=SIZE), {}
    for method, chosen in {
        OURS: replace(usual, delta_interval=0.0),
        DEAF: deaf(replace(usual, delta_interval=0.0)),
        USUAL: usual,
        USUALLY_DEAF: deaf(usual),
    }.items():
        sink.say(f"{table}: {method}")
        lists = ranking_published.published(moved.log, moved.walk, chosen)
        found[method] = followed(moved, ranking_held.sent(moved, moved.shoppers, lists))
        if method == USUAL:
            told = ranking_held.alerted(moved, lists)
            sink.report.note(_alerts(told, len(moved.shoppers)), table)
    sink.say(f"{table}: {TOLD}")
    known = walk(moved.told)
    lists = ranking_published.published(moved.told, known, replace(usual, delta_interval=0.0))
    found[TOLD] = followed(moved, ranking_held.sent(moved, moved.told_shoppers, lists))
    return found


def deaf(settings: Settings) -> Settings:
    """The same without a detector: nothing is ever evidence enough."""
    return replace(settings, false_alarms_per_10k_events=UNREACHED, calibration=None)


def _alerts(told: int, movers: int) -> str:
    return (
        f"{told} of {movers} movers had a list that a detected alert asked for within {LOOKED} "
        "events."
    )


def _simple(moved: Moved) -> dict[str, Followed]:
    recency, popularity = (followed(moved, held) for held in ranking_held.simple(moved))
    return {"recency": recency, "popularity": popularity}


def _measures(report: Report) -> None:
    report.measure("median_events", Metric("events until half is new, median", 0, best=-1))
    for events in WITHIN:
        report.measure(f"reached@{events}", Metric(f"half is new within {events}, %", 1, 100.0, 1))
    report.measure("share", Metric("new in the list, %", 1, 100.0, 1))
    report.measure("old", Metric("taken before the move, %", 1, 100.0))


def _put(sink: Sink, table: str, method: str, one: Followed) -> None:
    put, movers = partial(sink.report.put, table, method, ""), np.arange(len(one.reached))
    put("median_events", median(one.reached, sink.seed))
    for events in WITHIN:
        put(f"reached@{events}", by_shopper(one.reached <= events, movers, sink.seed))
    put("share", by_shopper(one.shares.mean(axis=1), movers, sink.seed))
    put("old", by_shopper(one.old.mean(axis=1), movers, sink.seed))
    put(f"recall@{SIZE}", _recall(one.hits.astype(np.float64), one, sink.seed))


def _recall(values: Float64s, one: Followed, seed: int) -> Interval:
    """The mean over the events of another item than the one on the screen."""
    movers = np.repeat(np.arange(len(values)), values.shape[1])
    return by_shopper(values.ravel(), movers, seed, one.novel.ravel())


def _put_less(sink: Sink, table: str, found: Mapping[str, Followed]) -> None:
    """Each mover's lists less those of the others, and those with a detector less without."""
    name = less_others(table)
    sink.report.describe(
        name,
        f"Mover by mover; above 0, {OURS} is better, or the detector is. Means over {LOOKED + 1} "
        "lists. The detector finds a move when a session ends, and with the next session a list "
        "is due in any case: it can only gain what came in the last minutes of a session.",
    )
    for method, other in found.items():
        if method != OURS:
            first = USUAL if method == USUALLY_DEAF else OURS
            setting = "each change sent" if first == OURS else "usual emission, with less without"
            _gain(sink, name, method, setting, found[first], other)


def _gain(
    sink: Sink, table: str, method: str, setting: str, first: Followed, other: Followed
) -> None:
    put, movers = partial(sink.report.put, table, method, setting), np.arange(len(first.reached))
    share = (first.shares - other.shares).mean(axis=1)
    put("share", by_shopper(share, movers, sink.seed))
    hits = first.hits.astype(np.float64) - other.hits
    put(f"recall@{SIZE}", _recall(hits, first, sink.seed))


def _plot(report: Report, table: str, found: Mapping[str, Followed]) -> None:
    events = list(range(LOOKED + 1))
    curves = {name: (events, one.shares.mean(axis=0).tolist()) for name, one in found.items()}
    figure = lines(curves, "events since the move", "share of the list")
    report.plot("How much of the list is of the new interest.", figure, table)
