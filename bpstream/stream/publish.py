"""Publishing: records of one partition in one record batch, acknowledged before it returns.

Faust's `send` costs about seven times as much per record and acknowledges later.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from random import uniform
from typing import Any

from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from bpstream.errors import StartError
from bpstream.stream.health import Health
from bpstream.stream.metrics import Metrics
from bpstream.stream.packing import Columns, Record, packed
from bpstream.stream.partitioner import partitions_of
from bpstream.stream.requests import join_requests

log = logging.getLogger(__name__)

_FINAL = (MessageSizeTooLargeError, RecordListTooLargeError, TopicAuthorizationFailedError)


BATCH_BYTES = 1_000_000
"""Of a record batch: what a broker takes as it comes."""
_LARGE_AT_ONCE = 8
"""Record batches that may be large, under way: aiokafka sends in one request what waits for a
broker, and that takes 100 MB (socket.request.max.bytes) and closes the connection at more."""

_FIRST_WAIT, _LONGEST_WAIT = 0.2, 10.0
"""Seconds: at most so long before a record batch is sent again; twice as long each time."""


class TooLarge(Exception):
    """A record, alone, is larger than its topic takes."""


class Publisher:
    """Publishes until Kafka has it.  While Kafka is away it waits, and `health` says so."""

    def __init__(self, producer: Any, health: Health, metrics: Metrics | None = None) -> None:
        """`producer` gives aiokafka's producer when called."""
        join_requests()
        self._producer = producer
        self._health, self._metrics = health, metrics or Metrics()
        self.whole = dict[str, int]()
        """By topic, bytes of the one record batch that the records of a call have to fit into:
        Kafka appends it as a whole.  Of other topics they may stand in several."""
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)

    async def publish(self, topic: str, records: Sequence[Record], *, partitions: int) -> None:
        """Publish `records`, each in the partition of its key (one without goes to 0)."""
        homes = _homes(records, partitions)
        if len(set(homes)) == 1:  # of one partition's patients, as a rule
            await self.publish_to(topic, homes[0], records)
            return
        by_partition: defaultdict[int, list[Record]] = defaultdict(list)
        for home, record in zip(homes, records, strict=True):
            by_partition[home].append(record)
        await asyncio.gather(
            *(self.publish_to(topic, each, of) for each, of in by_partition.items())
        )

    async def publish_to(self, topic: str, partition: int, records: Sequence[Record]) -> int:
        """Publish `records` in order in one partition; returns the last one's offset.

        As many as fit stand in one record batch.  Raises :class:`TooLarge` for a record that the
        topic will not take, and RuntimeError where they have to be `whole` and are too many.
        """
        start, offset = 0, -1
        while start < len(records):
            batch, end = self._packed(records, start, topic)
            if end < len(records) and topic in self.whole:
                raise RuntimeError(
                    f"{len(records)} records for {topic} do not fit into one record batch of "
                    f"{self.whole[topic]:,} bytes"
                )
            async with self._large if topic in self.whole else nullcontext():
                offset = await self._send(batch, records[start:end], topic, partition)
            start = end
        return offset

    def _packed(self, records: Sequence[Record], start: int, topic: str) -> tuple[Any, int]:
        """A batch of the records from `start` on, and the position of the first left out."""
        return packed(records, start, room=self.whole.get(topic, BATCH_BYTES))

    async def _send(self, batch: Any, records: Sequence[Record], topic: str, partition: int) -> int:
        longest = _FIRST_WAIT
        while True:
            try:
                return await self._send_once(batch, len(records), topic, partition)
            except KafkaError as error:
                if isinstance(error, _FINAL):
                    raise
                self._failed(topic, error)
            await asyncio.sleep(uniform(0.0, longest))  # noqa: S311 - spreads retries
            longest = min(2 * longest, _LONGEST_WAIT)
            batch, _ = self._packed(records, 0, topic)

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

    def _failed(self, topic: str, error: KafkaError) -> None:
        why = type(error).__name__
        self._health.trouble("kafka", f"Kafka does not take records for {topic} ({why})")
        self._metrics.retries.labels("kafka").inc()


def _homes(records: Sequence[Record], partitions: int) -> list[int]:
    """The partition of each, of so many; 0 of one without a key."""
    if isinstance(records, Columns) and records.first is None:
        return partitions_of(records.keys, partitions)
    homes = partitions_of([each.key or b"" for each in records], partitions)
    return [0 if record.key is None else at for record, at in zip(records, homes, strict=True)]
