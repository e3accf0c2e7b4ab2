"""The classifier agent: one fetched chunk of one partition at a time, from bytes to effects.

    read → dead letters, the way home → archive → index → table → acknowledge → commit

The order makes a crash harmless: what is not in the table yet is done again, and doing it
again leaves one copy.  An error nobody expected ends the worker, because Faust would
acknowledge what an exception passes over.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from bpstream.checkpoint import Checkpoint
from bpstream.document import Entry
from bpstream.pipeline import Batch, Pipeline, Step
from bpstream.reading import Kind
from bpstream.stream.dead_letters import DeadLetter, DeadLetters
from bpstream.stream.lanes import Lanes
from bpstream.stream.metrics import Metrics
from bpstream.stream.publish import Publisher, Record, TooLarge
from bpstream.stream.rekey import chunk_of, homeward, rekeyed_chunk_of
from bpstream.stream.stores import PartitionLost, Stores
from bpstream.stream.tables import OwnedPartition, PatientTable
from bpstream.stream.topics import Topics

log = logging.getLogger(__name__)

RETRACTION = "retraction"
"""Reason of a dead letter: a reading was entered in error, or deleted."""

TOO_LARGE = "too_large_to_rekey"
"""Reason of a dead letter: with its headers the message is larger than the topic takes."""


class Classifier:
    """What happens to a chunk.  `lanes` runs `process` on the chunks of each partition."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        table: PatientTable,
        stores: Stores,
        publisher: Publisher,
        dead_letters: DeadLetters,
        topics: Topics,
        rekeyed_topic: str,
        enriched_topic: str,
        metrics: Metrics,
        generation: Callable[[], int],
        on_error: Callable[[BaseException], Awaitable[None]],
    ) -> None:
        """`generation` tells the consumer group's current one."""
        self._pipeline, self._table, self._stores = pipeline, table, stores
        self._publisher, self._dead_letters, self._metrics = publisher, dead_letters, metrics
        self._topics, self._rekeyed_topic = topics, rekeyed_topic
        self._enriched_topic = enriched_topic
        self._generation = generation
        self.lanes = Lanes(self.process, on_error=on_error)

    async def run(self, chunks: Any) -> None:
        """The agent: hand every chunk to its partition's lane."""
        async for event in chunks.noack().events():
            await self.lanes.put(event.message.partition, event)

    async def process(self, event: Any) -> None:
        """All effects of a chunk; it is acknowledged when the last one is stored."""
        message = event.message
        if message.generation_id != self._generation():
            return  # Fetched before the partitions moved: it is delivered again.
        began = time.monotonic()
        partition = self._table.store.partition(message.partition)
        _hold_together(partition, message)
        try:
            if not partition.taken_over:
                await self._take_over(partition)
            if message.topic == self._rekeyed_topic:
                chunk = rekeyed_chunk_of(message.value, topic=self._pipeline.topic)
            else:
                chunk = chunk_of(message.value)
            batch = self._pipeline.read(chunk, partition)
            await self._send_away(batch)
            for step in self._pipeline.steps(batch, partition, now=time.time_ns() // 1000):
                await self._store(partition, batch, step)
                self._count_step(step)
        except PartitionLost:
            log.info("partition %d moved away in the middle of a chunk", partition.number)
            return
        event.ack()
        self._count(batch, began)
        await self._stores.seal(partition)

    async def _take_over(self, partition: OwnedPartition) -> None:
        """Begin an ownership: an epoch of its own, and the archive cut to what was committed."""
        checkpoint, lineage = partition.checkpoint, self._topics.lineage
        if checkpoint.lineage not in ("", lineage):
            log.warning(
                "the input topics were made anew: the offsets of partition %d begin again",
                partition.number,
            )
            checkpoint = Checkpoint(epoch=checkpoint.epoch)
        checkpoint.lineage = lineage
        checkpoint.epoch += 1
        partition.checkpoint = checkpoint
        await self._stores.take_over(partition)
        # From here on a former owner's records do not count.
        await self._table.write(partition, np.zeros(0, np.intp))
        partition.taken_over = True

    async def _send_away(self, batch: Batch) -> None:
        """What is not for this partition's state: readings to their home, and dead letters."""
        letters = await self._send_home(batch)
        letters += [DeadLetter(*rejected) for rejected in batch.rejected]
        letters += [
            DeadLetter(retraction.origin, RETRACTION, "Observation.status", retraction.document_id)
            for retraction in batch.retractions
        ]
        await self._dead_letters.publish(batch.chunk, letters)

    async def _send_home(self, batch: Batch) -> list[DeadLetter]:
        """Send what is not at home there; what is too large for the way is a dead letter."""
        topic, partitions = self._rekeyed_topic, self._topics.partitions
        records, letters = homeward(batch), []
        try:
            await self._publisher.publish(topic, records, partitions=partitions)
        except TooLarge:
            for record, origin in zip(records, batch.away.origin, strict=True):
                try:
                    await self._publisher.publish(topic, [record], partitions=partitions)
                except TooLarge:
                    found = f"{len(record.value or b'')} bytes"
                    letters.append(DeadLetter(origin, TOO_LARGE, origin.path, found))
        self._metrics.inputs.labels("dead_letter", TOO_LARGE).inc(len(letters))
        return letters

    async def _store(self, partition: OwnedPartition, batch: Batch, step: Step) -> None:
        await self._stores.keep(partition, step.to_archive)
        await self._find_by(partition, batch, step)
        if self._enriched_topic and step.entries:
            await self._publisher.publish(
                self._enriched_topic,
                [Record(entry.patient_id.encode(), entry.body) for entry in step.entries],
                partitions=self._topics.partitions,
            )
        await self.lanes.hold()
        if partition.lost:
            raise PartitionLost
        await self._table.write(partition, step.changed)

    async def _find_by(self, partition: OwnedPartition, batch: Batch, step: Step) -> None:
        """Index the step's anomalies; a document the index will never take is a dead letter."""
        refused = await self._stores.find_by(partition, step.to_index)
        if not refused:
            return
        place = {id(entry): at for entry, at in zip(step.entries, step.origins, strict=True)}
        letters = []
        for position, reason in refused:
            entry: Entry = step.to_index[position]
            origin = place[id(entry)]
            path = origin.path or (batch.chunk.paths or [""] * len(batch.chunk))[origin.message]
            letters.append(DeadLetter(origin, "refused_by_index", path, reason))
        await self._dead_letters.publish(batch.chunk, letters)
        self._metrics.inputs.labels("dead_letter", "refused_by_index").inc(len(letters))

    def _count_step(self, step: Step) -> None:
        inputs = self._metrics.inputs
        inputs.labels("repeated", "").inc(step.repeated)
        self._metrics.anomalies.inc(step.anomalies)

    def _count(self, batch: Batch, began: float) -> None:
        inputs = self._metrics.inputs
        spot = int(np.count_nonzero(batch.at_home.kind == Kind.READING))
        inputs.labels("reading", "").inc(spot)
        inputs.labels("aggregate", "").inc(len(batch.at_home) - spot)
        inputs.labels("rekeyed", "").inc(len(batch.away))
        inputs.labels("skipped", "").inc(batch.skipped)
        for rejected in batch.rejected:
            inputs.labels("dead_letter", rejected.reason).inc()
        for ignored in batch.ignored:
            inputs.labels("ignored", ignored.reason).inc()
        inputs.labels("dead_letter", RETRACTION).inc(len(batch.retractions))
        self._metrics.chunks.inc()
        self._metrics.chunk_seconds.observe(time.monotonic() - began)
        if len(batch.chunk):
            oldest = float(batch.chunk.arrived_at.min()) / 1e6
            self._metrics.latency_seconds.observe(max(0.0, time.time() - oldest))


def _hold_together(partition: OwnedPartition, message: Any) -> None:
    """Raise RuntimeError where chunks between this one and the last were never delivered.

    Going on would count them as applied: ending the worker loses nothing.
    """
    done = partition.delivered.get(message.topic)
    if message.follows is not None and done is not None and message.follows > done:
        raise RuntimeError(
            f"{message.topic} {message.partition}: chunks from offset {done} to "
            f"{message.follows} were not delivered"
        )
    partition.delivered[message.topic] = message.offset + 1
