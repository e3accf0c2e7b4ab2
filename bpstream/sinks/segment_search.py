"""What a partition's segments hold of a document: the newest segment is read first."""

import gzip
import logging
import re
import sys
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, suppress
from io import BufferedIOBase
from pathlib import Path

import msgspec

from bpstream.document import Found, Line
from bpstream.sinks.segment_files import SegmentName, open_path, sealed_path, segment_names

log = logging.getLogger(__name__)

_BLOCK = 1 << 18
# As our encoder writes it; inside a text the quotes would have backslashes.
_ID = re.compile(rb'"document_id":"([^"]*)"')
_NO_VERSION = -1  # below every version


def find(
    folder: Path,
    lineage: str,
    document_ids: Iterable[str],
    *,
    written: Callable[[], tuple[SegmentName, int] | None],
    stopped: Callable[[], bool],
) -> list[Found]:
    """Those of the documents that are there.

    Reads back from the newest segment until it has seen each document: versions are taken to
    rise from segment to segment.  The newest segments are those of `lineage`; other lineages
    follow by the time of their files.  Holds a block and a line in memory.

    `written` tells of the open segment, if there is one, how many of its bytes count; it is
    asked once the segments are listed.  Damage is passed over with a warning.  Raises
    :class:`OSError`.  Once `stopped` it ends early, and what it returns means nothing.
    """
    names = newest_first(folder, lineage)
    # Asked before the list is made, it might not know the last segment of it.
    open_name, length = written() or (None, 0)
    search = _Search(document_ids)
    for name in names:
        if not search.wanted or stopped():
            break
        blocks = _blocks(folder, name, length if name == open_name else sys.maxsize, stopped)
        search.add(_lines(blocks, search.wanted, f"{name} in {folder}"))
    return search.found


class _Search:
    """What is known of each document after some segments, the newest first."""

    def __init__(self, document_ids: Iterable[str]) -> None:
        self.wanted = {document_id.encode() for document_id in document_ids}
        """Documents no segment has held so far."""
        self.found: list[Found] = []
        self._removed: dict[str, int] = {}
        """By document, up to which version the segments so far remove it."""

    def add(self, lines: Iterable[Line]) -> None:
        """Take in the lines of the segment before those so far."""
        there: dict[str, Line | None] = {}
        removed: dict[str, int] = {}
        for line in lines:
            document_id, version = line.document_id, line.version
            known = there.get(document_id)
            if line.retracted:
                removed[document_id] = max(version, removed.get(document_id, _NO_VERSION))
                if known is not None and known.version <= version:
                    there[document_id] = None
            elif known is None or known.version <= version:
                there[document_id] = line
        for document_id, left in there.items():
            self.wanted.discard(document_id.encode())
            if left is not None and left.version > self._removed.get(document_id, _NO_VERSION):
                self.found.append(left.found)
        for document_id, version in removed.items():
            so_far = self._removed.get(document_id, _NO_VERSION)
            self._removed[document_id] = max(version, so_far)


def newest_first(folder: Path, lineage: str = "") -> list[SegmentName]:
    """The segments in `folder`: those of `lineage`, then the others by the time of their files."""
    names = {*segment_names(folder, ".jsonl"), *segment_names(folder, ".jsonl.gz")}
    newest = {name.lineage: name for name in sorted(names)}
    ended = {
        each: float("inf") if each == lineage else _time(folder, name)
        for each, name in newest.items()
    }
    return sorted(names, key=lambda name: (ended[name.lineage], name), reverse=True)


def _time(folder: Path, name: SegmentName) -> float:
    for path in (open_path(folder, name), sealed_path(folder, name)):
        with suppress(FileNotFoundError):
            return path.stat().st_mtime
    return 0.0  # purged since it was listed


def _lines(blocks: Iterable[bytes], wanted: Collection[bytes], where: str) -> Iterator[Line]:
    """The lines of these documents; no other is decoded."""
    for block in blocks:
        for found in _ID.finditer(block):
            if found[1] in wanted:
                start = block.rfind(b"\n", 0, found.start()) + 1
                end = block.index(b"\n", found.end())
                try:
                    yield msgspec.json.decode(block[start:end], type=Line)
                except ValueError as error:
                    log.warning("a line of %s is passed over: %s", where, error)


def _blocks(
    folder: Path, name: SegmentName, length: int, stopped: Callable[[], bool]
) -> Iterator[bytes]:
    """The first `length` bytes of the segment, before compression, in blocks of whole lines."""
    rest = b""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(_opened(folder, name))
        except FileNotFoundError:
            return  # Purged since it was listed: nothing of it is there.
        while length and not stopped():
            try:
                block = file.read(min(length, _BLOCK))
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                log.warning("the end of %s in %s is passed over: %s", name, folder, error)
                return
            if not block:
                return
            length -= len(block)
            lines, newline, rest = (rest + block).rpartition(b"\n")
            yield lines + newline


def _opened(folder: Path, name: SegmentName) -> BufferedIOBase:
    """The segment, whether it is open or was sealed meanwhile."""
    try:
        return open_path(folder, name).open("rb")
    except FileNotFoundError:
        return gzip.open(sealed_path(folder, name), "rb")
