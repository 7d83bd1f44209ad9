"""What the demo shows on terminals of several sizes, and what it says at the end."""

from io import StringIO

import pytest
from rich.console import Console

from stream.cli.demo_progress import Progress
from stream.cli.demo_summary import summary
from stream.cli.demo_view import screen
from stream.evaluation.scenarios import Move, SimulatedEvent
from stream.messages import MigrationAlert, RankedItem, Reason, RecommendationDelta, ShareChange

DAY = 86_400.0


def alert(number: int, user: str = "ann", at: float = 1.79e9) -> MigrationAlert:
    return MigrationAlert(
        id=f"behavior-events-0-{number}-detected-0", user_id=user, from_category="tents",
        to_category="strollers", pattern="move", strength=0.456, score=0.9, evidence=3e4,
        threshold=2e4, occurred_at=at, began_at=at, session_started_at=at, session_events=5,
        delta_id=f"behavior-events-0-{number}-delta-0", source_offset=number, settings="s",
        changes=[ShareChange("tents", 0.52, 0.08), ShareChange("strollers", 0.02, 0.47)],
    )  # fmt: skip


def delta(of: MigrationAlert) -> RecommendationDelta:
    items = [RankedItem(f"s{n}", 1.0 - n / 100, Reason("follows", 0.7, "c1")) for n in range(20)]
    return RecommendationDelta(
        id=of.delta_id, user_id=of.user_id, sequence=of.source_offset, occurred_at=1.79e9,
        full=True, items=items, entered=[], left=[], moved=[], model_position=0, alert_id=of.id,
        settings="s",
    )  # fmt: skip


def drawn(progress: Progress, width: int, height: int) -> list[str]:
    console = Console(file=StringIO(), width=width, height=height)
    with console.capture() as captured:
        console.print(screen(progress, {"s0": "red stroller", "c1": "blue crib"}, height))
    return captured.get().splitlines()


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (200, 60)])
def test_a_full_view_fits_the_terminal_and_says_who_moved_and_why(size):
    progress = Progress("127.0.0.1:1", "demo", 4, 60)
    progress.alerts = [alert(n) for n in range(40)]
    progress.delta = delta(progress.alerts[-1])
    lines = drawn(progress, *size)

    # The cursor's line is one more.
    assert len(lines) < size[1]
    assert max(map(len, lines)) <= size[0]
    [who] = lines[4:5]
    assert who.split() == ["09-21", "14:13", "ann", "tents", "->", "strollers", "0.46", "0.900"]
    assert lines[5].strip() == "move: tents 52 % -> 8 %, strollers 2 % -> 47 %"
    assert "ann, who moved from tents to strollers, is now shown" in lines
    assert any("red stroller" in line and "often follows blue crib" in line for line in lines)


def test_a_view_without_alerts_says_why_there_are_none_yet():
    lines = drawn(Progress("127.0.0.1:1", "demo", 4, 60), 80, 24)
    assert any(line.startswith("none yet") and not line.endswith("…") for line in lines)


def test_the_newest_alert_is_on_top():
    progress = Progress("127.0.0.1:1", "demo", 4, 60)
    progress.alerts = [alert(1, "ann"), alert(2, "bob")]
    shoppers = [line.split()[2] for line in drawn(progress, 80, 24) if line.startswith("09-21")]
    assert shoppers == ["bob", "ann"]


def test_lag_is_what_was_sent_and_not_stored():
    progress = Progress("127.0.0.1:1", "demo", 4, 60)
    progress.published(SimulatedEvent("ann", 5.0, b"{}"))
    progress.published(SimulatedEvent("ann", 6.0, b"{}"))
    assert (progress.lag(), progress.not_stored()) == (2, 2)
    assert progress.times == {"ann": [5.0, 6.0]}


def test_the_summary_says_what_was_found_how_soon_and_what_was_false():
    moves = [
        Move(user, "tents", "strollers", 10 * DAY, first_event=0, events_before=2,
             sessions_before=2)
        for user in ("ann", "bob")
    ]  # fmt: skip
    times = {user: [n * DAY for n in range(20)] for user in ("ann", "bob", "eve")}
    alerts = [alert(1, "ann", 12 * DAY), alert(2, "ann", 15 * DAY), alert(3, "eve", 12 * DAY)]
    assert summary(moves, alerts, times).splitlines() == [
        "",
        "60 events of 3 shoppers, 3 alerts",
        "found 1 of 2 migrations (50%); of those named right: from 1, to 1",
        "how soon: half within 2.0 days of shop time, or 3 events of the shopper",
        "false alarms: 1, that is 166.67 per 10,000 events (the budget is 1); 1 told a move again",
    ]


def test_a_run_in_which_nobody_moved_says_what_to_do():
    assert "take more --seconds or a higher --rate" in summary([], [], {"ann": [1.0]})
