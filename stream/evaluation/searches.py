"""What shoppers of a simulated shop type into its search, and what they look for by it."""

import random
from typing import NamedTuple

from stream.evaluation.assortment import Assortment

OWN = 0.5
"""How often a shopper searches for what the shopper usually likes; else it may be anything."""
TRUE = 0.9
"""How often what is touched next is of the category that the query is about."""
SHARED, TYPO = 0.3, 0.15
"""How often a query has a word that fits any category, and how often a slip of the finger."""
ANYWHERE = ("black", "white", "small", "large", "cheap", "best", "new", "gift", "2026", "sale")
MOST_LOOKS = 3
"""Items that a search leads to, at most."""


class Search(NamedTuple):
    """A query, and the categories of the items that are looked at after it."""

    text: str
    looks: list[int]


class Searches:
    """Queries of a share of all sessions, each about a category.

    The words are those of the category's name or of an item's title, whole or in part, some
    with a word that says nothing of the category, and some mistyped.

    Examples
    --------
    >>> searches = Searches(Assortment(items=2000, categories=40, seed=1), share=1.0, seed=1)
    >>> [searches.next([0, 1]).text for _ in range(3)]
    ['strollers', 'laptop', 'board games']
    """

    def __init__(self, assortment: Assortment, share: float, seed: int) -> None:
        self._share = share
        self._categories = assortment.categories
        self._titles = [item.title or "" for item in assortment.catalog()]
        # Of its own, so that the rest of the shop is the same with and without searches.
        self.draw = random.Random(f"searches {seed}")

    def next(self, likes: list[int]) -> Search | None:
        """What a session of a shopper who likes these categories begins with; mostly nothing."""
        draw = self.draw
        if draw.random() >= self._share:
            return None
        own = draw.random() < OWN
        category = draw.choice(likes) if own else draw.randrange(len(self._categories))
        found = category if draw.random() < TRUE else draw.randrange(len(self._categories))
        return Search(self._typed(category), [found] * draw.randint(1, MOST_LOOKS))

    def _typed(self, category: int) -> str:
        draw = self.draw
        words = self._words(category)
        if draw.random() < SHARED:
            words.insert(draw.randrange(len(words) + 1), draw.choice(ANYWHERE))
        if draw.random() < TYPO:
            place = max(range(len(words)), key=lambda one: (len(words[one]), one))
            words[place] = self._mistyped(words[place])
        return " ".join(words)

    def _words(self, category: int) -> list[str]:
        """The category's name, or an item's title: all of it, without its number, or its end."""
        draw, items = self.draw, self._categories[category].items
        name = self._categories[category].name.split()
        title = self._titles[draw.choice(items)].lower().split()
        return draw.choice([name, name, title, title[:-1], title[1:-1]])

    def _mistyped(self, word: str) -> str:
        """The word with one letter lost, doubled, or changed for its neighbor."""
        at = self.draw.randrange(len(word))
        slips = [word[at:], word[at] + word[at:], word[at + 1 : at + 2] + word[at] + word[at + 2 :]]
        slips[0] = word[at + 1 :]
        return word[:at] + self.draw.choice(slips)
