"""Every client gets into a Kafka that wants a user or a certificate, or says why it does not."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer

from stream import access
from stream.errors import StreamError
from stream.handshake import shake_hands
from tests.kafka import live, secured
from tests.kafka.secured import PASSWORD, Secured

pytestmark = pytest.mark.kafka
EVENTS = 1_500
ALERT = Path("schemas/examples/migration-alerts.json")


@pytest.fixture(scope="module")
def kafka(embedded_kafka: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured.started(tmp_path_factory.mktemp("secured")) as running:
        yield running


def test_all_commands_and_a_worker_work_with_a_user(
    kafka: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in kafka.scram().items():
        monkeypatch.setenv(name, text)
    log = live.simulated(tmp_path / "events.jsonl", EVENTS)
    at = ["--broker", kafka.by_password]

    assert live.drift("topics", "create", *at, "--partitions", live.PARTITIONS)["problems"] == []
    live.drift("publish", log, *at)
    source = f"kafka://{kafka.by_password}/{live.EVENTS}"
    with live.LiveWorker(kafka.by_password, tmp_path / "state") as worker:
        replayed = live.drift("replay", source, "--out", tmp_path / "out")
        live.wait_until_read(kafka.plain)
        with KafkaProducer(bootstrap_servers=kafka.plain) as producer:
            producer.send("migration-alerts", ALERT.read_bytes())
        watched = live.drift("watch", *at, "--from-beginning", "--count", 1)
        assert worker.stop() == 0
    hashes = {str(part): hash for part, (_, hash) in live.stored(tmp_path / "state").items()}

    assert watched["kind"] == "detected"
    assert hashes == replayed["partition_hashes"]
    assert PASSWORD not in worker.log()


def test_plain_and_certificates_are_let_in_too(kafka: Secured) -> None:
    by_plain = access.load(kafka.scram(DRIFT_SASL_MECHANISM="PLAIN"))
    shake_hands(kafka.by_password, by_plain, 5)
    shake_hands(kafka.by_certificate, access.load(kafka.mutual()), 5)


@pytest.mark.parametrize(
    ("address", "others", "words"),
    [
        ("by_password", {"DRIFT_SASL_USERNAME": "thief"}, "refuses user thief by SCRAM-SHA-512"),
        ("by_password", {"DRIFT_SASL_MECHANISM": "SCRAM-SHA-256"}, "set DRIFT_SASL_MECHANISM"),
        ("by_password", {"DRIFT_SSL_CA_FILE": "{folder}/stranger.pem"}, "with DRIFT_SSL_CA_FILE"),
        ("by_certificate", {}, "set DRIFT_SSL_CERTIFICATE_FILE and DRIFT_SSL_KEY_FILE"),
        ("plain", {}, "does not speak TLS"),
    ],
)
def test_who_is_not_let_in_is_told_the_fix_at_once(
    kafka: Secured, address: str, others: dict[str, str], words: str
) -> None:
    given = kafka.scram(**{k: v.format(folder=kafka.folder) for k, v in others.items()})
    began = time.monotonic()
    with pytest.raises(StreamError, match=words) as caught:
        shake_hands(getattr(kafka, address), access.load(given), 5)
    assert time.monotonic() - began < 5
    assert "\n" not in str(caught.value)


def test_a_certificate_for_another_name_is_refused_unless_told_not_to_look(kafka: Secured) -> None:
    named = kafka.by_password.replace("127.0.0.1", "localhost")
    with pytest.raises(StreamError, match="is for another name"):
        shake_hands(named, access.load(kafka.scram()), 5)
    shake_hands(named, access.load(kafka.scram(DRIFT_SSL_CHECK_HOSTNAME="false")), 5)


@pytest.mark.parametrize(
    ("protocol", "fix"),
    [("PLAINTEXT", "SSL or SASL_SSL"), ("SSL", "SASL_SSL and DRIFT_SASL_USERNAME")],
)
def test_a_protocol_that_is_too_weak_is_told_what_the_broker_wants(
    kafka: Secured, protocol: str, fix: str
) -> None:
    given = {"DRIFT_SECURITY_PROTOCOL": protocol}
    if protocol == "SSL":
        given["DRIFT_SSL_CA_FILE"] = str(kafka.folder / "ca.pem")
    with pytest.raises(StreamError, match=f"set DRIFT_SECURITY_PROTOCOL={fix}"):
        shake_hands(kafka.by_password, access.load(given), 5)


def test_a_wrong_password_is_one_line_of_any_command_and_is_not_in_it(
    kafka: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "not the password"
    for name, text in kafka.scram(DRIFT_SASL_PASSWORD=wrong).items():
        if name != "DRIFT_SASL_PASSWORD_FILE":
            monkeypatch.setenv(name, text)
    for command in ("watch", "forecast"):
        asked = [sys.executable, "-m", "stream", command, "--broker", kafka.by_password]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=30)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert "refuses user shop" in done.stderr
        assert wrong not in done.stderr + done.stdout
