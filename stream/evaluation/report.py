"""What an evaluation found: rows for machines, and a page with tables and plots for people."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Struct

from stream.evaluation.bootstrap import Interval

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

OURS = "interest-drift"


class Metric(NamedTuple):
    """How a metric is shown."""

    label: str
    """What a reader sees, units included."""
    digits: int = 3
    factor: float = 1.0
    """100 for shares that are shown as percent."""
    best: int = 0
    """1 where more is better, -1 where less is, 0 where neither is."""


METRICS = {
    "log_loss": Metric("log-loss, nats", 3, best=-1),
    "mean_delay": Metric("mean delay, events", 1, best=-1),
    "missed": Metric("missed, %", 1, 100.0, -1),
    "false_alarms_per_10k": Metric("false alarms per 10k events", 2),
    "right_from": Metric("from right, %", 0, 100.0, 1),
    "right_to": Metric("to right, %", 0, 100.0, 1),
    "wape": Metric("WAPE", 3, best=-1),
    "mase": Metric("MASE", 3, best=-1),
    "coverage": Metric("coverage, %", 1, 100.0),
}
"""Metrics by their names in rows; `hr@5`, `recall@20` and the like are shown as they are."""


class Row(Struct, frozen=True):
    """One number: what `method` reached in `setting` of `table`."""

    table: str
    method: str
    setting: str
    metric: str
    value: float | None
    """None where there is none, as the mean delay of nothing found."""
    low: float | None = None
    high: float | None = None
    n: int | None = None
    """How many independent things the number rests on."""


class Plot(NamedTuple):
    """A figure, and what a reader is to see in it."""

    figure: "Figure"
    caption: str
    table: str | None


class Report:
    """Collects rows, plots and notes, and writes them.

    Our own method goes by the name `OURS` wherever it stands in its default form.
    """

    def __init__(self, title: str, about: Mapping[str, str] | None = None) -> None:
        self.title = title
        self.about = dict(about or {})
        self.rows: list[Row] = []
        self.plots: list[Plot] = []
        self.notes: list[tuple[str | None, str]] = []
        self.metrics = dict(METRICS)
        self._texts: dict[str, str] = {}

    def describe(self, table: str, text: str) -> None:
        """Say above a table what stands in it, for a reader who knows nothing of it."""
        self._texts[table] = text

    def text(self, table: str) -> str:
        return self._texts.get(table, "")

    def measure(self, name: str, metric: Metric) -> None:
        """Say how a metric is shown."""
        self.metrics[name] = metric

    def add(self, row: Row) -> None:
        """Add a number; what is not finite counts as none."""
        value, low, high = (_finite(end) for end in (row.value, row.low, row.high))
        self.rows.append(msgspec.structs.replace(row, value=value, low=low, high=high))

    def put(
        self, table: str, method: str, setting: str, metric: str, measured: Interval | float
    ) -> None:
        """Add a number with its interval, or one that has none."""
        if not isinstance(measured, Interval):
            measured = Interval(measured, math.nan, math.nan, 0)
        value, low, high, n = measured
        self.add(Row(table, method, setting, metric, value, low, high, n or None))

    def plot(self, caption: str, figure: "Figure", table: str | None = None) -> None:
        """Add a plotly figure, below a table if one is named, else at the end."""
        self.plots.append(Plot(figure, caption, table))

    def note(self, text: str, table: str | None = None) -> None:
        """Add a sentence: what to know of a table, or of all."""
        self.notes.append((table, text))

    def tables(self) -> list[str]:
        """The tables' names, in order of first appearance."""
        return list(dict.fromkeys(row.table for row in self.rows))

    def table(self, name: str) -> "Table":
        return Table([row for row in self.rows if row.table == name])

    def write(self, out: Path) -> None:
        """Write report.json and report.html into the folder, which must exist."""
        from stream.evaluation.page import page

        rows = msgspec.json.encode({"rows": self.rows})
        (out / "report.json").write_bytes(msgspec.json.format(rows, indent=1) + b"\n")
        (out / "report.html").write_text(page(self), encoding="utf-8")


class Table:
    """Rows of one table, as lines of (setting, method) and columns of metrics."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._cells = {(row.setting, row.method, row.metric): row for row in rows}
        self.settings = list(dict.fromkeys(row.setting for row in rows))
        self.methods = list(dict.fromkeys(row.method for row in rows))
        self.metrics = list(dict.fromkeys(row.metric for row in rows))

    def lines(self) -> Iterator[tuple[str, str, list[Row | None]]]:
        """Setting, method and a row for each metric, or None."""
        for setting in self.settings:
            for method in self.methods:
                cells = [self._cells.get((setting, method, metric)) for metric in self.metrics]
                if any(cells):
                    yield setting, method, cells

    def best(self, setting: str, metric: str, sign: int) -> float | None:
        """The best value of a metric among the methods of a setting."""
        cells = [self._cells.get((setting, method, metric)) for method in self.methods]
        values = [cell.value for cell in cells if cell and cell.value is not None]
        if not sign or len(values) < 2:
            return None
        return max(values) if sign > 0 else min(values)


def shown(row: Row | None, metric: Metric) -> tuple[str, str]:
    """A number and its interval as text.

    >>> shown(Row("t", "m", "s", "missed", 0.05, 0.02, 0.1), METRICS["missed"])
    ('5.0', '2.0 to 10.0')
    """
    if row is None or row.value is None:
        return "-", ""
    number = f"{{:,.{metric.digits}f}}".format
    value = number(row.value * metric.factor)
    if row.low is None or row.high is None:
        return value, ""
    return value, f"{number(row.low * metric.factor)} to {number(row.high * metric.factor)}"


def metric_of(report: Report, name: str) -> Metric:
    """How a metric is shown; a name such as `hr@5` says itself that more is better."""
    known = report.metrics.get(name)
    if known is not None:
        return known
    rising = name.partition("@")[0] in ("hr", "recall", "mrr", "ndcg", "p", "auc", "ap")
    return Metric(name, 3, best=1 if rising else 0)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
