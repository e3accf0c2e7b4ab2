"""Unpacking into columns: aiokafka's own way is what each of these is held against."""

import gc
import weakref
from collections.abc import Sequence
from ctypes import memset
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.control_record import ABORT_MARKER, COMMIT_MARKER
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from bpstream.compiled import LOOPS
from bpstream.messages import Messages
from bpstream.stream import unpacking
from bpstream.stream.fetched import Fetched, Records
from bpstream.stream.unpacking import Fetch, _Data, as_columns, unpack_in_columns
from tests.loops import needs_the_loops
from tests.stream.brokers import make_topic

PARTITION = TopicPartition("fhir", 3)
CONTROL, TIME_OF_APPEND = 0x20, 0x08
KINDS = {ABORT_MARKER: b"\0\0\0\0", COMMIT_MARKER: b"\0\0\0\1"}

Told = tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]
"""Of a record in a batch: its place behind the first offset, key, value and headers."""


class Batch(NamedTuple):
    """A batch in the log, from `offset` on; `span` offsets are its own, compacted ones too."""

    offset: int
    span: int
    records: Sequence[Told]
    producer: int = -1
    transactional: bool = False
    codec: int = 0
    marker: Any = None
    appended_at: int = -1

    def encoded(self) -> bytes:
        builder = DefaultRecordBatchBuilder(
            2, self.codec, self.transactional, self.producer, 0, 0, 1 << 20
        )
        told = self.records if self.marker is None else [(0, KINDS[self.marker], b"", [])]
        for place, key, value, headers in told:
            builder.append(place, 1000 + self.offset + place, key, value, headers)
        built = bytearray(builder.build())
        built[0:8] = self.offset.to_bytes(8, "big")
        built[22] |= CONTROL if self.marker else 0
        if self.appended_at >= 0:
            built[22] |= TIME_OF_APPEND
            built[35:43] = self.appended_at.to_bytes(8, "big")
        built[23:27] = (self.span - 1).to_bytes(4, "big")
        built[17:21] = calc_crc32c(built[21:]).to_bytes(4, "big")
        return bytes(built)


def a_batch(offset: int, *places: int, span: int = 4, **changes: Any) -> Batch:
    told: list[Told] = [(place, b"k%d" % place, b"v%d" % place, []) for place in places]
    return Batch(offset, span, told, **changes)


def found(
    batches: Sequence[Batch | bytes],
    position: int = 0,
    aborted: Sequence[tuple[int, int]] = (),
    kind: type[Any] = Fetch,
) -> PartitionRecords:
    """What a fetch from `position` on has brought."""
    log = b"".join(each if isinstance(each, bytes) else each.encoded() for each in batches)
    records = kind(log)
    return PartitionRecords(
        PARTITION, records, list(aborted), position, None, None, True, READ_COMMITTED
    )


def in_columns(records: PartitionRecords) -> list[Fetched]:
    as_columns(records)
    return [each for every in records for each in every]


def one_by_one(records: PartitionRecords) -> list[Fetched]:
    return [as_fetched(record) for record in records]


def as_fetched(record: Any) -> Fetched:
    return Fetched(*(getattr(record, name) for name in Fetched._fields))


texts = st.none() | st.binary(max_size=3)
headers = st.lists(st.tuples(st.text(max_size=2), texts), max_size=2)


@st.composite
def logs(draw, codecs=(0, 1), headers=headers):
    """Batches, a position and what was aborted; compressed or not: gzip comes with Python."""
    batches, offset = [], draw(st.integers(0, 3))
    for _ in range(draw(st.integers(1, 6))):
        span = draw(st.integers(1, 5))
        places = sorted(draw(st.sets(st.integers(0, span - 1))))
        producer = draw(st.sampled_from([-1, 7, 8]))
        transactional = producer != -1 and draw(st.booleans())
        if transactional and draw(st.booleans()):
            kind = draw(st.sampled_from([ABORT_MARKER, COMMIT_MARKER]))
            batches.append(Batch(offset, 1, [], producer, True, marker=kind))
            offset += 1
            continue
        told = [(place, draw(texts), draw(texts), draw(headers)) for place in places]
        codec = draw(st.sampled_from(codecs))
        batches.append(Batch(offset, span, told, producer, transactional, codec))
        offset += span + draw(st.integers(0, 2))
    aborted = draw(st.lists(st.tuples(st.sampled_from([7, 8]), st.integers(0, 20)), max_size=3))
    # A broker begins with the batch that holds the position, or with the next one.
    position = draw(st.integers(0, batches[0].offset + batches[0].span - 1))
    return batches, position, aborted


