"""The archive read back for a replay: its documents, but for those that were taken back."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from bpstream.document import Document
from bpstream.errors import FileError
from bpstream.sinks import contents
from bpstream.sinks.contents import Place
from bpstream.sinks.segment_files import Position, SegmentName, open_path, sealed_path

_TOMBSTONE = b'"retracted"'
_NEVER = datetime.min.replace(tzinfo=UTC)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)


class _Line(msgspec.Struct):
    """What is read of a line to know whether it, or a later one, takes a document back."""

    document_id: str
    version: int
    retracted: bool = False
    retracted_at: datetime = _NEVER
    ingested_at: datetime = _NEVER


class Part(NamedTuple):
    """A segment, or all the files of layout `files`."""

    partition: int
    segment: SegmentName | None
    """None for the files."""
    size: int
    """Bytes on the disk; of an open segment, what it held when it was found."""


class Archive:
    """The archive in `folder`, of either layout, as it is when this is made.

    What is archived meanwhile, by the worker that the replay feeds too, is left out.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise FileError(f"there is no archive at {folder} (BPSTREAM_ARCHIVE_DIR)")
        self.parts = [
            Part(partition, name, self._size(partition, name))
            for partition, name in contents.segments(folder)
        ]
        files = sum(path.stat().st_size for path in folder.glob("*.json"))
        if files:
            self.parts.append(Part(0, None, files))
        self._tombstones = self._taken_back()

    def documents(self, part: Part) -> Iterator[Document | tuple[Place, str]]:
        """Its documents; where one cannot be read, its place and why.  Raises SinkError."""
        for place, line in self._lines(part):
            try:
                if not self._is_taken_back(line):
                    yield msgspec.json.decode(line, type=Document)
            except _UNREADABLE as error:
                yield place, str(error)

    def _is_taken_back(self, line: bytes) -> bool:
        """Whether a line's document was taken back after it was written, or is a tombstone."""
        if not self._tombstones and _TOMBSTONE not in line:
            return False
        found = msgspec.json.decode(line, type=_Line)
        return found.retracted or any(
            each.version >= found.version and each.retracted_at >= found.ingested_at
            for each in self._tombstones.get(found.document_id, ())
        )

    def _taken_back(self) -> dict[str, list[_Line]]:
        """The tombstones of each document that has any."""
        found: defaultdict[str, list[_Line]] = defaultdict(list)
        for part in self.parts:
            if part.segment is None:
                continue  # There the file itself is removed.
            for _, line in self._lines(part):
                if _TOMBSTONE not in line:
                    continue
                with suppress(*_UNREADABLE):  # Told when the documents are read.
                    each = msgspec.json.decode(line, type=_Line)
                    if each.retracted:
                        found[each.document_id].append(each)
        return found

    def _lines(self, part: Part) -> Iterator[tuple[Place, bytes]]:
        if part.segment is None:
            return contents.of_files(self.folder)
        reached = Position(str(part.segment), part.size)
        return contents.of_segment(self.folder, part.partition, part.segment, reached)

    def _size(self, partition: int, name: SegmentName) -> int:
        folder = self.folder / f"partition={partition}"
        for path in (open_path(folder, name), sealed_path(folder, name)):
            if path.exists():
                return path.stat().st_size
        return 0
