"""The classifier agent: one fetched chunk of one partition at a time, from bytes to effects.

    judge:  read → dead letters, the way home → state → alerts
    store:  archive → index → table → acknowledge → commit (`storing`)

Judging may run ahead of storing by some bytes: alarms do not wait for a sink that is away.
The order makes a crash harmless: what is not in the table yet is done again, and doing it
again leaves one copy.  An error nobody expected ends the worker, because Faust would
acknowledge what an exception passes over.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from msgspec.structs import replace

from bpstream.batch import Batch, Step, Wanted
from bpstream.checkpoint import Checkpoint
from bpstream.chunk import Chunk
from bpstream.fitting import fit, names_of
from bpstream.messages import size
from bpstream.pipeline import Pipeline
from bpstream.release import Release
from bpstream.silence import Silence
from bpstream.stream.alerts import Alerts
from bpstream.stream.counts import UNKNOWN_RETRACTION
from bpstream.stream.dead_letters import TOO_LARGE, DeadLetter, DeadLetters
from bpstream.stream.intake import Intake
from bpstream.stream.lanes import Keep, Lanes
from bpstream.stream.losses import Losses
from bpstream.stream.metrics import Metrics
from bpstream.stream.publish import Publisher, TooLarge
from bpstream.stream.rekey import chunk_of, going_home, homeward, rekeyed_chunk_of
from bpstream.stream.stages import Stages
from bpstream.stream.stores import PartitionLost, Stores
from bpstream.stream.storing import Done, Judged, Storing
from bpstream.stream.tables import OwnedPartition, PatientTable
from bpstream.stream.topics import Topics
from bpstream.stream.traces import Traces

log = logging.getLogger(__name__)

AHEAD = 24 * 1024 * 1024
"""Bytes of documents, rows and messages that may be judged ahead of what is stored; they take
about four times as much memory."""

AT_ONCE = 2 * 1024 * 1024
"""Bytes of them that are stored at once where so many wait: about a bulk request of documents.
Their room is free when all of them are stored."""

_MESSAGE_OVERHEAD = 200


class _Ownership(NamedTuple):
    """In a lane: a partition is this worker's since the generation began."""

    partition: int
    generation_id: int


class _Look(NamedTuple):
    """In a lane: all that arrived before `now` (µs since 1970 UTC) is before this."""

    partition: int
    generation_id: int
    now: int


