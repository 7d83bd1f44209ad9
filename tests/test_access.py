"""What the DRIFT_* variables of access mean, and what they refuse."""

from pathlib import Path

import pytest

from stream import access, settings
from stream.errors import WrongUse

SECRET = "a secret of the shop"
WITH_USER = {
    "DRIFT_SECURITY_PROTOCOL": "SASL_SSL",
    "DRIFT_SASL_USERNAME": "shop",
    "DRIFT_SASL_PASSWORD": SECRET,
}


def test_without_variables_clients_speak_plaintext() -> None:
    assert access.load({}).options() == {"security_protocol": "PLAINTEXT"}


def test_a_user_and_a_password_go_to_the_clients(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    named = {**WITH_USER, "DRIFT_SASL_PASSWORD_FILE": str(file)}
    del named["DRIFT_SASL_PASSWORD"]

    options = access.load({**named, "DRIFT_SASL_MECHANISM": "scram-sha-512"}).options()

    assert options.pop("ssl_context")
    assert options == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "shop",
        "sasl_plain_password": SECRET,
    }


def test_a_password_is_in_nothing_that_prints_what_we_are() -> None:
    given = access.load(WITH_USER)
    assert given.password == SECRET
    assert SECRET not in f"{given} {given!r} {settings.load(environment=WITH_USER)}"


def test_how_records_are_fetched_does_not_change_what_the_state_means() -> None:
    usual = settings.load(environment={})
    assert settings.load(environment=WITH_USER).fingerprint() == usual.fingerprint()


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"DRIFT_SECURITY_PROTOCOL": "TLS"}, "DRIFT_SECURITY_PROTOCOL=TLS: known are PLAINTEXT, "),
        ({"DRIFT_SASL_MECHANISM": "GSSAPI"}, "known are PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        ({"DRIFT_SASL_USERNAME": ""}, "SASL_SSL needs a user: set DRIFT_SASL_USERNAME"),
        ({"DRIFT_SASL_PASSWORD_FILE": "x"}, "are both set: take one"),
        ({"DRIFT_SSL_CA_FILE": "/no/ca"}, "DRIFT_SSL_CA_FILE=/no/ca can't be read .No such file"),
        ({"DRIFT_SSL_CA_FILE": __file__}, "holds no certificate: give one in PEM"),
        ({"DRIFT_SSL_CERTIFICATE_FILE": "/no/c"}, "DRIFT_SSL_CERTIFICATE_FILE=/no/c can't be read"),
        ({"DRIFT_SSL_CERTIFICATE_FILE": __file__}, "and its key don't fit together"),
        ({"DRIFT_SSL_KEY_FILE": "key"}, "without its certificate: set DRIFT_SSL_CERTIFICATE_FILE"),
        ({"DRIFT_SSL_CHECK_HOSTNAME": "maybe"}, "known are TRUE, FALSE"),
        ({"DRIFT_SSL_CAFILE": "ca.pem"}, "DRIFT_SSL_CAFILE is unknown: there are "),
        ({"DRIFT_SECURITY_PROTOCOL": "SSL"}, "DRIFT_SASL_.* is of no use .*=SASL_SSL"),
    ],
)
def test_what_can_not_be_is_refused_in_a_line_without_the_password(
    others: dict[str, str], words: str
) -> None:
    with pytest.raises(WrongUse, match=words) as caught:
        access.load({**WITH_USER, **others})
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_user_without_a_protocol_is_refused_for_it_would_not_be_used() -> None:
    alone = {"DRIFT_SASL_USERNAME": "shop"}
    with pytest.raises(WrongUse, match="set DRIFT_SECURITY_PROTOCOL=SASL_SSL"):
        access.load(alone)


def test_a_missing_password_file_is_named(tmp_path: Path) -> None:
    named = {**WITH_USER, "DRIFT_SASL_PASSWORD_FILE": str(tmp_path / "none")}
    del named["DRIFT_SASL_PASSWORD"]
    with pytest.raises(WrongUse, match=r"DRIFT_SASL_PASSWORD_FILE=.*none can't be read"):
        access.load(named)
