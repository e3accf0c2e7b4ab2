"""Sending to the topic from a process of its own: keyed as Kafka's own clients key."""

from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException, Producer

from bpstream.errors import StartError
from bpstream.settings import Settings
from bpstream.stream.topics import MAX_MESSAGE_BYTES, client_settings

_ANSWER_WITHIN = 10.0
_FLUSH_WITHIN = 60.0


class Feed:
    """Sends messages to BPSTREAM_TOPIC.  Leaving the block waits until Kafka has them all."""

    def __init__(self, settings: Settings) -> None:
        self._topic, self._address = settings.topic, settings.bootstrap_servers
        self._failed: str | None = None
        self._producer = Producer(
            {
                **client_settings(settings),
                "partitioner": "murmur2_random",  # Kafka's own; librdkafka's default is another
                "enable.idempotence": True,
                "linger.ms": 20,
                "message.max.bytes": MAX_MESSAGE_BYTES,
                "log_level": 0,
            }
        )

    def __enter__(self) -> Self:
        try:
            self._producer.list_topics(timeout=_ANSWER_WITHIN)
        except KafkaException as exception:
            raise StartError(
                f"Kafka does not answer at {self._address} (BPSTREAM_BROKER): "
                f"{exception.args[0].str()}"
            ) from None
        return self

    def send(self, key: str, value: bytes) -> None:
        """Hand a message over; waits while too many are on their way."""
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.1)
            else:
                break
        self._producer.poll(0)
        if self._failed:
            raise StartError(f"Kafka did not take a message for {self._topic}: {self._failed}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        left = self._producer.flush(_FLUSH_WITHIN)
        if kind is None and (left or self._failed):
            raise StartError(
                f"Kafka did not take {left or 'some'} messages for {self._topic}: "
                f"{self._failed or f'no answer within {_FLUSH_WITHIN:.0f} s'}"
            )

    def _delivered(self, error: object, message: object) -> None:
        del message
        if error is not None:
            self._failed = str(error)
