"""Python environments for peers whose libraries are no dependencies of ours."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from stream.topology.kafka_runtime import cache_folder

BYTEWAX = ("bytewax==0.21.1", "confluent-kafka==2.12.2", "orjson==3.13.0")


def python_with(name: str, packages: tuple[str, ...], say: Callable[[str], None]) -> Path:
    """An interpreter that has these packages, made on first use and kept in the cache."""
    folder = cache_folder() / f"bench-{name}-{sys.version_info.major}.{sys.version_info.minor}"
    python, complete = folder / "bin" / "python", folder / "complete"
    wanted = " ".join(packages)
    if not complete.exists() or complete.read_text() != wanted:
        say(f"making {folder} with {wanted}, once")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *packages], check=True)
        complete.write_text(wanted)
    return python
