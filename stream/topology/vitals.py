"""How a worker is: what has caught up, how far behind each part is, when it last got on."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import Struct

Lag = Callable[[], int | None]
"""Records between what a part has applied and the end of its log, None while that is unknown."""


def unknown() -> int | None:
    """The lag of what has not begun to read."""
    return None


@dataclass
class Part:
    """One partition, or the shop model's replica.

    It got on when it last checkpointed, caught up a piece, or had nothing to do.
    """

    lag: Lag = unknown
    working: bool = True
    """False before it has begun: a start that compiles may take minutes."""
    ready: bool = False
    unsaved: bool = False
    """Whether it has applied what is in no checkpoint yet."""
    left: int = 0
    """Records that it still has to catch up in silence."""
    got_on_at: float = field(default_factory=time.monotonic)
    checkpointed_at: float = field(default_factory=time.monotonic)
    checkpoints: int = 0
    checkpoint_seconds: float = 0.0

    def catching_up(self, left: int) -> None:
        """It came nearer to where the group is."""
        self.working, self.left, self.got_on_at = True, left, time.monotonic()

    def begin(self) -> None:
        """It has caught up, and serves."""
        self.ready = True
        self.catching_up(0)

    def checkpointed(self, took_seconds: float) -> None:
        """Rows and offset are on disk."""
        self.checkpointed_at = self.got_on_at = time.monotonic()
        self.unsaved = False
        self.checkpoints += 1
        self.checkpoint_seconds += took_seconds

    def look(self) -> None:
        """Notice when there is nothing to do: to wait is no standstill."""
        idle = self.ready and not self.unsaved and self.lag() == 0
        if idle or not self.working:
            self.got_on_at = time.monotonic()


class PartHealth(Struct, frozen=True):
    """One part, as `/health` shows it."""

    ready: bool
    lag: int | None
    left: int
    stands_still_seconds: float
    checkpoint_age_seconds: float


class WorkerHealth(Struct, frozen=True):
    """What `/health` and `/ready` answer."""

    healthy: bool
    ready: bool
    unhealthy_after: float
    shop_updates: PartHealth
    partitions: dict[str, PartHealth]


class Vitals:
    """The parts of a worker. Lanes write them; `/health`, `/ready` and `/metrics` read them."""

    def __init__(self) -> None:
        self.replica = Part(working=False)
        self.partitions: dict[int, Part] = {}
        self.assigned = False
        """Whether the group has said which partitions are this worker's."""

    def opened(self, partition: int, lag: Lag) -> Part:
        """A partition came to this worker."""
        part = self.partitions[partition] = Part(lag)
        return part

    def closed(self, partition: int, part: Part) -> None:
        """It is another worker's now, unless it came back already."""
        if self.partitions.get(partition) is part:
            del self.partitions[partition]

    def look(self) -> None:
        """Notice which parts have nothing to do. To be called about once a second."""
        for part in self._parts():
            part.look()

    def ready(self) -> bool:
        """Whether the replica and every assigned partition have caught up."""
        return self.assigned and all(part.ready for part in self._parts())

    def healthy(self, unhealthy_after: float) -> bool:
        """Whether no part has work and has stood still for so many seconds."""
        now = time.monotonic()
        return all(now - part.got_on_at <= unhealthy_after for part in self._parts())

    def health(self, unhealthy_after: float) -> WorkerHealth:
        """All of it, to be shown."""
        return WorkerHealth(
            self.healthy(unhealthy_after),
            self.ready(),
            unhealthy_after,
            _health(self.replica),
            {str(number): _health(part) for number, part in sorted(self.partitions.items())},
        )

    def _parts(self) -> list[Part]:
        return [self.replica, *self.partitions.values()]


def _health(part: Part) -> PartHealth:
    now = time.monotonic()
    return PartHealth(
        part.ready,
        part.lag(),
        part.left,
        round(now - part.got_on_at, 1),
        round(now - part.checkpointed_at, 1),
    )
