"""Messages made of what the loop left."""

import math

import msgspec
import pytest

from stream.calibration import Budget, Calibration, Confidence
from stream.core.ids import identify
from stream.core.ranking import REASONS
from stream.core.shop import ShopModel
from stream.messages import MigrationAlert
from stream.outcome import Alarm, Names, SentList, Writer
from tests.toy_shop import SMALL

CATEGORIES = ["tents", "boats", "lamps", "kites", "drums", "lutes", "bells"]
writer = Writer("clicks", 3, SMALL, CATEGORIES)
A_BIT = 0.004


def alarm(
    offset: int,
    user: str,
    shares: list[tuple[int, float, float]] | None = None,
    **other: float,
) -> Alarm:
    """An alert's first telling, the shopper's only one of the record, unless said otherwise."""
    usual = Alarm(
        told_by=offset, revision=0, offset=offset, number=0, delta=0, returns_offset=-1,
        returns_number=-1, user=user, marketing=True, pattern=1, from_category=0, to_category=1,
        source=0, strength=0.5, first_strength=0.5, evidence=60.0, occurred_at=5.0, began_at=1.0,
        session_started_at=4.0, session_events=3,
        shares=shares or [(0, 1.0, 0.5), (1, 0.0, 0.5)],
    )  # fmt: skip
    return usual._replace(**other)


def alerts_of(alarms: list[Alarm], writer: Writer = writer) -> list[MigrationAlert]:
    return writer.alerts(alarms).alerts


def sent(offset: int, user: str, full: bool = False) -> SentList:
    return SentList(offset, user, 5.0, full, [], [])


def ids(alerts: list[MigrationAlert]) -> list[tuple[str, str, str]]:
    return [(alert.user_id, alert.id, alert.delta_id) for alert in alerts]


def test_alerts_of_one_record_are_numbered_by_user_and_share_a_delta_if_of_one_user() -> None:
    alerts = alerts_of(
        [alarm(7, "zoe"), alarm(7, "ann"), alarm(7, "zoe", number=1), alarm(9, "bob")]
    )
    assert ids(alerts) == [
        ("ann", "clicks-3-7-detected-0", "clicks-3-7-delta-0"),
        ("zoe", "clicks-3-7-detected-1", "clicks-3-7-delta-1"),
        ("zoe", "clicks-3-7-detected-2", "clicks-3-7-delta-1"),
        ("bob", "clicks-3-9-detected-0", "clicks-3-9-delta-0"),
    ]


def test_rows_are_told_the_numbers_that_they_could_not_foresee() -> None:
    alarms = [alarm(7, "ann"), alarm(7, "zoe"), alarm(9, "bob")]
    assert writer.alerts(alarms).numbered == [("zoe", 7, Names(number=1, delta=1, returns=-1))]


def test_a_way_back_names_the_alert_it_takes_back_of_this_batch_or_an_earlier_one() -> None:
    first = [alarm(7, "ann"), alarm(7, "zoe")]
    back = alarm(9, "zoe", returns_offset=7, returns_number=0)
    alerts, _, numbered = writer.alerts([*first, back])
    assert [alert.returns_to for alert in alerts] == [None, None, "clicks-3-7-detected-1"]
    assert numbered == [("zoe", 9, Names(number=0, delta=0, returns=1))]
    later = alarm(9, "zoe", returns_offset=7, returns_number=1)
    assert writer.alerts([later]) == ([alerts[2]], [9], [])


def test_an_alert_told_again_keeps_its_ids_of_this_batch_or_an_earlier_one() -> None:
    first, again = alarm(7, "zoe"), alarm(7, "zoe", told_by=9, revision=1, to_category=2)
    alerts, told_by, _ = writer.alerts([alarm(7, "ann"), first, again])
    assert told_by == [7, 7, 9]
    assert [(a.id, a.revision, a.delta_id, a.source_offset) for a in alerts[1:]] == [
        ("clicks-3-7-detected-1", 0, "clicks-3-7-delta-1", 7),
        ("clicks-3-7-detected-1", 1, "clicks-3-7-delta-1", 7),
    ]
    assert alerts_of([again._replace(number=1, delta=1)]) == [alerts[2]]
    assert alerts[2].to_category == "lamps"


def test_an_alert_told_again_asks_for_no_list() -> None:
    alerts = alerts_of([alarm(7, "ann", told_by=9, revision=1)])
    (delta,) = writer.deltas([sent(7, "ann")], alerts, ShopModel(SMALL))
    assert delta.alert_id is None


CONFIDENCE = Confidence(
    prior=2e-4,
    intercept=-1.0,
    evidence=0.5,
    strength=2.0,
    ring=1.5,
    ranks=[-1.0, 3.0],
    chances=[0.4, 0.8],
)
CALIBRATION = Calibration(
    made_from="a test",
    shoppers=400,
    events=90_000,
    budgets=[
        Budget(
            false_alarms_per_10k_events=10.0,
            threshold=50.0,
            ring_threshold=-2.0,
            shoppers_alerted=0.2,
            shoppers_by_chance=0.08,
            confidence=CONFIDENCE,
        )
    ],
    popularity={"tents": 0.5, "boats": 0.5},
    others=1e-4,
)
CALIBRATED = msgspec.structs.replace(
    SMALL, calibration=CALIBRATION, false_alarms_per_10k_events=10.0
)


