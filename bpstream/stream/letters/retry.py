"""Retrying: letters go to BPSTREAM_TOPIC again, and a mark behind each says so."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, Producer

from bpstream.errors import StartError
from bpstream.settings import Settings
from bpstream.stream.connection import Connection
from bpstream.stream.letters.letter import Letter, mark
from bpstream.stream.topics import MAX_MESSAGE_BYTES

_TAKEN_WITHIN = 60.0
_AT_ONCE, _BYTES_AT_ONCE = 500, MAX_MESSAGE_BYTES

WithBody = tuple[Letter, bytes | None]


class Retrier:
    """Sends letters again, in small groups: first the group, then its marks.

    A crash between the two leaves letters sent and not marked, at most one group; the next
    retry sends them once more.  They are then the same readings twice, which count once.
    """

    def __init__(self, settings: Settings) -> None:
        self._topic, self._letters = settings.topic, settings.dead_letter_topic
        self._connection = Connection(settings)
        self._producer = Producer(
            {
                **self._connection.config,
                "partitioner": "murmur2_random",  # Kafka's own; librdkafka's default is another
                "enable.idempotence": True,
                "message.max.bytes": 2 * MAX_MESSAGE_BYTES,  # the topic says what it takes
                "message.timeout.ms": int(_TAKEN_WITHIN * 1000),
            }
        )

    def check(self) -> None:
        """Raise StartError where there is no topic to send to."""
        if self._topic not in self._connection.topics(self._producer).topics:
            raise StartError(f"there is no topic {self._topic} (BPSTREAM_TOPIC) to send them to")

    def send(self, letters: Iterable[WithBody]) -> Iterator[tuple[Letter, bool]]:
        """Send every letter; each comes back once Kafka has it and its mark.

        False stands beside one that is too large for the topic.  Raises StartError where
        Kafka does not take what it should; what came back before is done.
        """
        for group in _groups(letters):
            records = [
                (letter, {"value": body, "key": letter.key, "headers": [("retried", letter.id)]})
                for letter, body in group
            ]
            failed = self._publish(self._topic, records)
            # Kafka refuses a batch as a whole for its size: the others of it go alone.
            for record in [each for each in records if each[0].identity in failed]:
                del failed[record[0].identity]
                failed |= self._publish(self._topic, [record])
            sent = [letter for letter, _ in group if letter.identity not in failed]
            now = datetime.now(UTC)
            unmarked = self._publish(self._letters, [(each, _mark(each, now)) for each in sent])
            yield from ((letter, letter.identity not in failed) for letter, _ in group)
            for error in (*failed.values(), *unmarked.values()):
                if error.code() != KafkaError.MSG_SIZE_TOO_LARGE:
                    raise StartError(f"Kafka did not take every letter: {error.str()}")

    def _publish(
        self, topic: str, records: Iterable[tuple[Letter, dict[str, Any]]]
    ) -> dict[bytes, KafkaError]:
        """Publish, and wait until Kafka has said what it takes; returns what it does not."""
        failed: dict[bytes, KafkaError] = {}

        def delivered(identity: bytes, error: KafkaError | None, message: Any) -> None:
            del message
            if error is not None:
                failed[identity] = error

        for letter, record in records:
            self._producer.produce(topic, **record, on_delivery=partial(delivered, letter.identity))
        while self._producer.flush(0.2):  # ends: each message has its timeout
            pass
        return failed


def _mark(letter: Letter, now: datetime) -> dict[str, Any]:
    # Where the letter is: whoever reads that partition sees both.
    return {
        "value": b"",
        "key": letter.key,
        "headers": mark(letter, at=now),
        "partition": letter.partition,
    }


def _groups(letters: Iterable[WithBody]) -> Iterator[list[WithBody]]:
    """Consecutive letters, few enough to be held in memory."""
    group: list[WithBody] = []
    size = 0
    for letter, body in letters:
        if group and (len(group) == _AT_ONCE or size + letter.size > _BYTES_AT_ONCE):
            yield group
            group, size = [], 0
        group.append((letter, body))
        size += letter.size
    if group:
        yield group
