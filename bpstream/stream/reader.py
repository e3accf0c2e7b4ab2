"""Reading a topic from its start to its end as it is now, beside the consumer group."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from bpstream.errors import StartError
from bpstream.settings import Settings
from bpstream.stream import embedded
from bpstream.stream.connection import ANSWER_WITHIN, Connection
from bpstream.stream.fetched import Fetched
from bpstream.stream.topics import MAX_MESSAGE_BYTES, lineage_of

_STALLED_AFTER = 60.0
_AT_ONCE = 2000
_PATIENCE = 0.2
"""Seconds to wait for as many records: a compacted topic has fewer than offsets."""

_PASSES = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE}
"""What a client mends by itself: it connects again."""


class Extent(NamedTuple):
    """What a partition holds: offsets from `first` to before `end`."""

    partition: int
    first: int
    end: int

    def __len__(self) -> int:
        return self.end - self.first


class Reader:
    """Reads whole topics; joins no group and commits nothing.

    Entering raises :class:`StartError` if the broker does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._address = settings, settings.bootstrap_servers
        self._connection = Connection(settings)

    def __enter__(self) -> Self:
        self._consumer = Consumer(
            {
                **self._connection.config,
                # A client must name a group even where it never joins it.
                "group.id": f"{self._settings.app_id}-reconcile",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                # As the worker reads.
                "isolation.level": "read_uncommitted",
                # A fetch that waits at a partition's end holds up the next partition's.
                "fetch.wait.max.ms": 10,
                "fetch.message.max.bytes": MAX_MESSAGE_BYTES,
                "queued.max.messages.kbytes": 32 * 1024,
            }
        )
        try:
            found = self._connection.topics(self._consumer)
        except BaseException:
            self._consumer.close()
            raise
        self._partitions = {
            name: sorted(topic.partitions)
            for name, topic in found.topics.items()
            if not topic.error
        }
        self.embedded = str(found.cluster_id).startswith(embedded.CLUSTER)
        """Whether the broker is a demo's, whose topics' lives have no ids."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._consumer.close()

    def has(self, topic: str) -> bool:
        """Whether the broker has the topic."""
        return topic in self._partitions

    def lineage(self) -> str:
        """Names this life of the input topics; empty for an embedded broker, which has one."""
        if self.embedded:
            return ""
        self._require(self._settings.topic)
        self._require(self._settings.rekeyed_topic)
        return lineage_of(AdminClient(self._connection.config), self._settings)

    def extents(self, topic: str) -> list[Extent]:
        """What each partition of the topic holds now.  Raises StartError if there is no topic."""
        self._require(topic)
        try:
            return [
                Extent(
                    number,
                    *self._consumer.get_watermark_offsets(
                        TopicPartition(topic, number), timeout=ANSWER_WITHIN
                    ),
                )
                for number in self._partitions[topic]
            ]
        except KafkaException as exception:
            raise StartError(self._connection.away(exception.args[0])) from None

    def read(self, topic: str, extent: Extent) -> Iterator[list[Fetched]]:
        """The records of `extent`, in order, some at a time.

        Raises :class:`StartError` if Kafka stops answering or removes them meanwhile.
        """
        at = extent.first
        if at >= extent.end:
            return
        self._consumer.assign([TopicPartition(topic, extent.partition, at)])
        answered = time.monotonic()
        while at < extent.end:
            most = min(_AT_ONCE, extent.end - at)
            messages: list[Any] = self._consumer.consume(most, timeout=_PATIENCE)
            fetched: list[Fetched] = []
            for message in messages:
                error = message.error()
                if error is None:
                    if message.offset() < extent.end:
                        fetched.append(_fetched(message))
                    at = message.offset() + 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    # A transaction's end takes an offset as well, and is no record.
                    at = extent.end
                elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                    raise StartError(
                        f"{topic} {extent.partition} was shortened while it was read "
                        "(retention): run it again"
                    )
                elif error.code() not in _PASSES:
                    raise StartError(f"{topic} {extent.partition} cannot be read: {error.str()}")
            if fetched:
                answered = time.monotonic()
                yield fetched
            elif time.monotonic() - answered > _STALLED_AFTER:
                raise StartError(
                    f"Kafka at {self._address} has not answered for {_STALLED_AFTER:.0f} s"
                )

    def _require(self, topic: str) -> None:
        if not self.has(topic):
            raise StartError(
                f"Kafka at {self._address} has no topic {topic}: "
                "it is there once a worker with these settings has run"
            )


def _fetched(message: Any) -> Fetched:
    return Fetched(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        message.headers() or (),
    )
