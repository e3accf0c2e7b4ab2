"""What was purged: a note in the archive's folder, so that nobody takes it for lost.

The note is made before anything is removed: a purge that was interrupted has one too.
"""

import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from bpstream.document import iso, micros
from bpstream.errors import FileError, SinkError
from bpstream.sinks.segment_files import sync_folder

_NAME = ".purged"


class Purge(NamedTuple):
    """Readings taken before a time were removed from every store."""

    before: int
    """µs since 1970 UTC."""
    ended: int | None = None
    """µs since 1970 UTC: what arrived later it did not touch.  None: it was not ended yet."""

    def covers(self, other: "Purge") -> bool:
        """Whether all that the other excuses, this one excuses too."""
        later = self.ended is None or (other.ended is not None and other.ended <= self.ended)
        return other.before <= self.before and later


class _Line(msgspec.Struct):
    before: str
    ended: str | None = None


def noted(folder: Path) -> list[Purge]:
    """The purges of the archive in `folder`.  Raises :class:`FileError` for a damaged note."""
    path = folder / _NAME
    try:
        lines = msgspec.json.decode(path.read_bytes(), type=list[_Line])
        return [
            Purge(micros(line.before), None if line.ended is None else micros(line.ended))
            for line in lines
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise FileError(
            f"{path}, which tells what was purged, cannot be read ({error}): restore it, or remove "
            "it, and bpstream reconcile takes what was purged for missing"
        ) from error


def begin(folder: Path, before: int) -> None:
    """Note that readings taken before then (µs since 1970 UTC) are about to go.

    Raises :class:`SinkError`.
    """
    _write(folder, [*noted(folder), Purge(before)])


def end(folder: Path, before: int, *, now: int) -> None:
    """Note that they are gone, and what earlier purges of as much had left too."""
    left = [each for each in noted(folder) if each.ended is not None or each.before > before]
    _write(folder, [*left, Purge(before, now)])


def _write(folder: Path, purges: list[Purge]) -> None:
    kept: list[Purge] = []
    for each in sorted(set(purges), key=lambda purge: (purge.ended is None, purge), reverse=True):
        if not any(other.covers(each) for other in kept):
            kept.append(each)
    lines = [
        _Line(iso(each.before), None if each.ended is None else iso(each.ended)) for each in kept
    ]
    path, temporary = folder / _NAME, folder / f"{_NAME}.rewrite"
    try:
        with temporary.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(lines), indent=1) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(folder)
    except OSError as error:
        raise SinkError(f"{path} cannot be written: {error}") from error
