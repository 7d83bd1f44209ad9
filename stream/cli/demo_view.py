"""What `drift demo` shows while it runs: rates, lag, alerts with their reasons, and a list."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from stream.cli.alert_rows import cells

if TYPE_CHECKING:
    from stream.cli.demo_progress import Progress
    from stream.messages import MigrationAlert, RankedItem

ALERTS = 10
ITEMS = 5
AROUND_ALERTS = 12
"""Lines of the screen that show no alerts."""
MOVED_WIDTH = 37
REFRESH_SECONDS = 0.4
PLAIN_SECONDS = 5.0
BECAUSE = {
    "follows": "often follows {}",
    "precedes": "often leads to {}",
    "connected": "goes with what goes with {}",
    "recent": "they looked at it before",
    "category": "popular in {}",
    "similar": "fits what they looked at lately",
}
NONE_YET = "none yet: in a third of the time one gets to know the shoppers, then some move"
Titles = Mapping[str, str]


@contextmanager
def shown(progress: "Progress", titles: Titles) -> Iterator[None]:
    """Draw the progress to the end of the block: live on a terminal, as plain lines elsewhere.

    Parameters
    ----------
    titles
        From an item's id to what a person would call it.
    """
    console = Console(highlight=False)
    over = threading.Event()
    draw = _draw_live if console.is_terminal else _draw_plain
    thread = threading.Thread(target=draw, args=(console, progress, titles, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _draw_live(
    console: Console, progress: "Progress", titles: Titles, over: threading.Event
) -> None:
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while not over.wait(REFRESH_SECONDS):
            live.update(screen(progress, titles, console.height), refresh=True)
        live.update(screen(progress, titles, console.height), refresh=True)


def _draw_plain(
    console: Console, progress: "Progress", titles: Titles, over: threading.Event
) -> None:
    """A line every few seconds, one for each alert that came meanwhile, and a list at the end."""
    told = 0
    while not over.wait(PLAIN_SECONDS):
        click.echo(" | ".join(_status(progress)))
        told = _tell_alerts(progress, told)
    click.echo(" | ".join(_status(progress)))
    _tell_alerts(progress, told)
    for line in _list_shown(progress, titles):
        click.echo(line.plain)


def _tell_alerts(progress: "Progress", told: int) -> int:
    """Print the alerts after the first `told`; how many are told now."""
    news = progress.alerts[told:]
    for alert in news:
        _, user, before, now, pattern, strength, score, why = cells(alert)
        said = f"{pattern}, strength {strength}, score {score}"
        click.echo(f"  {user}: {before} -> {now} ({said}): {why}")
    return told + len(news)


def screen(progress: "Progress", titles: Titles, height: int) -> Group:
    """All of it, in at most `height` lines, the newest alert first."""
    alerts = max(1, min(ALERTS, (height - AROUND_ALERTS) // 2))
    lines = [
        *(Text(line, style="bold") for line in _status(progress)),
        Text(),
        Text(f"{'shop time':13}{'shopper':9}{'interest moved':{MOVED_WIDTH}}strength  score"),
        *(line for alert in reversed(progress.alerts[-alerts:]) for line in _alert(alert)),
        *([] if progress.alerts else [Text(NONE_YET, style="dim")]),
        Text(),
        *_list_shown(progress, titles),
    ]
    for line in lines:
        # A line that wraps would push others off the screen.
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*lines)


def _status(progress: "Progress") -> tuple[str, str]:
    """Time, then rates and lag."""
    sent, done = progress.rates()
    passed = min(progress.passed(), progress.seconds)
    shop_time = f"{datetime.fromtimestamp(progress.shop_time, UTC):%Y-%m-%d %H:%M}"
    return (
        f"{passed:.0f} of {progress.seconds} s | shop time {shop_time} UTC | "
        f"alerts: {len(progress.alerts)}",
        f"{sent:,.0f} events/s published, {done:,.0f} events/s processed | "
        f"lag {progress.lag():,} events",
    )


def _alert(alert: "MigrationAlert") -> tuple[Text, Text]:
    """Who moved from where to where, and below it why we think so."""
    time, user, before, now, pattern, strength, score, why = cells(alert)
    moved = Text.assemble((before, "yellow"), " -> ", (now, "bold green"))
    moved.pad_right(max(1, MOVED_WIDTH - len(moved)))
    # The year and the seconds say little here.
    who = f"{time[5:16]:13}{user:9}"
    return (
        Text.assemble(who, moved, f"{strength:>8}  {score:>5}"),
        Text(f"{'':13}{pattern}: {why}", style="dim"),
    )


def _list_shown(progress: "Progress", titles: Titles) -> list[Text]:
    """What a shopper who moved is recommended now, and why."""
    delta = progress.delta
    if delta is None:
        return []
    moves = (a for a in reversed(progress.alerts) if a.id == delta.alert_id)
    move = next(moves, None)
    said = f", who moved from {move.from_category} to {move.to_category}," if move else ""
    items = [_item(item, titles) for item in delta.items[:ITEMS]]
    return [Text(f"{delta.user_id}{said} is now shown"), *items]


def _item(item: "RankedItem", titles: Titles) -> Text:
    other = item.reason.item_id or item.reason.category or ""
    why = BECAUSE[item.reason.because].format(titles.get(other, other))
    return Text.assemble(f"  {titles.get(item.item_id, item.item_id):30}", (why, "dim"))
