"""Rankings on demand: which shard can answer, and the way through the compute thread."""

from msgspec import Struct

from stream.core.shop import ShopModel
from stream.messages import EVENTS, Ranking, RankQuestion
from stream.on_demand import Strangers
from stream.settings import Settings
from stream.shard import Shard
from stream.storage.partitioning import partition_of
from stream.topology.compute import Compute


class Elsewhere(Exception):
    """The shopper's partition is not served here, or not yet."""

    def __init__(self, partition: int) -> None:
        super().__init__(partition)
        self.partition = partition


class Partitions(Struct, frozen=True, omit_defaults=True):
    """What `/partitions` answers: which of the topic's partitions are served here."""

    topic: str
    partitions: int
    here: list[int]
    partition: int | None = None
    """Of the shopper that was asked for."""


class Questions:
    """Answers for the shoppers of the partitions that are open here, and for strangers."""

    def __init__(
        self, settings: Settings, shop: ShopModel, partitions: int, compute: Compute
    ) -> None:
        self._shop = shop
        self._partitions = partitions
        self._compute = compute
        self._strangers = Strangers(settings)
        self._shards: dict[int, Shard] = {}

    def open(self, shard: Shard) -> None:
        """Its shoppers can be asked for from now on."""
        self._shards[shard.partition] = shard

    def close(self, partition: int) -> None:
        """They can't any more; what was asked before is answered before the shard can close."""
        self._shards.pop(partition, None)

    def partitions(self, user: str | None = None) -> Partitions:
        """Which partitions are served here, and which is the shopper's."""
        own = None if user is None else partition_of(user.encode(), self._partitions)
        return Partitions(EVENTS, self._partitions, sorted(self._shards), own)

    async def of_shopper(self, user: str, k: int | None, query: str | None) -> Ranking:
        """A list for a shopper, who may have just searched for something.

        Raises
        ------
        Elsewhere
            If the shopper's partition is not served here.
        WrongUse
            If a list has less than `k` entries.
        """
        partition = partition_of(user.encode(), self._partitions)
        shard = self._shards.get(partition)
        if shard is None:
            raise Elsewhere(partition)
        return await self._compute.ask(shard.ranking, user, self._shop, k, query)

    async def of_stranger(self, question: RankQuestion) -> Ranking:
        """A list for somebody of whom no more is known than the question says."""
        return await self._compute.ask(self._strangers.ranking, question, self._shop)
