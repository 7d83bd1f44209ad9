"""Next categories in the loop: learned as the estimator learns them, stored, and asked for."""

import random
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from stream.core.next_category import NextCategory
from stream.core.predictor import Predictor
from stream.core.shop import ShopModel
from stream.replay import Replay
from stream.shard import LogRecord, Shard
from stream.storage import codec
from stream.stored import stored_partitions
from tests.toy_shop import SMALL, START, TASTES, USERS, touch

FRESH = Predictor.of(SMALL).pack()


def visits(count: int, seed: int = 0) -> list[tuple[str, float, str]]:
    """Who, when, and in which category: each shopper keeps to a taste, with exceptions."""
    draw, everything = random.Random(seed), sorted(chain.from_iterable(TASTES))
    tastes = {user: TASTES[place % len(TASTES)] for place, user in enumerate(USERS)}
    found, at = [], 0.0
    for _ in range(count):
        at += draw.choice([0.0, 5.0, 45.0, 2e3])
        user = draw.choice(USERS)
        found.append((user, at, draw.choice(tastes[user] if draw.random() < 0.9 else everything)))
    return found


def records(seen: list[tuple[str, float, str]]) -> list[LogRecord]:
    return [touch(offset, user, at, category) for offset, (user, at, category) in enumerate(seen)]


def learned(shard: Shard) -> bytes:
    shard.checkpoint()
    stored = shard._checkpoint.learned(codec.PREDICTOR)
    assert stored is not None
    return stored


def test_the_loop_learns_what_the_estimator_learns(tmp_path: Path) -> None:
    """The estimator's shop learns every so many events, as the replay's does."""
    seen = visits(300)
    replay, model = Replay(tmp_path, 1, SMALL), NextCategory(adopt_every=SMALL.adopt_every)
    replay.feed(records(seen))
    for user, at, category in seen:
        model.learn_one(user, category, START + at)

    replay.save()
    (stored,) = stored_partitions(tmp_path)
    for user in USERS:
        theirs = dict(model.likely(user, stored.clock() or 0.0, count=5))
        mine = stored.next_categories(user, replay.shop)
        assert mine == pytest.approx(theirs, abs=6e-5)
        assert list(mine) == list(theirs)
    stored.close()
    replay.close()


def test_what_was_learned_is_there_after_a_restart(tmp_path: Path) -> None:
    half = records(visits(60))
    shop = ShopModel(SMALL)
    for cut, name in [(60, "whole"), (25, "cut")]:
        for part in (half[:cut], half[cut:]):
            shard = Shard(tmp_path / name, 0, 1, SMALL)
            shard.apply(part, shop)
            shard.checkpoint()
            shard.close()
    whole, cut_one = (Shard(tmp_path / name, 0, 1, SMALL) for name in ("whole", "cut"))
    assert learned(whole) == learned(cut_one) != FRESH
    whole.close()
    cut_one.close()


def test_nothing_is_learned_while_catching_up(tmp_path: Path) -> None:
    shard = Shard(tmp_path, 0, 1, SMALL)
    shard.apply(records(visits(60)), ShopModel(SMALL), muted=True)
    assert learned(shard) == FRESH
    shard.close()


def test_who_is_unknown_or_had_no_category_gets_no_answer(tmp_path: Path) -> None:
    replay = Replay(tmp_path, 1, SMALL)
    replay.feed([touch(0, "ann", 0, item_id="dome"), touch(1, "bob", 1, "tents")])
    replay.save()
    (stored,) = stored_partitions(tmp_path)
    assert stored.next_categories("nobody", replay.shop) == {}
    assert stored.next_categories("ann", replay.shop) == {}
    assert list(stored.next_categories("bob", replay.shop)) == ["tents"]
    stored.close()
    replay.close()


def test_what_another_version_stored_is_refused() -> None:
    own = Predictor.of(SMALL)
    assert np.array_equal(own.restored(own.pack()).mixtures, own.mixtures)
    with pytest.raises(ValueError, match="another layout"):
        own.restored(b"\0" * len(own.pack()))
