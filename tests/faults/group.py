"""What a test asks of a consumer group, and does to one that Kafka's clients do not offer."""

import socket
import struct
from collections.abc import Iterable

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

_PARTITIONS = 4
_LEAVE_GROUP, _VERSION, _CORRELATION = 13, 0, 1


def lag(consumer: Consumer, topics: Iterable[str]) -> int:
    """Messages that are in Kafka and not committed by the consumer's group.

    A worker tells its own once a second: what it says may be of before the last messages.
    """
    all_of_them = [TopicPartition(name, n) for name in topics for n in range(_PARTITIONS)]
    behind = 0
    for at in consumer.committed(all_of_them, timeout=10):
        first, end = consumer.get_watermark_offsets(at, timeout=10)
        behind += end - max(at.offset, first)
    return behind


def leave(kafka: str, group: str) -> None:
    """Take every member out of the group, as if each had said goodbye (KIP-496)."""
    admin = AdminClient({"bootstrap.servers": kafka})
    members = admin.describe_consumer_groups([group])[group].result(timeout=10).members
    host, _, port = kafka.partition(":")
    for member in members:
        body = struct.pack(">hhi", _LEAVE_GROUP, _VERSION, _CORRELATION)
        body += b"".join(map(_string, ("tests", group, member.member_id)))
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(struct.pack(">i", len(body)) + body)
            answer = connection.recv(64)
        assert answer == struct.pack(">iih", 6, _CORRELATION, 0), answer


def _string(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()
