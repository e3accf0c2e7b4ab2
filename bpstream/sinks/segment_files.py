"""The files of a partition's segments: their names, how one is sealed, what a crash left."""

import fcntl
import logging
import os
import re
import secrets
import zlib
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NamedTuple, Self

from bpstream.errors import StartError

log = logging.getLogger(__name__)

Opener = Callable[[Path, str], FileIO]
"""Opens a file as :class:`io.FileIO` does."""

_NAME = re.compile(r"(?P<lineage>.+)-(?P<epoch>\d{6,})-(?P<sequence>\d{8,})")
_OWNER = ".app"
_LONGEST_BLOCK = 1 << 20
_LEVEL = 6
_GZIP = 31  # zlib's largest window, with the header and trailer of gzip


class Position(NamedTuple):
    """How far a partition is archived: up to `length` of the segment `name`, and all before."""

    name: str
    """The segment's file name without its suffix, which changes when it is sealed."""
    length: int
    """Bytes of whole lines, before compression."""


class SegmentName(NamedTuple):
    """Within a lineage, names are ordered as their segments were written."""

    lineage: str
    epoch: int
    sequence: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The name that `text` is, or None where it is none."""
        found = _NAME.fullmatch(text)
        if found is None:
            return None
        return cls(found["lineage"], int(found["epoch"]), int(found["sequence"]))

    def __str__(self) -> str:
        return f"{self.lineage}-{self.epoch:06d}-{self.sequence:08d}"

    def following(self) -> Self:
        """The next name of the same epoch."""
        return self._replace(sequence=self.sequence + 1)


def open_path(folder: Path, name: SegmentName) -> Path:
    """Where the segment lies while lines are added to it."""
    return folder / f"{name}.jsonl"


def sealed_path(folder: Path, name: SegmentName) -> Path:
    """Where the segment lies once it is sealed."""
    return folder / f"{name}.jsonl.gz"


def owner_of(folder: Path, candidate: str) -> str:
    """Whose segments the folder holds: the candidate's, where nobody else's name is there."""
    path = folder / _OWNER
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # Of two that begin at once one is the first.
        file.seek(0)
        found = file.read()
        if not found:
            file.write(candidate)
    return found or candidate


def owner_in(folder: Path) -> str:
    """Whose segments the folder holds, as `owner_of` wrote it down; empty: nobody's."""
    path = folder / _OWNER
    return path.read_text(encoding="utf-8") if path.exists() else ""


def segment_names(folder: Path, suffix: str) -> list[SegmentName]:
    """The segments in `folder` whose file ends in `suffix`, in the order of their names."""
    parsed = [
        SegmentName.parse(path.name.removesuffix(suffix)) for path in folder.glob(f"*{suffix}")
    ]
    return sorted(name for name in parsed if name is not None)


def recover(
    folder: Path, first: SegmentName, position: Position | None, *, opener: Opener = FileIO
) -> SegmentName:
    """Leave in `folder` what was committed, all of it sealed, and return the next name to use.

    That is `first`, or a later one where `first` would not come after all there is.  Committed
    is, of the lineage of `position` (of `first`, where there is none): what is not behind it,
    but for an open segment of an earlier owner; of any other: every whole line.  A crash may
    come at any time: the next call goes on.
    Raises :class:`OSError`, and :class:`StartError` where committed lines are missing, or
    where there are segments of a later owner than `first`.
    """
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)
    for left in folder.glob(".*.tmp"):
        left.unlink(missing_ok=True)
    reached = _reached(position)
    sealed = segment_names(folder, ".jsonl.gz")
    unsealed = segment_names(folder, ".jsonl")
    _refuse_later_owners(folder, first, [*sealed, *unsealed])

    for name in sealed:
        if _is_uncommitted(name, first, reached):
            # Only what is committed is ever sealed: the position itself has gone back, and
            # what it forgot is on its way again.  Too odd to delete.
            path = sealed_path(folder, name)
            log.warning("%s is behind the committed position: set aside", path)
            path.replace(path.with_suffix(".gz.uncommitted"))
    for name in unsealed:
        path = open_path(folder, name)
        if name in sealed or _is_uncommitted(name, first, reached) or is_late(name, reached):
            path.unlink(missing_ok=True)
        elif position and name == reached:
            seal(folder, name, _at_least(path, position.length), opener=opener)
        else:
            seal(folder, name, _length_of_whole_lines(path), opener=opener)

    seen = [*sealed, *unsealed, *([reached] if reached else [])]
    later = [name.following() for name in seen if name.lineage == first.lineage]
    return max([first, *later])


