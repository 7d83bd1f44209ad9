"""The graph against dicts and full sums, and what it learns."""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.core.graph_ranker import SHOPPERS, GraphPropagation
from stream.core.ids import identify
from stream.core.implicit import RECENT
from tests.reference.slow_graph import SlowGraph

SIZE, SLOTS, NEGATIVES = 8, 4, 3
HALF_LIFE, KEPT, RATE, SEED = 600.0, 0.5, 0.6, 7
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(["tent", "stove", "boat", "kite", "drum", "ann"]),
        st.sampled_from([0.0, 600.0, 1200.0, 1800.0]),
    ),
    max_size=25,
)
Event = tuple[str, str, float]


def learned(events: list[Event]) -> GraphPropagation:
    model = GraphPropagation(SIZE, SLOTS, HALF_LIFE, KEPT, NEGATIVES, RATE, SEED)
    for user, item, at in events:
        model.learn_one(user, item, True, {"occurred_at": at})
    return model


def slowly(events: list[Event]) -> SlowGraph:
    slow = SlowGraph(SIZE, SLOTS, HALF_LIFE, KEPT, NEGATIVES, RATE, SEED)
    recents: dict[str, list[int]] = {}
    for user, name, at in events:
        item, recent = identify(name), recents.get(user, [])
        slow.learn(identify(user, SHOPPERS), item, recent, at)
        recents[user] = [item, *(id for id in recent if id != item)][:RECENT]
    return slow


def each_row(model: GraphPropagation) -> list[bytes]:
    return [row.tobytes() for row in model._items.used_rows()]


# In single precision 1/2, 1/3 and 1/6 make 1, which ties with another link's weight.
TIED = [("ann", "boat", 600.0), *(("bob", name, at) for name, at in [
    ("tent", 0.0), ("stove", 0.0), ("boat", 600.0), ("boat", 600.0), ("boat", 0.0), ("kite", 0.0),
])]  # fmt: skip


@given(events=EVENTS)
@example(events=TIED)
def test_vectors_and_links_agree_with_the_slow_reference(events: list[Event]) -> None:
    model, slow = learned(events), slowly(events)

    ids = model._items.used_rows()["id"].tolist()
    assert set(ids) == set(slow.nodes)
    for number, id in enumerate(ids):
        row, node = model._items.rows[number], slow.nodes[id]
        links = [ids[other] for other in row.links.neighbors[: row.links.used]]
        assert links == list(node.weights)
        weights = row.links.weights[: row.links.used, 0].tolist()
        assert weights == pytest.approx(list(node.weights.values()), rel=1e-5)
        for mine, its in [(row.own, node.own), (row.near, node.near), (row.whole, node.whole)]:
            assert mine.tolist() == pytest.approx(its.tolist(), rel=1e-4, abs=1e-5)


def test_an_event_touches_its_shopper_its_item_and_those_before_it_alone() -> None:
    """But for learning, whose negatives and links are bounded too."""
    events = [(f"user {n % 40}", f"item {n * 7 % 60}", float(n)) for n in range(400)]
    model = learned(events)
    before = each_row(model)
    model.learn_one("user 1", "item 7", True, {"occurred_at": 400.0})

    changed = sum(one != other for one, other in zip(before, each_row(model), strict=True))
    assert 0 < changed <= 2 + RECENT + NEGATIVES + SLOTS


def test_memory_does_not_grow_with_links() -> None:
    names = [f"item {number}" for number in range(30)]
    draw = random.Random(1)
    few, many = learned([]), learned([])
    for model, count in [(few, 200), (many, 2000)]:
        for number in range(count):
            model.learn_one(
                f"user {number % 20}", names[number] if number < 30 else draw.choice(names)
            )
    assert len(many.snapshot()) <= len(few.snapshot()) + 100


def test_it_learns_what_a_withheld_user_takes_next() -> None:
    """Two tastes, ten items each; a new user shows one item of a taste and has all others ahead."""
    model = GraphPropagation(factors=8, slots=4, negatives=3)
    tastes = [[f"{taste}{number}" for number in range(10)] for taste in ("camp", "baby")]
    draw = random.Random(1)
    for visit in range(200):
        for item in draw.sample(tastes[visit % 2], 5):
            model.learn_one(visit, item)
    model.learn_one("new", "camp0")

    ranked = model.rank("new", {*tastes[0], *tastes[1]} - {"camp0"})
    assert set(ranked[:9]) == set(tastes[0]) - {"camp0"}


def test_what_was_never_taken_together_is_close_by_two_links() -> None:
    """Tent and boat meet only in stove; nobody who took one took the other."""
    model = GraphPropagation(factors=8, slots=4, negatives=3)
    for visit in range(60):
        for item in [("tent", "stove"), ("stove", "boat"), ("drum", "horn")][visit % 3]:
            model.learn_one(visit, item)
    model.learn_one("new", "tent")

    assert model.rank("new", {"boat", "drum", "horn"})[0] == "boat"


def test_a_shopper_of_an_items_name_is_another_node() -> None:
    model = learned([("tent", "tent", 0.0)])
    assert model._items.used == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("factors", 0), ("slots", 0), ("negatives", 0), ("half_life", 0.0), ("kept", 0.0),
     ("kept", 1.5), ("rate", -1.0)],
)  # fmt: skip
def test_bad_parameters_are_refused_by_name_and_value(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be .*, got {value}"):
        GraphPropagation(**{name: value})
