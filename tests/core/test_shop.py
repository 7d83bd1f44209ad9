"""The second law: a replica is a function of the settings and the records it was shown."""

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import knowledge
from stream.core.ids import identify
from stream.core.shop import PREFIX, ShopModel
from stream.errors import StreamError
from stream.messages import ShopUpdates
from stream.settings import Settings
from tests.core.worlds import NAME_OF, SMALL, many, message, walked
from tests.reference.slow_shop import SlowUpdate

STREAM = many(120)
CUTS = st.lists(st.integers(0, 120), max_size=6)


def cut(cuts: list[int]) -> list[tuple[int, list[SlowUpdate]]]:
    edges = [0, *sorted(cuts), len(STREAM)]
    return [(a, STREAM[a:b]) for a, b in pairwise(edges)]


def hash_after(messages: list[ShopUpdates]) -> str:
    model = ShopModel(SMALL)
    for sent in messages:
        model.apply(sent)
    return model.hash()


WHOLE = [message(STREAM)]


@given(cuts=CUTS)
def test_how_rows_were_cut_into_messages_leaves_no_trace(cuts: list[int]) -> None:
    assert hash_after([message(part, first) for first, part in cut(cuts)]) == hash_after(WHOLE)


@given(cuts=CUTS, repeats=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 120)), max_size=6))
def test_repeats_of_old_rows_are_skipped_one_by_one(
    cuts: list[int], repeats: list[tuple[int, int]]
) -> None:
    """A crash or a zombie sends rows again, cut otherwise: with new rows behind them."""
    messages, reached = [], 0
    for number, (first, part) in enumerate(cut(cuts)):
        back = sum(rows for place, rows in repeats if place == number)
        start = max(0, first - back)
        reached = first + len(part)
        messages.append(message(STREAM[start:reached], start))
        messages += [message(STREAM[: min(rows, reached)]) for _, rows in repeats]

    assert hash_after(messages) == hash_after(WHOLE)


@given(at=st.integers(0, 120), partition=st.integers(0, 2))
def test_positions_of_partitions_are_apart(at: int, partition: int) -> None:
    model, single = ShopModel(SMALL), ShopModel(SMALL)
    model.apply(message(STREAM[:at]))
    model.apply(message(STREAM[at:], 0, partition))
    single.apply(message(STREAM[: max(at, len(STREAM) - at)] if partition == 0 else STREAM))

    assert model.applied == (single.applied if partition == 0 else len(STREAM))


@given(cuts=CUTS, stop=st.integers(0, 6))
def test_a_restart_after_any_record_changes_nothing(cuts: list[int], stop: int) -> None:
    messages = [message(part, first) for first, part in cut(cuts)]
    model = ShopModel(SMALL)
    for sent in messages[:stop]:
        model.apply(sent)
    snapshot = model.snapshot()
    resumed = ShopModel.restore(snapshot.pack(), SMALL)

    assert (resumed.hash(), resumed.position) == (model.hash(), snapshot.position)
    for sent in messages[stop:]:
        resumed.apply(sent)
    assert resumed.hash() == hash_after(WHOLE)
    assert resumed.position == len(messages)


def test_a_snapshot_does_not_change_with_the_model() -> None:
    model = ShopModel(SMALL)
    model.apply(message(STREAM[:60]))
    snapshot, before = model.snapshot(), model.snapshot().pack()
    model.apply(message(STREAM[60:], 60))

    assert snapshot.pack() == before


def test_a_record_before_the_position_is_not_read_again() -> None:
    model = ShopModel(SMALL)
    model.apply(message(STREAM[:60]), offset=8)
    model.apply(message(STREAM[60:], 60), offset=8)

    assert (model.position, model.applied) == (9, 60)


def test_ids_are_numbered_row_by_row_the_own_one_first() -> None:
    model = ShopModel(SMALL)
    model.apply(message([SlowUpdate(0.0, "lamp", ("tent", "boat")), SlowUpdate(0.0, "kite", ())]))

    ids = [int(row.id) for row in model.items.rows][: model.items.used]
    assert ids == [identify(name) for name in ["lamp", "tent", "boat", "kite"]]


def test_a_name_comes_with_the_first_event_of_its_own() -> None:
    model = ShopModel(SMALL)
    model.apply(message([SlowUpdate(0.0, "lamp", ("tent",))]))
    assert model.item_names([identify("tent")]) == {identify("tent"): ""}

    model.apply(message([SlowUpdate(0.0, "tent", ("lamp",))], first=1))
    names = model.item_names([identify("tent"), identify("boat")])
    assert list(names.values()) == ["tent", ""]


