"""Predictions outlive their owner: who takes a partition over tells what became of them."""

from pathlib import Path

import msgspec
import pytest

from stream.core.shop import ShopModel
from stream.messages import PredictedAlert, PredictionOutcome
from stream.outcome import Outcome
from stream.shard import LogRecord, Shard
from tests.toy_shop import SMALL, touch

DAY = 86_400.0
USERS = ["ann", "bob", "cem"]


def day(number: int, categories: list[str], first: int) -> list[LogRecord]:
    """Each shopper touches each of the categories twice, in the first hours of a UTC day."""
    # The toy shop's time starts 22:13 before a midnight.
    morning = 6400.0 + (number - 1) * DAY
    return [
        touch(first + place, user, morning + 60.0 * place, category)
        for place, (user, category) in enumerate(
            (user, category) for category in categories * 2 for user in USERS
        )
    ]


def logs() -> list[list[LogRecord]]:
    """Three days of five categories, of which three at most can be a shopper's largest."""
    days, first = [], 0
    for number, leader in enumerate(["tents", "kites", "drums"], 1):
        days.append(day(number, ["tents", "lamps", "boats", "kites", "drums", leader], first))
        first += len(days[-1])
    return days


def foretelling(
    folder: Path, shop: ShopModel
) -> tuple[Shard, list[PredictedAlert], list[LogRecord]]:
    """A shard that on the second day sends whatever it foresees; the alerts; the third day."""
    first, second, third = logs()
    shard = Shard(folder, 0, 1, SMALL)
    # The second day begins with its third shopper, and with it what is sure enough.
    shard.apply([*first, *second[:3]], shop)
    for store in shard._horizons.own.stores:
        store.limit = 0.0
    alerts, _ = told(shard.apply(second[3:], shop))
    assert len(alerts) > 3
    return shard, alerts, third


def follower(folder: Path, shop: ShopModel) -> Shard:
    """A shard that applied the first two days in silence."""
    first, second, _ = logs()
    shard = Shard(folder, 0, 1, SMALL)
    shard.apply([*first, *second], shop, muted=True)
    return shard


def told(outcome: Outcome) -> tuple[list[PredictedAlert], list[PredictionOutcome]]:
    alerts = [one for one in outcome.foretold if isinstance(one, PredictedAlert)]
    return alerts, [one for one in outcome.foretold if isinstance(one, PredictionOutcome)]


@pytest.fixture
def shop() -> ShopModel:
    return ShopModel(SMALL)


def test_the_new_owner_tells_the_outcomes_that_the_old_one_would(
    tmp_path: Path, shop: ShopModel
) -> None:
    old, alerts, third = foretelling(tmp_path / "old", shop)
    _, expected = told(old.apply(third, shop))
    old.close()
    daily = {alert.id for alert in alerts if alert.horizon == "day"}
    assert {one.predicted_id for one in expected} == daily
    assert {one.came_true for one in expected} == {False, True}

    new = follower(tmp_path / "new", shop)
    assert new.take_over(alerts) == len(alerts)
    assert new.take_over(alerts) == 0
    assert told(new.apply(third, shop))[1] == expected
    new.close()


def test_they_are_stored_with_the_rows(tmp_path: Path, shop: ShopModel) -> None:
    old, alerts, third = foretelling(tmp_path / "old", shop)
    _, expected = told(old.apply(third, shop))
    old.close()

    new = follower(tmp_path / "new", shop)
    new.checkpoint()
    new.take_over(alerts[1:])
    new.checkpoint()
    new.take_over(alerts)
    new.checkpoint()
    new.close()
    again = Shard(tmp_path / "new", 0, 1, SMALL)
    assert told(again.apply(third, shop))[1] == expected
    again.close()


def test_what_is_over_or_was_told_elsewhere_is_not_taken_over(
    tmp_path: Path, shop: ShopModel
) -> None:
    old, alerts, third = foretelling(tmp_path / "old", shop)
    old.close()
    alert, replace = next(one for one in alerts if one.horizon == "day"), msgspec.structs.replace

    new = follower(tmp_path / "new", shop)
    others = [
        replace(alert, settings="of another group"),
        replace(alert, id="behavior-events-7-3-predicted-0"),
        replace(alert, id="nonsense"),
        replace(alert, horizon="quarter"),
        replace(alert, period_ends_at=alert.period_ends_at - DAY),
    ]
    assert new.take_over(others) == 0
    assert new.take_over([alert]) == 1
    new.apply(third, shop, muted=True)
    assert new.take_over([replace(alert, id=f"{alert.id}1")]) == 0
    new.close()
