"""What the catalog's words teach of items that nobody took yet."""

import math
from itertools import count

import msgspec
import numpy as np
import pytest

from stream.core import content, factorization, features
from stream.core.content import ATTRIBUTE, TEXT, VECTOR, ContentRow
from stream.core.factorization import ScratchRow
from stream.core.ids import identify
from stream.core.rows import zeros
from stream.core.shop import ShopModel
from stream.messages import CatalogCategory, CatalogEntries, CatalogItem
from tests.core.worlds import NAME_OF, SMALL, many, message, walked
from tests.reference.slow_content import SlowContent

ROOMY = msgspec.structs.replace(SMALL, content_buckets=4096)
NOBODY = np.full(5, -1, np.int32)
KINDS, MANY = ("tent", "pram", "drum"), 60
for kind in KINDS:
    NAME_OF.update({identify(name): name for name in (f"{kind} {n}" for n in range(MANY))})
NAME_OF.update({identify(name): name for name in ("dome", "tarp", "tents")})


def item(name: str, title: str, **more: object) -> CatalogItem:
    return CatalogItem(item_id=name, title=title, **more)  # type: ignore[arg-type]


def goods(each: int = 8) -> list[CatalogItem]:
    """Items of three kinds, told apart by one word; half of each kind is never taken."""
    numbers = count()
    return [
        item(f"{kind} {number}", f"{kind} model{next(numbers)}")
        for kind in KINDS
        for number in range(each)
    ]


def taught(model: ShopModel, rounds: int = 40, each: int = 4) -> ShopModel:
    """Shoppers who stay with one kind, of whose first items they take two."""
    first = 0
    for number in range(rounds):
        for kind in KINDS:
            walk = [f"{kind} {(number + step) % each}" for step in (0, 1)]
            updates = walked([(one, 0.0) for one in walk])
            model.apply(message(updates, first))
            first += len(updates)
    return model


def fits(model: ShopModel, had: str, items: list[str]) -> list[float]:
    """How well items fit a shopper with this one recent item."""
    known, room = model.catalog.content, model.catalog.content.fits[0]
    room.used = len(items)
    for place, name in enumerate(items):
        room.items[place] = model.items.number_of(identify(name))
    query = np.array(model.profiles[model.items.number_of(identify(had))].inward)
    content.fit(known, query, np.array([model.items.number_of(identify(had))], np.int32))
    return [float(fit) for fit in room.fits[: len(items)]]


def test_an_item_that_nobody_took_fits_who_took_items_with_the_same_words() -> None:
    model = ShopModel(ROOMY)
    model.apply(CatalogEntries(goods()))
    taught(model)
    new = [f"{kind} 7" for kind in KINDS]

    for number, kind in enumerate(KINDS):
        found = fits(model, f"{kind} 0", new)
        assert found[number] == max(found)
        assert sum(found) == pytest.approx(1.0)


def test_before_anything_is_learned_all_items_fit_the_same() -> None:
    model = taught(ShopModel(ROOMY), rounds=1)
    model.apply(CatalogEntries(goods()))

    assert fits(model, "tent 0", ["tent 7", "pram 7", "unheard of"]) == [1 / 3] * 3


def test_what_an_item_lacks_is_no_zero() -> None:
    """One with a title alone is not behind one that has attributes too."""
    model = ShopModel(ROOMY)
    listed = [msgspec.structs.replace(one, brand="Nordhal") for one in goods()]
    model.apply(CatalogEntries([*listed, item("bare tent", "tent"), item("bare pram", "pram")]))
    taught(model)

    bare, other, branded = fits(model, "tent 0", ["bare tent", "bare pram", "pram 7"])
    assert bare > branded
    assert bare > other


def test_vectors_of_any_size_teach_and_noise_is_believed_less() -> None:
    draw = np.random.default_rng(5)
    kinds = {kind: draw.normal(size=100) for kind in KINDS}

    def vectors(kind: str) -> dict[str, list[float]]:
        image = kinds[kind] + 0.3 * draw.normal(size=100)
        return {"image": image.tolist(), "noise": draw.normal(size=7).tolist()}

    model = ShopModel(ROOMY)
    listed = [
        CatalogItem(f"{kind} {number}", vectors=vectors(kind))
        for kind in KINDS
        for number in range(MANY)
    ]
    model.apply(CatalogEntries(listed))
    taught(model, rounds=2 * MANY, each=4)
    walks = [[f"{kind} {n % 4}", f"{kind} {n}"] for n in range(4, MANY - 1) for kind in KINDS]
    for number, walk in enumerate(walks):
        updates = walked([(one, 0.0) for one in walk])
        model.apply(message(updates, first=100_000 + 2 * number))

    assert model.catalog.sources == ["image", "noise"]
    weights = model.catalog.content.bridges[0].weights
    assert weights[VECTOR] > 1.5 * weights[VECTOR + 1]
    new = [f"{kind} {MANY - 1}" for kind in KINDS]
    found = np.array([fits(model, f"{kind} {n}", new) for kind in KINDS for n in range(4)])
    own = found.reshape(3, 4, 3).mean(axis=1)
    assert own.trace() / 3 > 0.36


