"""What the tests of the purge share: times around the one before which is purged, and no bar."""

import gzip
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bpstream.document import Entry, tombstone
from bpstream.purge.done import Step
from bpstream.sinks.segment_files import SegmentName, sealed_path
from tests.sinks.helpers import an_entry, removal_of

BEFORE = 1769731200000000  # 2026-01-30T00:00:00Z
_HOUR = 3_600_000_000
MONTH = 31 * 24 * _HOUR


@contextmanager
def no_bar(label: str, length: int | None) -> Iterator[Step]:
    """A Progress that shows nothing."""
    del label, length
    yield lambda count: None


def an_old(number: int = 0, **changes: object) -> Entry:
    """An entry that was taken an hour before."""
    return an_entry(number, **{"taken_at": BEFORE - _HOUR, **changes})


def a_new(number: int = 0, **changes: object) -> Entry:
    """An entry that was taken at the time itself."""
    return an_entry(number, **{"taken_at": BEFORE, **changes})


def removed(entry: Entry) -> bytes:
    """The tombstone of an entry."""
    return tombstone(removal_of(entry), BEFORE)


def a_sealed(folder: Path, number: int, lines: Iterable[Entry | bytes]) -> Path:
    """A sealed segment of these documents and tombstones."""
    folder.mkdir(parents=True, exist_ok=True)
    path = sealed_path(folder, SegmentName("run", 1, number))
    path.write_bytes(gzip.compress(written(lines)))
    return path


def written(lines: Iterable[Entry | bytes]) -> bytes:
    """The lines of these documents and tombstones."""
    return b"".join((each if isinstance(each, bytes) else each.body) + b"\n" for each in lines)


def lines_of(path: Path) -> list[bytes]:
    """The lines of a sealed segment, without their ends."""
    return gzip.decompress(path.read_bytes()).splitlines()
