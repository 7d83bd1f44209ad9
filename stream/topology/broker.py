"""The broker a newcomer gets: a real single-node Apache Kafka, with nothing to install."""

import base64
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import IO, Self

from stream.errors import StreamError, WrongUse
from stream.topology import kafka_runtime, keeper
from stream.topology.kafka_runtime import Say
from stream.topology.topics import answers

HOST = "127.0.0.1"
START_SECONDS = 60.0
LOG_LINES = 8
PROPERTIES = "server.properties"
LOG = "kafka.log"
CLAIM = "in-use"
CLAIM_SECONDS = 5.0

# The folders are relative to the data folder: a name of any letters will do.
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=records
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
message.max.bytes=8388608
replica.fetch.max.bytes=8388608
log.cleaner.dedupe.buffer.size=33554432
"""
JVM = [
    "-Xms256m",
    "-Xmx1g",
    "-XX:+UseSerialGC",
    "-Xshare:auto",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
]


def _quiet(line: str) -> None:
    """Say nothing."""


def free_port() -> int:
    """A port that nothing listens at now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def refuse_taken(port: int) -> None:
    """Raise a StreamError that names the port, if a broker can't listen there."""
    with socket.socket() as probe:
        # As Java does: connections that wait for their end don't make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise StreamError(
                f"can't listen at port {port} ({error.strerror}): "
                "choose another with --port, or --port 0 for any free one"
            ) from None
        except OverflowError:
            raise WrongUse(f"port must be from 0 to 65535, got {port}") from None


