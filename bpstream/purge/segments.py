"""The archive's segments: sealed ones are rewritten, or removed whole; open ones are a worker's."""

import gzip
import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from bpstream.purge.done import Done, Left, Progress, Step
from bpstream.sinks.segment_files import SegmentName, open_path, sealed_path, segment_names
from bpstream.sinks.segment_repair import without
from bpstream.sinks.segment_search import newest_first
from bpstream.sinks.segments import MAX_AGE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class _Line(msgspec.Struct, gc=False):
    document_id: str
    timestamp: _Time
    """When the reading was taken; of a tombstone, that of what it takes out."""
    retracted: bool = False
    ingested_at: _Time | None = None


class _Scanned(NamedTuple):
    """What of a segment was taken before."""

    lines: int
    gone: frozenset[int]
    """The numbers of the lines that go, from 0."""
    readings: int
    """How many of these are no tombstones."""


class _Open(NamedTuple):
    """What of an open segment was taken before."""

    documents: list[str]
    begun: datetime


class SegmentsPurge:
    """Takes lines out of the sealed segments below `folder`.

    To be used within `segment_repair.rewriting`.  Workers go on meanwhile: a segment's name is
    not used again, they take what is in an open segment from there, and what they look for in
    a sealed one is in the old file or in the new one.
    """

    def __init__(self, folder: Path, before: int, *, clock: Callable[[], datetime]) -> None:
        """`before` is in microseconds since 1970-01-01 UTC; `clock` tells the time in UTC."""
        self._folder, self._clock = folder, clock
        self._before = _EPOCH + timedelta(microseconds=before)

    def find(self, progress: Progress) -> Done:
        """What would go.  Raises :class:`SinkError`."""
        return self._each(progress, "looking", self._count)

    def purge(self, progress: Progress) -> Done:
        """Remove it, segment by segment, the oldest first.

        Whenever this ends each segment is the old one or the new one, and the next call goes
        on.  A tombstone never goes before the line that it takes out.  Raises
        :class:`SinkError` where the disk fails.
        """
        return self._each(progress, "archive", without)

    @staticmethod
    def _count(path: Path, lines: frozenset[int]) -> None:
        pass

    def _each(
        self, progress: Progress, label: str, remove: Callable[[Path, frozenset[int]], None]
    ) -> Done:
        done = Done(f"the archive's segments {self._folder}")
        whole = in_part = tombstones = 0
        folders = sorted(self._folder.glob("partition=*"))
        sizes = sum(path.stat().st_size for each in folders for path in _sealed(each))
        with progress(label, sizes) as step:
            for within in folders:
                # In this order: a segment that is sealed meanwhile is in both.
                opened, sealed = self._opened(within), _sealed(within)
                self._tell(within, opened, sealed, done)
                kept = frozenset(each for one in opened.values() for each in one.documents)
                for path in sealed:
                    found = self._scanned(path, kept, done, step)
                    if not found.gone:
                        continue
                    remove(path, found.gone)
                    done.readings += found.readings
                    tombstones += len(found.gone) - found.readings
                    whole += len(found.gone) == found.lines
                    in_part += len(found.gone) < found.lines
        if whole or in_part:
            told = f"{whole} segments whole, {in_part} in part"
            done.details.append(told + (f", {tombstones} tombstones" if tombstones else ""))
        return done

    def _opened(self, within: Path) -> dict[SegmentName, _Open]:
        """What the open segments hold, which stay."""
        found: dict[SegmentName, _Open] = {}
        for name in segment_names(within, ".jsonl"):
            documents: list[str] = []
            begun = None
            with suppress(FileNotFoundError), open_path(within, name).open("rb") as file:
                written = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
                for line in map(_decoded, file):
                    begun = begun or (line and line.ingested_at)
                    if line and not line.retracted and line.timestamp < self._before:
                        documents.append(line.document_id)
                found[name] = _Open(documents, begun or written)
        return found

    def _tell(
        self, within: Path, opened: dict[SegmentName, _Open], sealed: list[Path], done: Done
    ) -> None:
        for name, (documents, begun) in opened.items():
            if not documents or sealed_path(within, name) in sealed:
                continue
            path = open_path(within, name).relative_to(self._folder)
            due = begun + timedelta(seconds=MAX_AGE)
            why = (
                "an open segment that nobody seals: the next worker does, at its start"
                if due < self._clock()
                else f"an open segment: its worker seals it by {due:%Y-%m-%dT%H:%M:%SZ}"
            )
            done.left.append(Left(f"{len(documents)} readings in {path}", why, by_itself=True))

    def _scanned(self, path: Path, kept: frozenset[str], done: Done, step: Step) -> _Scanned:
        """Look at every line of a segment.  One that is damaged is told and left as it is."""
        gone = set[int]()
        readings = lines = unreadable = 0
        try:
            size = path.stat().st_size
            with gzip.open(path) as file:
                for number, line in enumerate(map(_decoded, file)):
                    lines += 1
                    if line is None:
                        unreadable += 1
                    elif line.timestamp < self._before:
                        if line.retracted and line.document_id in kept:
                            continue  # What it takes out stays for now.
                        gone.add(number)
                        readings += not line.retracted
            step(size)
        except (OSError, EOFError, zlib.error) as error:
            why = f"it cannot be read ({error}): restore it, or remove it"
            done.left.append(Left(str(path.relative_to(self._folder)), why))
            return _Scanned(0, frozenset(), 0)
        if unreadable:
            what = f"{unreadable} lines of {path.relative_to(self._folder)}"
            done.left.append(Left(what, "they do not tell when a reading was taken"))
        return _Scanned(lines, frozenset(gone), readings)


def _sealed(within: Path) -> list[Path]:
    """The files of a partition that no worker writes, the oldest first.

    Where a crash left an open segment beside the sealed one, the worker is still to remove it.
    """
    names = reversed(newest_first(within))
    sealed = [sealed_path(within, name) for name in names if not open_path(within, name).exists()]
    aside = sorted(within.glob("*.jsonl.gz.uncommitted"))
    return aside + [path for path in sealed if path.exists()]


def _decoded(line: bytes) -> _Line | None:
    """The line; None for one that is torn or is no document."""
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


_decode = msgspec.json.Decoder(_Line).decode
