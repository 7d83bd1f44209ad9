"""Hot shoppers in memory, all shoppers on disk."""

from collections.abc import Iterable, Sequence

import numpy as np

from stream.core.engine_rows import State
from stream.core.ids import NONE, identify
from stream.core.rows import UInt8s
from stream.storage.checkpoint import Checkpoint
from stream.storage.codec import RowCodec

NOBODY = -1


class Residence:
    """Which shopper's row is in which slot of the arena.

    A row is read at its first touch and leaves by a clock when the arena is full:
    a second chance for those used since the hand last passed. Leaving never
    changes a value. A changed row that left waits in `pending` for the next write;
    `removed` are keys whose stored rows count no more, and go with it.
    """

    def __init__(self, state: State, codec: RowCodec, checkpoint: Checkpoint, seed: int) -> None:
        self.state = state
        self.codec = codec
        self.pending: dict[int, bytes] = {}
        self.removed: set[int] = set()
        self.users = [""] * len(state.slots)
        self.evicted = 0
        """Rows that have left memory so far."""
        self._checkpoint = checkpoint
        self._seed = seed
        self._slot_of: dict[int, int] = {}
        self._key_of: dict[str, int] = {}
        self._used = np.zeros(len(state.slots), np.bool_)
        self._pinned = np.zeros(len(state.slots), np.bool_)
        self._taken = 0
        self._hand = 0
        self._rows = np.asarray(state.shoppers)
        self._bytes = self._rows.view(np.uint8).reshape(len(state.slots), codec.size)
        self._keys = np.asarray(state.slots)["key"]
        self._dirty = np.asarray(state.slots)["dirty"]

    def __len__(self) -> int:
        return len(self.state.slots)

    def key(self, user: str) -> int:
        """The keyed hash under which a shopper's row is stored."""
        key = self._key_of.get(user)
        if key is None:
            if len(self._key_of) >= 4 * len(self):
                self._key_of.clear()
            key = self._key_of[user] = identify(user, self._seed)
        return key

    def admit(self, users: Sequence[str], due: Sequence[int] = ()) -> list[int]:
        """The slots of these shoppers, brought into memory with those whose keys are `due`.

        They stay there until the next call. Together they must fit.
        """
        keys = [self.key(user) for user in users]
        self._pinned[:] = False
        self._pin(keys)
        self._pin(due)
        wanted = dict.fromkeys([*keys, *due])
        missing = [key for key in wanted if key not in self._slot_of]
        if missing:
            names = dict(zip(keys, users, strict=True))
            self._bring(missing, [names.get(key, "") for key in missing])
        return [self._slot_of[key] for key in keys]

    def slot(self, key: int) -> int:
        """Where a shopper is now, or -1."""
        return self._slot_of.get(key, NOBODY)

    def hot(self) -> int:
        """How many shoppers are in memory."""
        return len(self._slot_of)

    def holds(self, key: int) -> bool:
        """Whether a shopper's row can be had without the disk."""
        return key in self._slot_of or key in self.pending

    def peek(self, keys: Sequence[int]) -> tuple[np.ndarray, list[str]]:
        """Copies of these shoppers' rows as they are now, and who they are.

        The rows of unknown ones are zeros, their names "". Nobody moves in or out.
        """
        rows, names = np.zeros(len(keys), self.codec.layout), [""] * len(keys)
        away = [place for place, key in enumerate(keys) if key not in self._slot_of]
        on_disk = self._stored(keys[place] for place in away)
        stored = dict(zip(on_disk, self._checkpoint.rows(on_disk), strict=True))
        for place, key in enumerate(keys):
            slot = self._slot_of.get(key)
            value = self.pending.get(key) or stored.get(key)
            if slot is not None:
                rows[place], names[place] = self._rows[slot], self.users[slot]
            elif value is not None:
                self.codec.fill(rows, [place], [value])
                names[place] = self.codec.user(value)
        return rows, names

    def copy(self, key: int, room: UInt8s) -> str:
        """Put the bytes of one shopper's row as it is now into `room`; who it is, "" for nobody.

        As `peek`, in a tenth of the time. Of an unknown one `room` stays as it was.
        """
        slot = self._slot_of.get(key)
        if slot is not None:
            room[:] = self._bytes[slot]
            return self.users[slot]
        value = self.pending.get(key) or self._row_of(key)
        if value is None:
            return ""
        room[:] = np.frombuffer(value, np.uint8, self.codec.size)
        return self.codec.user(value)

    def changed(self) -> int:
        """How many rows the next write would store."""
        return int(np.count_nonzero(self._dirty)) + len(self.pending)

    def take_changed(self) -> list[tuple[int, bytes]]:
        """The key and value of every row changed since the last call."""
        slots = np.flatnonzero(self._dirty)
        values = self.codec.values(self._rows, slots, self.users)
        rows = [*self.pending.items(), *zip(self._keys[slots].tolist(), values, strict=True)]
        self._dirty[:] = 0
        self.pending.clear()
        return rows

    def take_removed(self) -> list[int]:
        """The keys of rows that were removed since the last call, in their order."""
        keys = sorted(self.removed)
        self.removed.clear()
        return keys

    def empty(self, slot: int) -> None:
        """Let a shopper who stays in memory begin anew."""
        self._rows[slot] = np.zeros((), self.codec.layout)

    def remove(self, user: str, lingering: bool) -> bool:
        """Let nothing be left of a shopper; whether there was anything.

        `lingering` says that of a row which is gone something may be left in files.
        """
        key = self.key(user)
        del self._key_of[user]
        waiting, slot = self.pending.pop(key, None), self._slot_of.pop(key, None)
        if slot is not None:
            self._vacate(slot)
        stored = self._checkpoint.rows(self._stored([key]))
        known = lingering or slot is not None or waiting is not None or any(stored)
        if known:
            self.removed.add(key)
        return known

    def _row_of(self, key: int) -> bytes | None:
        """The stored row, if it still counts."""
        return None if key in self.removed else self._checkpoint.row(key)

    def _stored(self, keys: Iterable[int]) -> list[int]:
        """Those whose rows are on disk, if anywhere but in memory."""
        return [key for key in keys if key not in self.pending and key not in self.removed]

    def _vacate(self, slot: int) -> None:
        self.empty(slot)
        self.users[slot] = ""
        self._keys[slot] = NONE
        self._dirty[slot], self._pinned[slot], self._used[slot] = 0, False, False

    def _pin(self, keys: Sequence[int]) -> None:
        slots = [slot for key in keys if (slot := self._slot_of.get(key)) is not None]
        self._pinned[slots] = True
        self._used[slots] = True

    def _bring(self, keys: list[int], names: list[str]) -> None:
        slots = [self._free_slot() for _ in keys]
        on_disk = self._stored(keys)
        found = dict(zip(on_disk, self._checkpoint.rows(on_disk), strict=True))
        known: list[int] = []
        values: list[bytes] = []
        unknown: list[int] = []
        for key, name, slot in zip(keys, names, slots, strict=True):
            self._slot_of[key] = slot
            waiting = self.pending.pop(key, None)
            self._dirty[slot] = waiting is not None
            value = waiting or found.get(key)
            if value is None:
                self.users[slot] = name
                unknown.append(slot)
            else:
                self.users[slot] = self.codec.user(value)
                known.append(slot)
                values.append(value)
        self._keys[slots] = keys
        self._rows[unknown] = np.zeros((), self.codec.layout)
        if known:
            self.codec.fill(self._rows, known, values)

    def _free_slot(self) -> int:
        if self._taken < len(self):
            slot = self._taken
            self._taken += 1
        else:
            slot = self._least_used()
            self._leave(slot)
        self._used[slot] = True
        self._pinned[slot] = True
        return slot

    def _least_used(self) -> int:
        while True:
            slot = self._hand
            self._hand = (slot + 1) % len(self)
            if self._pinned[slot]:
                continue
            if not self._used[slot]:
                return slot
            self._used[slot] = False

    def _leave(self, slot: int) -> None:
        key = int(self._keys[slot])
        if self._dirty[slot]:
            self.pending[key] = self.codec.values(self._rows, np.array([slot]), self.users)[0]
            self._dirty[slot] = 0
        # One that was vacated is nobody's.
        if self._slot_of.pop(key, None) is not None:
            self.evicted += 1
