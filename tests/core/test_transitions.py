"""Transitions against a slow reference of lists and Python floats, and what they tell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.knowledge import event_share, mass
from stream.core.popularity import weight_at
from stream.core.shop import ShopModel
from stream.core.transitions import BACKWARD, FORWARD, SKIP, STEP, TransitionCounts, TransitionRow
from stream.settings import Settings
from tests.core.worlds import HALF_LIFE, NAMES, message, walked
from tests.reference.slow_shop import SlowRow, SlowShop, SlowUpdate

GROUPS = ["camping", "sport", "music", "garden"]
WIDE = Settings(transition_half_life=HALF_LIFE, factors=2, negatives=1)


def learned(updates: list[SlowUpdate], settings: Settings = WIDE) -> ShopModel:
    model = ShopModel(settings)
    model.apply(message(updates))
    return model


def weights(model: ShopModel, name: str, which: int) -> dict[str, float]:
    """The neighbors of an item, by name, with one of their weights."""
    return neighbors(model.items.rows[model.items.names.index(name)].transitions, which, model)


def neighbors(row: TransitionRow, which: int, model: ShopModel) -> dict[str, float]:
    names = model.items.names
    return {names[row.neighbors[slot]]: float(row.weights[slot, which]) for slot in range(row.used)}


def test_an_item_follows_its_predecessors_the_nearest_most() -> None:
    model = learned(walked([("tent", 0.0), ("stove", 0.0), ("lamp", 0.0)]))

    assert weights(model, "tent", FORWARD) == {"stove": 1.0, "lamp": 0.5}
    assert weights(model, "stove", FORWARD) == {"tent": 0.0, "lamp": 1.0}
    assert weights(model, "lamp", BACKWARD) == {"stove": 1.0, "tent": 0.5}


def test_a_weight_halves_in_a_half_life_of_event_time() -> None:
    model = learned(walked([("tent", 0.0), ("stove", 0.0), ("tent", HALF_LIFE)]))

    assert weights(model, "tent", FORWARD)["stove"] == 0.5


def test_a_late_event_weighs_what_it_would_weigh_by_now() -> None:
    in_time = learned(walked([("tent", 0.0), ("stove", 0.0), ("lamp", HALF_LIFE)]))
    late = learned(walked([("tent", 0.0), ("stove", HALF_LIFE), ("lamp", 0.0)]))

    assert weights(in_time, "tent", FORWARD) == {"stove": 0.5, "lamp": 0.5}
    assert weights(late, "tent", FORWARD) == {"stove": 1.0, "lamp": 0.25}


def test_a_repeated_item_follows_itself_and_does_not_precede_itself() -> None:
    model = learned(walked([("tent", 0.0), ("tent", 0.0)]))

    assert weights(model, "tent", FORWARD) == {"tent": 1.0}
    assert weights(model, "tent", BACKWARD) == {"tent": 0.0}


def test_a_change_of_category_is_one_step_and_a_skip_with_each_recent_one() -> None:
    change = SlowUpdate(0.0, "", (), "music", ("sport", "camping"), step=2)
    rows, names = learned([change]).categories.rows, ["music", "sport", "camping"]

    def known(name: str, which: int) -> dict[str, float]:
        row = rows[names.index(name)].transitions
        return {names[row.neighbors[s]]: float(row.weights[s, which]) for s in range(row.used)}

    assert known("sport", STEP) == {"music": 1.0}
    assert known("sport", SKIP) == {"music": 1.0}
    assert known("camping", STEP) == {"music": 0.0}
    assert known("camping", SKIP) == {"music": 0.5}
    assert known("music", SKIP) == {"sport": 1.0, "camping": 0.5}
    assert [float(row.transitions.total) for row in rows][:3] == [1.5, 1.0, 0.5]


def test_staying_in_a_category_is_no_transition() -> None:
    model = learned([SlowUpdate(0.0, "", (), "music", ("music", "sport"), step=0)])

    assert [int(row.transitions.used) for row in model.categories.rows][:2] == [0, 0]
    assert float(model.categories.rows[0].popularity.weight) == 1.0


# All weights are 1 or 1/2 and all times whole half-lives: float32 is exact here, so
# the reference must agree to the last bit, evictions and ties included.
TIMES = st.integers(0, 8).map(lambda halvings: halvings * HALF_LIFE)
UPDATES = st.lists(
    st.builds(
        SlowUpdate,
        at=TIMES,
        item=st.sampled_from(["", *NAMES]),
        recent=st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple),
        category=st.sampled_from(["", *GROUPS]),
        recent_categories=st.lists(st.sampled_from(GROUPS), max_size=2, unique=True).map(tuple),
        step=st.integers(0, 2),
    ),
    max_size=50,
)


def as_slow(row: TransitionRow, names: list[str]) -> SlowRow:
    slots = range(int(row.used))
    weights = [[float(row.weights[slot, 0]), float(row.weights[slot, 1])] for slot in slots]
    known = [[names[row.neighbors[slot]], *weights[slot]] for slot in slots]
    return SlowRow(float(row.updated_at) if known else 0.0, float(row.total), known)


def timeless(row: SlowRow) -> SlowRow:
    """The time of a row that knows nothing means nothing."""
    return row if row.neighbors else SlowRow()


@given(updates=UPDATES, slots=st.sampled_from([2, 4]))
def test_rows_agree_with_the_slow_reference(updates: list[SlowUpdate], slots: int) -> None:
    sizes = Settings(
        transition_half_life=HALF_LIFE, neighbors=slots, category_neighbors=slots, factors=2,
        negatives=1,
    )  # fmt: skip
    model, slow = learned(updates, sizes), SlowShop(HALF_LIFE, slots)
    for update in updates:
        slow.learn(update)

    # Both number in the order of the log; only some items ever got their names.
    for numbering, expected in [(model.items, slow.items), (model.categories, slow.categories)]:
        names = list(expected)
        rows = [as_slow(numbering.rows[n].transitions, names) for n in range(numbering.used)]
        assert rows == [timeless(row) for row in expected.values()]
    names = list(slow.firsts)
    firsts = [as_slow(model.categories.rows[n].firsts, names) for n in range(len(names))]
    assert firsts == [timeless(row) for row in slow.firsts.values()]
    entries = {
        name: int(model.categories.rows[n].entries) for n, name in enumerate(slow.categories)
    }
    assert {name: count for name, count in entries.items() if count} == slow.entries


@given(updates=UPDATES)
def test_totals_are_the_sums_over_all_categories(updates: list[SlowUpdate]) -> None:
    model, half_life = learned(updates), WIDE.popularity_half_life
    rows, totals = model.categories.rows[: model.categories.used], model.view.totals[0]
    end = 9 * HALF_LIFE

    assert int(totals.categories) == len(rows)
    assert float(totals.mass) == pytest.approx(sum(mass(float(row.entries)) for row in rows))
    touched = sum(weight_at(row.popularity, end, half_life) for row in rows)
    assert weight_at(totals.popularity, end, half_life) == pytest.approx(touched, rel=1e-5)
    shares = [event_share(row, totals, end, half_life) for row in rows]
    assert sum(shares) == pytest.approx(1.0 if shares else 0.0, rel=1e-5)


def test_counts_learn_what_a_withheld_user_takes_next() -> None:
    counts = TransitionCounts()
    for user in range(20):
        for item in ["tent", "stove"] if user % 2 else ["drum", "kite"]:
            counts.learn_one(user, item)
    counts.learn_one("new", "tent")

    assert counts.rank("new", {"kite", "stove", "boat"})[0] == "stove"


@pytest.mark.parametrize(("name", "value"), [("half_life", 0), ("slots", 0)])
def test_bad_parameters_are_refused_by_name_and_value(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} must be .*, got {value}"):
        TransitionCounts(**{name: value})
