"""What a test does to a consumer group that Kafka's clients do not offer."""

import socket
import struct

from confluent_kafka.admin import AdminClient

_LEAVE_GROUP, _VERSION, _CORRELATION = 13, 0, 1


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