def test_a_calibration_tells_how_sure_an_alert_is_and_how_many_are_chance() -> None:
    calibrated = Writer("clicks", 3, CALIBRATED, CATEGORIES)
    over = math.exp(2.0) * 50.0
    sessions, ring = alerts_of(
        [alarm(7, "ann", evidence=over), alarm(9, "bob", evidence=1.0, source=1)], calibrated
    )
    assert (sessions.threshold, sessions.source) == (50.0, "sessions")
    assert sessions.confidence == pytest.approx(0.6, abs=1e-5)
    # The ring's evidence is a logarithm: 3 above its threshold.
    assert (ring.threshold, ring.source) == (-2.0, "ring")
    assert ring.confidence == pytest.approx(0.8, abs=1e-5)
    assert ring.score == pytest.approx(1 / (1 + math.exp(-3.0)), abs=1e-5)
    assert {alert.prior for alert in (sessions, ring)} == {2e-4}
    assert {alert.chance_share for alert in (sessions, ring)} == {0.4}


def test_without_a_calibration_no_chance_is_told() -> None:
    (alert,) = alerts_of([alarm(7, "ann")])
    assert (alert.confidence, alert.prior, alert.chance_share) == (None, None, None)


def test_a_score_says_how_far_the_evidence_exceeds_the_threshold() -> None:
    (alert,) = alerts_of([alarm(7, "ann")])
    assert (alert.score, alert.evidence, alert.threshold) == (0.75, 60.0, 20.0)
    assert (alert.pattern, alert.from_category, alert.to_category) == ("move", "tents", "boats")


def test_changes_are_the_five_largest_and_none_that_rounding_could_have_made() -> None:
    shares = [(n, 0.1, 0.1 + 0.01 * n) for n in range(7)] + [(0, 0.5, 0.5 + A_BIT)]
    (alert,) = alerts_of([alarm(7, "ann", shares)])
    assert [change.category for change in alert.changes] == CATEGORIES[:1:-1]
    (alert,) = alerts_of([alarm(7, "ann", [(0, 0.5, 0.5 + A_BIT), (1, 0.2, 0.9)])])
    assert [change.category for change in alert.changes] == ["boats"]


def test_equal_changes_stand_in_the_order_of_their_names() -> None:
    (alert,) = alerts_of([alarm(7, "ann", [(0, 1.0, 0.5), (1, 0.0, 0.5)])])
    assert [(c.category, c.before, c.after) for c in alert.changes] == [
        ("boats", 0.0, 0.5),
        ("tents", 1.0, 0.5),
    ]


def test_deltas_have_the_ids_that_alerts_name_and_others_the_next() -> None:
    shop = ShopModel(SMALL)
    alerts = alerts_of([alarm(7, "zoe"), alarm(7, "ann"), alarm(7, "ann", number=1)])
    lists = [sent(7, "zoe"), sent(7, "ann"), sent(7, "bob"), sent(8, "ann")]
    deltas = writer.deltas(lists, alerts, shop)
    assert [(delta.user_id, delta.id, delta.alert_id) for delta in deltas] == [
        ("zoe", "clicks-3-7-delta-1", "clicks-3-7-detected-2"),
        ("ann", "clicks-3-7-delta-0", "clicks-3-7-detected-0"),
        ("bob", "clicks-3-7-delta-2", None),
        ("ann", "clicks-3-8-delta-0", None),
    ]


def test_a_delta_says_what_entered_left_and_moved() -> None:
    shop = ShopModel(SMALL)
    names = ["dome", "tarp", "kayak", "oar"]
    dome, tarp, kayak, oar = (identify(name) for name in names)
    shop.item_names = lambda ids: dict(zip([dome, tarp, kayak, oar], names, strict=True))  # type: ignore[method-assign]
    shop.category_names = lambda ids: dict.fromkeys(ids, "boats")  # type: ignore[method-assign]
    entries = [
        (kayak, 0.5, REASONS.index("follows"), 0.9, oar),
        (dome, 0.3, REASONS.index("recent"), 1.0, 0),
        (oar, 0.1, REASONS.index("category"), 0.5, identify("boats")),
    ]
    (delta,) = writer.deltas([SentList(7, "ann", 5.0, False, entries, [dome, tarp, oar])], [], shop)
    assert (delta.entered, delta.left) == (["kayak"], ["tarp"])
    assert [(m.item_id, m.before, m.now) for m in delta.moved] == [("dome", 0, 1)]
    reasons = [(i.reason.because, i.reason.item_id, i.reason.category) for i in delta.items]
    assert [item.item_id for item in delta.items] == ["kayak", "dome", "oar"]
    assert reasons == [
        ("follows", "oar", None),
        ("recent", None, None),
        ("category", None, "boats"),
    ]


def test_an_item_whose_name_has_not_come_is_in_no_list() -> None:
    shop = ShopModel(SMALL)
    shop.item_names = lambda ids: {1: "dome", 2: "", 0: ""}  # type: ignore[method-assign]
    entries = [(2, 0.5, 2, 1.0, 0), (1, 0.3, 2, 1.0, 0)]
    full, delta = writer.deltas(
        [SentList(7, "ann", 5.0, True, entries, []), SentList(8, "ann", 5.0, False, [], [2, 1])],
        [],
        shop,
    )
    assert ([item.item_id for item in full.items], full.entered) == (["dome"], ["dome"])
    assert (delta.left, delta.moved) == (["dome"], [])
