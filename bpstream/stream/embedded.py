"""A broker inside the process: librdkafka's test cluster, which speaks Kafka's protocol.

For `make run` and for tests that need no more.  It keeps what it holds in memory, some
5 MB a partition, makes topics by itself with four partitions, and is gone with the process.
"""

from types import TracebackType
from typing import Self
from uuid import uuid4

from confluent_kafka import Producer

PARTITIONS = 4
"""What every topic of the embedded broker has."""
MAX_MESSAGE_BYTES = 1_000_000
"""Largest message that goes through the embedded broker."""
CLUSTER = "mockCluster"
"""How the embedded broker's name for itself begins."""


class EmbeddedBroker:
    """A Kafka broker on a free port of 127.0.0.1, for as long as the block runs."""

    def __init__(self) -> None:
        self.run = uuid4().hex[:12]
        """Names this broker's life: another one's offsets begin anew."""

    def __enter__(self) -> Self:
        # The cluster lives as long as the client that asked for it.
        self._client = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        brokers = self._client.list_topics(timeout=10).brokers.values()
        self.address = next(f"{broker.host}:{broker.port}" for broker in brokers)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        del self._client
