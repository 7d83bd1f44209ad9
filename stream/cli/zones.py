"""Settings for a stored log: its shoppers' days begin where they live."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream.settings import Settings

ZONES = {"taobao": "Asia/Shanghai"}


def loaded(path: Path | None, preset: str | None) -> "Settings":
    """The settings, with the preset's time zone unless they name another than UTC."""
    from msgspec.structs import replace

    from stream.settings import load

    settings = load(path)
    zone = ZONES.get(preset or "")
    return replace(settings, time_zone=zone) if zone and settings.time_zone == "UTC" else settings
