"""A small state folder as this version writes it, kept in `tests/golden`.

    python -m tests.golden_state

writes it anew, in a folder named by its format. Those of released versions stay as they are.
"""

import json
import platform
import shutil
from pathlib import Path

import numba

from stream.replay import Replay
from stream.shard import LogRecord
from stream.storage.codec import FORMAT
from tests.toy_shop import SMALL, walked

FOLDER = Path(__file__).parent / "golden"
EXPECTED = "expected.json"
STORED, GOES_ON = 150, 300
"""Records of one walk: those that the stored state has seen, and with those that follow."""


def records() -> list[LogRecord]:
    return walked(8, GOES_ON)


def made_by() -> list[str]:
    """What the continuation holds for: elsewhere other mathematics may round otherwise."""
    return [platform.machine(), "numba " + ".".join(numba.__version__.split(".")[:2])]


def went_on(state: Path) -> dict[str, object]:
    """What comes of the records that follow those which a folder has seen."""
    replay = Replay(state, 1, SMALL)
    alerts = replay.feed(records()[STORED:]).alerts
    found = {"alerts": len(alerts), "state": replay.hashes()[0], "model": replay.shop.hash()}
    replay.close()
    return found


def write(folder: Path, scratch: Path) -> None:
    """Store a state, and beside it what it is and what comes of it."""
    replay = Replay(folder, 1, SMALL)
    replay.feed(records()[:STORED])
    replay.save()
    stored = {"state": replay.hashes()[0], "model": replay.shop.hash()}
    replay.close()
    for diary in [*folder.rglob("LOG*"), *folder.rglob("LOCK")]:
        diary.unlink()
    shutil.copytree(folder, scratch)
    expected = {"stored": stored, "went_on": went_on(scratch), "made_by": made_by()}
    (folder / EXPECTED).write_text(json.dumps(expected, indent=1) + "\n")


def main() -> None:
    folder, scratch = FOLDER / f"format-{FORMAT}", FOLDER / "scratch"
    for path in (folder, scratch):
        shutil.rmtree(path, ignore_errors=True)
    try:
        write(folder, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"wrote {folder}")


if __name__ == "__main__":
    main()
