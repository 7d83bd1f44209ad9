"""Try every fault, and print the table: python -m tests.recovery [pytest's options]."""

import sys

import pytest

BESIDE = ["tests/kafka/test_refusals.py", "tests/kafka/test_snapshots.py", "tests/test_hostile.py"]

sys.exit(pytest.main(["tests/recovery", *BESIDE, "-q", *sys.argv[1:]]))
