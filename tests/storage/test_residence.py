"""Rows in memory and on disk, against a dictionary that never forgets."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.core import engine_rows, shoppers
from stream.core.ids import identify
from stream.storage.checkpoint import Checkpoint
from stream.storage.codec import Header, RowCodec
from stream.storage.residence import NOBODY, Residence
from tests.toy_shop import SMALL

USERS = [f"user {n}" for n in range(12)]
KEYS = {user: identify(user, SMALL.seed) for user in USERS}
SLOTS = 4
FEW = st.lists(st.sampled_from(USERS), min_size=1, max_size=2, unique=True)
STEPS = st.lists(st.tuples(FEW, FEW, st.booleans()), max_size=40)


@contextmanager
def arena(slots: int = SLOTS) -> Iterator[tuple[Residence, Checkpoint]]:
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Checkpoint(Path(folder))
        codec = RowCodec(shoppers.layout(SMALL))
        yield Residence(engine_rows.state(SMALL, slots), codec, checkpoint, SMALL.seed), checkpoint
        checkpoint.close()


def write(residence: Residence, checkpoint: Checkpoint) -> list[tuple[int, bytes]]:
    rows = residence.take_changed()
    header = Header(settings="", meaning={}, layout=b"", topic="", partition=0, partitions=1,
                    counts={})  # fmt: skip
    checkpoint.write(header, rows, [])
    return rows


def touch(residence: Residence, slot: int) -> float:
    """Change a row, as the loop does; its new value."""
    row = residence.state.shoppers[slot].strict.session
    row.last_at += 1.0
    residence.state.slots[slot].dirty = 1
    return float(row.last_at)


@given(STEPS)
def test_leaving_memory_never_changes_a_value(
    steps: list[tuple[list[str], list[str], bool]],
) -> None:
    values: dict[str, float] = {}
    with arena() as (residence, checkpoint):
        for users, due, checkpointed in steps:
            known = [KEYS[user] for user in due if user in values]
            slots = residence.admit(users, known)
            assert len(set(slots)) == len(users)
            for user, slot in zip(users, slots, strict=True):
                assert residence.users[slot] == user
                assert residence.slot(KEYS[user]) == slot
                assert residence.state.slots[slot].key == KEYS[user]
                values[user] = values.get(user, 0.0) + 1.0
                assert touch(residence, slot) == values[user]
            for key in known:
                slot = residence.slot(key)
                assert identify(residence.users[slot], SMALL.seed) == key
            if checkpointed:
                write(residence, checkpoint)
        write(residence, checkpoint)
        for user, value in values.items():
            (slot,) = residence.admit([user])
            assert residence.state.shoppers[slot].strict.session.last_at == value
        stored = checkpoint.rows([KEYS[user] for user in values])
        assert [residence.codec.user(row or b"") for row in stored] == list(values)


def test_each_changed_row_is_written_once() -> None:
    with arena() as (residence, checkpoint):
        for user in USERS[:6]:
            touch(residence, residence.admit([user])[0])
        assert residence.changed() == 6
        assert sorted(key for key, _ in write(residence, checkpoint)) == sorted(
            KEYS[user] for user in USERS[:6]
        )
        assert residence.changed() == 0
        assert residence.take_changed() == []


def test_a_row_that_only_was_read_is_not_written() -> None:
    with arena() as (residence, checkpoint):
        touch(residence, residence.admit(["ann"])[0])
        write(residence, checkpoint)
        for user in [*USERS[:6], "ann"]:
            residence.admit([user])
        assert residence.changed() == 0


def test_who_was_asked_for_stays_until_the_next_call() -> None:
    with arena() as (residence, _):
        residence.admit(USERS[:4])
        slots = residence.admit(USERS[4:6], [])
        due = [KEYS[USERS[4]], KEYS[USERS[5]]]
        assert residence.admit(USERS[6:8], due) != slots
        assert [residence.slot(key) for key in due] == slots
        assert residence.slot(KEYS[USERS[0]]) == NOBODY


def test_who_was_used_since_the_hand_passed_gets_a_second_chance() -> None:
    with arena() as (residence, _):
        for user in USERS[:5]:
            residence.admit([user])
        # The hand has passed all; the first made room. The second is used again.
        residence.admit([USERS[1]])
        residence.admit([USERS[5]])
        assert residence.slot(KEYS[USERS[1]]) != NOBODY
        assert residence.slot(KEYS[USERS[2]]) == NOBODY


def test_a_slot_is_empty_when_a_new_shopper_gets_it() -> None:
    with arena() as (residence, _):
        for user in USERS:
            (slot,) = residence.admit([user])
            assert not any(np.asarray(residence.state.shoppers)[slot].tobytes())
            touch(residence, slot)


def test_more_shoppers_than_keys_are_remembered_for_have_the_same_keys() -> None:
    with arena() as (residence, _):
        many = [f"passer-by {n}" for n in range(5 * SLOTS)]
        assert [residence.key(user) for user in many] == [
            identify(user, SMALL.seed) for user in many
        ]
        assert residence.key(many[0]) == identify(many[0], SMALL.seed)