def test_a_fourth_source_of_vectors_has_no_place_and_does_no_harm() -> None:
    model = ShopModel(ROOMY)
    four = {name: [1.0, 2.0] for name in ("audio", "image", "text", "video")}
    model.apply(CatalogEntries([CatalogItem("tent", vectors=four)]))

    assert model.catalog.sources == ["audio", "image", "text"]


@pytest.mark.parametrize("vector", [[0.0, 0.0], [math.inf, 1.0], [1e308, -1e308, 0.0]])
def test_a_vector_without_a_direction_is_as_none(vector: list[float]) -> None:
    made = features.projected("image", vector, 10, 1)

    assert made is None or np.abs(made).max() == 127


def test_angles_stay_about_the_same() -> None:
    draw = np.random.default_rng(1)
    near, far = [], []
    for _ in range(50):
        one, other = draw.normal(size=(2, 300))
        a, b, c = (
            made.astype(float)
            for made in (
                features.projected("image", vector.tolist(), 32, 1)
                for vector in (one, one + 0.5 * other, other)
            )
            if made is not None
        )
        near.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        far.append(a @ c / np.linalg.norm(a) / np.linalg.norm(c))
    assert np.mean(near) == pytest.approx(1 / math.sqrt(1.25), abs=0.06)
    assert np.mean(far) == pytest.approx(0.0, abs=0.1)


def test_learning_agrees_with_a_slow_reference() -> None:
    """The same queries, items and negatives give the same rows and weights."""
    items = [msgspec.structs.replace(one, brand=one.item_id[:4]) for one in goods()]
    items += [item("bare", "tent tent"), CatalogItem("silent", brand="tent")]
    model = ShopModel(ROOMY)
    model.apply(CatalogEntries(items))
    known = model.catalog.content
    slow = SlowContent(
        {number: buckets_of(known.rows[number]) for number in range(len(items))}, 10, 0.1
    )
    scratch = zeros(1, factorization.scratch_layout(10, 3), ScratchRow)[0]
    draw = np.random.default_rng(2)
    for _ in range(200):
        scratch.query[:] = draw.normal(size=10)
        scratch.drawn[:] = draw.integers(len(items), size=4)
        content.learn(known, scratch, NOBODY, 3, 0.1)
        first, *others = scratch.drawn.tolist()
        slow.learn(scratch.query.tolist(), first, others)

    bridge = known.bridges[0]
    for number, source in ((TEXT, "text"), (ATTRIBUTE, "attributes")):
        assert bridge.lessons[number] == slow.lessons[source]
        assert bridge.gains[number] == pytest.approx(slow.gains[source], rel=1e-3)
        assert bridge.weights[number] == pytest.approx(math.exp(6 * slow.gains[source]), rel=1e-2)
    for bucket, row in slow.hashed.items():
        assert bridge.hashed[bucket].tolist() == pytest.approx(row, rel=2e-3, abs=2e-4)


def buckets_of(row: ContentRow) -> dict[str, list[int]]:
    texts, end = int(row.texts), int(row.texts) + int(row.attributes)
    buckets = row.features.tolist()
    return {"text": buckets[:texts], "attributes": buckets[texts:end]}


# ------------------------------------------------------------------------------- the shop model


def test_the_catalog_gives_new_items_and_categories_numbers_names_and_a_place() -> None:
    model = ShopModel(SMALL)
    model.apply(
        CatalogEntries(
            [CatalogItem("dome", "tents > family", "Dome 4"), CatalogItem("mug", title="Mug")],
            [CatalogCategory("tents > family", "Family tents", "tents")],
        )
    )

    assert list(model.items.names) == ["dome", "mug"]
    assert list(model.categories.names) == ["tents > family"]
    assert model.profiles[0].category == 1
    assert model.profiles[1].category == 0
    assert model.categories.rows[0].arrivals.written == 1
    assert model.entries["tents > family"].name == "Family tents"


def test_only_what_is_new_and_untouched_arrives() -> None:
    model = ShopModel(SMALL)
    model.apply(message([u._replace(category="tents") for u in walked([("dome", 0.0)])]))
    both = CatalogEntries([CatalogItem("dome", "tents"), CatalogItem("tarp", "tents")])
    model.apply(both)
    model.apply(both)

    arrivals = model.categories.rows[0].arrivals
    assert (arrivals.written, arrivals.items[0]) == (1, model.items.number_of(identify("tarp")))


def test_models_that_read_the_same_log_are_alike_wherever_one_was_stored() -> None:
    records = [
        CatalogEntries(goods(), [CatalogCategory("tents", "Tents")]),
        message(many(200, seed=1)),
        CatalogEntries([item("pram 1", "pram blue", vectors={"image": [0.5, -1.0]})]),
        message(many(200, seed=2), first=1000),
    ]
    whole, halves = ShopModel(SMALL), ShopModel(SMALL)
    for record in records:
        whole.apply(record)
        halves = ShopModel.restore(halves.snapshot().pack(), SMALL)
        halves.apply(record)

    assert whole.hash() == halves.hash()
    without = ShopModel(SMALL)
    for record in records[1:]:
        without.apply(record)
    assert without.hash() != whole.hash()
