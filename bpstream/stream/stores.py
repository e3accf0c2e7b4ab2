"""The sinks as the stream uses them: tried again until they hold what they were given.

While a sink is away its partition waits, so intake pauses with bounded memory; `health`
says why, and the loop ends when the partition moves to another worker.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from bpstream.checkpoint import Archived
from bpstream.document import Entry, Refused
from bpstream.errors import SinkError
from bpstream.stream.health import Health
from bpstream.stream.metrics import Metrics
from bpstream.stream.tables import OwnedPartition

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0

Result = TypeVar("Result")


class PartitionLost(Exception):
    """The partition went to another worker while this one was storing a chunk of it."""


class Archive(Protocol):
    """Where normal readings are kept, one entry each."""

    async def check(self) -> None:
        """Raise StartError where the archive cannot be written."""

    async def take_over(self, partition: int, epoch: int, archived: Archived | None) -> None:
        """The partition is ours: what is behind `archived` was never committed."""

    async def write(self, partition: int, entries: Sequence[Entry]) -> Archived | None:
        """Return once the entries are on disk; where the archive's end is then."""

    async def rotate(self, partition: int, committed: Archived | None) -> None:
        """Seal what is large or old enough, up to `committed`."""

    async def release(self, partition: int) -> None:
        """The partition is another worker's."""

    async def close(self) -> None:
        """The worker ends."""


class Index(AbstractAsyncContextManager["Index"], Protocol):
    """Where anomalies are searched.  Leaving it closes its connection."""

    async def check(self) -> None:
        """Raise StartError where the index refuses us, SinkError where it is away."""

    async def prepare(self) -> None:
        """Install what the index needs before the first document."""

    async def write(self, entries: Sequence[Entry]) -> list[Refused]:
        """Return once the index holds the entries, but for those it will never take."""


class Stores:
    """The archive and the index of one worker."""

    def __init__(self, archive: Archive, index: Index, *, health: Health, metrics: Metrics) -> None:
        self.archive, self.index = archive, index
        self._health, self._metrics = health, metrics

    async def open(self) -> None:
        """Wait for the sinks; raises StartError where waiting would not help."""
        await self.archive.check()
        await self._insist("index", self.index.check)
        await self._insist("index", self.index.prepare)

    async def take_over(self, partition: OwnedPartition) -> None:
        """Make the partition's place in the archive this worker's."""
        checkpoint = partition.checkpoint
        await self._insist(
            "archive",
            lambda: self.archive.take_over(partition.number, checkpoint.epoch, checkpoint.archived),
            partition,
        )

    async def keep(self, partition: OwnedPartition, entries: Sequence[Entry]) -> None:
        """Archive `entries`; the partition's checkpoint then covers them."""
        if not entries:
            return
        archived = await self._insist(
            "archive", lambda: self.archive.write(partition.number, entries), partition
        )
        if archived is not None:
            partition.checkpoint.archived = archived
        self._metrics.stored.labels("archive").inc(len(entries))

    async def find_by(self, partition: OwnedPartition, entries: Sequence[Entry]) -> list[Refused]:
        """Index `entries`; returns those the index will never take."""
        if not entries:
            return []
        refused = await self._insist("index", lambda: self.index.write(entries), partition)
        self._metrics.stored.labels("index").inc(len(entries) - len(refused))
        return refused

    async def seal(self, partition: OwnedPartition) -> None:
        """Seal the archive's segment if it is time; what fails is tried the next time."""
        try:
            await self.archive.rotate(partition.number, partition.committed)
        except SinkError as error:
            log.warning("%s", error)

    async def _insist(
        self,
        part: str,
        write: Callable[[], Awaitable[Result]],
        partition: OwnedPartition | None = None,
    ) -> Result:
        pause = _FIRST_PAUSE
        while True:
            if partition is not None and partition.lost:
                raise PartitionLost
            try:
                result = await write()
            except SinkError as error:
                self._health.trouble(part, str(error))
                self._metrics.retries.labels(part).inc()
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._health.clear(part)
                return result
