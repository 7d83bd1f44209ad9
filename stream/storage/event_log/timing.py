"""Times for lines that have none: files that are one week each, in order."""

import re
from collections.abc import Iterator
from pathlib import Path

from stream.errors import WrongUse
from stream.storage.event_log import files
from stream.storage.event_log.files import Meter

NAMED = re.compile(r"period_(\d{1,4})\.txt(\.gz|\.zst)?")
SUFFIX = ".csv"
"""What timed lines are like."""
MONDAY = 1_451_865_600
"""Period 0 begins here: 2016-01-04."""
WEEK = 7 * 86_400
MOST_PERIODS = 4000


def period(path: Path) -> int:
    """The period of a file, by its name.

    >>> period(Path("data/period_12.txt.gz"))
    12
    """
    found = NAMED.fullmatch(path.name.lower())
    if found is None or int(found[1]) > MOST_PERIODS:
        raise WrongUse(
            f"{path}: preset session-item needs files named period_N.txt or period_N.txt.gz, "
            f"N from 0 to {MOST_PERIODS}"
        )
    return int(found[1])


def check(path: Path) -> int:
    """The size of a file in bytes, which must be there and be named as a period."""
    period(path)
    return files.size(path)


def timed(path: Path, longest: int, meter: Meter) -> Iterator[tuple[int, bytes]]:
    """Each line "session item" as `user,session,item,time`, spread evenly over the file's week.

    Sessions are numbered anew in each file, so the period is part of their name; the session is
    the user. Period N begins N weeks after the first. Other lines stay what they are.
    """
    number = period(path)
    count = sum(1 for _ in files.lines(path, longest, Meter()))
    for line, text in files.lines(path, longest, meter):
        pair = text.split()
        if len(pair) == 2:
            at = MONDAY + WEEK * (number + (line - 1) / count)
            session = b"%d-%s" % (number, pair[0])
            yield line, b"%s,%s,%s,%.3f" % (session, session, pair[1], at)
        else:
            yield line, text
