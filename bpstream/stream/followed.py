"""Topics that every worker reads from their start, and goes on reading: limits, acknowledgements.

A worker reads them to the end they have at its start before it joins the group, so it never
judges by less than what was said before it was there.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import mode
from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

from bpstream.settings import Settings
from bpstream.stream import security
from bpstream.stream.health import Health
from bpstream.stream.packing import Record
from bpstream.stream.partitioner import partition_of
from bpstream.stream.publish import Publisher

log = logging.getLogger(__name__)

_PART = "what people said"
_PAUSE = 1.0
_LONG_MS = 2000
"""An answer comes as soon as there is something: so seldom a worker at rest looks up."""
_SEEN_WITHIN = 5.0
"""Seconds after which who wrote no longer waits until it is read here."""


class Book(Protocol):
    """What a topic's records make."""

    def apply(self, key: bytes, value: bytes | None) -> None:
        """Take a record over; ValueError for one that cannot be read."""


class Followed(mode.Service):
    """Keeps each topic's book up to date.  Started once all of them are read to their end."""

    abstract = False

    def __init__(
        self,
        settings: Settings,
        books: Mapping[str, Book],
        *,
        partitions: Mapping[str, int],
        publisher: Publisher,
        health: Health,
    ) -> None:
        """`books` and `partitions` are by topic."""
        self._settings, self._books, self._partitions = settings, books, partitions
        self._publisher, self._health = publisher, health
        self._consumer: Any = None
        self._read: dict[TopicPartition, int] = {}
        self._went_on = asyncio.Condition()
        super().__init__()

    async def on_start(self) -> None:
        """Return once everything that was said by now is read."""
        while not self.should_stop:
            try:
                ends = await self._begin()
                for tp, end in ends.items():
                    while await self._consumer.position(tp) < end:
                        await self._take()
                break
            except ConsumerStoppedError:
                return  # `on_stop` has closed it meanwhile.
            except KafkaError as error:
                self._health.trouble(_PART, f"limits cannot be read ({type(error).__name__})")
                await self._close()
                await asyncio.sleep(_PAUSE)
        self._health.clear(_PART)

    async def on_stop(self) -> None:
        """Close the connections."""
        await self._close()

    @mode.Service.task
    async def _follow(self) -> None:
        while not self.should_stop:
            try:
                await self._take(_LONG_MS)
                self._health.clear(_PART)
            except ConsumerStoppedError:
                return  # Likewise.
            except KafkaError as error:
                self._health.warn(_PART, f"limits cannot be read ({type(error).__name__})")
                await asyncio.sleep(_PAUSE)

    async def write(self, topic: str, key: bytes, value: bytes | None) -> None:
        """Write a record; returns once Kafka has it, and this worker has read it."""
        count = self._partitions[topic]
        partition = partition_of(key, count)
        offset = await self._publisher.publish_to(topic, partition, [Record(key, value)])
        tp = TopicPartition(topic, partition)
        try:
            async with asyncio.timeout(_SEEN_WITHIN), self._went_on:
                await self._went_on.wait_for(lambda: self._read[tp] > offset)
        except TimeoutError:
            log.warning("%s is not read; what was written is in Kafka", topic)

    async def forget(self, topic: str, keys: Sequence[bytes]) -> None:
        """Take records away; returns once Kafka has it."""
        records = [Record(key, None) for key in keys]
        await self._publisher.publish(topic, records, partitions=self._partitions[topic])

    async def _begin(self) -> dict[TopicPartition, int]:
        """Connect; where the topics end by now."""
        self._consumer = security.reader(self._settings)
        await self._consumer.start()
        self._read = {
            TopicPartition(topic, number): 0
            for topic in self._books
            for number in range(self._partitions[topic])
        }
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(list(self._read))
        self._consumer.assign(list(self._read))
        return ends

    async def _take(self, within_ms: int = 200) -> None:
        fetched = await self._consumer.getmany(timeout_ms=within_ms)
        for tp, records in fetched.items():
            book = self._books[tp.topic]
            for record in records:
                try:
                    book.apply(record.key or b"", record.value)
                except ValueError as error:
                    place = f"{tp.topic} {tp.partition} @ {record.offset}"
                    log.error("%s cannot be read, and is passed over: %s", place, error)
            self._read[tp] = records[-1].offset + 1
        if fetched:
            async with self._went_on:
                self._went_on.notify_all()

    async def _close(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()
