"""What queries say of categories, as dictionaries: slow and obvious, without decay or eviction."""

from collections import Counter, defaultdict
from collections.abc import Iterable

DOUBT = 100.0


class SlowQueries:
    """Counts of categories by bucket, and their product over the buckets of a query."""

    def __init__(self) -> None:
        self.counts: dict[int, Counter[str]] = defaultdict(Counter)

    def learn(self, buckets: Iterable[int], category: str) -> None:
        for bucket in buckets:
            self.counts[bucket][category] += 1

    def shares(self, buckets: list[int], parts: dict[str, float]) -> dict[str, float]:
        """`parts` are the categories' parts of all events."""
        named = {category for bucket in buckets for category in self.counts[bucket]}
        products = {}
        for category in named:
            product = parts[category]
            for bucket in buckets:
                product *= 1 + self.counts[bucket][category] / (DOUBT * parts[category])
            products[category] = product
        others = sum(part for category, part in parts.items() if category not in named)
        total = sum(products.values()) + others
        return {category: product / total for category, product in products.items()}
