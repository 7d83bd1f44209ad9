"""Whether more shoppers moved than before, beyond what chance and the rest of the shop explain."""

import math
from collections.abc import Sequence
from typing import NamedTuple


class TwoCounts(NamedTuple):
    """A count in the earlier and the later window, and of how many it is a part in each."""

    before: int
    now: int
    all_before: int
    all_now: int


def two_proportions(counts: TwoCounts) -> float:
    """z of a part's share now against its share before; above 0 if it grew.

    >>> round(two_proportions(TwoCounts(before=40, now=90, all_before=1000, all_now=1000)), 2)
    4.54
    """
    if not counts.all_before or not counts.all_now:
        return 0.0
    pooled = (counts.before + counts.now) / (counts.all_before + counts.all_now)
    variance = pooled * (1 - pooled) * (1 / counts.all_before + 1 / counts.all_now)
    if variance <= 0:
        return 0.0
    return (counts.now / counts.all_now - counts.before / counts.all_before) / math.sqrt(variance)


def interaction(cell: TwoCounts, rest: TwoCounts) -> float:
    """z of a flow's growth against what all other origins' flows to the same place did.

    `cell` counts the moves from A to B among all moves from A, `rest` those of all other
    categories to B among all of theirs:
    z = (ln((n2 + ½) / N2) - ln((n1 + ½) / N1) - the same of the rest)
    / sqrt(1 / (n1 + ½) + 1 / (n2 + ½) + 1 / r1 + 1 / r2). So a category that everybody comes
    to is no flow from A.

    >>> alone = interaction(TwoCounts(10, 60, 900, 900), TwoCounts(400, 410, 9000, 9000))
    >>> with_all = interaction(TwoCounts(10, 60, 900, 900), TwoCounts(400, 2400, 9000, 9000))
    >>> round(alone, 1), round(with_all, 1)
    (5.1, -0.1)
    """
    rest_before, rest_now = max(rest.before, 0.5), max(rest.now, 0.5)
    own = _growth(cell.before + 0.5, cell.now + 0.5, cell)
    others = _growth(rest_before, rest_now, rest)
    variance = 1 / (cell.before + 0.5) + 1 / (cell.now + 0.5) + 1 / rest_before + 1 / rest_now
    return (own - others) / math.sqrt(variance)


def _growth(before: float, now: float, of: TwoCounts) -> float:
    return math.log(now / max(of.all_now, 1)) - math.log(before / max(of.all_before, 1))


def two_sided(z: float) -> float:
    """The chance of a |z| as large where nothing changed.

    >>> round(two_sided(1.96), 3)
    0.05
    """
    return math.erfc(abs(z) / math.sqrt(2))


def discoveries(chances: Sequence[float], rate: float) -> list[bool]:
    """Which of a family of tests pass, so that in expectation `rate` of those are false [^1].

    >>> discoveries([0.001, 0.04, 0.2, 0.012], 0.05)
    [True, False, False, True]

    References
    ----------
    [^1]: Benjamini and Hochberg 1995. Controlling the false discovery rate. JRSS B.
    """
    order = sorted(range(len(chances)), key=lambda place: chances[place])
    passed = 0
    for rank, place in enumerate(order, 1):
        if chances[place] <= rate * rank / len(chances):
            passed = rank
    chosen = set(order[:passed])
    return [place in chosen for place in range(len(chances))]
