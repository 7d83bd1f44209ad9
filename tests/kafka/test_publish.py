"""What `drift publish` sends to a real Kafka, and what a range of it reads back."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stream.cli import main
from stream.cli.publish import publish
from stream.cli.source_options import Sources
from stream.errors import StreamError, WrongUse
from stream.settings import Settings
from stream.storage import event_log
from stream.storage.event_log import Accepted
from stream.storage.partitioning import partition_of

pytestmark = pytest.mark.kafka
START = 1_600_000_000


@pytest.fixture
def topic(broker: str) -> str:
    """A new topic of three partitions. Records of 2020 would be too old to be kept in another."""
    from stream.topology.topics import admin

    name = f"events-{uuid.uuid4().hex[:8]}"
    with admin(broker) as client:
        client.create_topics({name: {"num_partitions": 3, "configs": {"retention.ms": "-1"}}})
        client.wait_for_topics([name])
    return name


def line(user: str, at: float) -> bytes:
    return f'{{"user_id": "{user}", "event_type": "view", "occurred_at": {at}}}'.encode()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two hundred events a second apart, a bad line and one of an unknown type."""
    path = tmp_path / "log.jsonl"
    lines = [line(f"shopper {n % 17}", START + n) for n in range(200)]
    lines[100:100] = [b"{", line("u", START).replace(b"view", b"scroll")]
    path.write_bytes(b"\n".join(lines))
    return path


@pytest.fixture
def published(broker: str, topic: str, log: Path, tmp_path: Path) -> Callable[..., Result]:
    aside = ["--rejected", str(tmp_path / "aside.jsonl")]

    def run(*options: str, source: str = str(log)) -> Result:
        return CliRunner().invoke(
            publish,
            [source, "--broker", broker, "--topic", topic, "--json", *aside, *options],
            catch_exceptions=False,
        )

    return run


def back(
    broker: str, topic: str, start: str | None = None, end: str | None = None
) -> list[Accepted]:
    records = event_log.read(
        [f"kafka://{broker}/{topic}"], settings=Settings(), start=start, end=end, say=print
    )
    return [record for record in records if isinstance(record, Accepted)]


def test_exactly_the_accepted_lines_are_sent_in_order(
    broker: str, topic: str, log: Path, tmp_path: Path, published: Callable[..., Result]
) -> None:
    summary = json.loads(published().stdout)
    assert (summary["lines"], summary["accepted"], summary["rejected"]) == (202, 200, 1)
    assert summary["ignored_by_type"] == {"scroll": 1}

    sent = [text for text in log.read_bytes().splitlines() if b"view" in text]
    records = back(broker, topic)
    assert [record.value for record in records] == sent
    assert [record.timestamp for record in records] == [(START + n) * 1000 for n in range(200)]
    for record in records:
        assert record.partition == partition_of(record.key, 3)
        assert json.loads(record.value)["user_id"].encode() == record.key
    for number in range(3):
        offsets = [record.offset for record in records if record.partition == number]
        assert offsets == list(range(len(offsets)))

    (letter,) = (tmp_path / "aside.jsonl").read_text().splitlines()
    assert json.loads(letter)["offset"] == 101
    assert json.loads(letter)["topic"] == str(log)


def test_a_range_is_cut_by_time_and_by_offset(
    broker: str, topic: str, published: Callable[..., Result]
) -> None:
    published()
    whole = back(broker, topic)
    cut = back(broker, topic, start=str(START + 50), end="2020-09-13T12:28:20Z")
    assert cut == whole[50:100]
    assert back(broker, topic, start="10", end="offset:12") == [
        record for record in whole if record.offset in (10, 11)
    ]
    assert back(broker, topic, start=str(START + 10_000)) == []


def test_records_of_a_topic_are_published_anew_under_their_shoppers(
    broker: str, topic: str, published: Callable[..., Result]
) -> None:
    published()
    summary = json.loads(published(source=f"kafka://{broker}/{topic}").stdout)
    assert summary["accepted"] == 200
    assert len(back(broker, topic)) == 400


