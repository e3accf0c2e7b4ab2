"""What the tests ask of a broker: topics to be made, and what is on them."""

import time
from collections.abc import Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from tests.integration.workers import until


def make_topic(
    kafka: str, name: str, *, partitions: int = 4, config: Mapping[str, str] | None = None
) -> str:
    topic = NewTopic(name, num_partitions=partitions, config=dict(config or {}))
    client = admin(kafka)
    client.create_topics([topic])[name].result(timeout=30)
    return name


def delete_topic(kafka: str, name: str) -> None:
    """Return once the broker no longer knows the topic."""
    client = admin(kafka)
    client.delete_topics([name])[name].result(timeout=30)
    until(lambda: name not in partitions_of(kafka), 10)


def partitions_of(kafka: str) -> dict[str, int]:
    """Every topic and its count of partitions."""
    topics = admin(kafka).list_topics(timeout=10).topics
    return {name: len(topic.partitions) for name, topic in topics.items()}


def config_of(kafka: str, topic: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    client = admin(kafka)
    entries = client.describe_configs([resource])[resource].result(timeout=30)
    return {name: entry.value for name, entry in entries.items()}


def everything_on(kafka: str, topic: str) -> list[Message]:
    """All messages of a topic, partition by partition, in the order of their offsets."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "tests",
            "enable.auto.commit": False,
            "enable.partition.eof": False,
            "message.max.bytes": 16_000_000,
        }
    )
    try:
        numbers = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        start, count = [], 0
        for number in numbers:
            low, high = _ends(consumer, TopicPartition(topic, number))
            start.append(TopicPartition(topic, number, low))
            count += high - low
        consumer.assign(start)
        found: list[Message] = []
        while len(found) < count:
            messages = consumer.consume(count - len(found), timeout=10)
            assert messages, f"{len(found)} of {count} messages of {topic} within 10 s"
            found += messages
    finally:
        consumer.close()
    assert [message.error() for message in found] == [None] * count
    return sorted(found, key=lambda message: (message.partition(), message.offset()))


def _ends(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    """First offset and the one behind the last; a topic made this moment has no leader yet."""
    not_yet = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError._UNKNOWN_PARTITION)
    for _ in range(50):
        try:
            return consumer.get_watermark_offsets(partition, timeout=10)
        except KafkaException as exception:
            if exception.args[0].code() not in not_yet:
                raise
            time.sleep(0.1)
    raise AssertionError(f"{partition} has no leader")


def admin(kafka: str) -> AdminClient:
    """A client; what it was asked for is cancelled when it is gone, so keep it."""
    return AdminClient({"bootstrap.servers": kafka})
