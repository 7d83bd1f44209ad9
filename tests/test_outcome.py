"""Messages made of what the loop left."""

from stream.core.ids import identify
from stream.core.shop import ShopModel
from stream.messages import MigrationAlert
from stream.outcome import Alarm, SentList, Writer
from tests.toy_shop import SMALL

CATEGORIES = ["tents", "boats", "lamps", "kites", "drums", "lutes", "bells"]
writer = Writer("clicks", 3, "fingerprint", 20.0, CATEGORIES)
A_BIT = 0.004


def alarm(offset: int, user: str, shares: list[tuple[int, float, float]] | None = None) -> Alarm:
    return Alarm(
        offset=offset, user=user, pattern=1, from_category=0, to_category=1, strength=0.5,
        evidence=60.0, occurred_at=5.0, began_at=1.0, session_started_at=4.0, session_events=3,
        shares=shares or [(0, 1.0, 0.5), (1, 0.0, 0.5)],
    )  # fmt: skip


def sent(offset: int, user: str, full: bool = False) -> SentList:
    return SentList(offset, user, 5.0, full, [], [])


def ids(alerts: list[MigrationAlert]) -> list[tuple[str, str, str]]:
    return [(alert.user_id, alert.id, alert.delta_id) for alert in alerts]


def test_alerts_of_one_record_are_numbered_by_user_and_share_a_delta_if_of_one_user() -> None:
    alerts = writer.alerts([alarm(7, "zoe"), alarm(7, "ann"), alarm(7, "zoe"), alarm(9, "bob")])
    assert ids(alerts) == [
        ("ann", "clicks-3-7-detected-0", "clicks-3-7-delta-0"),
        ("zoe", "clicks-3-7-detected-1", "clicks-3-7-delta-1"),
        ("zoe", "clicks-3-7-detected-2", "clicks-3-7-delta-1"),
        ("bob", "clicks-3-9-detected-0", "clicks-3-9-delta-0"),
    ]


def test_a_score_says_how_far_the_evidence_exceeds_the_threshold() -> None:
    (alert,) = writer.alerts([alarm(7, "ann")])
    assert (alert.score, alert.evidence, alert.threshold) == (0.75, 60.0, 20.0)
    assert (alert.pattern, alert.from_category, alert.to_category) == ("move", "tents", "boats")


def test_changes_are_the_five_largest_and_none_that_rounding_could_have_made() -> None:
    shares = [(n, 0.1, 0.1 + 0.01 * n) for n in range(7)] + [(0, 0.5, 0.5 + A_BIT)]
    (alert,) = writer.alerts([alarm(7, "ann", shares)])
    assert [change.category for change in alert.changes] == CATEGORIES[:1:-1]
    (alert,) = writer.alerts([alarm(7, "ann", [(0, 0.5, 0.5 + A_BIT), (1, 0.2, 0.9)])])
    assert [change.category for change in alert.changes] == ["boats"]


def test_equal_changes_stand_in_the_order_of_their_names() -> None:
    (alert,) = writer.alerts([alarm(7, "ann", [(0, 1.0, 0.5), (1, 0.0, 0.5)])])
    assert [(c.category, c.before, c.after) for c in alert.changes] == [
        ("boats", 0.0, 0.5),
        ("tents", 1.0, 0.5),
    ]


def test_deltas_have_the_ids_that_alerts_name_and_others_the_next() -> None:
    shop = ShopModel(SMALL)
    alerts = writer.alerts([alarm(7, "zoe"), alarm(7, "ann"), alarm(7, "ann")])
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
    entries = [(kayak, 0.5, 0, 0.9, oar), (dome, 0.3, 2, 1.0, 0), (oar, 0.1, 3, 0.5, 0)]
    (delta,) = writer.deltas([SentList(7, "ann", 5.0, False, entries, [dome, tarp, oar])], [], shop)
    assert (delta.entered, delta.left) == (["kayak"], ["tarp"])
    assert [(m.item_id, m.before, m.now) for m in delta.moved] == [("dome", 0, 1)]
    assert [(i.item_id, i.reason.because, i.reason.item_id) for i in delta.items] == [
        ("kayak", "follows", "oar"),
        ("dome", "recent", None),
        ("oar", "similar", None),
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
