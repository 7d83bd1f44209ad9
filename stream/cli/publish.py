"""`drift publish`: behavior events from files, or from another topic, to Kafka."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stream.cli.options import broker_option, json_option, settings_option
from stream.cli.publish_catalog import send_catalog
from stream.cli.source_options import Sources, progress, source_options
from stream.errors import BadRecord, StreamError, WrongUse
from stream.messages import EVENTS

if TYPE_CHECKING:
    from stream.kafka_clients import AIOKafkaProducer
    from stream.settings import Settings
    from stream.storage.event_log import Accepted, Record, Rejected, Tally

    Placed = tuple[int, Accepted]

BATCH_BYTES = 256 << 10
LARGEST_REQUEST = 8 << 20
LISTED = 5
REJECTED_FILE = Path("rejected.jsonl")
PACES_A_SECOND = 20


@click.command(epilog="Example: drift publish UserBehavior.csv.gz --preset taobao --rate 2000")
@source_options(required=False)
@broker_option
@click.option("--topic", default=EVENTS, show_default=True)
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="At most so many a second.")
@click.option(
    "--rejected",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Where rejected lines go, if any.  [default: {REJECTED_FILE}]",
)
@settings_option
@json_option
def publish(
    sources: Sources,
    broker: str,
    topic: str,
    rate: float | None,
    rejected: Path | None,
    settings: Path | None,
    as_json: bool,
) -> None:
    """Send behavior events from files to Kafka.

    Each accepted line becomes one record: keyed by its shopper, in the partition where Kafka's
    Java client would put it, at the event's own time. Rejected lines are listed and written
    aside; types that no setting knows are counted.

    A --catalog goes to shop-updates first, where every worker reads it; without a SOURCE it
    is all that is sent.
    """
    from stream import settings as ours
    from stream.storage.event_log import Meter
    from stream.topology.topics import partitions_of

    if not sources.names and not sources.catalog:
        raise WrongUse("name a SOURCE: a file, or kafka://HOST:PORT/TOPIC; or a --catalog alone")
    meter, wanted = Meter(), ours.load(settings)
    # Before asking the broker: what is asked wrongly is said first.
    records = _decoded(sources.read(wanted, meter), wanted) if sources.names else iter(())
    if sources.catalog:
        send_catalog(sources.catalog, broker)
        if not sources.names:
            return
    partitions = partitions_of(broker, topic)
    began = time.monotonic()
    with Aside(rejected or REJECTED_FILE) as aside, progress("publishing", meter) as tell:
        accepted = aside.accepted(records, tell)
        asyncio.run(send(accepted, broker, topic, partitions, rate))
    seconds = time.monotonic() - began
    _report(aside, topic, partitions, seconds, as_json)


def _decoded(records: "Iterator[Record]", settings: "Settings") -> "Iterator[Record]":
    """Lines of files as they are; records of a topic judged as lines are, and keyed anew."""
    from stream.core.events import Decoder, Ignored
    from stream.storage.event_log import IgnoredType, Rejected
    from stream.storage.event_log.records import Accepted, Said

    decode = Decoder(settings)
    for record in records:
        if not isinstance(record, Accepted) or record.offset is None:
            yield record
            continue
        where = f"{record.source}[{record.partition}]"
        try:
            touches = decode(record.value)
        except BadRecord as error:
            yield Rejected(where, record.offset, str(error), record.value)
            continue
        if isinstance(touches, Ignored):
            yield IgnoredType(where, record.offset, touches.event_type)
        else:
            user, at, known = Said.by(touches)
            everywhere = known is None
            yield record._replace(timestamp=at, key=user.encode(), everywhere=everywhere)


class Aside:
    """Counts all records and writes the rejected ones to a file, which is made for the first."""

    def __init__(self, path: Path) -> None:
        from stream.storage.event_log import Tally

        self.path = path
        self.tally: Tally = Tally()
        self._file: Any = None

    def __enter__(self) -> "Aside":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def accepted(
        self, records: "Iterator[Record]", tell: Callable[[int], None]
    ) -> "Iterator[Accepted]":
        """Only the accepted records."""
        from stream.storage.event_log import Accepted, Rejected

        for lines, record in enumerate(records, 1):
            self.tally.add(record)
            if isinstance(record, Accepted):
                yield record
            elif isinstance(record, Rejected):
                self._write(record)
            tell(lines)

    def _write(self, record: "Rejected") -> None:
        import msgspec

        from stream.storage.event_log import dead_letter

        if self.tally.rejected <= LISTED:
            click.echo(f"{record.source}:{record.line} rejected: {record.reason}", err=True)
        if self._file is None:
            try:
                self._file = self.path.open("wb")
            except OSError as error:
                raise WrongUse(f"--rejected {self.path}: {error.strerror}") from None
        self._file.write(msgspec.json.encode(dead_letter(record)) + b"\n")


async def send(
    records: "Iterator[Accepted]", broker: str, topic: str, partitions: int, rate: float | None
) -> None:
    """Return when the broker has every record, in the order in which they came."""
    from aiokafka.errors import KafkaError

    from stream.kafka_clients import async_producer

    # Idempotence, so that a batch sent twice is not two: offsets are part of every output's id.
    producer = async_producer(
        broker,
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        max_request_size=LARGEST_REQUEST,
    )
    batches = Batches(producer, topic)
    placed = ((place, record) for record in records for place in record.partitions(partitions))
    try:
        await producer.start()
        try:
            await (_paced(placed, batches, rate) if rate else _at_once(placed, batches))
        finally:
            await producer.stop()
    except KafkaError as error:
        raise StreamError(
            f"{broker} did not take all records, {batches.acknowledged} it has: "
            f"{type(error).__name__} {error}".rstrip()
        ) from None


async def _at_once(placed: "Iterator[Placed]", batches: "Batches") -> None:
    for partition, record in placed:
        await batches.put(partition, record)
    await batches.finish()


async def _paced(placed: "Iterator[Placed]", batches: "Batches", rate: float) -> None:
    """The same, at most `rate` a second, in steps short enough to look like a stream."""
    step = max(1, int(rate / PACES_A_SECOND))
    began = time.monotonic()
    for number, (partition, record) in enumerate(placed, 1):
        await batches.put(partition, record)
        if number % step == 0:
            await batches.ship_all()
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
    await batches.finish()


class Batches:
    """One open record batch a partition."""

    def __init__(self, producer: "AIOKafkaProducer", topic: str) -> None:
        self._producer, self._topic = producer, topic
        self._open: dict[int, Any] = {}
        self._sent: set[asyncio.Future[Any]] = set()
        self._failure: BaseException | None = None
        self.acknowledged = 0

    async def put(self, partition: int, record: "Accepted") -> None:
        """Put a record in its partition's batch; one that is full is shipped first."""
        if not self._add(partition, record):
            await self.ship(partition)
            self._add(partition, record)

    def _add(self, partition: int, record: "Accepted") -> bool:
        batch = self._open.get(partition)
        if batch is None:
            batch = self._open[partition] = self._producer.create_batch()
        added = batch.append(timestamp=record.timestamp, key=record.key, value=record.value)
        return added is not None

    async def ship(self, partition: int) -> None:
        """Hand a batch to the producer; waits while the one before it has not left."""
        batch = self._open.pop(partition)
        sent = await self._producer.send_batch(batch, self._topic, partition=partition)
        self._sent.add(sent)
        sent.add_done_callback(lambda done: self._done(done, batch.record_count()))
        # The producer's own task runs only while we wait.
        await asyncio.sleep(0)
        if self._failure:
            raise self._failure

    async def ship_all(self) -> None:
        for partition in sorted(self._open):
            await self.ship(partition)

    async def finish(self) -> None:
        """Return when all that was shipped is acknowledged."""
        await self.ship_all()
        await asyncio.gather(*self._sent)
        if self._failure:
            raise self._failure

    def _done(self, sent: "asyncio.Future[Any]", records: int) -> None:
        self._sent.discard(sent)
        if sent.cancelled():
            return
        error = sent.exception()
        if error is None:
            self.acknowledged += records
        elif self._failure is None:
            self._failure = error


def _report(aside: Aside, topic: str, partitions: int, seconds: float, as_json: bool) -> None:
    tally: Tally = aside.tally
    if as_json:
        import orjson

        summary = tally.summary() | {
            "topic": topic,
            "partitions": partitions,
            "seconds": round(seconds, 3),
            "events_per_second": round(tally.accepted / seconds),
            "rejected_file": str(aside.path) if tally.rejected else None,
        }
        click.echo(orjson.dumps(summary))
        return
    click.echo(
        f"{tally.accepted:,} of {tally.lines:,} lines published to {topic} "
        f"({partitions} partitions) in {seconds:.1f} s"
    )
    if tally.rejected:
        click.echo(f"{tally.rejected:,} rejected, written to {aside.path}")
    for kind, count in sorted(tally.ignored.items()):
        click.echo(f"{count:,} ignored: no setting knows the type {kind!r}")
