"""A ranking of dicts and Python floats, made of what a shop model's and a blend's rows say."""

import math
from typing import NamedTuple

from stream.core.blend import BlendRow
from stream.core.ids import identify
from stream.core.shop import ShopModel
from stream.core.transitions import BACKWARD, FORWARD

FOLLOWS, PRECEDES, CONNECTED, SIMILAR, CATEGORY, NEW = range(6)


class Had(NamedTuple):
    """A recent item: its strongest action, and how often it was touched."""

    item: str
    action: int = 0
    count: int = 1


class SlowEntry(NamedTuple):
    """What an item scores, and each channel's part of it; `held` is its place or None."""

    score: float
    parts: list[float]
    held: int | None


def decayed_row(
    model: ShopModel, item: str, now: float, half_life: float
) -> tuple[float, dict[str, tuple[float, float]]]:
    """The row's total and its neighbors' two weights at `now`."""
    names = model.items.names
    row = model.items.rows[names.index(item)].transitions
    left = 2.0 ** (-max(0.0, now - row.updated_at) / half_life)
    weights = {
        names[row.neighbors[slot]]: (
            left * float(row.weights[slot, FORWARD]),
            left * float(row.weights[slot, BACKWARD]),
        )
        for slot in range(row.used)
    }
    return float(row.total) * left, weights


def direct(
    model: ShopModel, shopper: list[Had], now: float, half_life: float
) -> dict[str, list[float]]:
    """What the rows of the last five items say."""
    parts: dict[str, list[float]] = {}
    for lag, had in enumerate(shopper[:5]):
        if had.item not in model.items.names:
            continue
        total, neighbors = decayed_row(model, had.item, now, half_life)
        strength = math.exp(-0.5 * lag) / (total + 1) ** 0.75
        for name, (forward, backward) in neighbors.items():
            part = parts.setdefault(name, [0.0] * 6)
            part[FOLLOWS] += strength * forward
            part[PRECEDES] += strength * backward
    return parts


def connect(model: ShopModel, parts: dict[str, list[float]]) -> None:
    """What the rows of the eight of which most is said say in turn, as shares."""
    said = {name: part[FOLLOWS] + part[PRECEDES] for name, part in parts.items()}
    seeds = sorted(said, key=lambda name: (-said[name], identify(name)))[:8]
    for seed in seeds:
        # As of the row's own time: shares do not fade, but the 1 added to them does not either.
        at = float(model.items.rows[model.items.names.index(seed)].transitions.updated_at)
        total, neighbors = decayed_row(model, seed, at, 1.0)
        for name, (forward, backward) in neighbors.items():
            part = parts.setdefault(name, [0.0] * 6)
            part[CONNECTED] += said[seed] / (total + 1) * (forward + backward)


def stock(model: ShopModel, parts: dict[str, list[float]], expected: dict[str, float]) -> None:
    """What the four likeliest categories sell."""
    for category in sorted(expected, key=lambda name: -expected[name])[:4]:
        shelf = model.categories.rows[model.categories.names.index(category)].shelf
        weights = {
            model.items.names[shelf.items[slot]]: float(shelf.weights[slot])
            for slot in range(shelf.used)
        }
        for name, weight in weights.items():
            part = parts.setdefault(name, [0.0] * 6)
            part[CATEGORY] += expected[category] * weight / (1 + sum(weights.values()))


def compare(model: ShopModel, parts: dict[str, list[float]], shopper: list[Had]) -> None:
    """How well factors fit, if any has learned: a softmax over all candidates."""
    names, factors = model.items.names, model.profiles
    known = [had.item for had in shopper[:5] if had.item in names]
    total = sum(0.7**lag for lag in range(len(known)))
    query = [
        sum(0.7**lag / total * float(factors[names.index(one)].inward[f]) for lag, one in pairs)
        for f in range(model.settings.factors)
        for pairs in [list(enumerate(known))]
    ]
    if any(float(factors[names.index(one)].inward_squares) > 0.01 for one in known):
        for name, part in parts.items():
            if name not in names:
                continue
            outward = factors[names.index(name)].outward
            part[SIMILAR] = math.exp(sum(q * float(v) for q, v in zip(query, outward, strict=True)))


def cell(shopper: list[Had], place: int, same: bool, chance: float) -> int:
    """The number of a recent item's cell, in mixed radix."""
    edges = [1, 2, 3, 4, 6, 9, 16]
    age = sum(place >= edge for edge in edges)
    likely = sum(chance >= edge for edge in (0.005, 0.02, 0.06))
    had = shopper[place]
    return (((age * 3 + min(had.count, 3) - 1) * 2 + same) * 3 + had.action) * 4 + likely


