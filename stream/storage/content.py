"""What a snapshot of a stored partition or shop model is of."""

import msgspec

from stream.core.shop import VERSION
from stream.storage.codec import Header
from stream.storage.snapshots import Content

SHOP = "shop"


def of_partition(name: str, header: Header) -> Content:
    """Of a partition as its header has it.

    What is long in the header, or no number in JSON, is in the files alone.
    """
    return Content(
        part=name, settings=header.settings, format=header.format, offset=header.offset,
        header=msgspec.structs.replace(header, clock=b"", queue=b"", told_at=0.0),
    )  # fmt: skip


def of_model(settings: str, position: int) -> Content:
    """Of the shop model at a position, made with settings of this fingerprint."""
    return Content(part=SHOP, settings=settings, format=VERSION, offset=position)
