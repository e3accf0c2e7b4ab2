"""The archive in layout `segments`: JSON Lines by partition, sealed by size or age."""

import asyncio
import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from threading import Event, Lock

from bpstream.document import Entry, Found, Removal, tombstone
from bpstream.documents import in_columns
from bpstream.errors import SinkError, StartError
from bpstream.sinks import segment_search
from bpstream.sinks.segment_files import (
    Opener,
    Position,
    SegmentName,
    open_path,
    owner_of,
    recover,
    seal,
    sync_folder,
    write_all,
)

__all__ = ["Position", "SegmentArchive"]

_LINEAGE = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,100}")
_MIB = 1 << 20

MAX_AGE = 900.0
"""Seconds after which a segment is sealed, however short it is."""


class SegmentArchive:
    """Appends each batch to the open segment of its partition, and seals segments when told.

    A reading has one entry, also after a crash: the caller commits the :class:`Position` of
    each write with its own progress, in one step, and gives the committed one back to
    `take_over`, which cuts what is behind it.  Workers may share the folder, each with its own
    partitions; those that share a position must share the folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        lineage: str,
        owner: str = "",
        max_bytes: int = 64 * _MIB,
        max_age: float = MAX_AGE,
        opener: Opener = FileIO,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Archive to `folder`, in segments of up to `max_bytes` or `max_age` seconds.

        `lineage` names the stream whose offsets the positions go with: segments of another
        are never continued or removed.  A segment's age is by `clock`, and `now` is the time
        of a removal, in seconds since 1970.

        `owner` names the app: `check` writes it down, and refuses a folder of another one.  Of
        equal lineages two apps would take each other's segments for their own.
        """
        if not _LINEAGE.fullmatch(lineage):
            raise StartError(
                f"the archive's lineage {lineage!r} cannot be a file name: "
                f"up to 100 of A-Z a-z 0-9 . _ - would do"
            )
        self._folder, self._lineage, self._owner = folder, lineage, owner
        self._max_bytes, self._max_age = max_bytes, max_age
        self._opener, self._clock, self._now = opener, clock, now
        self._partitions: dict[int, _Partition] = {}

    async def check(self) -> None:
        """Return if the folder, made where there is none, can be written; else raise StartError."""
        await asyncio.to_thread(self._check)

    async def take_over(self, partition: int, epoch: int, position: Position | None) -> None:
        """Make the partition ours: cut what is behind `position`, seal the rest, go on anew.

        `position` is the last committed one, None before the first commit.  Raises
        :class:`SinkError`, and :class:`StartError` where committed lines are missing.
        """
        await self.release(partition)
        folder = self._folder_of(partition)
        first = SegmentName(self._lineage, epoch, 0)
        try:
            name = await asyncio.to_thread(recover, folder, first, position, opener=self._opener)
        except OSError as error:
            raise SinkError(f"{folder} cannot be taken over: {error}") from error
        self._partitions[partition] = _Partition(folder, name, self._opener, self._clock)

    async def write(
        self, partition: int, entries: Sequence[Entry], removals: Sequence[Removal] = ()
    ) -> Position:
        """Return the position behind the lines once they are on the disk; else raise SinkError.

        The removals' tombstones come first: a document that is in both is there.  What an
        attempt that failed, or was cancelled, has written is cut by the next.
        """
        ours = self._ours(partition)
        now = int(self._now() * 1_000_000)
        lines = in_columns(entries).lines()
        if removals:
            tombstones = [tombstone(removal, now) + b"\n" for removal in removals]
            lines = b"".join([*tombstones, lines])
        try:
            position = await asyncio.to_thread(ours.append, lines)
        except OSError as error:
            raise SinkError(f"{ours.folder} did not take the batch: {error}") from error
        ours.accept(position)
        return position

    async def find(self, partition: int, document_ids: Sequence[str]) -> list[Found]:
        """What is known of those of the documents that the partition's segments hold.

        Reads back from the newest segment, also to other lineages: that takes seconds, and
        writes go on meanwhile.  Seen is what writes that returned before the call have
        written.  Raises SinkError.
        """
        ours = self._ours(partition)
        stopped = Event()
        try:
            return await asyncio.to_thread(
                segment_search.find,
                ours.folder,
                self._lineage,
                document_ids,
                written=ours.written,
                stopped=stopped.is_set,
            )
        except OSError as error:
            raise SinkError(f"{ours.folder} cannot be searched: {error}") from error
        finally:
            # A cancelled call leaves its thread at work.
            stopped.set()

    async def rotate(self, partition: int, committed: Position) -> None:
        """Seal the segment that is full or old enough, once all of it is committed.

        To be called after each commit, and now and then without one.  Raises SinkError; the
        segment is then sealed by a later call.
        """
        ours = self._ours(partition)
        try:
            await asyncio.to_thread(ours.rotate, committed, self._max_bytes, self._max_age)
        except OSError as error:
            raise SinkError(f"{ours.folder} cannot seal a segment: {error}") from error

    async def release(self, partition: int) -> None:
        """Let the partition go: its files are left as they are for who takes it over."""
        ours = self._partitions.pop(partition, None)
        if ours is not None:
            await asyncio.to_thread(ours.close)

    async def close(self) -> None:
        """Release every partition."""
        for partition in list(self._partitions):
            await self.release(partition)

    def _check(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder):
                pass
            owner = owner_of(self._folder, self._owner) if self._owner else ""
        except OSError as error:
            raise StartError(
                f"the archive cannot be written to {self._folder} ({error}): "
                f"make the folder writable, or name another"
            ) from error
        if owner != self._owner:
            raise StartError(
                f"{self._folder} is the archive of the app {owner!r}, and this is "
                f"{self._owner!r} (BPSTREAM_APP_ID): name another folder (BPSTREAM_ARCHIVE_DIR)"
            )

    def _folder_of(self, partition: int) -> Path:
        return self._folder / f"partition={partition}"

    def _ours(self, partition: int) -> "_Partition":
        try:
            return self._partitions[partition]
        except KeyError:
            folder = self._folder_of(partition)
            raise SinkError(f"{folder} is not this worker's: it was not taken over") from None


