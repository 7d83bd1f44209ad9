"""The first law: a shard's strict state and alerts are a function of its settings and records."""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numba
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.shop import ShopModel
from stream.messages import MigrationAlert
from stream.outcome import Outcome
from stream.replay import Published, Replay
from stream.settings import Settings
from stream.shard import LogRecord, Shard
from tests.toy_shop import ROOMY, SMALL, applied, groups, merged, streams, taught, walked

ROOT = Path(__file__).parents[1]
CUTS = st.lists(st.integers(0, 250), max_size=8)
SPACIOUS = msgspec.structs.replace(SMALL, hot_users=ROOMY)

GOLDEN: dict[str, object] = {
    "alerts": 30,
    "state": "c677bd72d6ef7d632f82f5836dd19305",
    "model": "35e7455475d084ca92a82832d0ef8045",
}
GOLDEN_MADE_BY = ("x86_64", "numba 0.68")
"""Elsewhere other mathematics may round otherwise."""


@contextmanager
def opened(folder: Path, settings: Settings = SMALL) -> Iterator[Shard]:
    shard = Shard(folder / "partition", 0, 1, settings)
    try:
        yield shard
    finally:
        shard.close()


def strict(
    parts: Sequence[Sequence[LogRecord]],
    settings: Settings = SMALL,
    shop: ShopModel | None = None,
) -> tuple[str, list[MigrationAlert], Outcome]:
    """Hash and alerts after these batches in a new folder, and all that came out."""
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder), settings) as shard:
        outcome = applied(shard, parts, shop or ShopModel(settings))
        return shard.hash(), outcome.alerts, outcome


def lines(published: Published) -> tuple[bytes, bytes, bytes]:
    """The output files."""
    encode = msgspec.json.Encoder().encode_lines
    return encode(published.alerts), encode(published.deltas), encode(published.dead_letters)


def test_walks_are_worth_the_name() -> None:
    """The laws below would hold in a shop where nothing happens."""
    parts = [strict([walked(seed, 250)])[2] for seed in range(4)]
    assert sum(len(outcome.alerts) for outcome in parts) >= 5
    assert all(len(outcome.dead_letters) >= 2 for outcome in parts)
    late = [record.value for seed in range(4) for record in walked(seed, 250)]
    assert any(b'"items"' in value for value in late if value)


# ---------------------------------------------------------------------------- one shard


@given(records=streams(), cuts=CUTS)
def test_how_records_are_grouped_leaves_no_trace(records: list[LogRecord], cuts: list[int]) -> None:
    whole = strict([records])
    assert strict(groups(records, cuts))[:2] == whole[:2]


@given(records=streams(most=120))
def test_neither_does_one_record_at_a_time(records: list[LogRecord]) -> None:
    alone, whole = strict([[record] for record in records]), strict([records])
    assert alone[:2] == whole[:2]
    assert alone[2].deltas == whole[2].deltas
    assert alone[2].dead_letters == whole[2].dead_letters
    assert alone[2].names == whole[2].names


@given(records=streams(), cuts=CUTS)
def test_evictions_leave_no_trace(records: list[LogRecord], cuts: list[int]) -> None:
    roomy = strict([records], SPACIOUS)
    tight = strict(groups(records, cuts), SMALL)
    assert tight[:2] == roomy[:2]
    assert tight[2].deltas == roomy[2].deltas


def crashing(
    records: Sequence[LogRecord], crashes: Sequence[int], checkpoint_every: int
) -> tuple[str, list[MigrationAlert], int]:
    """Run, losing all that is not checkpointed after each of the `crashes`; repeats removed."""
    shop, alerts, repeats = ShopModel(SMALL), dict[tuple[str, int], MigrationAlert](), 0
    with tempfile.TemporaryDirectory() as folder:
        for crash in [*crashes, len(records)]:
            with opened(Path(folder)) as shard:
                # The log is read from the start: what is known is skipped.
                for number, record in enumerate(records[:crash]):
                    for alert in shard.apply([record], shop).alerts:
                        assert alerts.setdefault((alert.id, alert.revision), alert) == alert
                        repeats += 1
                    if number % checkpoint_every == checkpoint_every - 1:
                        shard.checkpoint()
        with opened(Path(folder)) as shard:
            shard.apply(records, shop)
            return shard.hash(), list(alerts.values()), repeats - len(alerts)


@given(
    records=streams(most=150),
    crashes=st.lists(st.integers(0, 150), max_size=4).map(sorted),
    checkpoint_every=st.integers(1, 40),
)
def test_a_crash_after_any_record_leaves_no_trace(
    records: list[LogRecord], crashes: list[int], checkpoint_every: int
) -> None:
    hash, alerts, _ = strict([records])
    after, told, _ = crashing(records, crashes, checkpoint_every)
    assert (after, told) == (hash, alerts)


def test_a_crash_repeats_alerts_under_their_ids() -> None:
    records = walked(3, 250)
    assert crashing(records, [249, 250], checkpoint_every=200)[2] > 0