class Classifier:
    """What happens to a chunk.  `lanes` runs `judge` and `store` for each partition."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        silence: Silence,
        release: Release,
        table: PatientTable,
        stores: Stores,
        publisher: Publisher,
        dead_letters: DeadLetters,
        alerts: Alerts,
        intake: Intake,
        losses: Losses,
        topics: Topics,
        rekeyed_topic: str,
        enriched_topic: str,
        metrics: Metrics,
        generation: Callable[[], int],
        on_error: Callable[[BaseException], Awaitable[None]],
        traces: Traces | None = None,
    ) -> None:
        """`generation` tells the consumer group's current one."""
        self._pipeline, self._silence, self._release = pipeline, silence, release
        self._table, self._stores = table, stores
        self._publisher, self._dead_letters, self._metrics = publisher, dead_letters, metrics
        self._alerts, self._losses = alerts, losses
        self._topics, self._rekeyed_topic = topics, rekeyed_topic
        self._generation = generation
        storing = Storing(
            table=table,
            stores=stores,
            publisher=publisher,
            dead_letters=dead_letters,
            intake=intake,
            enriched_topic=enriched_topic,
            partitions=topics.partitions,
            step_bytes=pipeline.step_bytes,
            metrics=metrics,
            traces=traces,
            hold=self._hold,
        )
        self.lanes: Lanes[Judged | Done] = Lanes(
            self.judge, storing.store, room=AHEAD, at_once=AT_ONCE, on_error=on_error
        )

    async def take_over(self, partitions: Iterable[int]) -> None:
        """Begin to own these partitions now, and not when their next message comes."""
        generation = self._generation()
        for number in partitions:
            await self.lanes.put(number, _Ownership(number, generation))

    def look(self, partition: int, *, now: int) -> None:
        """Look for patients who are silent `now` (µs since 1970 UTC), if nothing waits.

        What arrived before must have been judged.
        """
        self.lanes.offer(partition, _Look(partition, self._generation(), now))

    async def run(self, chunks: Any) -> None:
        """The agent: hand every chunk to its partition's lane."""
        async for event in chunks.noack().events():
            await self.lanes.put(event.message.partition, event)

    async def judge(self, event: Any, keep: Keep[Judged | Done]) -> None:
        """Everything that does not wait for a store: the state, and the alerts."""
        stages = Stages()
        message = event if isinstance(event, _Ownership | _Look) else event.message
        if message.generation_id != self._generation():
            return  # Fetched before the partitions moved: it is delivered again.
        partition = self._table.store.partition(message.partition)
        if not (partition.taken_over or await self._take_over(partition, message.generation_id)):
            return
        if isinstance(message, _Look):
            for look in (self._silence, self._release):
                for found in look.steps(partition, now=message.now):
                    await self._alerts.publish(found.alerts)
                    await keep(Judged(partition, None, found), found.size)
        if isinstance(message, _Look | _Ownership):
            return
        _hold_together(partition, message)
        chunk = self._chunk_of(message)
        await self._losses.look(partition, chunk.topic, message.value[0].offset)
        # The chunk holds what is needed of the records, of which there are a great many.
        event.value = message.value = None
        batch = self._pipeline.read(chunk, partition)
        await self._send_away(batch)
        stages.is_read()
        for step in self._pipeline.steps(batch, partition, now=time.time_ns() // 1000):
            if isinstance(step, Wanted):
                if not await self._look_up(partition, step.document_ids):
                    return
                continue
            await self._alerts.publish(step.alerts)
            await self._say_unknown(batch, step)
            await keep(Judged(partition, batch, step, stages), step.size)
        stages.is_judged()
        await keep(Done(partition, batch, event, stages), _held(chunk))

    async def _hold(self) -> None:
        await self.lanes.hold()

    async def _look_up(self, partition: OwnedPartition, document_ids: list[str]) -> bool:
        """Ask the stores what they hold, and write the answer down; false: the partition is lost.

        What is on its way to them is let through first.
        """
        await self.lanes.stored(partition.number)
        try:
            found = await self._stores.look_up(partition, document_ids)
        except PartitionLost:
            return False
        await self.lanes.hold()
        if partition.lost:
            return False
        looked_up = partition.checkpoint.looked_up
        looked_up |= found
        await self._table.write(partition, replace(partition.written, looked_up={**looked_up}))
        return True

    async def _say_unknown(self, batch: Batch, step: Step) -> None:
        letters = [
            DeadLetter(each.origin, UNKNOWN_RETRACTION, "Observation.id", each.document_id)
            for each in step.unknown
        ]
        await self._dead_letters.publish(batch.chunk, letters)

    async def _take_over(self, partition: OwnedPartition, generation: int) -> bool:
        """Begin an ownership; false where the partition is another worker's by now."""
        if not await self._table.claim(partition, generation=generation):
            log.info("partition %d is another worker's", partition.number)
            return False
        found, lineage = partition.checkpoint, self._topics.lineage
        if found.lineage not in ("", lineage):
            log.warning(
                "the input topics were made anew: the offsets of partition %d begin again",
                partition.number,
            )
            found = Checkpoint(paused=found.paused, since=found.since, rules=found.rules)
        elif not found.lineage:
            found.since = time.time_ns() // 1000
        found.lineage, found.epoch, found.step = lineage, partition.claim.epoch, 0
        partition.checkpoint = found
        partition.archived, partition.paused = found.archived, found.paused
        await self._losses.look_back(partition)
        partition.written = found.copy()
        try:
            await self._stores.take_over(partition)
        except PartitionLost:
            return False
        found.paused = partition.paused
        await self._fit(partition)
        await self._table.rewrite(partition)
        partition.taken_over = True
        return True

    async def _fit(self, partition: OwnedPartition) -> None:
        """Fit the rows to the rules of this worker, before they are judged by them."""
        rules, checkpoint = self._pipeline.alarms.rules, partition.checkpoint
        now = time.time_ns() // 1000
        alerts, changed = fit(partition.patients, rules, checkpoint.rules, now=now)
        await self._alerts.publish(alerts)
        # The names of removed rules stay until no row holds an alert of theirs.
        await self._table.write_again(partition, changed)
        checkpoint.rules = names_of(rules)

    def _chunk_of(self, message: Any) -> Chunk:
        if message.topic == self._rekeyed_topic:
            return rekeyed_chunk_of(message.value, topic=self._pipeline.topic)
        return chunk_of(message.value)

    async def _send_away(self, batch: Batch) -> None:
        """What is not for this partition's state: readings to their home, and dead letters."""
        too_large = await self._send_home(batch)
        rejected = [DeadLetter(*each) for each in batch.rejected]
        await self._dead_letters.publish(batch.chunk, [*too_large, *rejected])
        self._metrics.inputs.labels("dead_letter", TOO_LARGE).inc(len(too_large))

    async def _send_home(self, batch: Batch) -> list[DeadLetter]:
        """Send what is not at home there; what is too large for the way is a dead letter."""
        topic, partitions = self._rekeyed_topic, self._topics.partitions
        records, letters = homeward(batch), []
        try:
            await self._publisher.publish(topic, records, partitions=partitions)
        except TooLarge:
            for record, (origin, _) in zip(records, going_home(batch), strict=True):
                try:
                    await self._publisher.publish(topic, [record], partitions=partitions)
                except TooLarge:
                    found = f"{len(record.value or b'')} bytes"
                    letters.append(DeadLetter(origin, TOO_LARGE, "", found))
        return letters


def _held(chunk: Chunk) -> int:
    """Bytes of a chunk's messages, which are held until its last step is stored."""
    return size(chunk.values) + _MESSAGE_OVERHEAD * len(chunk)


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
