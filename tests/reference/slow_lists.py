"""Plain recency and popularity as lists of twenty, of dicts and sorts."""

from collections import defaultdict

SIZE, OWN, RECENT, LEADERS = 20, 10, 32, 64


def lists(
    shoppers: list[int], items: list[int], groups: list[int], order: list[int], asked: set[int]
) -> dict[int, tuple[list[int], list[int]]]:
    """Both lists before each event that is asked of."""
    counts: dict[int, int] = defaultdict(int)
    recents: dict[int, list[int]] = defaultdict(list)
    found = {}
    for event, (shopper, item) in enumerate(zip(shoppers, items, strict=True)):
        if event in asked:
            own = recents[shopper]
            ranked = sorted(counts, key=lambda one: (-counts[one], order[one]))
            others = [one for one in ranked[:LEADERS] if one not in own[:1]]
            found[event] = (recency(own, ranked, groups), others[:SIZE])
        counts[item] += 1
        recents[shopper] = [item, *(one for one in recents[shopper] if one != item)][:RECENT]
    return found


def recency(own: list[int], ranked: list[int], groups: list[int]) -> list[int]:
    """The ten taken last, then of each recent item's category the best, the second and so on."""
    listed = own[1 : OWN + 1]
    kinds = [[one for one in ranked if groups[one] == groups[item]] for item in own]
    for place in range(SIZE):
        listed += [kind[place] for kind in kinds if place < len(kind)]
    return list(dict.fromkeys(one for one in listed if one not in own[:1]))[:SIZE]
