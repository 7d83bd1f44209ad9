"""What was tried, how often, and what was lost: printed when tests are done."""

from collections.abc import Callable, Iterable

import pytest

FAULT = "fault"
Tell = Callable[[str, int], None]
"""Says that a fault was tried so often, after all that it left was found as it should be."""


def table(reports: Iterable[pytest.TestReport]) -> list[str]:
    """The lines of the table, in Markdown; none where no fault was tried."""
    tried: dict[str, int] = {}
    for report in reports:
        for name, value in report.user_properties:
            if name == FAULT and report.when == "call":
                fault, times = value  # type: ignore[misc]
                tried[fault] = tried.get(fault, 0) + times
    rows = [f"| {fault} | {times:,} | 0 |" for fault, times in sorted(tried.items())]
    return ["| fault | tried | lost |", "|---|---|---|", *rows] if rows else []
