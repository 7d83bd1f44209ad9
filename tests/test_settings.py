"""Settings from files, variables and flags; what is wrong is one line that says what would do."""

from pathlib import Path

import pytest

from stream.errors import WrongUse
from stream.settings import Settings, load


def test_flags_win_over_variables_and_these_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text("session_gap = 60\nfactors = 8\nnegatives = 3\n")
    found = load(file, {"DRIFT_FACTORS": "16", "DRIFT_NEGATIVES": "4"}, {"negatives": 5})
    assert (found.session_gap, found.factors, found.negatives) == (60, 16, 5)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("HORIZONS", '["decade"]', "horizons[0]: Invalid enum value 'decade'; known are day, week"),
        ("FACTOR_OBJECTIVE", "hinge", "'hinge'; known are softmax, bpr, isgd"),
        ("PREDICTION_PRECISION", "2", "prediction_precision: Expected `float` <= 1.0, got 2"),
        ("SEED", "x", "seed: Expected `int`, got `str`, got 'x'"),
        ("TIME_ZONE", "Mars", "time_zone 'Mars' is unknown: give a name like Europe/Berlin"),
        ("LIST_DIVERSITY", "more", "'more'; known are none, mmr, calibrated"),
        ("LIST_DIVERSITY_WEIGHT", "2", "list_diversity_weight: Expected `float` <= 1.0, got 2"),
        ("LIST_PER_CATEGORY", "-1", "list_per_category: Expected `int` >= 0, got -1"),
        ("BLOCKED_ITEMS", "tent", "blocked_items: Expected `array`, got `str`, got 'tent'"),
        ("BLOCKED_CATEGORIES", '[""]', "blocked_categories[0]: Expected `str` of length >= 1"),
        (
            "INACTIVE_AFTER",
            "60",
            "inactive_after 60.0 must be longer than session_gap 1800.0",
        ),
        ("EVENT_TYPES", '{ forget = "view_item" }', "'forget' is the request to forget a shopper"),
        ("LAST_YEAR", "1999", "first_year 2000 is after last_year 1999"),
    ],
)
def test_a_bad_value_is_named_with_what_would_do(name: str, text: str, said: str) -> None:
    with pytest.raises(WrongUse) as refused:
        load(None, {f"DRIFT_{name}": text})
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_unknown_setting_of_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text("sesion_gap = 60\n")
    with pytest.raises(WrongUse, match="sesion_gap"):
        load(file, {})


def test_a_blocked_category_that_no_event_can_name_is_refused() -> None:
    """It would block nothing, and nobody would know."""
    given = {"DRIFT_BLOCKED_CATEGORIES": '["Home > Toys"]', "DRIFT_CATEGORY_LEVEL": "1"}
    with pytest.raises(WrongUse, match="'Home > Toys' has more parts than category_level 1"):
        load(None, given)
    assert load(None, given | {"DRIFT_CATEGORY_LEVEL": "0"}).blocked_categories == ["Home > Toys"]


@pytest.mark.parametrize("given", ["too short", "12345678", ""])
def test_a_weak_secret_is_refused_without_being_said(given: str) -> None:
    with pytest.raises(WrongUse) as refused:
        load(None, {"DRIFT_USER_ID_KEY": given})
    assert f"user_id_key has {len(given)} characters and needs 16" in str(refused.value)
    assert not given or given not in str(refused.value)


def test_a_secret_is_nowhere_to_be_seen_but_another_one_is_noticed(tmp_path: Path) -> None:
    file, secret = tmp_path / "shop.toml", "0123456789012345"
    file.write_text(f'user_id_key = "{secret}"\n')
    found, same = load(file, {}), load(None, {"DRIFT_USER_ID_KEY": secret})
    other = load(file, {"DRIFT_USER_ID_KEY": secret[::-1]})

    assert found == same
    assert len({found.fingerprint(), other.fingerprint(), Settings().fingerprint()}) == 3
    assert found.user_id_key
    key = found.user_id_key.key
    for shown in (found, found.meaning(), found.unusual()):
        assert secret not in repr(shown)
        assert repr(key) not in repr(shown)


def test_a_secret_that_is_no_text_is_refused_without_being_said(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text("user_id_key = 1234567890123456\n")
    with pytest.raises(WrongUse, match="user_id_key must be text in quotes, not int") as refused:
        load(file, {})
    assert "1234567890123456" not in str(refused.value)