def test_a_name_stays() -> None:
    model, sent = ShopModel(SMALL), message([SlowUpdate(0.0, "lamp", ())], first=1)
    model.apply(message([SlowUpdate(0.0, "lamp", ())]))
    model.apply(msgspec.structs.replace(sent, names=["another"]))

    assert list(model.item_names([identify("lamp")]).values()) == ["lamp"]


def test_an_item_knows_its_newest_category() -> None:
    model = ShopModel(SMALL)
    model.apply(
        message([SlowUpdate(0.0, "lamp", (), "camping", (), 2), SlowUpdate(0.0, "tent", ())])
    )

    categories = [int(model.profiles[number].category) for number in range(2)]
    assert [model.categories.names[categories[0] - 1], categories[1]] == ["camping", 0]


def test_many_items_find_room() -> None:
    names = {identify(f"item {number}"): f"item {number}" for number in range(600)}
    NAME_OF.update(names)
    model = ShopModel(SMALL)
    model.apply(message(walked([(name, 0.0) for name in names.values()])))

    assert model.items.names == list(names.values())
    assert [model.items.number_of(id) for id in names] == list(range(600))


def test_a_malformed_record_teaches_nothing() -> None:
    model = ShopModel(SMALL)
    with pytest.raises(StreamError, match="column item"):
        model.apply(msgspec.structs.replace(message(STREAM[:3]), item=b""))

    assert (model.hash(), model.position) == (ShopModel(SMALL).hash(), 0)


def stored() -> bytes:
    model = ShopModel(SMALL)
    model.apply(message(STREAM))
    return model.snapshot().pack()


def edited(**changes: object) -> bytes:
    """A stored model with another header."""
    whole = stored()
    end = PREFIX + int.from_bytes(whole[:PREFIX], "little")
    header = msgspec.msgpack.encode(msgspec.msgpack.decode(whole[PREFIX:end]) | changes)
    return len(header).to_bytes(PREFIX, "little") + header + whole[end:]


def test_a_model_of_other_settings_is_refused() -> None:
    with pytest.raises(StreamError, match="was made with settings"):
        ShopModel.restore(stored(), Settings(neighbors=4))


@pytest.mark.parametrize(
    ("damaged", "why"),
    [
        (lambda: b"", "no stored shop model"),
        (lambda: edited(version=0), "has version 0, this reads 4"),
        (lambda: edited(layouts=[b""]), "rows of another version"),
        (lambda: stored()[:-1], "damaged"),
        (lambda: stored()[:-1] + b"?", "damaged"),
        (lambda: stored() + b"?", "damaged"),
    ],
    ids=["empty", "version", "layout", "cut", "changed", "longer"],
)
def test_what_is_no_whole_stored_model_is_refused(damaged: Callable[[], bytes], why: str) -> None:
    with pytest.raises(StreamError, match=why):
        ShopModel.restore(damaged(), SMALL)


def hash_of_a_run() -> str:
    model = ShopModel(SMALL)
    updates = many(600)
    for first in range(0, 600, 70):
        model.apply(message(updates[first : first + 70], first))
    return model.hash()


GOLDEN = "3d5b778b7f5b78dbfb8f201c37aae56c"


def test_plain_python_gives_the_same_bytes_as_compiled_code() -> None:
    program = "from tests.core.test_shop import hash_of_a_run; print(hash_of_a_run())"
    plain = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONHASHSEED": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=True,
        text=True,
    )

    assert plain.stdout.strip() == hash_of_a_run()


def test_the_hash_of_a_run_is_the_one_we_know() -> None:
    """If it changed with numba or the CPU, stored models and running groups differ too."""
    assert hash_of_a_run() == GOLDEN


def test_the_loop_is_compiled_once_for_each_layout() -> None:
    """A second time would mean that some message came in as another type: slow and silent."""
    if not hasattr(knowledge.learn_updates, "signatures"):
        pytest.skip("kernels run uncompiled")
    before = len(knowledge.learn_updates.signatures)
    tiny = Settings(neighbors=2, factors=3, negatives=1)
    for count in (1, 5, 100):
        model = ShopModel(tiny)
        model.apply(message(STREAM[:count]))
        ShopModel.restore(model.snapshot().pack(), tiny).apply(message(STREAM[count:], count))

    assert len(knowledge.learn_updates.signatures) == before + 1
