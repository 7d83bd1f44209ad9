"""Figures of a report, in one look."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from stream.evaluation.report import OURS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLORS = ("#1f5fbf", "#d1701c", "#4a9a52", "#a3487f", "#7a7a7a", "#9c6b30", "#3aa6a6", "#b8403a")
FONT = "system-ui, sans-serif"


def figure(across: str, up: str, height: int = 380) -> "Figure":
    """An empty figure with named axes."""
    from plotly.graph_objects import Figure

    made = Figure()
    made.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 60, "r": 20, "t": 20, "b": 50},
        font={"family": FONT, "size": 13, "color": "#222"},
        colorway=list(COLORS),
        legend={"orientation": "h", "y": 1.08, "x": 0},
    )
    made.update_xaxes(title=across)
    made.update_yaxes(title=up)
    return made


def lines(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], across: str, up: str
) -> "Figure":
    """One curve a method; ours is drawn strongest."""
    made = figure(across, up)
    for name, (x, y) in curves.items():
        width = 3.5 if name == OURS else 1.8
        made.add_scatter(
            x=list(x), y=list(y), name=name, mode="lines+markers", line={"width": width}
        )
    return made


def ranges(
    curves: Mapping[str, Sequence[tuple[float, float, float, float]]], across: str, up: str
) -> "Figure":
    """One curve a method, of points with intervals: where, how much, from and to."""
    made = figure(across, up)
    for name, points in curves.items():
        x, y, low, high = zip(*points, strict=True)
        above = [top - middle for top, middle in zip(high, y, strict=True)]
        below = [middle - bottom for middle, bottom in zip(y, low, strict=True)]
        error = {"type": "data", "array": above, "arrayminus": below, "thickness": 1}
        made.add_scatter(x=x, y=y, name=name, mode="lines+markers", error_y=error)
    made.add_hline(y=0, line={"dash": "dot", "color": "#999"})
    return made


def reliability(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[int]]],
    across: str = "predicted probability",
    up: str = "share that came true",
    end: float = 1.0,
) -> "Figure":
    """What was predicted against what came true; on the diagonal, they agree.

    For each method: mean prediction, share that came true and number of cases of each bin.
    """
    made = figure(across, up)
    made.add_scatter(
        x=[0, end],
        y=[0, end],
        mode="lines",
        name="as predicted",
        line={"dash": "dot", "color": "#999"},
    )
    for name, (said, true, counts) in curves.items():
        made.add_scatter(
            x=list(said),
            y=list(true),
            name=name,
            mode="lines+markers",
            text=[f"{count:,} cases" for count in counts],
        )
    return made


def bars(
    groups: Mapping[str, Mapping[str, float]], across: str, up: str, height: int = 380
) -> "Figure":
    """For each method a bar in each group."""
    made = figure(across, up, height)
    for name, values in groups.items():
        made.add_bar(x=list(values), y=list(values.values()), name=name)
    made.update_layout(barmode="group")
    return made
