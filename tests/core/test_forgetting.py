"""With too many items the least touched are forgotten, and what points at the others follows."""

import msgspec
import numpy as np
import pytest

from stream.core.ids import identify
from stream.core.shop import ShopModel
from stream.core.standing import ADULT
from stream.core.updates import RECENT
from stream.messages import CatalogEntries, CatalogItem
from tests.core.worlds import NAME_OF, NAMES, SMALL, many, message, walked
from tests.reference.slow_shop import SlowUpdate

FEW = msgspec.structs.replace(SMALL, most_items=100)
NAME_OF.update({identify(name): name for name in (f"thing {n}" for n in range(400))})


def things(first: int, last: int, at: float = 0.0) -> list[SlowUpdate]:
    """Shoppers who take each of these and the next, all of one category."""
    updates = [u for n in range(first, last) for u in walked([(f"thing {n}", at), (NAMES[0], at)])]
    return [u._replace(category="camping") for u in updates]


def learned(*parts: list[SlowUpdate]) -> ShopModel:
    model, first = ShopModel(FEW), 0
    for part in parts:
        model.apply(message(part, first))
        first += len(part)
    return model


def test_the_least_touched_are_forgotten_and_the_others_keep_what_they_know() -> None:
    before = learned(many(400))
    popular = {name: known(before, name) for name in before.items.names}
    model = learned(many(400), things(0, 120), things(120, 121))

    assert model.items.used <= 100
    assert NAMES[0] in model.items.names
    for name in NAMES[1:]:
        assert known(model, name) == popular[name]


def known(model: ShopModel, name: str) -> tuple[object, ...]:
    """An item's row with neighbors by name, and its vectors."""
    number = model.items.number_of(identify(name))
    row = model.items.rows[number]
    links = {
        model.items.names[row.transitions.neighbors[slot]]: row.transitions.weights[slot].tolist()
        for slot in range(row.transitions.used)
    }
    vectors = model.profiles[number]
    return row.id, float(row.popularity.weight), links, int(vectors.id)


def test_nothing_points_at_what_is_gone() -> None:
    model = learned(many(400), things(0, 150), things(150, 151), things(151, 260), many(30))

    used, rows = model.items.used, np.asarray(model.items.rows)[: model.items.used]
    links = rows["transitions"]
    slots = np.arange(links["neighbors"].shape[1]) < links["used"][:, np.newaxis]
    assert (links["neighbors"][slots] < used).all()
    assert np.asarray(model.profiles)["id"][:used].tolist() == rows["id"].tolist()
    for category in np.asarray(model.categories.rows)[: model.categories.used]:
        shelf = category["shelf"]
        assert (shelf["items"][: shelf["used"]] < used).all()
    ring = np.asarray(model._ring)[0]
    assert (ring["items"][: min(ring["written"], len(ring["items"]))] < used).all()
    for number, name in enumerate(model.items.names):
        assert model.items.number_of(identify(name)) == number


def test_models_that_read_the_same_log_forget_the_same_wherever_one_was_stored() -> None:
    parts = [many(300), things(0, 130), things(130, 200), many(50), things(200, 330)]
    whole, first = learned(*parts), 0
    halves = ShopModel(FEW)
    for part in parts:
        halves = ShopModel.restore(halves.snapshot().pack(), FEW)
        halves.apply(message(part, first))
        first += len(part)
    assert halves.hash() == whole.hash()


def test_what_the_catalog_says_stays_with_its_item() -> None:
    model = ShopModel(FEW)
    listed = [CatalogItem(f"thing {n}", "camping", f"thing {n}") for n in range(90)]
    model.apply(CatalogEntries(listed))
    wanted = features(model, "thing 7")
    model.apply(message(things(7, 8) * 9))
    model.apply(message(things(200, 320), first=1000))
    model.apply(message(things(0, 1), first=2000))

    assert model.items.used <= 100
    assert features(model, "thing 7") == wanted
    assert ShopModel.restore(model.snapshot().pack(), FEW).hash() == model.hash()


def test_what_is_kept_out_of_lists_is_not_forgotten() -> None:
    model = ShopModel(FEW)
    model.apply(CatalogEntries([CatalogItem("thing 0", adult=True)]))
    model.apply(message(things(1, 150)))
    model.apply(message(things(150, 151), first=1000))

    assert model.items.used <= 100
    assert model.profiles[model.items.number_of(identify("thing 0"))].standing == ADULT


def features(model: ShopModel, name: str) -> list[int]:
    rows, number = model.catalog.content.rows, model.items.number_of(identify(name))
    return rows[number].features[:2].tolist() if number < len(rows) else [0, 0]


def test_far_fewer_items_than_a_row_has_neighbors_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="most_items"):
        msgspec.convert({"most_items": RECENT}, type(FEW))