@given(records=streams(), others=streams())
def test_the_shop_model_leaves_no_trace(records: list[LogRecord], others: list[LogRecord]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = taught(SMALL, others, Path(folder))
        before = shop.hash()
        assert strict([records], shop=shop)[:2] == strict([records])[:2]
        assert shop.hash() == before


def silent(outcome: Outcome) -> bool:
    said = (outcome.alerts, outcome.deltas, outcome.dead_letters, outcome.names)
    return not any(said) and not len(outcome.updates)


@given(records=streams(), cuts=CUTS, first=st.booleans())
def test_catching_up_in_silence_leaves_no_trace(
    records: list[LogRecord], cuts: list[int], first: bool
) -> None:
    shop, whole = ShopModel(SMALL), strict([records])
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as shard:
        spoken: list[Outcome] = []
        for number, part in enumerate(groups(records, cuts)):
            muted = number % 2 == int(first)
            outcome = shard.apply(part, shop, muted=muted)
            assert not muted or silent(outcome)
            spoken.append(outcome)
        assert shard.hash() == whole[0]
        told = {(alert.id, alert.revision): alert for alert in whole[1]}
        assert all(told[a.id, a.revision] == a for a in merged(spoken).alerts)


@given(records=streams())
def test_every_message_has_an_id_of_its_own_and_alerts_come_with_their_deltas(
    records: list[LogRecord],
) -> None:
    outcome = strict([records])[2]
    deltas = {delta.id: delta for delta in outcome.deltas}
    assert len(deltas) == len(outcome.deltas)
    assert len({(a.id, a.revision) for a in outcome.alerts}) == len(outcome.alerts)
    assert len({(d.sequence, d.user_id) for d in outcome.deltas}) == len(outcome.deltas)
    for alert in (alert for alert in outcome.alerts if alert.revision == 0):
        delta = deltas[alert.delta_id]
        assert (delta.user_id, delta.sequence) == (alert.user_id, alert.source_offset)
        assert delta.alert_id in {a.id for a in outcome.alerts if a.delta_id == delta.id}


# ----------------------------------------------------------------------------- a replay


def replayed(
    records: Sequence[LogRecord], cuts: Sequence[int], partitions: int
) -> tuple[tuple[bytes, bytes, bytes], list[str], str]:
    """The output files and the hashes of one replay that is fed in these cuts."""
    with tempfile.TemporaryDirectory() as folder:
        replay = Replay(Path(folder), partitions, SMALL)
        try:
            fed = [lines(replay.feed(part)) for part in groups(records, cuts)]
            return joined(fed), replay.hashes(), replay.shop.hash()
        finally:
            replay.close()


def resumed(
    records: Sequence[LogRecord], cuts: Sequence[int], partitions: int
) -> tuple[tuple[bytes, bytes, bytes], list[str], str]:
    """The same, but saved and opened anew at each cut."""
    fed = []
    with tempfile.TemporaryDirectory() as folder:
        for part in [*groups(records, cuts), ()]:
            replay = Replay(Path(folder), partitions, SMALL)
            try:
                fed.append(lines(replay.feed(part)))
                replay.save()
                result = replay.hashes(), replay.shop.hash()
            finally:
                replay.close()
    return joined(fed), *result


def joined(fed: Sequence[tuple[bytes, bytes, bytes]]) -> tuple[bytes, bytes, bytes]:
    alerts, deltas, dead = zip(*fed, strict=True) if fed else ((), (), ())
    return b"".join(alerts), b"".join(deltas), b"".join(dead)


@given(data=st.data(), partitions=st.integers(1, 3), cuts=CUTS)
def test_a_replay_is_the_same_to_the_byte_however_it_is_fed(
    data: st.DataObject, partitions: int, cuts: list[int]
) -> None:
    records = data.draw(streams(partitions))
    assert replayed(records, cuts, partitions) == replayed(records, [], partitions)


@given(data=st.data(), partitions=st.integers(1, 3), cuts=st.lists(st.integers(0, 250), max_size=4))
def test_a_replay_resumed_anywhere_goes_on_to_the_byte(
    data: st.DataObject, partitions: int, cuts: list[int]
) -> None:
    records = data.draw(streams(partitions))
    assert resumed(records, cuts, partitions) == replayed(records, [], partitions)


# --------------------------------------------------------------------- another process

PRINT_ALL = """
import sys, json
from pathlib import Path
from tempfile import TemporaryDirectory
from stream.replay import Replay
from tests.test_laws import lines
from tests.toy_shop import SMALL, walked
with TemporaryDirectory() as folder:
    replay = Replay(Path(folder), 2, SMALL)
    files = [file.decode() for file in lines(replay.feed(walked(11, 600, 2)))]
    print(json.dumps([*files, replay.hashes(), replay.shop.hash()]))
    replay.close()
"""


def elsewhere(**environment: str) -> list[object]:
    """What a replay gives in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PRINT_ALL],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: list[object] = json.loads(done.stdout)
    return found


def test_the_seed_of_pythons_hashes_leaves_no_trace() -> None:
    first = elsewhere(PYTHONHASHSEED="1")
    assert first == elsewhere(PYTHONHASHSEED="2")
    assert first[0]
    assert first[1]
    assert first[2]


def test_plain_python_and_compiled_code_give_the_same_bytes() -> None:
    uncompiled = elsewhere(NUMBA_DISABLE_JIT="1")
    assert uncompiled == elsewhere(NUMBA_DISABLE_JIT="0")


def test_the_law_is_what_it_was() -> None:
    """A change here is a change of what all stored state means: say so in the changelog."""
    with tempfile.TemporaryDirectory() as folder:
        replay = Replay(Path(folder), 1, SMALL)
        published = replay.feed(walked(3, 1000))
        found = {
            "alerts": len(published.alerts),
            "state": replay.hashes()[0],
            "model": replay.shop.hash(),
        }
        replay.close()
    version = ".".join(numba.__version__.split(".")[:2])
    here = (platform.machine(), f"numba {version}")
    if found != GOLDEN and here != GOLDEN_MADE_BY:
        pytest.skip(f"the golden hashes are of {GOLDEN_MADE_BY}, this is {here}")
    assert found == GOLDEN
