"""Partitions are those of Kafka's Java client, bit for bit."""

import pytest
from aiokafka.partitioner import murmur2 as independent
from hypothesis import given
from hypothesis import strategies as st

from stream.storage.partitioning import murmur2, partition_of


# From Kafka's own UtilsTest.java.
@pytest.mark.parametrize(
    ("key", "number"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_gives_the_numbers_of_javas(key: bytes, number: int) -> None:
    assert murmur2(key) == number


@given(st.binary(max_size=40))
def test_murmur2_agrees_with_another_implementation(key: bytes) -> None:
    assert murmur2(key) & 0xFFFFFFFF == independent(key) & 0xFFFFFFFF


@given(st.binary(max_size=40), st.integers(1, 100))
def test_a_partition_is_the_positive_hash_modulo_their_number(key: bytes, count: int) -> None:
    assert partition_of(key, count) == (independent(key) & 0x7FFFFFFF) % count