@given(logs() | logs(codecs=[0], headers=st.just([])), st.sampled_from([Fetch, MemoryRecords]))
def test_what_is_unpacked_and_where_it_goes_on_is_as_aiokafka_has_it(log, kind):
    """By the loop in C where that may be, and without it."""
    ours, theirs = found(*log, kind), found(*log)
    assert in_columns(ours) == one_by_one(theirs)
    assert ours.next_fetch_offset == theirs.next_fetch_offset


@pytest.mark.parametrize(
    ("batches", "position", "aborted", "offsets", "goes_on"),
    [
        ([a_batch(0, 0, 1, 2, 3)], 0, [], [0, 1, 2, 3], 4),
        # A fetch begins within a batch.
        ([a_batch(0, 0, 1, 2, 3)], 2, [], [2, 3], 4),
        ([a_batch(0, 0, 1), a_batch(4, 0, 1)], 3, [], [4, 5], 8),
        # Compaction leaves holes, at the end as well, and batches of nothing.
        ([a_batch(0, 1), a_batch(4)], 0, [], [1], 8),
        ([a_batch(0)], 0, [], [], 4),
        # A transaction that was taken back, and one that was not, of another producer.
        (
            [
                a_batch(0, 0, producer=7, transactional=True),
                a_batch(4, 0, producer=8, transactional=True),
                Batch(8, 1, [], 7, True, marker=ABORT_MARKER),
                Batch(9, 1, [], 8, True, marker=COMMIT_MARKER),
                a_batch(10, 0, producer=7, transactional=True),
            ],
            0,
            [(7, 0)],
            [4, 10],
            14,
        ),
    ],
)
def test_what_counts_is_unpacked(batches, position, aborted, offsets, goes_on):
    records = found(batches, position, aborted)
    as_columns(records)
    # Of what holds nothing that counts, there are no columns either.
    assert [each.offsets.tolist() for each in records] == ([offsets] if offsets else [])
    assert records.next_fetch_offset == goes_on


def test_a_record_tells_all_that_it_holds():
    tombstone: Told = (0, b"p1", None, [])
    plain: Told = (2, None, b"", [("retried", b""), ("path", None)])
    records = in_columns(found([a_batch(0, 0), Batch(4, 3, [tombstone, plain])]))
    assert records[1:] == [
        Fetched("fhir", 3, 4, 1004, b"p1", None, ()),
        Fetched("fhir", 3, 6, 1006, None, b"", (("retried", b""), ("path", None))),
    ]


@needs_the_loops
def test_messages_stay_where_they_were_fetched_unless_they_are_compressed_or_have_headers():
    plain = [a_batch(0, 0, 1), a_batch(4, 0)]
    for batches, kind in (
        (plain, Messages),
        ([*plain, a_batch(8, 0, codec=1)], list),
        ([*plain, Batch(8, 1, [(0, b"k", b"v", [("path", b"")])])], list),
    ):
        records = found(batches)
        as_columns(records)
        (columns,) = records
        assert (type(columns.keys), type(columns.values)) == (kind, kind)


@needs_the_loops
def test_a_processor_without_an_instruction_for_the_checksum_has_aiokafka_look(monkeypatch):
    def read_batches(data: bytes, size: int, *told: int) -> int:
        count: int = LOOPS.read_batches(data, size, *told)
        memset(told[-1], -1, count)  # of each that it is not known
        return count

    class Others:
        read_records = LOOPS.read_records

    Others.read_batches = staticmethod(read_batches)
    monkeypatch.setattr(unpacking, "LOOPS", Others)
    assert [each.offset for each in in_columns(found([a_batch(0, 0), a_batch(4, 1)]))] == [0, 5]
    damaged = bytearray(a_batch(4, 0).encoded())
    damaged[-2] ^= 1
    with pytest.raises(CorruptRecordException, match="Invalid CRC"):
        in_columns(found([a_batch(0, 0), bytes(damaged)]))


@pytest.mark.parametrize("kind", [Fetch, MemoryRecords])
def test_a_batch_that_has_the_time_of_its_append_gives_it_to_its_records(kind):
    records = in_columns(found([a_batch(4, 0, 1, appended_at=99)], kind=kind))
    assert [each.timestamp for each in records] == [99, 99]


