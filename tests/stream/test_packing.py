"""Packing: the loop in C makes of columns the very bytes that aiokafka makes of their records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.compiled import LOOPS
from bpstream.jsonlines import parts
from bpstream.stream import packing
from bpstream.stream.packing import Columns, Record, packed
from tests.loops import needs_the_loops

# Lengths take one byte, or two, or three, in a record.
lengths = st.integers(0, 3) | st.sampled_from([62, 63, 64, 65, 8190, 8191, 8192])
texts = st.builds(bytes.ljust, st.binary(max_size=3), lengths)
pairs = st.tuples(texts, texts)


def columns_of(told, first=None):
    return Columns(parts([key for key, _ in told]), parts([value for _, value in told]), first)


columns = st.lists(pairs, min_size=1, max_size=130).flatmap(
    lambda told: st.builds(columns_of, st.just(told), st.none() | pairs)
)
rooms = st.integers(61, 300) | st.sampled_from([5000, 20_000, 1_000_000])


@pytest.fixture(autouse=True)
def it_is_one_moment(monkeypatch):
    monkeypatch.setattr(packing.time, "time_ns", lambda: 1_769_722_371_619_000_000)


def as_sent(records, start, room, loops):
    """The bytes, how many records and which is the first left out."""
    batch, end = packed(records, start, room=room, loops=loops)
    assert batch.closed() or end == len(records)
    found = bytes(batch._build())
    assert batch.size() == len(found)
    return found, batch.record_count(), end


@needs_the_loops
@given(columns, st.data(), rooms)
def test_columns_are_packed_as_aiokafka_packs_records(records, data, room):
    start = data.draw(st.integers(0, len(records) - 1))
    assert as_sent(records, start, room, LOOPS) == as_sent(list(records), start, room, None)


@needs_the_loops
def test_a_processor_without_an_instruction_for_the_checksum_does_without(monkeypatch):
    class Others:
        write_records = LOOPS.write_records
        crc32c = staticmethod(lambda *_: -1)

    records = columns_of([(b"a", b"1"), (b"b", b"2")])
    assert as_sent(records, 0, 1000, Others) == as_sent(records, 0, 1000, LOOPS)


@pytest.mark.parametrize("loops", [None, pytest.param(LOOPS, marks=needs_the_loops)])
@pytest.mark.parametrize(
    ("room", "counts"),
    [
        (1000, [4]),
        # A batch's own 61 bytes, and 9 a record of this key and value.
        (61 + 4 * 9 + 1, [4]),
        (61 + 4 * 9, [3, 1]),
        (61 + 9, [1, 1, 1, 1]),
        # The broker is to say that a record is too large.
        (1, [1, 1, 1, 1]),
    ],
)
def test_a_batch_takes_as_many_records_as_there_is_room_for(loops, room, counts):
    records, start, found = columns_of([(b"k", b"v")] * 4), 0, []
    while start < len(records):
        batch, end = packed(records, start, room=room, loops=loops)
        found.append(batch.record_count())
        start = end
    assert found == counts


@pytest.mark.parametrize("first", [None, (b"0", b"first")])
def test_columns_are_records_to_whoever_asks(first):
    told = [(b"a", b"1"), (b"", b""), (b"c", b"33")]
    records = columns_of(told, first)
    expected = [Record(*each) for each in ([first] if first else []) + told]
    assert list(records) == [records[at] for at in range(len(records))] == expected
    for some in (slice(a, b, step) for a in range(-5, 6) for b in range(-5, 6) for step in (1, 2)):
        assert records[some] == expected[some]
