"""An alert of any kind as the cells of one row, for people."""

from collections.abc import Mapping
from datetime import UTC, datetime

from stream.messages import (
    Alert,
    MigrationAlert,
    PopulationAlert,
    PredictedAlert,
    PredictionOutcome,
    ShareChange,
)

NO_NAMES: Mapping[str, str] = {}
FEW = "few"
"""Fewer than `min_users`, and so no number."""
WHY = 3
"""So many of the largest share changes, or sources, are told."""
# Column and width; the last takes what is left.
COLUMNS = (
    ("time (UTC)", 19), ("user", 12), ("from", 18), ("to", 18), ("what", 9), ("strength", 8),
    ("sure", 6), ("why", None),
)  # fmt: skip


def sureness(alert: Alert) -> float:
    """Score or probability, from 0 to 1; what is settled or passed a test is sure."""
    if isinstance(alert, MigrationAlert):
        return alert.score
    return alert.probability if isinstance(alert, PredictedAlert) else 1.0


def categories(alert: Alert) -> tuple[str | None, str]:
    """Where from, if that is known, and where to."""
    if isinstance(alert, PopulationAlert):
        return alert.from_category, alert.category
    origin = None if isinstance(alert, PredictionOutcome) else alert.from_category
    return origin, alert.to_category


def cells(alert: Alert, names: Mapping[str, str] = NO_NAMES) -> tuple[str, ...]:
    """An alert as the cells of its row; `names` are what categories are called."""
    at = alert.window_ends_at if isinstance(alert, PopulationAlert) else alert.occurred_at
    who = "the shop" if isinstance(alert, PopulationAlert) else alert.user_id
    origin, target = categories(alert)
    time = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
    called = [names.get(category, category) if category else "" for category in (origin, target)]
    return time, who, *called, *_told(alert, names)


def _told(alert: Alert, names: Mapping[str, str]) -> tuple[str, str, str, str]:
    """What, how strong, how sure, why."""
    match alert:
        case MigrationAlert():
            why = ", ".join(_changed(change, names) for change in alert.changes[:WHY])
            return alert.pattern, f"{alert.strength:.2f}", f"{alert.score:.3f}", why
        case PredictedAlert():
            why = (
                f"within the {alert.horizon}; {100 * alert.precision:.0f} % of {alert.matured} came"
            )
            return "predicted", "", f"{alert.probability:.3f}", why
        case PredictionOutcome():
            came = "came" if alert.came_true else "missed"
            return came, "", "", f"predicted at {alert.probability:.3f} for the {alert.horizon}"
        case PopulationAlert():
            what = "withdrawn" if alert.withdrawn else alert.direction
            return what, f"x{alert.ratio:.2f}", "", _shoppers(alert, names)


def _shoppers(alert: PopulationAlert, names: Mapping[str, str]) -> str:
    where = "to" if alert.direction == "falling" else "from"
    sources = (source.category for source in alert.sources[:WHY])
    called = ", ".join(names.get(category, category) for category in sources)
    before, now = (FEW if n is None else n for n in (alert.shoppers_before, alert.shoppers))
    told = f"{before} -> {now} shoppers"
    return f"{told}, mostly {where} {called}" if called else told


def _changed(change: ShareChange, names: Mapping[str, str] = NO_NAMES) -> str:
    """How a category's share changed.

    >>> _changed(ShareChange("tents", before=0.52, after=0.08))
    'tents 52 % -> 8 %'
    """
    called = names.get(change.category, change.category)
    return f"{called} {100 * change.before:.0f} % -> {100 * change.after:.0f} %"
