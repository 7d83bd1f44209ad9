"""The contract of every estimator. A new one joins by its line in `ESTIMATORS`."""

import copy
import hashlib
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import base, checks
from river.checks import common

from stream.core.bilinear import BilinearMigration
from stream.core.drift_detector import ShiftDetector
from stream.core.entering import EnteringInterest
from stream.core.factor_rankers import (
    BPRFactorization,
    ISGDFactorization,
    SoftmaxFactorization,
)
from stream.core.graph_ranker import GraphPropagation
from stream.core.implicit import ImplicitRanker
from stream.core.interest import InterestProfile
from stream.core.next_category import NextCategory
from stream.core.popularity import DecayedPopularity
from stream.core.rated_ranker import RatedFactorization
from stream.core.transitions import TransitionCounts

ROOT = Path(__file__).parents[2]


class Event(NamedTuple):
    """All that an estimator may be told of."""

    user: str
    item: str
    category: str
    at: float
    weight: float
    session: str


@dataclass(frozen=True)
class Contract:
    """How the contract speaks to one estimator.

    `learn` is called with the arguments that `arguments` makes of an event; `ask` makes
    one prediction, about a user and an id, which may be an item or a category.
    """

    make: Callable[[], Any]
    learn: Callable[..., object]
    arguments: Callable[[Event], tuple[Any, ...]]
    ask: Callable[[Any, str, str], object]
    restore: Callable[[bytes], Any]


def ranker(make: Callable[[], ImplicitRanker]) -> Contract:
    """How it speaks to those that learn what users took."""
    return Contract(
        make=make,
        learn=ImplicitRanker.learn_one,
        arguments=lambda event: (event.user, event.item, True, {"occurred_at": event.at}),
        ask=lambda model, user, id: (model.predict_one(user, id), model.rank(user, {*IDS, id})),
        restore=type(make()).restore,
    )


ESTIMATORS: dict[str, Contract] = {
    "InterestProfile": Contract(
        make=lambda: InterestProfile(short_half_life=60, long_half_life=600, slots=4),
        learn=InterestProfile.update,
        arguments=lambda event: (event.category, event.at, event.weight),
        ask=lambda profile, _, id: profile.share(id),
        restore=InterestProfile.restore,
    ),
    "ShiftDetector": Contract(
        make=lambda: ShiftDetector(false_alarms_per_10k_events=1000, slots=4),
        learn=ShiftDetector.update,
        arguments=lambda event: (event.category, event.at, event.session),
        ask=lambda detector, *_: (detector.drift_detected, detector.alarm),
        restore=ShiftDetector.restore,
    ),
    "ShiftDetector with its ring": Contract(
        make=lambda: ShiftDetector(1000, 4, popularity={"rock": 0.2}, ring_threshold=0.5),
        learn=ShiftDetector.update,
        arguments=lambda event: (event.category, event.at, event.session),
        ask=lambda detector, *_: (detector.drift_detected, detector.alarm),
        restore=ShiftDetector.restore,
    ),
    "EnteringInterest": Contract(
        make=lambda: EnteringInterest(600, 2400, 300, least_events=2, panel=100),
        learn=EnteringInterest.learn_one,
        arguments=lambda event: (event.user, event.category, event.at),
        ask=lambda model, user, id: (
            model.predict_one(user, id, 1e4),
            model.rank(user, {*IDS, id}, 1e4),
        ),
        restore=EnteringInterest.restore,
    ),
    "NextCategory": Contract(
        make=lambda: NextCategory(4, 3, 2, 3, transition_half_life=600, popularity_half_life=900),
        learn=NextCategory.learn_one,
        arguments=lambda event: (event.user, event.category, event.at),
        ask=lambda model, user, id: (
            model.predict_one(user, id, 1e4),
            model.rank(user, {*IDS, id}, 1e4),
            model.likely(user, 1e4, 3),
            model.explain(user, id, 1e4),
        ),
        restore=NextCategory.restore,
    ),
    "BilinearMigration": Contract(
        make=lambda: BilinearMigration(factors=8, negatives=3),
        learn=BilinearMigration.learn_one,
        arguments=lambda event: (event.user, event.category),
        ask=lambda model, user, id: (model.predict_one(user, id), model.rank(user, {*IDS, id})),
        restore=BilinearMigration.restore,
    ),
    "TransitionCounts": ranker(lambda: TransitionCounts(half_life=600, slots=4)),
    "DecayedPopularity": ranker(lambda: DecayedPopularity(half_life=600)),
    "SoftmaxFactorization": ranker(lambda: SoftmaxFactorization(factors=8, negatives=3)),
    "BPRFactorization": ranker(lambda: BPRFactorization(factors=8, negatives=3, every=2)),
    "ISGDFactorization": ranker(lambda: ISGDFactorization(factors=8, negatives=3)),
    "RatedFactorization": Contract(
        make=lambda: RatedFactorization(factors=2),
        learn=RatedFactorization.learn_one,
        arguments=lambda event: (event.user, event.item, event.weight),
        ask=lambda model, user, id: (model.predict_one(user, id), model.rank(user, {*IDS, id})),
        restore=RatedFactorization.restore,
    ),
    "GraphPropagation": ranker(lambda: GraphPropagation(8, 4, half_life=600, negatives=3)),
}
each_estimator = pytest.mark.parametrize("contract", ESTIMATORS.values(), ids=ESTIMATORS)
USERS = ["ann", "bob", "eve"]
IDS = ["tent", "stove", "stroller", "boat", "kite", "drum", "ü", "?"]