def scores(
    model: ShopModel,
    shopper: list[Had],
    blend: BlendRow,
    expected: dict[str, float],
    now: float,
    half_life: float,
) -> dict[str, SlowEntry]:
    """Every candidate, those too that are not to be listed."""
    names = model.items.names
    parts = direct(model, shopper, now, half_life)
    connect(model, parts)
    stock(model, parts, expected)
    places = {had.item: place for place, had in enumerate(shopper)}
    for name in places:
        parts.setdefault(name, [0.0] * 6)
    compare(model, parts, shopper)

    current = shopper[0].item if shopper else ""
    rows, profiles = model.items.rows, model.profiles
    known = float(rows[names.index(current)].transitions.total) if current in names else 0.0
    many = 0 if len(shopper) == 1 else (1 if len(shopper) <= 3 else 2)
    context = 3 * many + (0 if known < 10 else (1 if known < 40 else 2))
    sums = [sum(part[channel] for part in parts.values()) for channel in range(6)]
    weights = blend.weights[context].tolist()
    scaled = {
        name: [w * x / s if s else 0.0 for w, x, s in zip(weights, part, sums, strict=True)]
        for name, part in parts.items()
    }
    mixed = {name: sum(part) for name, part in scaled.items()}

    back = {}
    for name, place in places.items():
        same = (
            current in names
            and name in names
            and profiles[names.index(name)].category == profiles[names.index(current)].category
        )
        number = cell(shopper, place, same, mixed[name])
        back[name] = float(blend.taken[number] / blend.shown[number])
    new = {name: mixed[name] for name in parts if name not in places}
    toned = {name: mixed[name] * float(profiles[names.index(name)].tone) for name in new}
    left = max(0.05, 1 - sum(back.values())) * float(blend.found[context] / blend.sought[context])
    left /= max(1e-3, 1 - sum(mixed[name] for name in places))
    scale = left * sum(new.values()) / sum(toned.values()) if sum(toned.values()) else 0.0
    return {
        name: SlowEntry(
            back[name] if name in places else toned[name] * scale, scaled[name], places.get(name)
        )
        for name in parts
    }


def listed(
    found: dict[str, SlowEntry], shopper: list[Had], current: bool, bought: bool
) -> set[str]:
    """Of the candidates, those that may be listed and score anything."""
    out = {had.item for had in shopper if had.action == 2 and not bought}
    out |= {had.item for had in shopper[:1] if not current}
    return {name for name, entry in found.items() if entry.score > 0 and name not in out}


def best(
    scores: dict[str, float], category_of: dict[str, str], size: int, per_category: int
) -> list[str]:
    """The highest scores first, of equals the lower id, of a category at most so many (0: all)."""
    chosen: list[str] = []
    for name in sorted(scores, key=lambda name: (-scores[name], identify(name))):
        own = category_of.get(name)
        alike = [other for other in chosen if category_of.get(other) == own]
        if not (own and per_category) or len(alike) < per_category:
            chosen.append(name)
    return chosen[:size]


def cosine(one: list[float], other: list[float]) -> float:
    return (
        sum(a * b for a, b in zip(one, other, strict=True)) / math.hypot(*one) / math.hypot(*other)
    )


def relevance(
    name: str,
    chosen: list[str],
    scores: dict[str, float],
    vectors: dict[str, list[float]],
    category_of: dict[str, str],
    weight: float,
) -> float:
    """What an item is worth beside the chosen: its share of the best score, less its likeness."""

    def likeness(other: str) -> float:
        told = []
        if name in category_of and other in category_of:
            told.append(float(category_of[name] == category_of[other]))
        if name in vectors and other in vectors:
            told.append(cosine(vectors[name], vectors[other]))
        return sum(told) / len(told) if told else 0.0

    nearest = max(map(likeness, chosen), default=-1.0)
    return (1 - weight) * scores[name] / max(scores.values()) - weight * nearest


def divergence(chosen: list[str], category_of: dict[str, str], taste: dict[str, float]) -> float:
    """Kullback and Leibler's, of the list's categories from the taste."""
    found = [category_of.get(name) for name in chosen]
    mixed = {one: 0.99 * found.count(one) / len(found) + 0.01 * p for one, p in taste.items()}
    return sum(p * math.log(p / mixed[one]) for one, p in taste.items() if p > 0)


def calibration(
    name: str,
    chosen: list[str],
    scores: dict[str, float],
    category_of: dict[str, str],
    taste: dict[str, float],
    weight: float,
) -> float:
    """What the list is worth with this item: its share of the best score, less its divergence."""
    gained = scores[name] / max(scores.values())
    return (1 - weight) * gained - weight * divergence([*chosen, name], category_of, taste)
