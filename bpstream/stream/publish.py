"""Publishing: records of one partition in one record batch, acknowledged before it returns.

Faust's `send` costs about seven times as much per record and acknowledges later.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
from aiokafka.partitioner import murmur2
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    wait_random_exponential,
)

from bpstream.errors import StartError
from bpstream.stream.health import Health
from bpstream.stream.metrics import Metrics

log = logging.getLogger(__name__)

_FINAL = (MessageSizeTooLargeError, RecordListTooLargeError, TopicAuthorizationFailedError)


class Record(NamedTuple):
    """What is published: key, value, headers, and a time (ms since 1970) or now."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int | None = None


class TooLarge(Exception):
    """A record, alone, is larger than its topic takes."""


@lru_cache(maxsize=200_000)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition Kafka's default partitioner gives `key`."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


class Publisher:
    """Publishes until Kafka has it.  While Kafka is away it waits, and `health` says so."""

    def __init__(self, producer: Any, health: Health, metrics: Metrics | None = None) -> None:
        """`producer` gives aiokafka's producer when called."""
        self._producer = producer
        self._health, self._metrics = health, metrics or Metrics()

    async def publish(self, topic: str, records: Sequence[Record], *, partitions: int) -> None:
        """Publish `records`, each in the partition of its key (one without goes to 0)."""
        by_partition: defaultdict[int, list[Record]] = defaultdict(list)
        for record in records:
            home = 0 if record.key is None else partition_of(record.key, partitions)
            by_partition[home].append(record)
        await asyncio.gather(
            *(self.publish_to(topic, each, of) for each, of in by_partition.items())
        )

    async def publish_to(self, topic: str, partition: int, records: Sequence[Record]) -> int:
        """Publish `records` in order in one partition; returns the last one's offset.

        As many as fit stand in one record batch, which Kafka appends as a whole.  Raises
        :class:`TooLarge` for a record that the topic will not take.
        """
        start, offset = 0, -1
        while start < len(records):
            batch, end = self._filled(records, start)
            offset = await self._send(batch, records[start:end], topic, partition)
            start = end
        return offset

    def _filled(self, records: Sequence[Record], start: int) -> tuple[Any, int]:
        """A batch of the records from `start` on, and the position of the first left out."""
        batch = self._producer().create_batch()
        append = batch.append
        for position in range(start, len(records)):
            key, value, headers, timestamp = records[position]
            added = append(timestamp=timestamp, key=key, value=value, headers=list(headers))
            if added is None:
                return batch, position
        return batch, len(records)

    async def _send(self, batch: Any, records: Sequence[Record], topic: str, partition: int) -> int:
        async for attempt in AsyncRetrying(
            wait=wait_random_exponential(multiplier=0.2, max=10.0),
            retry=retry_if_exception(_may_pass),
            before_sleep=lambda state: self._failed(topic, state),
            reraise=True,
        ):
            with attempt:
                if attempt.retry_state.attempt_number > 1:
                    batch, _ = self._filled(records, 0)
                return await self._send_once(batch, len(records), topic, partition)
        raise AssertionError("a retry without a stop ends by returning or raising")

    async def _send_once(self, batch: Any, count: int, topic: str, partition: int) -> int:
        asked = time.monotonic()
        try:
            # Shielded: a batch handed over is sent, whoever stops waiting for it.
            sent = await self._producer().send_batch(batch, topic, partition=partition)
            metadata = await asyncio.shield(sent)
        except (MessageSizeTooLargeError, RecordListTooLargeError):
            raise TooLarge(topic) from None
        except TopicAuthorizationFailedError:
            raise StartError(f"Kafka does not let this user write to the topic {topic}") from None
        self._health.clear("kafka")
        self._metrics.sink_seconds.labels("kafka").observe(time.monotonic() - asked)
        return int(metadata.offset) + count - 1

    def _failed(self, topic: str, state: RetryCallState) -> None:
        self._health.trouble("kafka", f"Kafka does not take records for {topic} ({_said(state)})")
        self._metrics.retries.labels("kafka").inc()


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, KafkaError) and not isinstance(error, _FINAL)


def _said(state: RetryCallState) -> str:
    error = state.outcome.exception() if state.outcome else None
    return type(error).__name__
