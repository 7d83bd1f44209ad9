"""Tries a fault at one point of a random stream, and looks at what is left."""

import asyncio
import json
import random
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from unittest import mock

from aiokafka.errors import KafkaError

from stream.shard import LogRecord
from tests.recovery.environment import Environment, Trouble, in_place_of_kafka
from tests.recovery.findings import (
    Prefixes,
    Published,
    check_counts,
    check_lists,
    counted,
    read,
)
from tests.recovery.lives import Group, Life
from tests.recovery.steps import Counted, Crash, Freeze, Point, watched
from tests.toy_shop import BROKEN, START, USERS, restless


class Tried(NamedTuple):
    """Whether the point was reached, and what befell outputs how often."""

    reached: bool
    met: dict[str, int]


class World:
    """Workers on one log, one after the other, each with a folder that it may share or lose."""

    def __init__(self, folder: Path, events: Sequence[LogRecord], trouble: Trouble, seed: int):
        self.events = events
        self.environment = Environment(folder, events, trouble)
        self.folders = sorted(folder.glob("worker *"))
        self.group = Group()
        self._draw = random.Random(seed)
        self._folder = folder

    def begin(self, name: str) -> Life:
        """A worker that has this folder from now on."""
        folder = self._folder / f"worker {name}"
        self.folders = [other for other in self.folders if other != folder] + [folder]
        return Life(self.environment, self.group, folder, self._draw)

    def next_name(self) -> str:
        """Its own folder mostly, at times another worker's, or a new one."""
        return self._draw.choice(["one", "one", "one", "two", "two", f"new {len(self.folders)}"])

    def run(self, story: Coroutine[None, None, None]) -> None:
        """Let something happen in this world, where batches are cut as seldom or as often."""
        slices = self._draw.choice([3, 9, 500])
        with (
            in_place_of_kafka(self.environment),
            mock.patch("stream.topology.lane.SLICE_RECORDS", slices),
        ):
            asyncio.run(story)

    def finish(self) -> None:
        """Start workers, through whatever trouble, until one has read the log to its end."""
        self.run(self._finish())

    async def _finish(self) -> None:
        while not await self.ends_well(self.begin(self.next_name())):
            pass

    async def ends_well(self, life: Life) -> bool:
        last = self.events[-1].offset
        try:
            await life.live(last)
        except (Crash, KafkaError):
            return False
        return self.environment.committed() == last + 1


def random_stream(seed: int, count: int = 240) -> list[LogRecord]:
    """Four shoppers who move and come back, two of whom are forgotten, one for good.

    Some records are broken, and some offsets missing. They were written just now, as far as
    Kafka knows.
    """
    draw, found, written_at = random.Random(seed), [], round(time.time() * 1000)
    back, gone = draw.sample(USERS[:4], 2)
    forgotten = {count // 2: back, 4 * count // 5: gone}
    for one in restless(seed, count):
        event = json.loads(one.value or b"")
        if event["user_id"] == gone and one.offset > 4 * count // 5:
            continue
        event["item_id"] = f"{event['category']}-{draw.randrange(4)}"
        event["event_type"] = draw.choice(["view", "view", "view", "cart", "purchase", "refund"])
        value = draw.choice(BROKEN) if draw.random() < 0.03 else json.dumps(event).encode()
        key = one.key
        if user := forgotten.get(one.offset):
            key, value = user.encode(), forget(user)
        if user or draw.random() < 0.98:
            found.append(one._replace(key=key, value=value, timestamp=written_at))
    return found


def forget(user: str) -> bytes:
    """A request to forget a shopper."""
    return json.dumps({"user_id": user, "event_type": "forget", "occurred_at": START}).encode()


class Stream:
    """A random stream, and what an undisturbed run leaves of it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.events = random_stream(seed)
        self.prefixes = Prefixes(self.events)
        self.counted = counted(self.events)
        self.counts, self.undisturbed = self._run_undisturbed()

    def _run_undisturbed(self) -> tuple[dict[str, int], Published]:
        steps = Counted()
        with TemporaryDirectory() as folder, watched(steps):
            world = World(Path(folder), self.events, Trouble(0), self.seed)
            world.finish()
            found = read(world.environment, world.folders[-1])
            world.environment.close()
        return dict(steps.counts), found

    def point(self, draw: random.Random, step: str) -> Point:
        """Any time that an undisturbed run makes this step, as likely as another."""
        number = draw.randint(1, self.counts.get(step, 1))
        return Point(step, number, "before" if draw.random() < 0.5 else "after")

    def crash_at(self, point: Point, seed: int, troubled: float = 0.0) -> Tried:
        """End a worker there by an exception, and start others until all is read."""
        steps = Counted(point)
        with TemporaryDirectory() as folder, watched(steps):
            trouble = Trouble(seed, troubled)
            world = World(Path(folder), self.events, trouble, self.seed)
            world.finish()
            self.check(world)
            return Tried(steps.reached, trouble.met)

    def freeze_at(self, point: Point, seed: int) -> Tried:
        """Hold a worker there while another one takes over, and let it go on then."""
        freeze = Freeze()
        steps = Counted(point, freeze)
        with TemporaryDirectory() as folder, watched(steps):
            world = World(Path(folder), self.events, Trouble(seed), self.seed)
            world.run(_frozen(world, freeze))
            self.check(world)
            return Tried(steps.reached, {})

    def check(self, world: World) -> None:
        """The same hashes and messages as undisturbed; all folders hold states on the way."""
        world.environment.trouble.arrive(world.environment)
        # Of who was forgotten, lists may have come late: the next owner tells of it again.
        world.finish()
        found = read(world.environment, world.folders[-1])
        world.environment.close()
        assert world.environment.committed() == self.events[-1].offset + 1
        stands = [self.prefixes.check(folder) for folder in world.folders]
        assert max(stands) == self.events[-1].offset
        assert found.alerts == self.undisturbed.alerts
        assert found.dead_letters == self.undisturbed.dead_letters
        assert found.learned == self.undisturbed.learned
        check_counts(found.counts, self.counted)
        check_lists(found, self.undisturbed, self.events)


async def _frozen(world: World, freeze: Freeze) -> None:
    zombie = world.begin("one")
    living = asyncio.ensure_future(world.ends_well(zombie))
    while not (freeze.frozen.is_set() or living.done()):
        await asyncio.sleep(0.001)
    owner = world.begin("two")
    owning = asyncio.ensure_future(world.ends_well(owner))
    await asyncio.sleep(0.02)
    freeze.wake()
    await living
    assert zombie.sent_when_stale == 0
    await owning
