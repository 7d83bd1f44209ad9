"""The table of confidence: of alerts said to be so sure, how many follow a true change."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.core.rows import Float64s
from stream.evaluation.drift.confidence import (
    PRIOR,
    RATES,
    Bin,
    Examples,
    chances,
    examples,
    fit,
    reliability,
    together,
)
from stream.evaluation.drift.contest import Contestant
from stream.evaluation.drift.parts import Streamed
from stream.evaluation.plots import reliability as reliability_plot
from stream.evaluation.report import OURS, Metric, Report

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SURE = 0.9


class Checked(NamedTuple):
    """Alerts on test shoppers, and the chance that a model fitted on others gave them."""

    seen: Examples
    chance: Float64s


def checked(contestant: Contestant, tuning: Streamed, test: Streamed) -> Checked:
    """Fit confidence on the shoppers that the thresholds were tuned on; apply it to others."""
    model = fit(_seen(contestant, tuning))
    seen = _seen(contestant, test)
    chance = np.full(len(seen.true), np.nan) if model is None else chances(model, seen)
    return Checked(seen, chance)


def _seen(contestant: Contestant, streams: Streamed) -> Examples:
    quiet, moved = streams.by_day, streams.spliced
    return examples(quiet, contestant.run(quiet), moved, contestant.run(moved))


def tables(log: str, sure: Mapping[str, Sequence[Checked]], report: Report) -> None:
    """One line for each bin of confidence, on the mix and at each of its rates."""
    table = f"Confidence: {log}"
    report.measure("said", Metric("said to be sure, %", 1, 100.0))
    report.measure("came", Metric("true change behind it, %", 1, 100.0))
    for setting, parts in sure.items():
        seen = together([part.seen for part in parts])
        chance = np.concatenate([part.chance for part in parts])
        if np.isnan(chance).any():
            report.note(f"{setting}: too few alerts to fit confidence.", table)
            continue
        mix = reliability(chance, seen.true, seen.at(PRIOR))
        _put(report, table, setting, mix)
        _put_sure(report, table, setting, seen, chance)
        report.plot(f"{log}, {setting}: confidence against what came.", _plot(seen, chance), table)
    report.describe(table, _description())


def _put(report: Report, table: str, setting: str, bins: Sequence[Bin]) -> None:
    for found in bins:
        method = f"{OURS}, said {found.low:.2f} to {found.high:.2f}"
        report.put(table, method, setting, "said", found.said)
        report.put(table, method, setting, "came", found.came)


def _put_sure(report: Report, table: str, setting: str, seen: Examples, chance: Float64s) -> None:
    """Of the alerts said to be 0.9 sure or more, the share that was right, at each rate."""
    there = chance >= SURE
    for rate, name in ((PRIOR, "the mix"), *((rate, _rate(rate)) for rate in RATES)):
        weights = seen.at(rate)
        method = f"{OURS}, said {SURE} or more, {name}"
        if there.any():
            report.put(table, method, setting, "said", _mean(chance[there], weights[there]))
            report.put(table, method, setting, "came", _mean(seen.true[there], weights[there]))
            share = float(weights[there].sum() / weights.sum())
            report.measure("of_all", Metric("of all alerts, %", 0, 100.0))
            report.put(table, method, setting, "of_all", share)


def _rate(rate: float) -> str:
    return f"one change in {1 / rate:,.0f} events"


def _mean(values: Float64s | NDArray[np.bool_], weights: Float64s) -> float:
    return float((values * weights).sum() / weights.sum())


def _plot(seen: Examples, chance: Float64s) -> "Figure":
    curves = {}
    for rate, name in ((PRIOR, "the mix"), *((rate, _rate(rate)) for rate in RATES)):
        bins = reliability(chance, seen.true, seen.at(rate))
        curves[name] = (
            [found.said for found in bins],
            [found.came.value for found in bins],
            [found.came.n for found in bins],
        )
    return reliability_plot(curves, "confidence", "share with a true change behind it")


def _description() -> str:
    rates = " and ".join(f"{1 / rate:,.0f}" for rate in RATES)
    return (
        f"Half of the shoppers have one true change in {rates.split(' and ')[0]} events, half one "
        f"in {rates.split(' and ')[1]}: {PRIOR:g} an event. On that mix a logistic model of the "
        "evidence, the strength and whether the ring tipped the alert ranks alerts, and an alert "
        "is as sure as the share of true changes at its rank, on the shoppers that thresholds "
        "are tuned on; these are alerts of the test shoppers. With another rate "
        "of true changes the same alerts are worth more or less, as the last lines show."
    )