@dataclass
class _Segment:
    """The segment that is open; its file is None until it is opened again after a failure."""

    name: SegmentName
    born: float
    file: FileIO | None
    length: int = 0
    """What the caller knows to be written.  The file may hold more, of a write that failed."""


class _Partition:
    """The segments of one partition.  What blocks is called in threads, and takes turns there."""

    def __init__(
        self, folder: Path, name: SegmentName, opener: Opener, clock: Callable[[], float]
    ) -> None:
        self.folder = folder
        self._next, self._opener, self._clock = name, opener, clock
        self._segment: _Segment | None = None
        self._to_seal: list[_Segment] = []
        # A cancelled call leaves its thread at work: the next one waits for it here.
        self._turn = Lock()

    def append(self, lines: bytes | memoryview) -> Position:
        with self._turn:
            segment = self._segment = self._segment or self._create()
            try:
                self._append(segment, lines)
            except OSError:
                if segment.file is not None:
                    with suppress(OSError):
                        segment.file.truncate(segment.length)
                    with suppress(OSError):
                        segment.file.close()
                    segment.file = None
                raise
            return Position(str(segment.name), segment.length + len(lines))

    def accept(self, position: Position) -> None:
        """Keep what was appended.  Not done in the thread: a cancelled write is not kept."""
        if self._segment is not None:
            self._segment.length = position.length

    def written(self) -> tuple[SegmentName, int] | None:
        """The open segment and how many of its bytes count; None where none is open."""
        with self._turn:
            segment = self._segment
            return None if segment is None else (segment.name, segment.length)

    def rotate(self, committed: Position, max_bytes: int, max_age: float) -> None:
        with self._turn:
            segment = self._segment
            if segment is not None and segment.length:
                old = self._clock() - segment.born >= max_age
                if old or segment.length >= max_bytes:
                    # After a crash nobody knows where a segment before the position ends.
                    self._cut(segment)
                    self._close_segment()
                    self._to_seal.append(segment)
            ready = [each for each in self._to_seal if _covers(committed, each)]
            self._to_seal = [each for each in self._to_seal if each not in ready]
        # Sealing takes seconds: meanwhile batches go to the next segment.
        while ready:
            try:
                seal(self.folder, ready[0].name, ready[0].length, opener=self._opener)
            except OSError:
                with self._turn:
                    self._to_seal += ready
                raise
            del ready[0]

    def close(self) -> None:
        with self._turn:
            self._close_segment()

    def _create(self) -> _Segment:
        # A name is not used again, even if it cannot be created.
        name, self._next = self._next, self._next.following()
        file = self._opener(open_path(self.folder, name), "x")
        try:
            sync_folder(self.folder)
        except OSError:
            file.close()
            raise
        return _Segment(name, self._clock(), file)

    def _append(self, segment: _Segment, lines: bytes | memoryview) -> None:
        file = self._cut(segment)
        write_all(file, lines)
        os.fdatasync(file.fileno())
        if not os.fstat(file.fileno()).st_nlink:
            path = open_path(self.folder, segment.name)
            raise OSError(f"{path} was removed: by another worker, or by hand (then restart)")

    def _cut(self, segment: _Segment) -> FileIO:
        """The segment's file, at its end: what an attempt that failed has left is cut."""
        path = open_path(self.folder, segment.name)
        if segment.file is None:
            # Not created again: who has taken the partition over has sealed and removed it.
            segment.file = self._opener(path, "r+")
        file = segment.file
        found = file.seek(0, os.SEEK_END)
        if found < segment.length:
            raise OSError(f"{path} holds {found} of the {segment.length} bytes written to it")
        if found > segment.length:
            file.truncate(segment.length)
            os.fdatasync(file.fileno())
            file.seek(segment.length)
        return file

    def _close_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None and segment.file is not None:
            segment.file.close()


def _covers(committed: Position, segment: _Segment) -> bool:
    name = SegmentName.parse(committed.name)
    return name is not None and (name, committed.length) >= (segment.name, segment.length)
