"""Try every fault, and print the table: python -m tests.recovery [pytest's options]."""

import sys

import pytest

sys.exit(pytest.main(["tests/recovery", "-q", *sys.argv[1:]]))
