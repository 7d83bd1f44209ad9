"""The tables of a real log: shoppers' histories spliced and shuffled, one budget for all."""

import math
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from stream.evaluation import bootstrap
from stream.evaluation.drift import methods, sureness
from stream.evaluation.drift.contest import FULL, Contestant, Effort, contestants
from stream.evaluation.drift.histories import Sizes, histories, own, spliced
from stream.evaluation.drift.judging import LATEST, Verdict, judge
from stream.evaluation.drift.methods import EVERY, Ours
from stream.evaluation.drift.parts import AMENDED_AFTER, Parts, Streamed, parted, streamed
from stream.evaluation.drift.streams import Found, Streams
from stream.evaluation.drift.sureness import Checked, checked
from stream.evaluation.logs import Log
from stream.evaluation.plots import lines
from stream.evaluation.report import OURS, Metric, Report

BUDGETS = {1.0: "1 per 10,000 events", 10.0: "1 per 1,000 events"}
WITHIN = (50, 100, 200)
CURVE = (10, 20, 30, 40, 50, 60, 80, 100, 120, 150, 200)

Numbers = dict[tuple[str, str, str, str], list[float]]
"""Table, method, setting and metric; a number for each draw."""


class Draw(NamedTuple):
    """One way to part the shoppers, and the streams made of them."""

    ours: Ours
    tuning: Streamed
    test: Streamed
    longer: Streams
    """Splices with more events behind them, to look at `to` once more."""
    own: Streams


def tables(
    log: Log,
    seed: int,
    report: Report,
    say: Callable[[str], None],
    effort: Effort = FULL,
) -> None:
    """Splices and shuffles of one log, in so many draws of everything."""
    found = histories(log)
    numbers: Numbers = defaultdict(list)
    curves: Numbers = defaultdict(list)
    sure: dict[str, list[Checked]] = defaultdict(list)
    for number in range(effort.draws):
        say(f"{log.name}: draw {number + 1} of {effort.draws}")
        seeds = np.random.SeedSequence((seed, number)).generate_state(4).tolist()
        parts = parted(found, seeds[0])
        drawn = _drawn(parts, len(log.category_names), effort, seeds)
        for per_10k, setting in BUDGETS.items():
            quiet, moved = drawn.tuning.by_day, drawn.tuning.spliced
            for contestant in contestants(drawn.ours, quiet, moved, per_10k, seeds[3], effort.slow):
                _judged(log.name, setting, contestant, drawn, numbers, curves)
                if contestant.name == OURS:
                    sure[setting].append(checked(contestant, drawn.tuning, drawn.test))
    _write(log.name, numbers, curves, report)
    _describe(log, parts, effort, report)
    sureness.tables(log.name, sure, report)


def _drawn(parts: Parts, categories: int, effort: Effort, seeds: list[int]) -> Draw:
    return Draw(
        Ours(parts.popularity(categories), amend_after=AMENDED_AFTER),
        streamed(parts.tuning, parts.sizes, effort, seeds[1]),
        streamed(parts.test, parts.sizes, effort, seeds[2]),
        spliced(parts.test, "day", _longer(parts.sizes), effort.splices, seeds[2]),
        own(parts.test, "day", parts.sizes.least),
    )


def _longer(sizes: Sizes) -> Sizes:
    return sizes._replace(after=sizes.after + AMENDED_AFTER)


def _judged(
    log: str,
    setting: str,
    contestant: Contestant,
    drawn: Draw,
    numbers: Numbers,
    curves: Numbers,
) -> None:
    """Put down what a method did on the test shoppers of one draw."""
    name, test = contestant.name, drawn.test
    by_day, by_session, moved = (part.some(contestant.most) for part in test)
    quiet = contestant.run(by_day)
    verdict = judge(moved, contestant.found(moved))
    for metric, value in {
        "false_alarms_per_10k": methods.false_alarms(quiet, by_day),
        "false_alarms_per_10k_sessions": methods.false_alarms(
            contestant.run(by_session), by_session
        ),
        **{f"detected@{events}": float(verdict.within(events).mean()) for events in WITHIN},
        **(_naming(verdict) if name != EVERY else {}),
    }.items():
        numbers[found_table(log), name, setting, metric].append(value)
    for events in CURVE:
        share = float(verdict.within(events).mean())
        curves[found_table(log), name, setting, str(events)].append(share)
    if name.startswith(OURS):
        _amended(log, name, setting, contestant, drawn.longer, numbers)
        _own_order(log, name, setting, contestant, drawn, quiet, numbers)


def found_table(log: str) -> str:
    return f"Spliced shoppers: {log}"


