"""Sending to the topic from a process of its own: keyed as Kafka's own clients key."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from bpstream.errors import StartError
from bpstream.settings import Settings
from bpstream.stream import embedded
from bpstream.stream.connection import Connection
from bpstream.stream.lag import Lag
from bpstream.stream.topics import MAX_MESSAGE_BYTES, room_of

_FLUSH_WITHIN = 60.0
_BATCH = 1_000_000
_MOST_WAITING = 64 * 1024
"""KiB of messages that are not yet sent."""
_FRAME = 1024
"""Bytes of a message's key, headers and batch, at most, in what the topic takes."""


class Feed:
    """Sends messages to BPSTREAM_TOPIC.  Leaving the block waits until Kafka has them all.

    An embedded broker keeps little: there, sending waits for the worker where it is behind.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topic
        self._failed: str | None = None
        self._lag: Lag | None = None
        self.cluster = ""
        """The broker's name for itself, once the block is entered."""
        self.room = 0
        """Bytes of the largest message the topic takes, once the block is entered."""

    def __enter__(self) -> Self:
        connection = Connection(self._settings)
        admin = AdminClient(connection.config)
        self.cluster = str(connection.topics(admin).cluster_id)
        if self.cluster.startswith(embedded.CLUSTER):
            self._lag = Lag(self._settings)
            self.room = embedded.MAX_MESSAGE_BYTES - _FRAME
        else:
            self.room = room_of(self._settings, admin) - _FRAME
        self._producer = Producer(
            {
                **connection.config,
                "partitioner": "murmur2_random",  # Kafka's own; librdkafka's default is another
                "enable.idempotence": True,
                "linger.ms": 20,
                "message.max.bytes": MAX_MESSAGE_BYTES,
                # The topic's limit is that of a batch.
                "batch.size": min(_BATCH, self.room),
                "queue.buffering.max.kbytes": _MOST_WAITING,
            }
        )
        return self

    def send(
        self, key: str | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Hand a message over; waits while too many are on their way."""
        while True:
            try:
                self._producer.produce(
                    self._topic, value, key, on_delivery=self._delivered, headers=list(headers)
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                break
        self._producer.poll(0)
        if self._failed:
            raise StartError(f"Kafka did not take a message for {self._topic}: {self._failed}")
        if self._lag is not None and self._lag.is_full(len(value)):
            self.flush()
            self._lag.wait()

    def flush(self) -> None:
        """Return once Kafka has all that was sent; else raise :class:`StartError`."""
        left = self._producer.flush(_FLUSH_WITHIN)
        if left or self._failed:
            raise StartError(
                f"Kafka did not take {left or 'some'} messages for {self._topic}: "
                f"{self._failed or f'no answer within {_FLUSH_WITHIN:.0f} s'}"
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.flush()
            else:
                self._producer.flush(_FLUSH_WITHIN)
        finally:
            if self._lag is not None:
                self._lag.close()

    def _delivered(self, error: object, message: object) -> None:
        del message
        if error is not None:
            self._failed = str(error)
