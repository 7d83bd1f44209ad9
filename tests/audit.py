"""What is known against the pinned dependencies.

    python -m tests.audit [FILE]

fails where the package index has withdrawn ("yanked") a pinned release, and where pip-audit's
service knows of a vulnerability in one. That service can be out of reach, as it is behind a
mirror of the index; this says so, and what was asked.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

CONSTRAINTS = Path(__file__).parent.parent / "constraints.txt"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
WITHDRAWN = "is a yanked version"


def withdrawn(pinned: Path) -> list[str]:
    """What pip says of withdrawn releases; it finds all of them, and installs none.

    Raises
    ------
    subprocess.CalledProcessError
        If the index can't be asked, or lacks a release.
    """
    dry = ["install", "--dry-run", "--ignore-installed", "--no-deps", "--requirement", str(pinned)]
    found = subprocess.run([*PIP, *dry], capture_output=True, text=True, check=True)
    return [line for line in found.stderr.splitlines() if WITHDRAWN in line]


def vulnerable(pinned: Path) -> list[str] | str:
    """A line for each known vulnerability, or why none can be known here."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        told = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--strict"]
        told += ["--format", "json", "--output", str(report), "--requirement", str(pinned)]
        ran = subprocess.run(
            [sys.executable, "-m", "pip_audit", *told], capture_output=True, text=True, check=False
        )
        if not report.exists():
            said = [line for line in ran.stderr.splitlines() if line.startswith("ERROR")]
            return said[-1].rpartition("pip_audit._cli:")[2] if said else "pip-audit did not end"
        return [
            f"{one['name']} {one['version']}: {flaw['id']}, "
            f"mended in {', '.join(flaw['fix_versions']) or 'no release yet'}"
            for one in json.loads(report.read_text())["dependencies"]
            for flaw in one.get("vulns", ())
        ]


def main(pinned: Path = CONSTRAINTS) -> int:
    """Print what was found; 1 if there was anything."""
    try:
        lines = withdrawn(pinned)
    except subprocess.CalledProcessError as error:
        print(f"audit: {error.stderr.strip()}", file=sys.stderr)
        return 1
    flaws = vulnerable(pinned)
    if isinstance(flaws, str):
        print(f"audit: no service of known vulnerabilities can be asked here ({flaws})")
    else:
        lines += flaws
    print(*lines, f"audit: {len(lines)} found against {pinned.name}", sep="\n")
    return min(1, len(lines))


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
