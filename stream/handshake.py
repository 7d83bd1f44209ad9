"""Asks a broker one question before any client is made: what is wrong is said once, at once.

The libraries would try again and again, with the wrong password too.
"""

import asyncio
import logging
import socket
import ssl

from stream.access import (
    CA_FILE,
    CERTIFICATE_FILE,
    CHECK_HOSTNAME,
    KEY_FILE,
    MECHANISM,
    PASSWORD,
    PROTOCOL,
    USERNAME,
    Access,
)
from stream.errors import StreamError, WrongUse

CLOSE_SECONDS = 0.1
OTHER_HOST = (62, 64)
"""What OpenSSL calls a certificate of another name, or of another address."""

# Without it, what the library logs about a broker that is down goes to the terminal.
logging.getLogger("aiokafka").addHandler(logging.NullHandler())


class NoBrokerError(StreamError):
    """No broker answers at an address."""

    def __init__(self, broker: str) -> None:
        super().__init__(
            f"no broker answers at {broker}: start one with drift broker, "
            "or name another with --broker"
        )


class NoAccessError(StreamError):
    """A broker is there, and does not let us in; or we would not trust it."""


def shake_hands(broker: str, who: Access, seconds: float) -> None:
    """Return once a broker has answered a question that it answers to friends alone.

    Raises
    ------
    NoBrokerError
        If none answers within `seconds`.
    NoAccessError
        Naming what to mend.
    """
    asyncio.run(greet(broker, who, seconds))


async def greet(broker: str, who: Access, seconds: float) -> None:
    """The same within an event loop, which it holds up while it looks for who listens."""
    host, port = _listening(broker, seconds)
    try:
        async with asyncio.timeout(seconds):
            await _ask(host, port, who)
    except TimeoutError:
        raise NoBrokerError(broker) from None


def _listening(broker: str, seconds: float) -> tuple[str, int]:
    """The first address where anything listens."""
    for host, port in addresses(broker):
        try:
            socket.create_connection((host, port), timeout=seconds / 2).close()
        except OSError:
            continue
        return host, port
    raise NoBrokerError(broker)


async def _ask(host: str, port: int, who: Access) -> None:
    from aiokafka.conn import AIOKafkaConnection
    from aiokafka.errors import KafkaError
    from aiokafka.protocol.metadata import MetadataRequest

    where, known = f"{host}:{port}", False
    connection = AIOKafkaConnection(host, port, **who.options())
    try:
        await connection.connect()
        known = True
        # What went well so far, a broker grants to strangers too.
        await connection.send(MetadataRequest([]))
    except ssl.SSLCertVerificationError as error:
        raise _untrusted(where, error) from None
    except OSError as error:
        raise _no_tls(where, who, error) from None
    except KafkaError as error:
        raise _refused(where, who, error, known) from None
    finally:
        closed = connection.close()
        if closed is not None:
            await asyncio.wait({closed}, timeout=CLOSE_SECONDS)


def _untrusted(where: str, error: ssl.SSLCertVerificationError) -> NoAccessError:
    if error.verify_code in OTHER_HOST:
        return NoAccessError(
            f"the certificate of {where} is for another name: call it by the name in there, "
            f"or set {CHECK_HOSTNAME}=false"
        )
    return NoAccessError(
        f"the certificate of {where} is not trusted ({error.verify_message}): "
        f"name the authority that signed it with {CA_FILE}"
    )


def _no_tls(where: str, who: Access, error: OSError) -> StreamError:
    if who.tls is None:
        return NoBrokerError(where)
    reason = getattr(error, "reason", None) or type(error).__name__
    without = "SASL_PLAINTEXT" if who.mechanism else "PLAINTEXT"
    return NoAccessError(
        f"{where} does not speak TLS ({reason}): name its port that does, "
        f"or set {PROTOCOL}={without}"
    )


def _refused(where: str, who: Access, error: Exception, known: bool) -> StreamError:
    """What an error of aiokafka means; `known` if the broker had let us in so far."""
    from aiokafka import errors

    if isinstance(error, errors.SaslAuthenticationFailed):
        return NoAccessError(
            f"{where} refuses user {who.username} by {who.mechanism}: "
            f"check {USERNAME}, {PASSWORD}_FILE and {MECHANISM}"
        )
    if isinstance(error, errors.UnsupportedSaslMechanismError):
        return NoAccessError(f"{where} has no {who.mechanism}: set {MECHANISM} to what it has")
    if isinstance(error, errors.IllegalSaslStateError):
        without = "SSL" if who.tls else "PLAINTEXT"
        return NoAccessError(f"{where} knows no users: set {PROTOCOL}={without}")
    if isinstance(error, errors.KafkaConnectionError):
        return _hung_up(where, who, error.__cause__, known)
    return NoAccessError(f"{where} refuses us: {type(error).__name__} {error}")


def _hung_up(where: str, who: Access, cause: BaseException | None, known: bool) -> StreamError:
    with_user = "SASL_SSL" if who.tls else "SASL_PLAINTEXT or SASL_SSL"
    if isinstance(cause, ssl.SSLError):
        return NoAccessError(
            f"{where} wants a certificate that it trusts: set {CERTIFICATE_FILE} and {KEY_FILE}"
        )
    if isinstance(cause, asyncio.IncompleteReadError) and _is_alert(cause.expected):
        with_tls = "SASL_SSL" if who.mechanism else "SSL or SASL_SSL"
        return NoAccessError(f"{where} speaks TLS: set {PROTOCOL}={with_tls}")
    if known and who.mechanism is None:
        return NoAccessError(f"{where} wants a user: set {PROTOCOL}={with_user} and {USERNAME}")
    return NoBrokerError(where)


def _is_alert(size: int | None) -> bool:
    """Whether what should be the size of an answer is how TLS says that it does not understand."""
    return size is not None and size >> 8 == 0x15_03_03


def addresses(broker: str) -> list[tuple[str, int]]:
    """The hosts and ports of a list `HOST:PORT,HOST:PORT`.

    >>> addresses("localhost:9092,[::1]:9093")
    [('localhost', 9092), ('::1', 9093)]
    """
    return [_address(part.strip()) for part in broker.split(",")]


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65_536):
        raise WrongUse(f"a broker is HOST:PORT, like 127.0.0.1:9092, got {text!r}")
    return host.strip("[]"), int(port)
