"""Try every fault, and print the table: python -m tests.recovery [pytest's options]."""

import sys

import pytest

sys.exit(pytest.main(["tests/recovery", "tests/kafka/test_refusals.py", "-q", *sys.argv[1:]]))