EVENTS = st.lists(
    st.builds(
        Event,
        user=st.sampled_from(USERS),
        item=st.sampled_from(IDS),
        category=st.sampled_from(IDS),
        at=st.integers(0, 10_000).map(float),
        weight=st.sampled_from([0.0, 1.0, 2.5]),
        session=st.sampled_from(["a", "b"]),
    ),
    max_size=60,
)


def learn(contract: Contract, estimator: Any, events: Iterable[Event]) -> Any:
    for event in events:
        contract.learn(estimator, *contract.arguments(event))
    return estimator


def everything(contract: Contract, estimator: Any, ids: Iterable[str]) -> dict[object, object]:
    return {(user, id): contract.ask(estimator, user, id) for id in ids for user in USERS}


def usual(count: int, seed: int = 1) -> list[Event]:
    """A stream like a shop's: time goes on, taste moves every 200 events."""
    rng, events = random.Random(seed), []
    for number in range(count):
        id = IDS[(number // 200 + rng.choice([0, 0, 0, 1, 2])) % len(IDS)]
        events.append(
            Event(rng.choice(USERS), id, id, 60.0 * number, rng.random() * 3, str(number // 3))
        )
    return events


@each_estimator
@given(events=EVENTS)
def test_predicting_changes_nothing(contract: Contract, events: list[Event]) -> None:
    asked = contract.make()
    for event in events:
        everything(contract, asked, [*IDS, "never seen"])
        learn(contract, asked, [event])
    everything(contract, asked, [*IDS, "never seen"])

    assert asked.snapshot() == learn(contract, contract.make(), events).snapshot()


@each_estimator
def test_predicting_before_learning_works(contract: Contract) -> None:
    for prediction in everything(contract, contract.make(), IDS).values():
        assert all(math.isfinite(number) for number in numbers(prediction))


@each_estimator
@given(events=EVENTS)
def test_the_order_of_asking_does_not_matter(contract: Contract, events: list[Event]) -> None:
    estimator = learn(contract, contract.make(), events)

    assert everything(contract, estimator, IDS) == everything(contract, estimator, IDS[::-1])


@each_estimator
@given(events=EVENTS, cut=st.integers(0, 60))
def test_a_restart_after_any_event_changes_nothing(
    contract: Contract, events: list[Event], cut: int
) -> None:
    first = learn(contract, contract.make(), events[:cut])
    resumed = contract.restore(first.snapshot())

    assert resumed.snapshot() == first.snapshot()
    assert everything(contract, resumed, IDS) == everything(contract, first, IDS)
    whole = learn(contract, contract.make(), events)
    assert learn(contract, resumed, events[cut:]).snapshot() == whole.snapshot()


@each_estimator
def test_learning_neither_keeps_nor_changes_its_arguments(contract: Contract) -> None:
    estimator = contract.make()
    for event in usual(300):
        arguments = contract.arguments(event)
        before = copy.deepcopy(arguments)
        contract.learn(estimator, *arguments)
        assert arguments == before
        after = estimator.snapshot()
        for argument in arguments:
            if isinstance(argument, dict | list | set):
                argument.clear()
        assert estimator.snapshot() == after


def adversarial(count: int) -> Iterator[Event]:
    """Time jumps both ways and stands still, weights are huge and tiny, ids come and go."""
    rng = random.Random(13)
    times = [0.0, 1e9, -1e9, 1e300, -1e300, 1e-300, 1.0]
    weights = [0.0, 1e-300, 1.0, 1e12, 1e300]
    for number in range(count):
        id = rng.choice([rng.choice(IDS), str(number), "\0", "x" * 1000])
        at = rng.choice([*times, float(number), rng.uniform(-1e6, 1e6)])
        session = rng.choice(["", str(number), "one", str(number // 70)])
        yield Event(rng.choice(USERS), id, id, at, rng.choice(weights), session)


def numbers(thing: object) -> Iterator[float]:
    """All floats in a prediction or an estimator, arrays of rows included."""
    if isinstance(thing, float | np.floating):
        yield float(thing)
    elif isinstance(thing, np.ndarray) and thing.dtype.names:
        for name in thing.dtype.names:
            yield from numbers(np.asarray(thing[name]))
    elif isinstance(thing, np.ndarray) and thing.dtype.kind == "f":
        yield from thing.ravel().tolist()
    elif isinstance(thing, dict):
        yield from numbers([*thing, *thing.values()])
    elif isinstance(thing, list | tuple):
        for part in thing:
            yield from numbers(part)
    elif hasattr(thing, "__dict__"):
        yield from numbers(vars(thing))


@each_estimator
def test_values_stay_finite_after_10_000_adversarial_events(contract: Contract) -> None:
    estimator = learn(contract, contract.make(), adversarial(10_000))

    assert all(math.isfinite(number) for number in numbers(estimator))
    predictions = everything(contract, estimator, [*IDS, "9999", "never seen"])
    assert all(math.isfinite(number) for number in numbers(predictions))


@each_estimator
def test_memory_is_bounded_by_users_and_ids(contract: Contract) -> None:
    estimator = learn(contract, contract.make(), usual(2_000))
    early = len(estimator.snapshot())
    learn(contract, estimator, usual(8_000)[2_000:])

    # Counters take a few bytes more as they grow, and a last alarm may stand in it.
    assert len(estimator.snapshot()) <= early + 500


def digest_of_all() -> str:
    """Every estimator after 1,000 events, with what it predicts, in one hash."""
    digest = hashlib.sha256()
    for contract in ESTIMATORS.values():
        estimator = learn(contract, contract.make(), usual(1_000))
        digest.update(estimator.snapshot())
        digest.update(repr(everything(contract, estimator, IDS)).encode())
    return digest.hexdigest()


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_with_another_hash_seed_gives_the_same_state(hash_seed: str) -> None:
    program = "from tests.contracts.test_estimators import digest_of_all; print(digest_of_all())"
    other = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )

    assert other.stdout.strip() == digest_of_all()


# River checks estimators that learn from features whole; of the others, what all share.
SHARED_BY_ALL = [
    common.check_repr,
    common.check_str,
    common.check_clone_same_class,
    common.check_clone_is_idempotent,
    common.check_init_has_default_params_for_tests,
    common.check_init_default_params_are_not_mutable,
    common.check_doc,
    common.check_clone_changes_memory_addresses,
    common.check_mutate_can_be_idempotent,
    common.check_pickling_supports_roundtrip,
    common.check_repr_roundtrips_clone,
    common.check_clone_with_new_params_applies,
    common.check_get_params_matches_signature,
]


@each_estimator
def test_river_accepts_it(contract: Contract) -> None:
    model = contract.make()
    if isinstance(model, base.Estimator):
        checks.check_estimator(model)
    for check in SHARED_BY_ALL:
        check(model.clone())
