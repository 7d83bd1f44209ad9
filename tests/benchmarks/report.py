"""Tables on the terminal, and the same numbers as JSON."""

import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

Cell = str | int | float
Row = dict[str, Cell]
WIDTH = 140
LIBRARIES = ("numba", "numpy", "msgspec", "faust-streaming", "aiokafka", "rocksdict")


class Report:
    """Shows each table as soon as it is there, and remembers them all."""

    def __init__(self) -> None:
        console = Console()
        # In a log, too, each row is a line.
        self._console = console if console.is_terminal else Console(width=WIDTH)
        self._tables: dict[str, list[Row]] = {}
        self.say(machine())

    def say(self, line: str) -> None:
        self._console.print(f"[dim]{line}[/dim]", highlight=False)

    def show(self, title: str, rows: Sequence[Row], note: str = "") -> None:
        """A table whose columns are the keys of its rows."""
        self._tables[title] = list(rows)
        table = Table(title=title, caption=note, title_justify="left", caption_justify="left")
        for name, value in rows[0].items():
            table.add_column(name, justify="left" if isinstance(value, str) else "right")
        for row in rows:
            table.add_row(*map(_text, row.values()))
        self._console.print(table)

    def write(self, path: Path) -> None:
        """All tables as JSON, with the machine and the load it had at the end."""
        whole = {"machine": machine(), "load": os.getloadavg(), "tables": self._tables}
        path.write_text(json.dumps(whole, indent=2) + "\n")


def machine() -> str:
    """The processor, Python and the libraries that matter, in one line."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, {versions}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _text(value: Cell) -> str:
    """Whole numbers in full, others with three digits.

    >>> _text(26452), _text(0.21849), _text(31.997)
    ('26,452', '0.218', '32.0')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")


def median_of(rows: Sequence[Row]) -> Row:
    """Column by column the median of some runs of one thing."""
    return {name: _middle([row[name] for row in rows]) for name in rows[0]}


def _middle(values: Sequence[Cell]) -> Cell:
    if isinstance(values[0], str):
        return values[0]
    number = statistics.median(value for value in values if not isinstance(value, str))
    return int(number) if isinstance(values[0], int) else number


def median_run(runs: int, run: Callable[[], Row]) -> Row:
    return median_of([run() for _ in range(runs)])
