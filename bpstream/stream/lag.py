"""Lag: how far the worker is behind what was sent, where the broker keeps little.

The embedded broker drops what is older than its last 5 MB a partition, read or not.
"""

import logging
import time
from collections import deque
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from bpstream.errors import StartError
from bpstream.settings import Settings
from bpstream.stream.connection import client_settings
from bpstream.stream.embedded import PARTITIONS

log = logging.getLogger(__name__)

_BLOCK = 1_000_000
"""Bytes after which a mark is set."""
_MOST_MARKS = 3
"""Marks the worker has not reached: 4 MB with the block in work, if all is one partition's."""

_NOT_MADE = {KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART}
_LOOK_EVERY = 0.05
_SAY_AFTER = 10.0
_ANSWER_WITHIN = 10.0


class _Mark(NamedTuple):
    """Where a topic ended: what is before it has to be applied."""

    topic: str
    ends: list[int]


class Lag:
    """Waits until the worker, the consumer group BPSTREAM_APP_ID, has applied what was sent.

    What goes home through the re-keyed topic is watched there as well: applied is a block
    when the worker has committed the end it had in the one topic, and then in the other.
    """

    def __init__(self, settings: Settings) -> None:
        self._topics = (settings.topic, settings.rekeyed_topic)
        self._address, self._app_id = settings.bootstrap_servers, settings.app_id
        self._marks: deque[_Mark] = deque()
        self._bytes = 0
        # It joins no group: committed offsets are asked for, and no topic is subscribed.
        self._consumer = Consumer(
            {
                **client_settings(settings),
                "group.id": settings.app_id,
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def is_full(self, size: int) -> bool:
        """Count a message of `size` bytes; whether a block is full, and `wait` is to be called."""
        self._bytes += size
        return self._bytes >= _BLOCK

    def wait(self) -> None:
        """Return when the worker is not too far behind.  To be called once Kafka has the block.

        Waits as long as the worker does not go on.  Raises :class:`StartError` if the broker
        does not answer.
        """
        self._bytes = 0
        try:
            self._marks.append(self._mark(self._topics[0]))
            moved, said = time.monotonic(), False
            while len(self._marks) > _MOST_MARKS:
                if self._advance():
                    moved = time.monotonic()
                    continue
                time.sleep(_LOOK_EVERY)
                if not said and time.monotonic() - moved > _SAY_AFTER:
                    log.warning("waiting for the worker, BPSTREAM_APP_ID %s", self._app_id)
                    said = True
        except KafkaException as exception:
            raise StartError(
                f"the broker at {self._address} has gone: {exception.args[0].str()}"
            ) from None

    def _advance(self) -> bool:
        """Whether the oldest mark has moved on or is gone."""
        topic, ends = self._marks[0]
        if not all(at >= end for at, end in zip(self._committed(topic), ends, strict=True)):
            return False
        if topic == self._topics[0]:
            # What of it is not at home is on its way now.
            self._marks[0] = self._mark(self._topics[1])
        else:
            self._marks.popleft()
        return True

    def _mark(self, topic: str) -> _Mark:
        return _Mark(topic, [self._end(each) for each in _partitions(topic)])

    def _end(self, partition: TopicPartition) -> int:
        try:
            _, end = self._consumer.get_watermark_offsets(partition, timeout=_ANSWER_WITHIN)
        except KafkaException as exception:
            if exception.args[0].code() not in _NOT_MADE:
                raise
            return 0
        return int(end)

    def _committed(self, topic: str) -> list[int]:
        found = self._consumer.committed(_partitions(topic), timeout=_ANSWER_WITHIN)
        # Negative before the first commit.
        return [max(each.offset, 0) for each in found]


def _partitions(topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in range(PARTITIONS)]
