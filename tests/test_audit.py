"""What `make audit` says of pinned releases, by the package index itself."""

from pathlib import Path

import pytest

from tests import audit


def test_a_release_that_was_withdrawn_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pinned = tmp_path / "constraints.txt"
    pinned.write_text("attrs==21.1.0\n")
    assert audit.main(pinned) == 1
    said = capsys.readouterr().out
    assert "yanked version: 'attrs' candidate (version 21.1.0" in said
    assert said.endswith(" found against constraints.txt\n")


def test_a_release_that_is_not_there_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pinned = tmp_path / "constraints.txt"
    pinned.write_text("attrs==0.0.999\n")
    assert audit.main(pinned) == 1
    assert "No matching distribution found for attrs==0.0.999" in capsys.readouterr().err
