"""The shop model on disk: it comes back, or is refused in a line."""

import os
from pathlib import Path

import msgspec
import pytest

from stream.core.shop import ShopModel
from stream.errors import StreamError
from stream.storage.replica import MODEL, load_model, save_model
from tests.toy_shop import SMALL, taught, walked


@pytest.fixture
def shop(tmp_path: Path) -> ShopModel:
    return taught(SMALL, walked(1, 100), tmp_path / "replay")


def refusal(folder: Path) -> str:
    with pytest.raises(StreamError) as refused:
        load_model(folder, SMALL)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_there_is_none_before_one_was_saved(tmp_path: Path) -> None:
    assert load_model(tmp_path / "shop", SMALL) is None


def test_a_saved_model_comes_back(shop: ShopModel, tmp_path: Path) -> None:
    save_model(shop.snapshot(), tmp_path / "shop")
    found = load_model(tmp_path / "shop", SMALL)
    assert found is not None
    assert (found.hash(), found.position) == (shop.hash(), shop.position)
    assert os.listdir(tmp_path / "shop") == [MODEL]


def test_a_flipped_byte_anywhere_is_found(shop: ShopModel, tmp_path: Path) -> None:
    """In names and positions too, not only in the arrays."""
    save_model(shop.snapshot(), tmp_path)
    stored = (tmp_path / MODEL).read_bytes()
    for place in [*range(0, 400, 7), len(stored) // 2, len(stored) - 1]:
        damaged = bytearray(stored)
        damaged[place] ^= 1
        (tmp_path / MODEL).write_bytes(damaged)
        assert "is damaged; delete it, the log rebuilds it" in refusal(tmp_path)


@pytest.mark.parametrize("kept", [0, 5, 1000], ids=lambda kept: f"{kept} bytes")
def test_a_cut_file_is_refused(shop: ShopModel, tmp_path: Path, kept: int) -> None:
    save_model(shop.snapshot(), tmp_path)
    (tmp_path / MODEL).write_bytes((tmp_path / MODEL).read_bytes()[:kept])
    assert "is damaged" in refusal(tmp_path)


def test_other_settings_are_refused(shop: ShopModel, tmp_path: Path) -> None:
    save_model(shop.snapshot(), tmp_path)
    with pytest.raises(StreamError, match="was made with settings"):
        load_model(tmp_path, msgspec.structs.replace(SMALL, factor_rate=0.2))


def test_what_can_not_be_read_or_written_is_said(shop: ShopModel, tmp_path: Path) -> None:
    (tmp_path / "shop" / MODEL).mkdir(parents=True)
    assert "can't read" in refusal(tmp_path / "shop")
    with pytest.raises(StreamError, match="can't write"):
        save_model(shop.snapshot(), tmp_path / "shop")


def test_a_crash_while_saving_leaves_the_one_before(shop: ShopModel, tmp_path: Path) -> None:
    save_model(shop.snapshot(), tmp_path)
    (tmp_path / f"{MODEL}.new").write_bytes(b"half of a mod")
    found = load_model(tmp_path, SMALL)
    assert found is not None
    assert found.hash() == shop.hash()
