"""Who is in a group and may commit: on a real Kafka, for what it takes from whom is the point."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError

from bpstream.stream.fetching import FetchingThread
from bpstream.stream.membership import commit_as_member, find_group_later
from tests.services import Service
from tests.stream.brokers import make_topic
from tests.stream.scripted import a_consumer

pytestmark = pytest.mark.services

TOPIC = "readings"
FENCED_AT_TIMES = ("broker.heartbeat.interval.ms=8000", "broker.session.timeout.ms=4000")
"""Settings of a broker that is named for four seconds in eight."""


@pytest.fixture
async def consumer(kafka: str) -> AsyncIterator[AIOKafkaConsumer]:
    """In a group of its own, as its only member."""
    topic = make_topic(kafka, f"membership-{uuid4().hex[:8]}", partitions=1)
    found = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka, group_id=topic, enable_auto_commit=False
    )
    await found.start()
    try:
        yield found
    finally:
        await found.stop()


def only_partition(consumer: AIOKafkaConsumer) -> TopicPartition:
    (partition,) = consumer.assignment()
    return partition


async def test_kafka_takes_a_commit_of_no_member_where_the_group_is_empty(consumer):
    partition = only_partition(consumer)
    await consumer._coordinator._maybe_leave_group()
    await consumer.commit({partition: 7})
    assert await consumer.committed(partition) == 7


async def test_who_is_no_member_any_more_commits_nothing(consumer):
    partition = only_partition(consumer)
    commit_as_member(consumer._coordinator)
    await consumer.commit({partition: 3})
    await consumer._coordinator._maybe_leave_group()
    with pytest.raises(CommitFailedError):
        await consumer.commit({partition: 7})
    assert await consumer.committed(partition) == 3


@pytest.fixture
async def named_at_times(
    service: Callable[..., Service],
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that knows of no broker, for the only one is fenced; it has not subscribed."""
    broker = service("kafka", *(f"--kafka-setting={each}" for each in FENCED_AT_TIMES))
    make_topic(broker.address, TOPIC, partitions=1)
    while True:
        found = AIOKafkaConsumer(bootstrap_servers=broker.address, group_id="wards")
        await found.start()
        if found._client.get_random_node() is None:
            break
        await found.stop()
        await asyncio.sleep(0.2)
    yield found
    await found.stop()


async def assigned(consumer: AIOKafkaConsumer) -> None:
    while not consumer.assignment():
        await asyncio.sleep(0.1)


async def test_a_group_is_found_once_kafka_names_a_broker(named_at_times):
    find_group_later(named_at_times._coordinator)
    named_at_times.subscribe([TOPIC])
    await asyncio.wait_for(assigned(named_at_times), 60)


async def test_aiokafka_alone_gives_a_group_up_where_kafka_names_no_broker(named_at_times):
    named_at_times.subscribe([TOPIC])
    with pytest.raises(KafkaError, match="Did we not perform bootstrap"):
        await asyncio.wait_for(named_at_times._coordinator._coordination_task, 60)


async def test_a_worker_whose_group_was_given_up_comes_to_an_end():
    consumer = a_consumer()
    thread = FetchingThread(consumer, loop=consumer.loop)
    given_up = asyncio.get_running_loop().create_future()
    given_up.set_exception(KafkaError("an error that nobody thought of"))
    watching = thread._stay_in_group(SimpleNamespace(_coordination_task=given_up))
    await thread._execute_task(watching)
    assert isinstance(thread.crash_reason, KafkaError)
    thread.thread_loop.close()
