"""Session kNN: what the sessions that share items with this one went on with.

V-SKNN of Ludewig and Jannach 2018 (Evaluation of session-based recommendation algorithms,
UMUAI) in the form of VMIS-kNN: Kersbergen, Sprangers and Schelter 2022 (Serenade, SIGMOD).
"""

import math
from typing import NamedTuple

import numpy as np

from stream.core.compiled import kernel, outlined
from stream.core.recents import RecentsRow, length, low_at
from stream.core.rows import Float64s, Int64s
from stream.evaluation.ranking_judge import Board, add
from stream.evaluation.ranking_walk import Walk

LATEST = 500
"""Of each item the latest so many events are looked at."""
LENGTH = 10
"""Items of a shopper that sessions are compared by, the newest."""
MOST = 500


class Sessions(NamedTuple):
    """Where sessions and items find each other.

    The events of session s are `events[first[s]]` and on, `used[s]` of them learned. `latest` is
    an item's last event learned, `before` the one of the same item before each; -1 for none.
    The rest is room: similarity, newest shared place and mark by session, and sessions found.
    """

    first: Int64s
    events: Int64s
    used: Int64s
    latest: Int64s
    before: Int64s
    similarity: Float64s
    newest: Int64s
    marks: Int64s
    touched: Int64s
    chosen: Int64s


def sessions(walk: Walk) -> Sessions:
    """A log's sessions, of which nothing is learned yet."""
    count = int(walk.sessions.max()) + 1
    events = np.argsort(walk.sessions, kind="stable")
    by_item = np.argsort(walk.items, kind="stable")
    before = np.full(len(events), -1, np.int64)
    same = walk.items[by_item][1:] == walk.items[by_item][:-1]
    before[by_item[1:][same]] = by_item[:-1][same]
    return Sessions(
        first=np.searchsorted(walk.sessions[events], np.arange(count)).astype(np.int64),
        events=events.astype(np.int64),
        used=np.zeros(count, np.int64),
        latest=np.full(walk.known, -1, np.int64),
        before=before,
        similarity=np.zeros(count),
        newest=np.zeros(count, np.int64),
        marks=np.zeros(count, np.int64),
        touched=np.zeros(LENGTH * LATEST, np.int64),
        chosen=np.zeros(MOST, np.int64),
    )


@kernel
def learn(walk: Walk, state: Sessions, event: int) -> None:
    """Let an event be found."""
    state.latest[walk.items[event]] = event
    state.used[walk.sessions[event]] += 1


@kernel
def gather(walk: Walk, state: Sessions, row: RecentsRow, own: int) -> int:
    """Find sessions that share items, and how many there are; newer items weigh more."""
    found, shared = 0, min(length(row), LENGTH)
    for place in range(shared):
        event, steps = state.latest[low_at(row, place) - 1], 0
        weight = (shared - place) / shared
        while event >= 0 and steps < LATEST:
            session = walk.sessions[event]
            if session != own and state.marks[session] != place + 1:
                if state.similarity[session] == 0.0:
                    state.touched[found] = session
                    state.newest[session] = place
                    found += 1
                state.similarity[session] += weight
                state.marks[session] = place + 1
            event = state.before[event]
            steps += 1
    return found


@kernel
def nearest(state: Sessions, found: int, most: int) -> int:
    """Choose the `most` most similar of the sessions found; how many. Of equals the first found,
    which has the newer events."""
    used = 0
    for place in range(found):
        session = state.touched[place]
        alike = state.similarity[session]
        if used == most and not alike > state.similarity[state.chosen[used - 1]]:
            continue
        used = min(used + 1, most)
        spot = used - 1
        while spot > 0 and alike > state.similarity[state.chosen[spot - 1]]:
            state.chosen[spot] = state.chosen[spot - 1]
            spot -= 1
        state.chosen[spot] = session
    return used


@outlined
def propose(
    board: Board, walk: Walk, state: Sessions, counts: Float64s, row: RecentsRow, own: int,
    most: int,
) -> int:  # fmt: skip
    """Score the items of the nearest sessions; how many."""
    found = gather(walk, state, row, own)
    count, used = 0, nearest(state, found, most)
    for place in range(used):
        session = state.chosen[place]
        strength = state.similarity[session] / (1.0 + state.newest[session])
        first = state.first[session]
        for number in range(first, first + state.used[session]):
            item = walk.items[state.events[number]]
            rarity = math.log(1.0 + len(walk.items) / (1.0 + counts[item]))
            count = add(board, count, item, strength * rarity)
    for place in range(found):
        state.similarity[state.touched[place]] = 0.0
        state.marks[state.touched[place]] = 0
    return count
