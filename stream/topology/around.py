"""What the lanes of a worker share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from stream.core.shop import ShopModel
from stream.settings import Settings
from stream.topology.compute import Compute
from stream.topology.metrics import Metrics
from stream.topology.outputs import Publisher
from stream.topology.questions import Questions
from stream.topology.snapshots import Snapshotter


@dataclass(frozen=True)
class Around:
    """The world that a lane runs in; the group's side of it as functions to ask."""

    broker: str
    group: str
    state: Path
    topic: str
    partitions: int
    settings: Settings
    shop: ShopModel
    learned: Callable[[int], Awaitable[None]]
    """Return when the shop model knows all before an offset of shop-updates."""
    compute: Compute
    publisher: Publisher
    metrics: Metrics
    questions: Questions
    snapshots: Snapshotter
    generation: Callable[[], int]
    """The group's generation as the client knows it now."""
    silence: Callable[[], float]
    """Seconds since the group last answered a heartbeat."""
    lag: Callable[[int, int], int | None]
    """Records of a partition after an offset, None while that is unknown."""
    hold: Callable[[int], None]
    """Hand over no more records of a partition."""
    release: Callable[[int], None]
