"""How every client of Kafka says who it is, and whom it trusts: DRIFT_* variables, in one place.

Passwords come from files or the environment alone, and are in nothing that is printed. None
of it is a setting: what the state means is the same however its records were fetched.
"""

import os
import ssl
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from stream.errors import WrongUse

PROTOCOL = "DRIFT_SECURITY_PROTOCOL"
MECHANISM = "DRIFT_SASL_MECHANISM"
USERNAME = "DRIFT_SASL_USERNAME"
PASSWORD = "DRIFT_SASL_PASSWORD"  # nosec B105  # the variable's name
CA_FILE = "DRIFT_SSL_CA_FILE"
CERTIFICATE_FILE = "DRIFT_SSL_CERTIFICATE_FILE"
KEY_FILE = "DRIFT_SSL_KEY_FILE"
KEY_PASSWORD = "DRIFT_SSL_KEY_PASSWORD"  # nosec B105  # the same
CHECK_HOSTNAME = "DRIFT_SSL_CHECK_HOSTNAME"

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
OF_SASL = (MECHANISM, USERNAME, PASSWORD, f"{PASSWORD}_FILE")
OF_SSL = (CA_FILE, CERTIFICATE_FILE, KEY_FILE, KEY_PASSWORD, f"{KEY_PASSWORD}_FILE", CHECK_HOSTNAME)
VARIABLES = frozenset([PROTOCOL, *OF_SASL, *OF_SSL])


@dataclass(frozen=True)
class Access:
    """Who we are to a broker; as it stands, nobody in particular, in plaintext.

    Attributes
    ----------
    mechanism
        Of SASL; None where the protocol has none, like `username` and `password`.
    tls
        What is trusted, and the certificate that we show; None without TLS.
    """

    protocol: str = "PLAINTEXT"
    mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def options(self) -> dict[str, object]:
        """Keyword arguments of kafka-python's and aiokafka's clients, which name them alike."""
        named = {
            "security_protocol": self.protocol,
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
            "ssl_context": self.tls,
        }
        return {name: value for name, value in named.items() if value is not None}


PLAINTEXT = Access()


def load(environment: Mapping[str, str] | None = None) -> Access:
    """What the DRIFT_* variables say; without any, plaintext.

    >>> load({})
    Access(protocol='PLAINTEXT', mechanism=None, username=None)

    Raises
    ------
    WrongUse
        Naming the variable, and what would do.
    """
    given = os.environ if environment is None else environment
    protocol = _one_of(given, PROTOCOL, PROTOCOLS)
    _refuse_strangers(given, protocol)
    tls = _tls(given) if protocol.endswith("SSL") else None
    if not protocol.startswith("SASL"):
        return Access(protocol, tls=tls)
    mechanism = _one_of(given, MECHANISM, MECHANISMS)
    username, password = given.get(USERNAME), _secret(given, PASSWORD)
    if not username:
        raise WrongUse(f"{PROTOCOL}={protocol} needs a user: set {USERNAME}")
    if password is None:
        raise WrongUse(f"{USERNAME}={username} needs a password: set {PASSWORD}_FILE")
    return Access(protocol, mechanism, username, password, tls)


def forget(environment: MutableMapping[str, str]) -> None:
    """Leave all of it out: a Kafka of our own speaks plaintext, on loopback."""
    for name in VARIABLES:
        environment.pop(name, None)


def _one_of(given: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    """A variable's value in capitals; the first of those known where it is not set."""
    value = (given.get(name) or known[0]).upper()
    if value not in known:
        raise WrongUse(f"{name}={given[name]}: known are {', '.join(known)}")
    return value


def _refuse_strangers(given: Mapping[str, str], protocol: str) -> None:
    """What is set and would not be used is a mistake: the reader believes in a protection."""
    for name in sorted(given):
        if name.startswith(("DRIFT_SASL_", "DRIFT_SSL_", "DRIFT_SECURITY_")):
            if name not in VARIABLES:
                raise WrongUse(f"{name} is unknown: there are {', '.join(sorted(VARIABLES))}")
            needs = "SASL" if name in OF_SASL else "SSL" if name in OF_SSL else ""
            if needs not in protocol:
                fix = f"set {PROTOCOL}=SASL_SSL" if needs == "SASL" else f"set {PROTOCOL}=SSL"
                raise WrongUse(f"{name} is of no use with {PROTOCOL}={protocol}: {fix}")


def _secret(given: Mapping[str, str], name: str) -> str | None:
    """A password, of the variable or of the first line of the file that NAME_FILE names."""
    named = given.get(f"{name}_FILE")
    if named is None:
        return given.get(name)
    if name in given:
        raise WrongUse(f"{name} and {name}_FILE are both set: take one")
    try:
        lines = Path(named).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(f"{name}_FILE", named, error) from None
    if not lines or not lines[0]:
        raise WrongUse(f"{name}_FILE={named} is empty: its first line is the password")
    return lines[0]


def _unreadable(name: str, path: str, error: Exception) -> WrongUse:
    reason = error.strerror if isinstance(error, OSError) else "it is no text"
    return WrongUse(f"{name}={path} can't be read ({reason}): name a file that this user may read")


def _tls(given: Mapping[str, str]) -> ssl.SSLContext:
    """Trust the authority that is named and no other; the system's, where none is."""
    authority = given.get(CA_FILE)
    if authority is not None:
        _refuse_missing(CA_FILE, authority)
    try:
        context = ssl.create_default_context(cafile=authority)
    except ssl.SSLError:
        raise WrongUse(f"{CA_FILE}={authority} holds no certificate: give one in PEM") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = _one_of(given, CHECK_HOSTNAME, ("TRUE", "FALSE")) == "TRUE"
    _show_certificate(context, given)
    return context


def _show_certificate(context: ssl.SSLContext, given: Mapping[str, str]) -> None:
    """Give the context the certificate of ours, where there is one."""
    certificate, key = given.get(CERTIFICATE_FILE), given.get(KEY_FILE)
    if certificate is None:
        if key is not None:
            raise WrongUse(f"{KEY_FILE} is set without its certificate: set {CERTIFICATE_FILE}")
        return
    for name, path in [(CERTIFICATE_FILE, certificate), (KEY_FILE, key)]:
        if path is not None:
            _refuse_missing(name, path)
    # Without a password OpenSSL would ask for one at the terminal.
    password = _secret(given, KEY_PASSWORD) or ""
    try:
        context.load_cert_chain(certificate, key, password)
    except (ssl.SSLError, ValueError):
        raise WrongUse(
            f"{CERTIFICATE_FILE}={certificate} and its key don't fit together: give both in PEM, "
            f"the key with {KEY_FILE} and its password, if any, with {KEY_PASSWORD}_FILE"
        ) from None


def _refuse_missing(name: str, path: str) -> None:
    try:
        Path(path).open("rb").close()
    except OSError as error:
        raise _unreadable(name, path, error) from None
