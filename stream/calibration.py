"""What `drift calibrate` learned of a shop's stored history: a file that workers read."""

import hashlib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from stream.errors import WrongUse

VERSION = 2


class Confidence(Struct, frozen=True, kw_only=True):
    """How sure an alarm is that a true change is behind it, as history shows.

    Its rank is `intercept` plus each weight times its feature; the chance is that at its rank,
    on the line through the points of `ranks` and `chances`, and beyond them as at the nearest.
    `prior` is the true changes an event that it assumes.
    """

    prior: float
    intercept: float
    evidence: float
    """Of the natural logarithm of evidence / threshold."""
    strength: float
    ring: float
    """Added where the ring tipped the alarm."""
    ranks: list[float]
    chances: list[float]
    """Of alarms around each of `ranks`, which rise: the share with a true change behind it."""


class Budget(Struct, frozen=True, kw_only=True):
    """What one budget of false alarms takes, and what it brings, as history shows."""

    false_alarms_per_10k_events: float
    threshold: Annotated[float, Meta(gt=0)]
    """h: above it the sum of evidence over sessions is an alarm."""
    ring_threshold: float | None = None
    """Gamma: above it the ring's log ratio is an alarm; None leaves the ring off."""
    realized_per_10k_events: float = 0.0
    """Alarms on shuffled histories that were not used to choose the thresholds."""
    alerts_per_day: float = 0.0
    shoppers_alerted: float = 0.0
    """Share of the shoppers with an alert, in the history's own order."""
    shoppers_by_chance: float = 0.0
    """The same on shuffled history, where nothing moved."""
    confidence: Confidence | None = None
    """Of an alert at these thresholds; None where history has too few to learn it from."""

    @property
    def chance_share(self) -> float:
        """Of the shoppers with an alert, the share that chance alone explains."""
        if not self.shoppers_alerted:
            return 0.0
        return min(1.0, self.shoppers_by_chance / self.shoppers_alerted)


class Calibration(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Thresholds for some budgets, and the shop's popularity table."""

    version: int = VERSION
    made_from: str
    shoppers: int
    events: int
    ring_share: float = 0.25
    """The part of the budget that the ring may spend."""
    budgets: list[Budget]
    popularity: dict[str, float]
    """Each category's share of events; all others together count as half an event."""
    others: float
    """The share of a category that history does not know."""

    def budget(self, false_alarms_per_10k_events: float) -> Budget:
        """The thresholds of one budget.

        Raises
        ------
        ValueError
            Naming the budgets there are.
        """
        for budget in self.budgets:
            if budget.false_alarms_per_10k_events == false_alarms_per_10k_events:
                return budget
        known = ", ".join(f"{budget.false_alarms_per_10k_events:g}" for budget in self.budgets)
        raise ValueError(
            f"the calibration knows false_alarms_per_10k_events of {known}, not "
            f"{false_alarms_per_10k_events:g}: take one of them, or calibrate with --budget "
            f"{false_alarms_per_10k_events:g}"
        )

    def fingerprint(self) -> str:
        """Sixteen hex digits that change with the content."""
        text = msgspec.json.encode(self, order="sorted")
        return hashlib.blake2b(text, digest_size=8).hexdigest()


def read_calibration(path: Path) -> Calibration:
    """The calibration in a file.

    Raises
    ------
    WrongUse
        Naming the file and what is wrong with it.
    """
    try:
        calibration = msgspec.json.decode(path.read_bytes(), type=Calibration)
    except OSError as error:
        raise WrongUse(f"calibration: can't read {path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WrongUse(
            f"calibration: {path} is no file of drift calibrate ({error}): make it anew"
        ) from None
    if calibration.version != VERSION:
        raise WrongUse(
            f"calibration: {path} has version {calibration.version}, this reads {VERSION}: "
            "make it anew with drift calibrate"
        )
    return calibration
