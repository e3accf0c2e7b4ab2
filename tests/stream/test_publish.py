"""Publishing: records land whole, in order and where Kafka's own clients would put them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import DefaultPartitioner

from bpstream.chunk import Chunk, Origins
from bpstream.errors import StartError
from bpstream.reading import Origin
from bpstream.stream.dead_letters import DeadLetter, DeadLetters
from bpstream.stream.health import Health
from bpstream.stream.metrics import Metrics, total
from bpstream.stream.packing import Record
from bpstream.stream.publish import BATCH_BYTES, Publisher, TooLarge
from tests.stream.brokers import everything_on, make_topic

LARGEST_BATCH = 100_000
"""Bytes of a record batch here; the app's are ten times that."""


# On a real broker.


@pytest.fixture
async def health() -> Health:
    health = Health(dict)
    health.ready()
    return health


@pytest.fixture
async def publisher(kafka: str, health: Health) -> AsyncIterator[Publisher]:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, max_request_size=16 * 1024 * 1024)
    await producer.start()
    yield Publisher(lambda: producer, health)
    await producer.stop()


@pytest.mark.services
async def test_records_of_one_partition_land_in_their_order_with_key_headers_and_time(
    kafka, unique_name, publisher
):
    topic = make_topic(kafka, unique_name("batch"))
    now = time.time_ns() // 1_000_000  # a much older record, Kafka would delete
    records = [
        Record(b"p%d" % n, b"value %d" % n, [("n", b"%d" % n), ("n", b"again")], now - n)
        for n in range(50)
    ]
    assert await publisher.publish_to(topic, 3, records) == 49
    found = everything_on(kafka, topic)
    assert [(at.partition(), at.key(), at.value(), at.headers()) for at in found] == [
        (3, record.key, record.value, list(record.headers)) for record in records
    ]
    assert [at.timestamp()[1] for at in found] == [record.timestamp for record in records]


@pytest.mark.services
async def test_many_large_batches_at_once_are_no_more_than_a_broker_takes_in_a_request(
    kafka, unique_name, publisher, caplog
):
    partitions, size = 20, 7_000_000
    limits = {"max.message.bytes": str(8 * 1024 * 1024), "retention.ms": "60000"}
    topic = make_topic(kafka, unique_name("large"), partitions=partitions, config=limits)
    publisher.whole[topic] = size + 1000
    record = Record(b"p1", bytes(size))
    offsets = await asyncio.gather(
        *(publisher.publish_to(topic, number, [record]) for number in range(partitions))
    )
    assert offsets == [0] * partitions
    # At a request of 100 MB it closes the connection, again and again.
    assert not [each for each in caplog.records if "closed" in each.getMessage()]


