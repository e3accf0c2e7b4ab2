"""Who may commit: on a real Kafka, for what it takes from whom is the point."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError

from bpstream.stream.membership import commit_as_member
from tests.stream.brokers import make_topic

pytestmark = pytest.mark.services


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