class Broker:
    """A single-node Apache Kafka that ends when this process does, however it does.

    Use `Broker.start`, and `stop` or a `with` block. Without a data folder of
    yours its topics are gone after `stop`.

    Attributes
    ----------
    address
        HOST:PORT, for clients.
    data
        The folder that holds its records, its properties file and its log.
    """

    def __init__(self, port: int, data: Path | None, say: Say, properties: str) -> None:
        self.port = port or free_port()
        self._properties = properties
        self.address = f"{HOST}:{self.port}"
        self.temporary = data is None
        self._keeper: subprocess.Popen[bytes] | None = None
        refuse_taken(self.port)
        self._java = kafka_runtime.java()
        self._jars = kafka_runtime.jars(say)
        self._archive = kafka_runtime.class_archive(self._java, self._jars)
        self.data = _folder(data)
        self._claim = _claim(self.data)

    @classmethod
    def start(
        cls, port: int = 0, data: Path | None = None, say: Say = _quiet, properties: str = ""
    ) -> Self:
        """Start Kafka and wait until it answers: about 2 seconds, the first time longer.

        Parameters
        ----------
        port
            0 takes any free one.
        data
            Topics found there are served again. None: a temporary folder.
        say
            Is told in lines what takes long.
        properties
            Further lines for Kafka; of two of a name, it takes the last.

        Raises
        ------
        StreamError
            If the port is taken, Kafka can't be fetched, or it ends while starting.
        """
        broker = cls(port, data, say, properties)
        broker._launch()
        return broker

    @property
    def log(self) -> Path:
        """What Kafka had to say: warnings and worse."""
        return self.data / LOG

    def check(self) -> None:
        """Raise a StreamError with the end of the log if Kafka has ended by itself."""
        if self._keeper is not None and self._keeper.poll() is not None:
            raise StreamError(f"Kafka ended by itself; {self._last_words()}")

    def stop(self) -> None:
        """Stop Kafka cleanly; after 20 seconds, by force. Does nothing the second time."""
        try:
            self._end()
        finally:
            self._claim.close()
            if self.temporary:
                shutil.rmtree(self.data, ignore_errors=True)

    def restart(self) -> None:
        """Stop Kafka cleanly and start it again, with the same topics at the same address."""
        self._end()
        self._launch()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _launch(self) -> None:
        try:
            self._format()
            self._keeper = self._kept("kafka.Kafka", PROPERTIES)
            self._wait_for_answer()
        except BaseException:
            self.stop()
            raise

    def _format(self) -> None:
        """Write the properties, and give a new data folder its identity."""
        ports = {"host": HOST, "port": self.port, "controller_port": free_port()}
        (self.data / PROPERTIES).write_text(SETTINGS.format(**ports) + self._properties)
        if (self.data / "records" / "meta.properties").exists():
            return
        command = self._command(
            "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", PROPERTIES
        )
        done = subprocess.run(command, cwd=self.data, capture_output=True, text=True)
        if done.returncode != 0:
            raise StreamError(f"can't prepare {self.data} for Kafka: {done.stderr or done.stdout}")

    def _command(self, *program: str) -> list[str]:
        path = os.pathsep.join(map(str, self._jars))
        shared = [f"-XX:SharedArchiveFile={self._archive}"] if self._archive.exists() else []
        return [str(self._java.path), *JVM, *shared, "-cp", path, *program]

    def _kept(self, *program: str) -> subprocess.Popen[bytes]:
        """Kafka, under the eyes of a process that ends it when ours is gone."""
        remove = str(self.data) if self.temporary else ""
        archive = "" if self._archive.exists() else str(self._half_archive())
        java, *options = self._command(*program)
        # The first clean stop keeps Kafka's classes, parsed: later starts take half as long.
        if archive:
            options.insert(0, f"-XX:ArchiveClassesAtExit={archive}")
        python = [sys.executable, "-I", "-S", keeper.__file__]
        return subprocess.Popen(
            [*python, LOG, remove, archive, java, *options],
            cwd=self.data,
            stdin=subprocess.PIPE,
            # It holds the folder too, for as long as Kafka may write there.
            pass_fds=[self._claim.fileno()],
            # Ctrl-C at the terminal is for us: we stop Kafka in order.
            start_new_session=True,
        )

    def _half_archive(self) -> Path:
        """What Kafka writes as it ends, until it is whole."""
        return self._archive.with_name(f"{self._archive.name}.{os.getpid()}-{self.port}")

    def _wait_for_answer(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not answers(self.address):
            self.check()
            if time.monotonic() > deadline:
                raise StreamError(
                    f"Kafka gave no answer in {START_SECONDS:.0f} s; {self._last_words()}"
                )
            time.sleep(0.05)

    def _end(self) -> None:
        kept, self._keeper = self._keeper, None
        if kept is None or kept.stdin is None:
            return
        try:
            with contextlib.suppress(BrokenPipeError), kept.stdin:
                kept.stdin.write(keeper.STOP)
            with contextlib.suppress(subprocess.TimeoutExpired):
                kept.wait(keeper.GRACE_SECONDS + 10)
        finally:
            # Whoever interrupts the wait wants it to end now.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(kept.pid, signal.SIGKILL)
            kept.wait()
            self._half_archive().unlink(missing_ok=True)

    def _last_words(self) -> str:
        """The end of the log, without the stacks: the folder may be gone when it is read."""
        lines = self.log.read_text(errors="replace").splitlines()
        told = [line[:300] for line in lines if not line.startswith("\tat ")]
        return "\n".join([f"the end of {self.log}:", *told[-LOG_LINES:]])


def _folder(data: Path | None) -> Path:
    if data is None:
        return Path(tempfile.mkdtemp(prefix="drift-kafka-"))
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUse(f"can't use the data folder {data}: {error.strerror}") from None
    return data.resolve()


def _claim(data: Path) -> IO[bytes]:
    """A file that holds the folder for us. A broker whose process was just killed may take leave.

    Raises
    ------
    StreamError
        If another broker goes on using the folder.
    """
    try:
        claim = (data / CLAIM).open("ab")
    except OSError as error:
        raise WrongUse(f"can't write to the data folder {data}: {error.strerror}") from None
    deadline = time.monotonic() + CLAIM_SECONDS
    while True:
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                claim.close()
                raise StreamError(
                    f"another broker uses {data}: stop it, or name another folder with --data"
                ) from None
            time.sleep(0.1)
        else:
            return claim


def _cluster_id() -> str:
    """Sixteen random bytes in URL-safe base 64, as Kafka names clusters."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