def _naming(verdict: Verdict) -> dict[str, float]:
    """How often names were right, of what was found in time; nothing if nothing was."""
    timely = verdict.within(LATEST)
    if not timely.any():
        return {}
    return {
        "right_from": float(verdict.right_from[timely].mean()),
        "right_to": float(verdict.right_to[timely].mean()),
    }


def _amended(
    log: str, name: str, setting: str, contestant: Contestant, moved: Streams, numbers: Numbers
) -> None:
    """What looking at `to` again gains, where enough events follow for it."""
    verdict = judge(moved, contestant.found(moved))
    follow = np.diff(moved.first) - moved.changes - verdict.delay >= AMENDED_AFTER
    looked = verdict.within(LATEST) & follow
    if looked.any():
        put = partial(_append, numbers, f"Amending to: {log}", name, setting)
        put("right_to", float(verdict.right_to[looked].mean()))
        put("right_to_amended", float(verdict.amended_right[looked].mean()))


def _own_order(
    log: str,
    name: str,
    setting: str,
    contestant: Contestant,
    drawn: Draw,
    quiet: Found,
    numbers: Numbers,
) -> None:
    """How many shoppers are alerted as things went, and how many where nothing moved."""
    put = partial(_append, numbers, f"Own order: {log}", name, setting)
    alerted = len(set(contestant.run(drawn.own).stream.tolist())) / max(drawn.own.number, 1)
    chance = len(set(quiet.stream.tolist())) / max(drawn.test.by_day.number, 1)
    put("shoppers_alerted", alerted)
    put("shoppers_by_chance", chance)
    if alerted:
        put("chance_share", min(1.0, chance / alerted))


def _append(
    numbers: Numbers, table: str, name: str, setting: str, metric: str, value: float
) -> None:
    numbers[table, name, setting, metric].append(value)


def _write(log: str, numbers: Numbers, curves: Numbers, report: Report) -> None:
    for name, label, best in (
        *((f"detected@{events}", f"found within {events}, %", 1) for events in WITHIN),
        ("right_to_amended", "to right after amending, %", 1),
        ("shoppers_alerted", "shoppers alerted, %", 0),
        ("shoppers_by_chance", "the same where nothing moved, %", 0),
        ("chance_share", "share that chance explains, %", -1),
    ):
        report.measure(name, Metric(label, 0, 100.0, best))
    per_session = Metric("the same, sessions shuffled", 2)
    report.measure("false_alarms_per_10k_sessions", per_session)
    for (table, method, setting, metric), values in numbers.items():
        most = math.inf if metric.startswith("false_alarms") else 1.0
        measured = bootstrap.within(bootstrap.mean(values), 0.0, most)
        report.put(table, method, setting, metric, measured)
    for setting in BUDGETS.values():
        drawn = {
            method: [float(np.mean(curves[key])) for key in curves if key[1:3] == (method, setting)]
            for _, method, found, _ in curves
            if found == setting
        }
        report.plot(
            f"{log}, {setting}: share of the splices found within so many events.",
            lines({name: (CURVE, shares) for name, shares in drawn.items()}, "events", "found"),
            found_table(log),
        )


def _describe(log: Log, parts: Parts, effort: Effort, report: Report) -> None:
    sizes = parts.sizes
    report.describe(
        found_table(log.name),
        f"{log.name} has {len(log.shopper_names):,} shoppers and {len(log.category_names):,} "
        f"categories. In each of {effort.draws} draws its shoppers are parted anew: a quarter for "
        "the popularity table, half of the others to tune each method's threshold to the budget "
        "on shuffled histories (days in random order, so that nothing moves), and the numbers are "
        f"of the rest (at most 600 of each). {effort.splices} splices a draw: one shopper's "
        f"shuffled history of {sizes.before} events or more, followed by another's of "
        f"{sizes.after} or more. "
        "False alarms are counted on shuffled histories of the test shoppers. A name is right if "
        "it is one of the two categories that truly lost, or gained, most; of what was found "
        f"within {LATEST} events. Means of the draws with 95 % intervals (Student's t).",
    )
    report.describe(
        f"Amending to: {log.name}",
        f"{AMENDED_AFTER} events after an alert, `to` is looked at once more. Of the alerts within "
        f"{LATEST} events of a splice that so many events follow: how often `to` was right. The "
        f"second shopper has {_longer(sizes).after} events or more here, and all of them count.",
    )
    report.describe(
        f"Own order: {log.name}",
        "Shoppers with at least one alert in the order in which things happened, and with the "
        "same days shuffled, where only chance alerts.",
    )
