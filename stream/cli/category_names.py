"""What a catalog calls the shop's categories, for those who read results."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from stream.cli.stock import Reach
from stream.messages import DemandForecast

Told = TypeVar("Told", DemandForecast, Reach)


def category_names(catalog: Path | None) -> dict[str, str]:
    """The name of each category that has one; none without a catalog."""
    from stream.storage.event_log import entries

    pieces = entries(catalog) if catalog else ()
    return {one.category: one.name for piece in pieces for one in piece.categories if one.name}


def called(told: Sequence[Told], names: Mapping[str, str]) -> list[Told]:
    """The same, of categories by their names; two that share one keep theirs beside it."""
    bearers = Counter(names.values())
    shown = {id: name if bearers[name] == 1 else f"{name} ({id})" for id, name in names.items()}
    return [replace(one, category=shown.get(one.category or "", one.category)) for one in told]
