"""A Kafka that lets nobody in without a password or a certificate, on loopback."""

import datetime
import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from stream.topology.broker import HOST, Broker, free_port
from stream.topology.topics import admin

USER, PASSWORD = "shop", "a secret of the shop"
MODULES = "org.apache.kafka.common.security"
PROPERTIES = """
listeners={listeners},CONTROLLER://{host}:{controller}
advertised.listeners={listeners}
controller.quorum.voters=1@{host}:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_SSL,MUTUAL:SSL
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
listener.name.mutual.ssl.client.auth=required
listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required \\
    user_{user}="{secret}";
listener.name.sasl.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;
"""
LISTENERS = ("PLAINTEXT", "SASL", "MUTUAL")


class Secured(NamedTuple):
    """The addresses of one Kafka: with SASL_SSL, with a certificate, and in plaintext."""

    by_password: str
    by_certificate: str
    plain: str
    folder: Path
    """It holds `ca.pem`, `client.pem`, `client.key`, `stranger.pem` (a CA) and `password`."""

    def scram(self, **others: str) -> dict[str, str]:
        """The variables that let a client in; others win over them."""
        return {
            "DRIFT_SECURITY_PROTOCOL": "SASL_SSL",
            "DRIFT_SASL_MECHANISM": "SCRAM-SHA-512",
            "DRIFT_SASL_USERNAME": USER,
            "DRIFT_SASL_PASSWORD_FILE": str(self.folder / "password"),
            "DRIFT_SSL_CA_FILE": str(self.folder / "ca.pem"),
        } | others

    def mutual(self) -> dict[str, str]:
        """The same for the address where a certificate is asked for."""
        return {
            "DRIFT_SECURITY_PROTOCOL": "SSL",
            "DRIFT_SSL_CA_FILE": str(self.folder / "ca.pem"),
            "DRIFT_SSL_CERTIFICATE_FILE": str(self.folder / "client.pem"),
            "DRIFT_SSL_KEY_FILE": str(self.folder / "client.key"),
        }


@contextmanager
def started(folder: Path) -> Iterator[Secured]:
    """One Kafka with all of it."""
    _write_certificates(folder)
    (folder / "password").write_text(f"{PASSWORD}\n")
    at = {name: f"{HOST}:{free_port()}" for name in LISTENERS}
    properties = PROPERTIES.format(
        listeners=",".join(f"{name}://{address}" for name, address in at.items()),
        host=HOST,
        controller=free_port(),
        folder=folder,
        modules=MODULES,
        user=USER,
        secret=PASSWORD,
    )
    port = int(at["PLAINTEXT"].rpartition(":")[2])
    with Broker.start(port, properties=properties) as broker:
        scram = UserScramCredentialUpsertion(USER, ScramMechanism.SCRAM_SHA_512, PASSWORD)
        with admin(broker.address) as client:
            client.alter_user_scram_credentials([scram])
        yield Secured(at["SASL"], at["MUTUAL"], broker.address, folder)


def _write_certificates(folder: Path) -> None:
    authority, key = _certificate("our authority", None)
    (folder / "ca.pem").write_bytes(authority.public_bytes(Encoding.PEM))
    stranger, _ = _certificate("a stranger", None)
    (folder / "stranger.pem").write_bytes(stranger.public_bytes(Encoding.PEM))
    for name in ("broker", "client"):
        signed, own = _certificate(name, (authority, key))
        secret = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = signed.public_bytes(Encoding.PEM)
        (folder / f"{name}.pem").write_bytes(public + secret if name == "broker" else public)
        (folder / f"{name}.key").write_bytes(secret)


Signed = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _certificate(name: str, by: Signed | None) -> Signed:
    """A certificate for loopback, signed by an authority; without one, an authority's own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    addresses = [x509.IPAddress(ipaddress.ip_address(HOST))]
    issuer = by[0].subject if by else subject
    builder = x509.CertificateBuilder(issuer, subject, key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - day).not_valid_after(now + day)
    builder = builder.add_extension(x509.BasicConstraints(ca=by is None, path_length=None), True)
    builder = builder.add_extension(x509.SubjectAlternativeName(addresses), False)
    return builder.sign(by[1] if by else key, hashes.SHA256()), key
