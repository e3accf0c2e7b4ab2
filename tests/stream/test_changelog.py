"""A stretch of the changelog, read again from a real broker."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer, TopicPartition

from bpstream.settings import Settings
from bpstream.stream import changelog
from tests.stream.brokers import make_topic

pytestmark = pytest.mark.services


@pytest.fixture
def topic(kafka: str, unique_name) -> str:
    return make_topic(
        kafka, unique_name("changelog"), partitions=2, config={"cleanup.policy": "compact"}
    )


@pytest.fixture
def settings(kafka: str, unique_name) -> Settings:
    return Settings(broker=f"kafka://{kafka}", app_id=unique_name("app"))


@pytest.fixture
def producer(kafka: str) -> Iterator[Producer]:
    producer = Producer({"bootstrap.servers": kafka})
    yield producer
    assert producer.flush(10) == 0


def write(producer: Producer, topic: str, *numbers: int, partition: int = 1) -> None:
    for number in numbers:
        producer.produce(topic, b"row %d" % number, b"p%d" % number, partition=partition)
    assert producer.flush(10) == 0


async def keys_of(settings: Settings, topic: str, first: int, end: int) -> list[tuple[int, bytes]]:
    part = TopicPartition(topic, 1, first)
    read = await changelog.read(settings, part, end, wanted=lambda: True)
    assert all(value == b"row " + key[1:] for _, key, value in read if value)
    return [(offset, key) for offset, key, _ in read]


@pytest.mark.parametrize(
    ("first", "end", "offsets"),
    [
        (0, 6, range(6)),
        (2, 5, range(2, 5)),
        (5, 6, range(5, 6)),
        (3, 3, []),
        (4, 9, range(4, 6)),  # the broker has no more
        (6, 6, []),
    ],
)
async def test_a_stretch_is_the_records_from_its_first_offset_on_and_before_its_end(
    topic, settings, producer, first, end, offsets
):
    write(producer, topic, *range(6))
    write(producer, topic, 99, partition=0)
    found = await keys_of(settings, topic, first, end)
    assert found == [(offset, b"p%d" % offset) for offset in offsets]


async def test_a_stretch_of_an_empty_partition_is_empty(topic, settings):
    assert await keys_of(settings, topic, 0, 0) == []


async def test_a_tombstone_is_a_record_without_a_value(topic, settings, producer):
    producer.produce(topic, None, b"p0", partition=1)
    write(producer, topic, 1)
    part = TopicPartition(topic, 1, 0)
    read = await changelog.read(settings, part, 1, wanted=lambda: True)
    assert read == [(0, b"p0", None)]


async def test_offsets_that_hold_no_record_are_passed_over(
    kafka, unique_name, topic, settings, producer
):
    write(producer, topic, 0)
    transactional = Producer(
        {"bootstrap.servers": kafka, "transactional.id": unique_name("writer")}
    )
    transactional.init_transactions(30)
    for numbers in ([1], [3, 4]):
        transactional.begin_transaction()
        write(transactional, topic, *numbers)
        transactional.commit_transaction(30)  # its marker takes an offset: 2, and 5
    for first, end, offsets in [(0, 6, [0, 1, 3, 4]), (2, 6, [3, 4]), (1, 3, [1]), (5, 6, [])]:
        found = await keys_of(settings, topic, first, end)
        assert found == [(offset, b"p%d" % offset) for offset in offsets]


async def test_nothing_is_waited_for_once_it_is_not_wanted(topic, settings, producer):
    write(producer, topic, 0, 1)
    part = TopicPartition(topic, 1, 0)
    assert await changelog.read(settings, part, 2, wanted=lambda: False) == []
