"""Messages that Kafka lost before they were applied: counted, and said, never silent.

Retention removes what a worker that was away for long has not read, and the embedded broker
keeps little.  A hole in the offsets alone is no loss: transactions and compaction leave
holes.  What lies before the partition's first offset is gone.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence

from bpstream.checkpoint import WHOLE_MESSAGE, Applied
from bpstream.stream.metrics import Metrics
from bpstream.stream.tables import OwnedPartition

log = logging.getLogger(__name__)

Bounds = Callable[[str, int], Awaitable[tuple[int, int]]]
"""The first offset that a partition of a topic has, and the one behind its last."""


class Losses:
    """Looks, where offsets do not go on, whether messages are gone."""

    def __init__(self, bounds: Bounds, metrics: Metrics, *, topics: Sequence[str]) -> None:
        """`topics` are the input topic, and then the re-keyed one."""
        self._bounds, self._metrics, self._topics = bounds, metrics, topics

    async def look(self, partition: OwnedPartition, topic: str, offset: int) -> None:
        """A chunk of `topic` that begins at `offset` was delivered."""
        applied = partition.checkpoint.applied.get(topic)
        if applied is not None and offset > _expected(applied):
            first, _ = await self._bounds(topic, partition.number)
            self._count(partition, topic, applied, min(first, offset))

    async def look_back(self, partition: OwnedPartition) -> None:
        """The partition is taken over: what is gone, or given out again, since it was left?"""
        applied = partition.checkpoint.applied
        for topic in self._topics:
            first, end = await self._bounds(topic, partition.number)
            known = applied.get(topic)
            if known is None:
                # What was gone before we came is not lost to us.
                applied[topic] = Applied(first - 1)
            elif end <= known.offset:
                self._say_that_it_ends(topic, partition.number, end, known.offset)
                applied[topic] = Applied(end - 1)
            elif first > _expected(known):
                self._count(partition, topic, known, first)
                applied[topic] = Applied(first - 1)
        for source, known in list(partition.checkpoint.rekeyed.items()):
            _, end = await self._bounds(self._topics[0], source)
            if end <= known.offset:
                partition.checkpoint.rekeyed[source] = Applied(end - 1)

    def _count(self, partition: OwnedPartition, topic: str, applied: Applied, first: int) -> None:
        expected = _expected(applied)
        if first <= expected:
            return
        self._metrics.lost.labels(topic, partition.number).inc(first - expected)
        log.error(
            "%d messages of %s %d are lost: Kafka no longer has offsets %d to %d, which were "
            "never applied; a longer retention would have kept them",
            first - expected,
            topic,
            partition.number,
            expected,
            first - 1,
        )

    @staticmethod
    def _say_that_it_ends(topic: str, partition: int, end: int, applied: int) -> None:
        log.error(
            "%s %d ends at offset %d, and offsets up to %d were applied: the broker has lost "
            "what it had; what comes in their place is taken as new",
            topic,
            partition,
            end,
            applied,
        )


def _expected(applied: Applied) -> int:
    """The offset that comes next; of a message that was applied in part, its own."""
    return applied.offset + (applied.entry == WHOLE_MESSAGE)
