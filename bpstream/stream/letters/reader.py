"""Reading the dead-letter topic: once from end to end, and then the bodies that are wanted."""

import time
from collections.abc import Iterable, Iterator
from typing import Any, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

from bpstream.errors import StartError
from bpstream.settings import Settings
from bpstream.stream.connection import ANSWER_WITHIN, Connection
from bpstream.stream.letters import letter as letters
from bpstream.stream.letters.letter import Letter, Mark
from bpstream.stream.topics import MAX_MESSAGE_BYTES

_NEXT_WITHIN = 30.0
_TURN = 0.2
"""Seconds in which a wait notices Ctrl-C."""

_FAR = 2_000
"""Offsets from which on it is quicker to go to a letter than to read up to it."""


def _is_new(error: BaseException) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() in (
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
    )


class LetterReader:
    """The topic as it was when the block was entered: later letters are not read."""

    def __init__(self, settings: Settings) -> None:
        self._topic, self._address = settings.dead_letter_topic, settings.bootstrap_servers
        self._connection = Connection(settings)
        self._consumer = Consumer(
            {
                **self._connection.config,
                "group.id": f"{settings.app_id}-letters",  # needed, and never joined
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 10,  # what is wanted is there
                "fetch.message.max.bytes": MAX_MESSAGE_BYTES,
                "queued.max.messages.kbytes": 2 * MAX_MESSAGE_BYTES // 1024,
            }
        )
        self._bounds: dict[int, tuple[int, int]] = {}
        self._at = (-1, 0)
        """Partition and offset of the message that comes next."""

    def __enter__(self) -> Self:
        """Raises StartError where the broker does not answer or has no such topic."""
        try:
            self._bounds = self._find()
        except KafkaException as exception:
            self._consumer.close()
            raise StartError(self._connection.away(exception.args[0])) from None
        except BaseException:
            self._consumer.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._consumer.close()

    def __len__(self) -> int:
        """About how many records there are to read."""
        return sum(end - first for first, end in self._bounds.values())

    def records(self) -> Iterator[Letter | Mark | None]:
        """Every record of the topic: a letter, a mark, or None for what is nothing of ours."""
        ends = {number: end for number, (first, end) in self._bounds.items() if end > first}
        self._assign({number: self._bounds[number][0] for number in ends})
        while ends:
            message = self._next()
            number = message.partition()
            if number not in ends:
                continue
            if message.error() is not None:  # its end
                del ends[number]
                continue
            if message.offset() < ends[number]:
                yield letters.read(message)
            if message.offset() >= ends[number] - 1:
                del ends[number]

    def bodies(self, wanted: Iterable[Letter]) -> Iterator[tuple[Letter, bytes | None]]:
        """Each letter with its body, read again; `wanted` is by partition and offset.

        A letter that Kafka has removed meanwhile is left out.
        """
        for each in wanted:
            message = self._go_to(each.partition, each.offset)
            if message is not None:
                yield each, message.value()

    def _go_to(self, number: int, offset: int) -> Any:
        """The message at `offset`; None where there is none any more."""
        partition, following = self._at
        if partition != number or not 0 <= offset - following < _FAR:
            self._assign({number: offset})
        while (message := self._next()).error() is None and message.offset() < offset:
            pass
        if message.error() is not None or message.offset() > offset:
            self._at = (-1, 0)
            return None
        self._at = (number, offset + 1)
        return message

    def _assign(self, starts: dict[int, int]) -> None:
        self._consumer.assign(
            [TopicPartition(self._topic, number, offset) for number, offset in starts.items()]
        )

    def _next(self) -> Any:
        """The next message, or the event that a partition is at its end."""
        deadline = time.monotonic() + _NEXT_WITHIN
        while (message := self._consumer.poll(_TURN)) is None:
            if time.monotonic() > deadline:
                raise StartError(
                    f"Kafka at {self._address} gave nothing more of {self._topic} "
                    f"for {_NEXT_WITHIN:.0f} s; try again when it is back"
                )
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise StartError(f"Kafka does not let {self._topic} be read: {error.str()}")
        return message

    @retry(
        # A topic that was made a moment ago has no leader yet.
        retry=retry_if_exception(_is_new),
        wait=wait_fixed(0.1),
        stop=stop_after_delay(ANSWER_WITHIN),
        reraise=True,
    )
    def _find(self) -> dict[int, tuple[int, int]]:
        # Without a name: asked for one, a broker may make it.
        topics = self._connection.topics(self._consumer).topics
        if self._topic not in topics:
            raise StartError(
                f"there is no topic {self._topic} (BPSTREAM_DEAD_LETTER_TOPIC) at "
                f"{self._address}: a worker makes it"
            )
        return {
            number: self._consumer.get_watermark_offsets(
                TopicPartition(self._topic, number), timeout=ANSWER_WITHIN
            )
            for number in topics[self._topic].partitions
        }
