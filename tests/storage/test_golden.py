"""State folders of this and earlier formats open, are what they were, and go on as they did."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from stream.errors import StreamError
from stream.state_folder import problems_in
from stream.stored import stored_partitions, stored_shop
from tests import golden_state
from tests.toy_shop import SMALL

FOLDERS = sorted(golden_state.FOLDER.glob("format-*"))
WAY_OUT = (
    "\nWhat is stored has another layout or meaning than before. If that is meant: once the format "
    "is released, raise FORMAT in stream/storage/codec.py, open or migrate the older one, and keep "
    "its folder; before that, or beside it, write the folder of this format with "
    "`python -m tests.golden_state`, and say in CHANGELOG.md that state is to be rebuilt."
)


@pytest.fixture(params=FOLDERS, ids=lambda path: str(path.name))
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy, for opening a folder changes it."""
    copy = tmp_path / "state"
    shutil.copytree(request.param, copy)
    return copy


def expected(golden: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((golden / golden_state.EXPECTED).read_text())
    return found


def test_there_is_one_of_this_format() -> None:
    assert f"format-{golden_state.FORMAT}" in [path.name for path in FOLDERS], WAY_OUT


def test_a_stored_state_is_what_it_was(golden: Path) -> None:
    assert list(problems_in(golden)) == [], WAY_OUT
    (part,) = stored_partitions(golden)
    found = part.hash()
    part.close()
    shop = stored_shop(golden, SMALL)
    assert shop is not None
    assert {"state": found, "model": shop.hash()} == expected(golden)["stored"], WAY_OUT


def test_a_stored_state_goes_on_as_it_did(golden: Path) -> None:
    wanted = expected(golden)
    try:
        found = golden_state.went_on(golden)
    except StreamError as error:
        pytest.fail(f"{error}{WAY_OUT}")
    if found != wanted["went_on"] and golden_state.made_by() != wanted["made_by"]:
        pytest.skip(f"made by {wanted['made_by']}, this is {golden_state.made_by()}")
    assert found == wanted["went_on"], WAY_OUT
