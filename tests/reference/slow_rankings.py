"""Simple rankings of a log and their judging, in dicts and lists: slow, and easy to see through."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

Scores = dict[int, float]


class Took(NamedTuple):
    """One event: a shopper took an item in a period."""

    shopper: int
    item: int
    period: int


class Answer(NamedTuple):
    """The middle rank of what came, 0 for a miss; the same without the current item, or None."""

    rank: float
    novel_rank: float | None


def middle_rank(scores: Scores, came: int) -> float:
    """One more than those above, and half of the equals."""
    if came not in scores:
        return 0.0
    above = sum(score > scores[came] for score in scores.values())
    equal = sum(score == scores[came] for score in scores.values())
    return 1 + above + (equal - 1) / 2


def popularity(past: Sequence[Took], own: Sequence[int], shopper: int) -> Scores:
    return {item: float(count) for item, count in Counter(took.item for took in past).items()}


def recency(past: Sequence[Took], own: Sequence[int], shopper: int) -> Scores:
    return {item: 1 / (1 + place) for place, item in enumerate(own)}


def markov(past: Sequence[Took], own: Sequence[int], shopper: int) -> Scores:
    counts: Counter[int] = Counter()
    before: dict[int, int] = {}
    for took in past:
        if before.get(took.shopper) == own[0]:
            counts[took.item] += 1
        before[took.shopper] = took.item
    return {item: float(count) for item, count in counts.items()}


def neighbors(past: Sequence[Took], own: Sequence[int], shopper: int) -> Scores:
    """All sessions that share an item; a shopper has one session here."""
    sessions: dict[int, list[int]] = defaultdict(list)
    counts = Counter(took.item for took in past)
    for took in past:
        if took.shopper != shopper:
            sessions[took.shopper].append(took.item)
    length, scores = min(len(own), 10), dict[int, float]()
    for items in sessions.values():
        shared = [place for place in range(length) if own[place] in items]
        if shared:
            alike = sum((length - place) / length for place in shared) / (1 + shared[0])
            for item in items:
                rarity = math.log(1 + EVENTS[0] / (1 + counts[item]))
                scores[item] = scores.get(item, 0.0) + alike * rarity
    return scores


EVENTS = [1]
"""How many events the whole log has."""
Method = Callable[[Sequence[Took], Sequence[int], int], Scores]


def judged(log: Sequence[Took], method: Method, frozen: bool) -> list[Answer | None]:
    """What becomes of each event; None where nothing is asked."""
    EVENTS[0] = len(log)
    return [_judge(log, event, method, frozen) for event in range(len(log))]


def _judge(log: Sequence[Took], event: int, method: Method, frozen: bool) -> Answer | None:
    now, seen = log[event], {took.item for took in log if took.period < log[event].period}
    mine = [took for took in log[:event] if took.shopper == now.shopper]
    if now.item not in seen or not any(took.item in seen for took in mine):
        return None
    # A frozen period hides what is new in it, in shoppers' own rows too.
    shown = [t.item for t in mine if not frozen or t.period < now.period or t.item in seen]
    own = list(dict.fromkeys(reversed(shown)))
    past = [took for took in log[:event] if not frozen or took.period < now.period]
    scores = method(past, own, now.shopper)
    rank = middle_rank(scores, now.item)
    if now.item == own[0]:
        return Answer(rank, None)
    scores.pop(own[0], None)
    return Answer(rank, middle_rank(scores, now.item))