def is_late(name: SegmentName, reached: SegmentName | None) -> bool:
    """Of an open segment: whether it was begun by an owner whose time was over.

    Who committed `reached` had sealed, as it took over, all that its forerunners had committed.
    A forerunner that was frozen then may begin another segment when it is thawed.
    """
    return reached is not None and name.lineage == reached.lineage and name.epoch < reached.epoch


def seal(folder: Path, name: SegmentName, length: int, *, opener: Opener = FileIO) -> None:
    """Compress the first `length` bytes of an open segment and put the result in its place.

    The open file goes only when the sealed one is on the disk; there being both, the sealed
    one counts.  An empty segment is removed.  Another worker may do the same at the same time.
    """
    source, target = open_path(folder, name), sealed_path(folder, name)
    if length:
        temporary = folder / f".{name}.{secrets.token_hex(4)}.tmp"
        try:
            _compress(source, temporary, length, opener)
            temporary.replace(target)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            if isinstance(error, FileNotFoundError) and target.exists():
                return
            raise
        sync_folder(folder)
    source.unlink(missing_ok=True)


def write_all(file: FileIO, data: bytes | memoryview) -> None:
    """Write `data` where the file stands; a nearly full disk takes it in several parts."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def sync_folder(folder: Path) -> None:
    """Wait until the folder's names are on the disk; a file's own fsync does not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_later_owners(folder: Path, first: SegmentName, names: list[SegmentName]) -> None:
    """Who does not know of segments there must not judge what is committed of them."""
    for name in names:
        if name.lineage == first.lineage and name.epoch > first.epoch:
            raise StartError(
                f"{folder} holds {name}, of a later owner than epoch {first.epoch}: another app "
                "archives to the same folder, or its changelog was removed. Name another folder, "
                "or move these files away"
            )


def _reached(position: Position | None) -> SegmentName | None:
    if position is None:
        return None
    name = SegmentName.parse(position.name)
    if name is None:
        raise StartError(f"the archive's position {position.name!r} is not a segment's name")
    return name


def _is_uncommitted(name: SegmentName, first: SegmentName, reached: SegmentName | None) -> bool:
    if reached is None:
        return name.lineage == first.lineage
    return name.lineage == reached.lineage and name > reached


def _at_least(path: Path, length: int) -> int:
    found = path.stat().st_size
    if found < length:
        raise StartError(
            f"{path} holds {found} of the {length} bytes that were committed: "
            f"restore it, or remove it to go on without them"
        )
    return length


def _length_of_whole_lines(path: Path) -> int:
    """Where the last whole line ends: a crash may have torn the one after it."""
    if not path.stat().st_size:
        return 0
    with FileIO(path) as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return content.rfind(b"\n") + 1


def _compress(source: Path, target: Path, length: int, opener: Opener) -> None:
    compressor = zlib.compressobj(_LEVEL, wbits=_GZIP)
    with FileIO(source) as plain, opener(target, "w") as packed:
        while length:
            block = plain.read(min(length, _LONGEST_BLOCK))
            if not block:
                raise OSError(f"{source} is {length} bytes shorter than what was written to it")
            length -= len(block)
            write_all(packed, compressor.compress(block))
        write_all(packed, compressor.flush())
        os.fsync(packed.fileno())
