"""Lists that somebody asks for, as messages: for a shopper's row, or for what is said of one."""

from typing import NamedTuple

import numpy as np

from stream.core import engine_rows, on_demand, open_query
from stream.core.blend import Blend, BlendRow
from stream.core.clicks import Clicks, ClicksRow
from stream.core.codes import LAYOUT as CODE
from stream.core.codes import CodeRow
from stream.core.engine_rows import Rules
from stream.core.ids import NONE, identify
from stream.core.predictor import Predictor
from stream.core.queries import Asking, BeliefRow
from stream.core.query_buckets import asked
from stream.core.rows import Float64s, Int32s, Layout, Rows, UInt8s, zeros
from stream.core.shop import ShopModel, ShopView
from stream.core.shoppers import ShopperRow, layout
from stream.core.table import MISSING
from stream.errors import WrongUse
from stream.foretold import DIGITS
from stream.messages import InterestShare, Ranking, RankQuestion
from stream.outcome import Entry, Writer, entries_of
from stream.settings import Settings


class Manner(NamedTuple):
    """What lists are made by, beside the shop and the shopper's row."""

    ahead: Predictor
    blend: Rows[BlendRow]
    told: Rows[ClicksRow]
    belief: Rows[BeliefRow]
    rules: Rules
    popularity_half_life: float


class Asked:
    """Room for the row of one who is asked for, and the fields that are read of it.

    It is made once: to make it takes NumPy longer than to make a list.
    """

    def __init__(self, layout: Layout) -> None:
        rows = zeros(1, layout, ShopperRow)
        columns = np.asarray(rows)
        self.rows = rows
        self.bytes: UInt8s = columns.view(np.uint8)
        self.last_at: Float64s = columns["strict"]["session"]["last_at"]
        self.categories: Int32s = columns["strict"]["interest"]["categories"][0]
        self.shares: Float64s = np.zeros(len(self.categories))
        """Of each of these in the shopper's interest, once the list is made; below 0 for none."""

    def clear(self) -> None:
        """Nobody's row."""
        self.bytes[:] = 0

    def search(self, query: str, at: float, buckets: int) -> None:
        """Let whose row it is have searched for this just now."""
        open_query.ask(self.rows[0].pending, asked([query], buckets)[0], at, NONE)


class Found(NamedTuple):
    """A list without names, and the shopper's interests."""

    entries: list[Entry]
    interests: list[InterestShare]


def manner(
    settings: Settings, ahead: Predictor, blend: Blend, clicks: Clicks, asking: Asking
) -> Manner:
    """What the settings say, and what was learned."""
    rules, half_life = engine_rows.rules(settings), settings.popularity_half_life
    return Manner(ahead, blend.rows, clicks.rows, asking.rows, rules, half_life)


def found(
    room: Asked,
    codes: Rows[CodeRow],
    names: list[str],
    view: ShopView,
    manner: Manner,
    size: int,
    at: float,
) -> Found:
    """The list of a row as it is; `names` are of the categories, by code."""
    used = on_demand.answer(
        room.rows, codes, view, manner.ahead, manner.blend, manner.told, manner.belief,
        room.shares, size, at, manner.popularity_half_life, manner.rules,
    )  # fmt: skip
    known = zip(room.categories.tolist(), room.shares.round(DIGITS).tolist(), strict=True)
    interests = [InterestShare(names[code], share) for code, share in known if share >= 0.0]
    interests.sort(key=lambda one: (-one.share, one.category))
    return Found(entries_of(np.asarray(view.ranked)[:used]), interests)


class Strangers:
    """Ranks for those of whom only the question is known, by the shop model alone.

    Examples
    --------
    >>> settings = Settings()
    >>> Strangers(settings).ranking(RankQuestion(), ShopModel(settings)).items
    []
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fingerprint = settings.fingerprint()
        self._asked = Asked(layout(settings))
        self._writer = Writer("", 0, settings, [])
        self._manner = manner(
            settings, Predictor.of(settings), Blend.of(), Clicks.of(), Asking.of()
        )

    def ranking(self, question: RankQuestion, shop: ShopModel) -> Ranking:
        """A list after these items, in this category, for these words; without any, what all take.

        Raises
        ------
        WrongUse
            If more entries are asked for than a list has.
        """
        size = list_size(question.k, self._settings)
        view, unknown = shop.view, list[str]()
        ahead = self._manner.ahead.marking(len(view.categories))
        self._manner = self._manner._replace(ahead=ahead)
        items, categories = self._numbers(question, shop, unknown)
        codes, names, coded = _codebook(categories, shop)
        self._asked.clear()
        at = shop_time(shop)
        on_demand.retrace(
            self._asked.rows,
            np.array(items, np.int64),
            np.array(coded, np.int32),
            at,
            self._manner.rules,
        )
        if question.query:
            self._asked.search(question.query, at, self._settings.query_buckets)
        told = found(self._asked, codes, names, view, self._manner, size, at)
        return Ranking(
            row="none",
            occurred_at=at,
            items=self._writer.items(told.entries, shop),
            interests=told.interests,
            model_position=shop.position,
            unknown=unknown,
            settings=self._fingerprint,
        )

    def _numbers(
        self, question: RankQuestion, shop: ShopModel, unknown: list[str]
    ) -> tuple[list[int], list[int]]:
        """Ids of items, and row numbers of categories or -1, the newest last."""
        items, categories = list[int](), list[int]()
        for name in reversed(question.recent_items[: self._settings.recent_items]):
            number = shop.items.number_of(identify(name))
            if number < 0:
                unknown.append(name)
                continue
            items.append(identify(name))
            categories.append(int(shop.profiles[number].category) - 1)
        if question.category is not None:
            number = shop.categories.number_of(identify(question.category))
            if number < 0:
                unknown.append(question.category)
            else:
                items.append(NONE)
                categories.append(number)
        return items, categories


def shop_time(shop: ShopModel) -> float:
    """The latest event time that the shop model knows of."""
    return float(shop.view.totals[0].popularity.updated_at)


def list_size(asked: int | None, settings: Settings) -> int:
    """How many entries to make.

    Raises
    ------
    WrongUse
        If a list has less than what is asked for.
    """
    most = settings.list_size
    if asked is not None and not 1 <= asked <= most:
        raise WrongUse(f"k is {asked}: ask for 1 to {most} entries (list_size is {most})")
    return most if asked is None else asked


def _codebook(categories: list[int], shop: ShopModel) -> tuple[Rows[CodeRow], list[str], list[int]]:
    """Codes for these rows of the shop: what the loop reads of them, their names, the codes."""
    numbers = list(dict.fromkeys(number for number in categories if number >= 0))
    codes = zeros(max(1, len(numbers)), CODE, CodeRow)
    columns, ids = np.asarray(codes)[: len(numbers)], np.asarray(shop.categories.rows)["id"]
    columns["id"], columns["shop"] = ids[numbers], numbers
    code_of = {number: code for code, number in enumerate(numbers)}
    names = [shop.categories.names[number] for number in numbers]
    return codes, names, [code_of.get(number, MISSING) for number in categories]