@needs_the_loops
@given(
    st.lists(st.tuples(texts, texts), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6),
    st.integers(0, 200),
)
def test_a_batch_that_is_not_what_it_says_is_left_to_aiokafka_or_read(told, changes, cut):
    """What the loop reads of it lies within what was fetched."""
    told = [(place, key, value, []) for place, (key, value) in enumerate(told)]
    data = bytearray(Batch(0, len(told), told).encoded())
    for at, byte in changes:
        if at < len(data):
            data[at] = byte
    data = bytes(data[: len(data) - cut])
    fetched = _Data(data)
    fetched.go_on()
    fetched.count()
    for each in fetched.records(PARTITION, 0) or ():
        assert all(part is None or part in data for part in (each.key, each.value))


@needs_the_loops
@given(st.binary(max_size=80), st.data())
def test_the_checksum_is_aiokafkas(text, data):
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, len(text)))
    # -1 where the processor has no instruction for it.
    assert LOOPS.crc32c(text, begin, end) in (calc_crc32c(text[begin:end]), -1)


@pytest.mark.parametrize("before", [[], [a_batch(0, 0, 1)]])
def test_a_batch_that_was_damaged_is_told_and_never_passed_over(before):
    damaged = bytearray(a_batch(4, 0).encoded())
    damaged[-2] ^= 1
    records = found([*before, bytes(damaged), a_batch(8, 0)], position=0 if before else 4)
    as_columns(records)
    with pytest.raises(CorruptRecordException, match="Invalid CRC"):
        next(records)
    as_columns(records)  # Of what has not been taken this is asked at each fetch.
    assert list(records) == []
    assert records.next_fetch_offset == 4


@pytest.mark.parametrize(("magic", "timestamp"), [(0, -1), (1, 1000)])
@pytest.mark.parametrize("codec", [0, 1])
def test_records_in_an_old_format_are_unpacked(magic, timestamp, codec):
    builder = LegacyRecordBatchBuilder(magic, codec, 1 << 20)
    for offset in range(4):
        builder.append(offset, 1000, b"k", b"v%d" % offset)
    built = bytearray(builder.build())
    if codec:
        # As a broker does: what is compressed together has the offset of its last record.
        built[0:8] = (3).to_bytes(8, "big")
    records = found([bytes(built)], position=1)
    assert in_columns(records) == [
        Fetched("fhir", 3, offset, timestamp, b"k", b"v%d" % offset, ()) for offset in (1, 2, 3)
    ]
    assert records.next_fetch_offset == 4


def test_the_bytes_of_a_fetch_are_let_go_as_soon_as_it_is_unpacked():
    records = found([a_batch(0, 0, 1)])
    in_columns(records)
    held = weakref.ref(records)
    gc.disable()
    try:
        del records
        assert held() is None
    finally:
        gc.enable()


# On a broker.


async def everything(kafka: str, topic: str, *, columns: bool) -> list[Fetched]:
    """All of partition 0, as it is fetched a little at a time."""
    client = AIOKafkaConsumer(
        bootstrap_servers=kafka,
        isolation_level="read_committed",
        max_partition_fetch_bytes=2000,
        fetch_max_wait_ms=20,
    )
    await client.start()
    try:
        if columns:
            unpack_in_columns(client._fetcher, topic.__eq__)
        partition = TopicPartition(topic, 0)
        client.assign([partition])
        client.seek(partition, 0)
        (end,) = (await client.end_offsets([partition])).values()
        records: list[Fetched] = []
        while await client.position(partition) < end:
            for fetched in (await client.getmany(timeout_ms=100)).values():
                assert isinstance(fetched[0], Records) is columns
                records += map(as_fetched, *fetched if columns else [fetched])
    finally:
        await client.stop()
    return records


@pytest.mark.services
async def test_a_topic_is_read_as_aiokafka_reads_it(kafka):
    topic = make_topic(kafka, f"unpacked-{uuid4().hex[:8]}", partitions=1)
    config = {"bootstrap.servers": kafka, "linger.ms": 5}
    plain = Producer({**config, "compression.type": "gzip"})
    writer = Producer({**config, "transactional.id": topic})
    writer.init_transactions(30)
    for n in range(3):
        for k in range(20):
            plain.produce(topic, b"%d" % k if k % 5 else None, b"k%d" % n, headers={"n": b"%d" % k})
        plain.produce(topic, bytes(5000))  # larger than a fetch
        plain.flush()
        writer.begin_transaction()
        for k in range(5):
            writer.produce(topic, b"in transaction %d" % n, b"%d" % k)
        writer.flush()
        writer.commit_transaction(30) if n % 2 else writer.abort_transaction(30)
    records = await everything(kafka, topic, columns=True)
    assert records == await everything(kafka, topic, columns=False)
    assert len(records) == 3 * 21 + 5
    assert max(len(each.value or b"") for each in records) == 5000
