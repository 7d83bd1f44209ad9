"""Tests here tell which faults they tried, for the table at the end."""

from collections.abc import Callable

import pytest

from tests.recovery.table import FAULT, Tell


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    return lambda fault, times: record_property(FAULT, (fault, times))