@pytest.mark.services
async def test_records_that_fill_several_batches_land_in_their_order(kafka, unique_name, publisher):
    topic = make_topic(kafka, unique_name("batches"))
    records = [Record(b"%d" % n, bytes(BATCH_BYTES // 3)) for n in range(8)]
    assert await publisher.publish_to(topic, 0, records) == 7
    assert [int(at.key()) for at in everything_on(kafka, topic)] == list(range(8))


@pytest.mark.services
async def test_each_record_is_published_in_its_keys_partition(kafka, unique_name, publisher):
    topic = make_topic(kafka, unique_name("keyed"))
    keys = [b"PAT-%03d" % n for n in range(40)] + [None]
    await publisher.publish(topic, [Record(key, b"{}") for key in keys], partitions=4)
    found = {at.key(): at.partition() for at in everything_on(kafka, topic)}
    assert found.pop(None) == 0
    assert found == {key: DefaultPartitioner()(key, [0, 1, 2, 3], [0]) for key in keys if key}


@pytest.mark.services
async def test_nothing_to_publish_is_nothing_published(kafka, unique_name, publisher):
    topic = make_topic(kafka, unique_name("nothing"))
    assert await publisher.publish_to(topic, 0, []) == -1
    await publisher.publish(topic, [], partitions=4)
    assert everything_on(kafka, topic) == []


@pytest.mark.services
async def test_a_record_larger_than_its_topic_takes_is_too_large_and_larger_than_a_batch_is_not(
    kafka, unique_name, publisher, health
):
    topic = make_topic(kafka, unique_name("large"), config={"max.message.bytes": "300000"})
    publisher.whole[topic] = LARGEST_BATCH
    assert await publisher.publish_to(topic, 0, [Record(b"k", bytes(2 * LARGEST_BATCH))]) == 0
    with pytest.raises(TooLarge):
        await publisher.publish_to(topic, 0, [Record(b"k", bytes(300_001))])
    assert health.reasons() == []


# Dead letters.


def a_chunk(*values: bytes | None) -> Chunk:
    n = len(values)
    offset = np.arange(40, 40 + n)
    return Chunk(
        topic="rekeyed",
        offset=offset,
        values=list(values),
        keys=[b"\xff key %d" % number for number in range(n)],
        arrived_at=np.zeros(n, np.int64),
        origins=Origins(np.full(n, 2, np.int32), offset, np.zeros(n, np.int64)),
    )


async def dead_letters(kafka: str, publisher: Publisher, topic: str, **config: str) -> DeadLetters:
    make_topic(kafka, topic, config=config)
    return DeadLetters(publisher, topic=topic, source="fhir", partitions=4)


@pytest.mark.services
async def test_a_dead_letter_has_the_original_key_and_bytes_and_says_why(
    kafka, unique_name, publisher
):
    topic = unique_name("dead")
    letters = await dead_letters(kafka, publisher, topic)
    chunk = a_chunk(b"\x00noise", b"[whole bundle]", None)
    await letters.publish(
        chunk,
        [
            DeadLetter(Origin(0), "not_json", "", "\udcff and more"),
            DeadLetter(Origin(1, 7, body=b"entry 7"), "no_subject", "entry[7].subject", "nothing"),
            DeadLetter(Origin(2), "empty", "", ""),
        ],
    )
    found = {at.key(): at for at in everything_on(kafka, topic)}
    assert {key: at.value() for key, at in found.items()} == {
        b"\xff key 0": b"\x00noise",
        b"\xff key 1": b"entry 7",
        b"\xff key 2": None,
    }
    headers = dict(found[b"\xff key 1"].headers())
    assert headers.pop("time").startswith(b"20")
    assert headers == {
        "id": b"2:41:7",
        "reason": b"no_subject",
        "path": b"entry[7].subject",
        "found": b"nothing",
        "topic": b"fhir",
        "partition": b"2",
        "offset": b"41",
    }
    assert dict(found[b"\xff key 0"].headers())["found"] == b"? and more"


@pytest.mark.services
async def test_a_dead_letter_too_large_for_its_topic_is_published_as_its_head(
    kafka, unique_name, publisher
):
    topic = unique_name("dead")
    letters = await dead_letters(kafka, publisher, topic, **{"max.message.bytes": "400000"})
    large = bytes(range(256)) * 2000
    chunk = a_chunk(large, b"small")
    await letters.publish(
        chunk, [DeadLetter(Origin(n), "not_json", "", "noise") for n in range(len(chunk))]
    )
    found = {at.key(): at for at in everything_on(kafka, topic)}
    head, small = found[b"\xff key 0"], found[b"\xff key 1"]
    assert len(head.value()) == 256 * 1024
    assert large.startswith(head.value())
    assert dict(head.headers())["truncated"] == b"512000"
    assert (small.value(), "truncated" in dict(small.headers())) == (b"small", False)


# While Kafka is away.


class AwayBroker:
    """aiokafka's producer over a broker that answers with `errors` before it takes a batch."""

    def __init__(self, *errors: type[KafkaError]) -> None:
        self.errors = list(errors)
        self.took: list[bytes] = []

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> Any:
        if self.errors:
            raise self.errors.pop(0)()
        self.took.append(bytes(batch._build()))
        delivered = asyncio.get_running_loop().create_future()
        delivered.set_result(Metadata())
        return delivered


class Metadata:
    offset = 7


records = st.builds(
    Record,
    st.none() | st.binary(max_size=20),
    st.none() | st.integers(0, BATCH_BYTES // 3).map(bytes),
    st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=2),
    st.integers(0, 2**41),
).filter(lambda record: record.key is not None or record.value is not None)


async def test_what_has_to_be_whole_stands_in_one_record_batch_or_is_not_sent():
    broker = AwayBroker()
    publisher = Publisher(lambda: broker, Health(dict))
    publisher.whole["changelog"] = 3 * BATCH_BYTES
    half = Record(b"k", bytes(BATCH_BYTES // 2))
    for topic in ("alerts", "changelog"):
        await publisher.publish_to(topic, 0, [half] * 5)
    sizes = [1, 1, 1, 1, 1, 5]
    assert [len(list(DefaultRecordBatch(each))) for each in broker.took] == sizes
    with pytest.raises(RuntimeError, match="6 records for changelog do not fit into one"):
        await publisher.publish_to("changelog", 0, [half] * 6)
    assert len(broker.took) == len(sizes)


@given(st.lists(records, min_size=1, max_size=12))
async def test_batches_are_filled_as_aiokafka_itself_would_fill_them(found):
    broker = AwayBroker()
    publisher = Publisher(lambda: broker, Health(dict))
    await publisher.publish_to("alerts", 0, found)
    expected, batch = [], BatchBuilder(BATCH_BYTES, compression_type=0)
    for record in found:
        again = {"key": record.key, "value": record.value, "headers": list(record.headers)}
        if batch.append(timestamp=record.timestamp, **again) is None:
            expected.append(bytes(batch._build()))
            batch = BatchBuilder(BATCH_BYTES, compression_type=0)
            assert batch.append(timestamp=record.timestamp, **again) is not None
    assert broker.took == [*expected, bytes(batch._build())]


async def test_a_record_without_a_time_has_that_of_its_batch():
    broker = AwayBroker()
    before = time.time_ns() // 1_000_000
    await Publisher(lambda: broker, Health(dict)).publish_to("alerts", 0, [Record(b"k", b"v")] * 2)
    found = list(DefaultRecordBatch(broker.took[0]))
    after = time.time_ns() // 1_000_000
    assert [before <= record.timestamp <= after for record in found] == [True, True]


async def test_a_broker_that_is_away_is_tried_again_and_the_worker_is_not_ready_meanwhile(
    health, caplog
):
    caplog.set_level(logging.WARNING)
    broker = AwayBroker(KafkaConnectionError, NotLeaderForPartitionError)
    metrics = Metrics()
    publishing = asyncio.create_task(
        Publisher(lambda: broker, health, metrics).publish_to("alerts", 0, [Record(b"k", b"v")] * 3)
    )
    async with asyncio.timeout(5):
        while not health.reasons():
            await asyncio.sleep(0)
    assert health.reasons() == ["Kafka does not take records for alerts (KafkaConnectionError)"]
    assert await publishing == 9
    assert health.reasons() == []
    assert len(broker.took) == 1
    assert broker.took[0].count(b"v") >= 3
    assert total(metrics.retries, sink="kafka") == 2
    found = metrics.registry.get_sample_value("bpstream_sink_seconds_count", {"sink": "kafka"})
    assert found == 1


async def test_a_broker_that_refuses_us_is_not_tried_again(health):
    broker = AwayBroker(TopicAuthorizationFailedError)
    publisher = Publisher(lambda: broker, health)
    with pytest.raises(StartError, match="does not let this user write to the topic alerts"):
        await publisher.publish_to("alerts", 0, [Record(b"k", b"v")])
    assert broker.took == []


@pytest.mark.parametrize(
    ("entry", "element", "path"),
    [
        ("", "Observation.status", "Observation.status"),
        ("Bundle.entry[3].resource", "Observation.status", "Bundle.entry[3].resource.status"),
        ("Bundle.entry[3].resource", "", "Bundle.entry[3].resource"),
        ("line 7", "Observation.status", "line 7: Observation.status"),
        ("Bundle.entry[0]", "Bundle.entry[0].request", "Bundle.entry[0]: Bundle.entry[0].request"),
        ("", "", ""),
    ],
)
async def test_a_dead_letters_path_says_which_entry_and_what_of_it(
    kafka, unique_name, publisher, entry, element, path
):
    topic = unique_name("dead")
    letters = await dead_letters(kafka, publisher, topic)
    chunk = a_chunk(b"whole")
    await letters.publish(chunk, [DeadLetter(Origin(0, 3, entry, b"part"), "why", element, "")])
    (found,) = everything_on(kafka, topic)
    assert dict(found.headers())["path"] == path.encode()
