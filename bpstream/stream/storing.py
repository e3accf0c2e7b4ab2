"""Storing: what was judged goes to the stores, and its chunks are acknowledged.

    archive → index → enriched topic → table → acknowledge → commit

What waits in a lane is stored as one: at a steady rate a chunk holds few readings, and most of
what its bulk request, its sync and its record batch cost they cost whatever they hold.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from bpstream.batch import Batch, Step
from bpstream.document import Refused, tombstone
from bpstream.merging import merged, runs
from bpstream.stream.counts import count_chunk, count_step
from bpstream.stream.dead_letters import REFUSED, DeadLetter, DeadLetters
from bpstream.stream.intake import Intake
from bpstream.stream.metrics import Metrics
from bpstream.stream.packing import Record
from bpstream.stream.publish import Publisher
from bpstream.stream.stages import Stages
from bpstream.stream.stores import PartitionLost, Stores
from bpstream.stream.tables import OwnedPartition, PatientTable
from bpstream.stream.traces import Traces


class Judged(NamedTuple):
    """A step on its way to the stores."""

    partition: OwnedPartition
    batch: Batch | None
    """None where it is no chunk's."""
    step: Step
    stages: Stages | None = None


class Done(NamedTuple):
    """The end of a chunk: everything before it is stored."""

    partition: OwnedPartition
    batch: Batch
    event: Any
    stages: Stages
    step: None = None


class Storing:
    """The end of a lane at which things are stored."""

    def __init__(
        self,
        *,
        table: PatientTable,
        stores: Stores,
        publisher: Publisher,
        dead_letters: DeadLetters,
        intake: Intake,
        enriched_topic: str,
        partitions: int,
        step_bytes: int,
        metrics: Metrics,
        traces: Traces | None,
        hold: Callable[[], Awaitable[None]],
    ) -> None:
        """`step_bytes` of changelog is what is stored at once, at most.

        `hold` waits until it is known whose a partition is, while partitions move.
        """
        self._table, self._stores, self._publisher = table, stores, publisher
        self._dead_letters, self._intake = dead_letters, intake
        self._enriched_topic, self._partitions = enriched_topic, partitions
        self._step_bytes = step_bytes
        self._metrics, self._traces, self._hold = metrics, traces, hold

    async def store(self, items: Sequence[Judged | Done]) -> None:
        """Store the steps; a chunk is acknowledged when the last effect of it is stored."""
        # A partition that went away and came back is another one, in the same lane.
        for _, ours in groupby(items, key=lambda item: id(item.partition)):
            for run in runs(ours, self._step_bytes):
                await self._store(run)

    async def _store(self, run: Sequence[Judged | Done]) -> None:
        partition = run[0].partition
        judged = [item for item in run if isinstance(item, Judged)]
        try:
            refused = await self._write(partition, judged)
        except PartitionLost:
            return  # Its new owner has the chunks delivered again.
        for item, count in zip(judged, refused, strict=True):
            count_step(self._metrics, item.step, count)
        await self._acknowledge(partition, [item for item in run if isinstance(item, Done)])

    async def _write(self, partition: OwnedPartition, judged: Sequence[Judged]) -> list[int]:
        """Store the steps of a run; returns how many documents of each the index refused."""
        if partition.lost:
            raise PartitionLost
        if not judged:
            return []
        for item in judged:
            if item.stages is not None:
                item.stages.is_storing()
        step = merged([item.step for item in judged])
        await self._stores.keep(partition, step.to_archive, step.from_archive)
        found = await self._stores.find_by(partition, step.to_index)
        refused = await self._say_refused(judged, found)
        await self._stores.remove(partition, step.from_index)
        if self._enriched_topic and (records := _enriched(step)):
            await self._publisher.publish(
                self._enriched_topic, records, partitions=self._partitions
            )
        await self._hold()
        if partition.lost:
            raise PartitionLost
        await self._intake.resumed(partition)
        checkpoint = step.checkpoint
        checkpoint.archived, checkpoint.paused = partition.archived, partition.paused
        await self._table.write(partition, checkpoint, step.rows)
        return refused

    async def _say_refused(self, judged: Sequence[Judged], refused: Sequence[Refused]) -> list[int]:
        """A document the index will never take is a dead letter; returns how many of each step."""
        counts, start = list[int](), 0
        for _, batch, step, _ in judged:
            end = start + len(step.to_index)
            ours = {at - start: reason for at, reason in refused if start <= at < end}
            if ours and batch is not None:
                await self._dead_letters.publish(batch.chunk, _letters(step, ours))
            counts.append(len(ours))
            start = end
        return counts

    async def _acknowledge(self, partition: OwnedPartition, done: Sequence[Done]) -> None:
        if partition.lost or not done:
            return
        for item in done:
            item.event.ack()
            item.stages.is_stored()
            count_chunk(self._metrics, item.batch, item.stages)
            if self._traces is not None:
                self._traces.chunk(item.batch, item.stages, partition=partition.number)
        await self._stores.seal(partition)


def _letters(step: Step, refused: Mapping[int, str]) -> list[DeadLetter]:
    """The dead letters of documents that were refused; `refused` has why, by position in
    `to_index`.
    """
    places = step.to_index.places
    return [
        DeadLetter(step.origins[places[at]], REFUSED, "", reason) for at, reason in refused.items()
    ]


def _enriched(step: Step) -> list[Record]:
    """The step's documents, and a tombstone for what was taken back."""
    now = time.time_ns() // 1000
    return [
        *(Record(entry.patient_id.encode(), entry.body) for entry in step.entries),
        *(Record(each.patient_id.encode(), tombstone(each, now)) for each in step.retracted),
    ]
