"""The lists that the product itself would have published, judged by what each shopper took next."""

from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec
import numpy as np

from stream.core.compiled import kernel, outlined
from stream.core.events import BUY, KEEP, VIEW, Touch
from stream.core.rows import Int32s, Int64s, Rows, zeros
from stream.evaluation.logs import Log
from stream.evaluation.ranking_baselines import Judged
from stream.evaluation.ranking_engine import LONGER
from stream.evaluation.ranking_judge import VERDICT, Board, VerdictRow, add, board, clear, judge
from stream.evaluation.ranking_walk import Flags, Walk
from stream.evaluation.report import OURS
from stream.messages import RecommendationDelta
from stream.replay import Replay
from stream.settings import Settings
from stream.shard import LogRecord
from stream.storage.partitioning import partition_of

USUAL = f"{OURS}, usual emission"
TYPES = {VIEW: "view_item", KEEP: "add_to_cart", BUY: "purchase"}
STEP = 5000
"""Records given to a replay at once; it makes no difference to what is published."""


class Published(NamedTuple):
    """Lists in the order in which they were sent.

    `after` is the event with which each was sent, `shopper` whose it is, `items` has shape
    (lists, 21), and the first `used` of a row count. `full` are those that were sent as whole
    lists, `told` those that a detected alert asked for.
    """

    after: Int64s
    shopper: Int32s
    items: Int32s
    used: Int32s
    full: Flags
    told: Flags


class Lists:
    """Collects what is published."""

    def __init__(self, log: Log) -> None:
        self._item_of = {name: number for number, name in enumerate(log.item_names)}
        self._shopper_of = {name: number for number, name in enumerate(log.shopper_names)}
        self._after, self._shoppers = array("q"), array("i")
        self._items, self._used = array("i"), array("i")
        self._full, self._told = array("b"), array("b")

    def take(self, delta: RecommendationDelta, event: int) -> None:
        """Keep a list that was sent with this event."""
        used = len(delta.items)
        self._items.extend(self._item_of[entry.item_id] for entry in delta.items)
        self._items.extend([0] * (LONGER - used))
        self._after.append(event)
        self._shoppers.append(self._shopper_of[delta.user_id])
        self._used.append(used)
        self._full.append(delta.full)
        self._told.append(delta.alert_id is not None)

    def published(self) -> Published:
        """All of them, by the event after which they were sent."""
        after = np.array(self._after, np.int64)
        order = np.argsort(after, kind="stable")
        return Published(
            after[order],
            np.array(self._shoppers, np.int32)[order],
            np.array(self._items, np.int32).reshape(-1, LONGER)[order],
            np.array(self._used, np.int32)[order],
            np.array(self._full, np.bool_)[order],
            np.array(self._told, np.bool_)[order],
        )


def records(log: Log, walk: Walk, partitions: int, settings: Settings) -> Iterator[LogRecord]:
    """The walk's events as records, each shopper's in the partition that Kafka would choose."""
    weights, offsets = settings.weights(), [0] * partitions
    items, categories = log.item_names, log.category_names
    names = ("shoppers", "at", "items", "categories", "actions", "given")
    columns = [getattr(walk, name).tolist() for name in names]
    for shopper, at, item, category, action, session in zip(*columns, strict=True):
        user, kind = log.shopper_names[shopper], categories[category] if category >= 0 else None
        key = user.encode()
        partition = partition_of(key, partitions)
        touch = Touch(user, at, items[item], kind, weights[TYPES[action]], action, session, 0)
        yield LogRecord(partition, offsets[partition], round(at * 1000), key, None, [touch])
        offsets[partition] += 1


def published(
    log: Log, walk: Walk, settings: Settings, partitions: int = 1, shared: bool = True
) -> Published:
    """Replay the walk's events; unless `shared`, each partition has a shop model of its own."""
    lists = Lists(log)
    if shared:
        replay(enumerate(records(log, walk, partitions, settings)), lists, settings, partitions)
        return lists.published()
    for partition in range(partitions):
        own = (
            (event, record._replace(partition=0))
            for event, record in enumerate(records(log, walk, partitions, settings))
            if record.partition == partition
        )
        replay(own, lists, settings, 1)
    return lists.published()


def replay(
    numbered: Iterable[tuple[int, LogRecord]], lists: Lists, settings: Settings, partitions: int
) -> None:
    """Run records through the product, each with its number in the whole log."""
    events: list[list[int]] = [[] for _ in range(partitions)]
    left = iter(numbered)
    with TemporaryDirectory(prefix="drift-ranking-") as folder:
        run = Replay(Path(folder), partitions, settings)
        try:
            while step := list(islice(left, STEP)):
                for event, record in step:
                    events[record.partition].append(event)
                for delta in run.feed([record for _, record in step]).deltas:
                    partition = partition_of(delta.user_id.encode(), partitions)
                    lists.take(delta, events[partition][delta.sequence])
        finally:
            run.close()


@outlined
def follow(
    walk: Walk, lists: Published, newest: Int64s, looking: Int32s, desk: Board,
    verdicts: Rows[VerdictRow],
) -> None:  # fmt: skip
    """Judge by each event the newest list that its shopper was sent with an earlier one."""
    taken = 0
    for event in range(len(walk.at)):
        while taken < len(lists.after) and lists.after[taken] < event:
            newest[lists.shopper[taken]] = taken
            taken += 1
        shopper, item = walk.shoppers[event], walk.items[event]
        if walk.followed[event]:
            count = show(lists, newest[shopper], desk)
            judge(verdicts[event], desk, walk, count, item, looking[shopper])
            clear(desk, count)
        looking[shopper] = item


@kernel
def show(lists: Published, number: int, desk: Board) -> int:
    """Put a list on the board, its first entry the highest; -1 is none. How long it is."""
    count = 0
    if number >= 0:
        for place in range(lists.used[number]):
            count = add(desk, count, lists.items[number, place], 1.0 / (1.0 + place))
    return count


def judged(walk: Walk, lists: Published) -> Judged:
    """The verdicts on what was published."""
    desk, verdicts = board(walk.known), zeros(len(walk.at), VERDICT, VerdictRow)
    newest, looking = np.full(walk.people, -1, np.int64), np.zeros(walk.people, np.int32)
    follow(walk, lists, newest, looking, desk, verdicts)
    return Judged(verdicts, desk.shown)


def every_change(settings: Settings) -> Settings:
    """The settings under which each change is sent, and all that the shopper had is listed."""
    return msgspec.structs.replace(
        settings, list_size=LONGER, list_current=True, list_bought=True, delta_interval=0.0
    )


def usual(settings: Settings) -> Settings:
    """The same lists, sent as rarely as the settings say."""
    return msgspec.structs.replace(every_change(settings), delta_interval=settings.delta_interval)