def test_many_records_fill_many_batches_and_keep_their_order(
    broker: str, topic: str, tmp_path: Path, published: Callable[..., Result]
) -> None:
    path = tmp_path / "large.jsonl"
    padding = b" " * 2000
    path.write_bytes(b"\n".join(line(f"{n % 5}", START + n) + padding for n in range(1500)))
    published(source=str(path))
    assert [record.timestamp // 1000 - START for record in back(broker, topic)] == list(range(1500))


def test_a_rate_is_kept(broker: str, topic: str, published: Callable[..., Result]) -> None:
    summary = json.loads(published("--rate", "400").stdout)
    assert summary["seconds"] >= 0.45
    assert len(back(broker, topic)) == 200


def test_people_are_told_what_became_of_the_lines(
    broker: str, topic: str, log: Path, tmp_path: Path
) -> None:
    aside = tmp_path / "aside.jsonl"
    result = CliRunner().invoke(
        publish, [str(log), "--broker", broker, "--topic", topic, "--rejected", str(aside)]
    )
    assert f"200 of 202 lines published to {topic} (3 partitions)" in result.stdout
    assert f"1 rejected, written to {aside}" in result.stdout
    assert "1 ignored: no setting knows the type 'scroll'" in result.stdout
    assert f"{log}:101 rejected: " in result.stderr


def test_records_of_a_topic_that_are_no_events_are_set_aside(
    broker: str, topic: str, tmp_path: Path, published: Callable[..., Result]
) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=broker)
    for value in (b"{", line("u", START).replace(b"view", b"scroll")):
        producer.send(topic, key=b"u", value=value, partition=1)
    producer.close()
    summary = json.loads(published(source=f"kafka://{broker}/{topic}").stdout)
    assert (summary["accepted"], summary["rejected"], summary["ignored"]) == (0, 1, 1)
    letter = json.loads((tmp_path / "aside.jsonl").read_text())
    assert letter["topic"] == f"kafka://{broker}/{topic}[1]"
    assert letter["offset"] == 0


def test_a_record_that_kafka_refuses_is_one_line_and_exit_code_1(
    broker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from stream.topology.topics import admin

    name = f"narrow-{uuid.uuid4().hex[:8]}"
    with admin(broker) as client:
        client.create_topics({name: {"num_partitions": 1, "configs": {"max.message.bytes": "500"}}})
        client.wait_for_topics([name])
    path = tmp_path / "log.jsonl"
    path.write_bytes(line("u", START) + b" " * 1000)
    with pytest.raises(SystemExit) as ended:
        main(["publish", str(path), "--broker", broker, "--topic", name])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith(f"drift: {broker} did not take all records, 0 it has: ")
    assert said.count("\n") == 1


def test_a_topic_that_is_not_there_is_told_in_one_line(
    broker: str, log: Path, published: Callable[..., Result]
) -> None:
    with pytest.raises(StreamError, match="no topic absent: run drift topics create"):
        published("--topic", "absent")
    with pytest.raises(StreamError, match="no topic absent: run drift topics create"):
        back(broker, "absent")


def test_a_broker_that_is_not_there_is_one_line_and_exit_code_1(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for source in (str(log), "kafka://127.0.0.1:1/events"):
        with pytest.raises(SystemExit) as ended:
            main(["publish", source, "--broker", "127.0.0.1:1"])
        assert ended.value.code == 1
        said = capsys.readouterr().err
        assert said.startswith("drift: no broker answers at 127.0.0.1:1")
        assert said.count("\n") == 1


def test_a_range_that_can_not_be_meant_is_refused_before_kafka_is_asked() -> None:
    for source, start, fix in [
        ("kafka://127.0.0.1:1", None, "write kafka://HOST:PORT/TOPIC"),
        ("kafka://127.0.0.1:1/t?since=5", None, "no option 'since'"),
        ("kafka://127.0.0.1:1/t", "yesterday", "--from 'yesterday': give an offset"),
    ]:
        with pytest.raises(WrongUse, match=fix):
            event_log.read([source], settings=Settings(), start=start, say=print)


def test_a_range_has_the_partitions_of_its_topic(broker: str, topic: str) -> None:
    sources = Sources((f"kafka://{broker}/{topic}",), None, None, None, False, None, None)
    assert sources.partitions(None) == sources.partitions(3) == 3
    with pytest.raises(WrongUse, match="has 3 partitions: leave --partitions 4 out"):
        sources.partitions(4)
