"""What a shard learns of its own shoppers together, to serve them by: no law covers it."""

from typing import Protocol, Self, TypeVar

from stream.core import clicks
from stream.core.blend import Blend
from stream.core.clicks import Clicks, ReasonRecord
from stream.core.engine_rows import Learned
from stream.core.foresight import Foresight
from stream.core.horizon_features import Desk
from stream.core.predictor import Predictor
from stream.core.queries import Asking
from stream.core.query_buckets import AskedRow
from stream.core.rows import Rows
from stream.on_demand import Manner, manner
from stream.settings import Settings
from stream.storage import codec
from stream.storage.checkpoint import Checkpoint


class Lesson(Protocol):
    """Any of the models below."""

    def restored(self, stored: bytes) -> Self: ...


Model = TypeVar("Model", bound=Lesson)


class Lessons:
    """The predictor of next categories, the blend of channels, and how far clicks and searches
    are believed, as a checkpoint has them; without one, nothing is learned yet.
    """

    def __init__(self, settings: Settings, checkpoint: Checkpoint | None) -> None:
        self._predictor = _restored(Predictor.of(settings), checkpoint, codec.PREDICTOR)
        self._blend = _restored(Blend.of(), checkpoint, codec.BLEND)
        self._clicks = _restored(Clicks.of(), checkpoint, codec.CLICKS)
        self._asking = _restored(Asking.of(), checkpoint, codec.QUERIES)
        self._manner = manner(settings, self._predictor, self._blend, self._clicks, self._asking)

    def packed(self) -> list[tuple[bytes, bytes]]:
        """Key and value of each model, to store."""
        return [
            (codec.PREDICTOR, self._predictor.pack()),
            (codec.BLEND, self._blend.pack()),
            (codec.CLICKS, self._clicks.pack()),
            (codec.QUERIES, self._asking.pack()),
        ]

    def hear(self, asked: Rows[AskedRow]) -> None:
        """Take the queries of the events that come next."""
        self._asking = self._asking._replace(asked=asked)

    def learned(self, categories: int, own: Foresight, desk: Desk) -> Learned:
        """What the loop learns by beside the rows, with room for so many of the shop's categories.

        `own` and `desk` are those of the horizons.
        """
        self._predictor = self._predictor.marking(categories)
        return Learned(self._predictor, self._blend, self._clicks, self._asking, own, desk)

    def manner(self, categories: int) -> Manner:
        """What lists are made by, with room for so many of the shop's categories."""
        self._predictor = self._predictor.marking(categories)
        return self._manner._replace(ahead=self._predictor)

    def records(self) -> list[ReasonRecord]:
        """How entries of lists did, by reason, as impressions and clicks told."""
        return clicks.records(self._clicks.rows[0])


def _restored(model: Model, checkpoint: Checkpoint | None, key: bytes) -> Model:
    stored = checkpoint.learned(key) if checkpoint else None
    return model.restored(stored) if stored else model
