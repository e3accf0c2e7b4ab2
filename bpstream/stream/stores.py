"""The sinks as the stream uses them: tried again until they hold what they were given.

While a sink is away its partition waits, so intake pauses with bounded memory; `health`
says why, an alarm tells it, and the loop ends when the partition moves to another worker.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from bpstream.checkpoint import Archived, Earlier
from bpstream.clinical.rules import tags_of
from bpstream.document import Entry, Found, Refused, Removal
from bpstream.errors import SinkError
from bpstream.stream.health import Health
from bpstream.stream.metrics import Metrics
from bpstream.stream.tables import OwnedPartition

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
_LOOK_EVERY = 0.1
"""Seconds between two looks, in a pause, whether the partition is still ours."""

PATIENCE = 5.0
"""Seconds a sink may take before it is said that intake is paused."""

Result = TypeVar("Result")
OnPaused = Callable[[OwnedPartition, str, str], Awaitable[None]]
"""Told the partition, the sink and the reason."""


class PartitionLost(Exception):
    """The partition went to another worker while this one was storing a chunk of it."""


class Archive(Protocol):
    """Where normal readings are kept, one entry each."""

    async def check(self) -> None:
        """Raise StartError where the archive cannot be written."""

    async def take_over(self, partition: int, epoch: int, archived: Archived | None) -> None:
        """The partition is ours: what is behind `archived` was never committed."""

    async def write(
        self, partition: int, entries: Sequence[Entry], removals: Sequence[Removal]
    ) -> Archived | None:
        """Return once the entries are on disk, and the removals gone; where the end is then."""

    async def find(self, partition: int, document_ids: Sequence[str]) -> list[Found]:
        """What is archived of these documents."""

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

    async def remove(self, removals: Sequence[Removal]) -> None:
        """Return once the index holds none of them."""

    async def find(self, document_ids: Sequence[str]) -> list[Found]:
        """What is indexed of these documents."""


class Stores:
    """The archive and the index of one worker."""

    def __init__(
        self,
        archive: Archive,
        index: Index,
        *,
        health: Health,
        metrics: Metrics,
        on_paused: OnPaused,
    ) -> None:
        """`on_paused` is told when a partition has waited for a sink for `PATIENCE`."""
        self.archive, self.index = archive, index
        self._health, self._metrics = health, metrics
        self._on_paused = on_paused

    async def open(self) -> None:
        """Wait for the sinks; raises StartError where waiting would not help."""
        await self.archive.check()
        await self._insist("index", self.index.check)
        await self._insist("index", self.index.prepare)

    async def take_over(self, partition: OwnedPartition) -> None:
        """Make the partition's place in the archive this worker's."""
        epoch, archived = partition.checkpoint.epoch, partition.archived
        await self._insist(
            "archive",
            lambda: self.archive.take_over(partition.number, epoch, archived),
            partition,
        )

    async def keep(
        self,
        partition: OwnedPartition,
        entries: Sequence[Entry],
        removals: Sequence[Removal] = (),
    ) -> None:
        """Archive `entries`, and what is gone; the checkpoint that is written next covers them."""
        if not entries and not removals:
            return
        archived = await self._insist(
            "archive", lambda: self.archive.write(partition.number, entries, removals), partition
        )
        if archived is not None:
            partition.archived = archived
        self._metrics.stored.labels("archive").inc(len(entries))
        self._metrics.removed.labels("archive").inc(len(removals))

    async def find_by(self, partition: OwnedPartition, entries: Sequence[Entry]) -> list[Refused]:
        """Index `entries`; returns those the index will never take."""
        if not entries:
            return []
        refused = await self._insist("index", lambda: self.index.write(entries), partition)
        self._metrics.stored.labels("index").inc(len(entries) - len(refused))
        return refused

    async def remove(self, partition: OwnedPartition, removals: Sequence[Removal]) -> None:
        """Take documents out of the index."""
        if removals:
            await self._insist("index", lambda: self.index.remove(removals), partition)
            self._metrics.removed.labels("index").inc(len(removals))

    async def look_up(
        self, partition: OwnedPartition, document_ids: Sequence[str]
    ) -> dict[str, Earlier | None]:
        """What the stores hold of documents that the state has forgotten."""
        indexed = await self._insist("index", lambda: self.index.find(document_ids), partition)
        archived = await self._insist(
            "archive", lambda: self.archive.find(partition.number, document_ids), partition
        )
        in_index = {found.document_id for found in indexed}
        in_archive = {found.document_id for found in archived}
        # Of two versions the later is the last of the dictionary's.
        by_version = sorted([*indexed, *archived], key=lambda found: found.version)
        return dict.fromkeys(document_ids) | {
            found.document_id: Earlier(
                taken_at=found.taken_at,
                version=found.version,
                tags=tags_of(found.anomaly_details),
                is_spot=found.kind == "reading",
                in_index=found.document_id in in_index,
                in_archive=found.document_id in in_archive,
            )
            for found in by_version
        }

    async def seal(self, partition: OwnedPartition) -> None:
        """Seal the archive's segment if it is time; what fails is tried the next time."""
        try:
            await self.archive.rotate(partition.number, partition.written.archived)
        except SinkError as error:
            log.warning("%s", error)

    async def _insist(
        self,
        part: str,
        write: Callable[[], Awaitable[Result]],
        partition: OwnedPartition | None = None,
    ) -> Result:
        began, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            if partition is not None and partition.lost:
                raise PartitionLost
            asked = time.monotonic()
            try:
                result = await self._watched(part, write, partition)
            except SinkError as error:
                self._health.trouble(part, str(error))
                self._metrics.retries.labels(part).inc()
                if partition is not None and time.monotonic() - began >= PATIENCE:
                    await self._on_paused(partition, part, str(error))
                await _pause(pause, partition)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._health.clear(part)
                self._metrics.sink_seconds.labels(part).observe(time.monotonic() - asked)
                return result

    async def _watched(
        self,
        part: str,
        write: Callable[[], Awaitable[Result]],
        partition: OwnedPartition | None,
    ) -> Result:
        """What `write` returns; that it takes long is said while it does."""
        task = asyncio.ensure_future(write())
        reason = f"the {part} has not answered for {PATIENCE:.0f} s"
        try:
            while not (await asyncio.wait({task}, timeout=PATIENCE))[0]:
                self._health.trouble(part, reason)
                if partition is None:
                    continue
                if partition.lost:
                    raise PartitionLost
                await self._on_paused(partition, part, reason)
            return task.result()
        finally:
            task.cancel()


async def _pause(seconds: float, partition: OwnedPartition | None) -> None:
    """Pause as long as the partition is ours: if it comes back, it waits in the same lane."""
    while seconds > 0 and not (partition is not None and partition.lost):
        await asyncio.sleep(min(seconds, _LOOK_EVERY))
        seconds -= _LOOK_EVERY
