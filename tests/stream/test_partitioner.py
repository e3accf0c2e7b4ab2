"""The partitioner: what Kafka's own clients would choose, of one key or of many."""

from hypothesis import example, given
from hypothesis import strategies as st
from kafka.partitioner.default import DefaultPartitioner

from bpstream.compiled import LOOPS
from bpstream.jsonlines import parts
from bpstream.stream.partitioner import partition_of, partitions_of

partitions = st.integers(1, 200)


def chosen(key, partitions):
    every = list(range(partitions))
    return DefaultPartitioner()(key, every, every)


@given(st.binary(max_size=40), partitions)
def test_a_key_has_the_partition_that_kafkas_own_clients_give_it(key, partitions):
    assert partition_of(key, partitions) == chosen(key, partitions)


@given(st.lists(st.binary(max_size=40), max_size=60), partitions)
@example([bytes([byte]) * length for byte in (0, 127, 128, 255) for length in range(13)], 7)
def test_so_has_each_of_many(keys, partitions):
    expected = [chosen(key, partitions) for key in keys]
    for loops in (LOOPS, None):
        assert partitions_of(keys, partitions, loops=loops) == expected
        assert partitions_of(parts(keys), partitions, loops=loops) == expected
