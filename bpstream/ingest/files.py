"""Files: what the paths that a person names stand for, and what kind each is."""

import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b
from io import BufferedReader
from pathlib import Path
from typing import IO, NamedTuple

from bpstream.errors import FileError

STDIN = Path("-")
_HEAD = 1 << 16
_GZ = ".gz"


class Kind(Enum):
    """How a file's content is taken apart, and the endings of its name."""

    WHOLE = (".json",)
    LINES = (".ndjson", ".jsonl")
    CSV = (".csv",)
    PARQUET = (".parquet",)


_KINDS = {ending: kind for kind in Kind for ending in kind.value}
READ = " ".join([*_KINDS, "(.gz)"])
"""The endings of the names of files that are read."""


class Stamp(NamedTuple):
    """What a file looks like from outside: another stamp, another content."""

    size: int
    modified: int
    """Nanoseconds since 1970."""
    head: str
    """A hash of its first 64 KiB."""


@dataclass(frozen=True, slots=True)
class File:
    """One file, or stdin, whose kind is only known when it is read."""

    path: Path
    kind: Kind | None

    def __str__(self) -> str:
        return "stdin" if self.path == STDIN else str(self.path)

    @property
    def is_table(self) -> bool:
        """Whether it holds readings in rows, and no messages."""
        return self.kind in {Kind.CSV, Kind.PARQUET}

    def size(self) -> int:
        """Bytes on the disk; 0 for stdin and for what is not there any more."""
        try:
            return 0 if self.path == STDIN else self.path.stat().st_size
        except OSError:
            return 0

    def stamp(self) -> Stamp:
        """Its stamp as it is now.  Raises :class:`OSError`."""
        stat = self.path.stat()
        with self.path.open("rb") as file:
            head = blake2b(file.read(_HEAD), digest_size=16).hexdigest()
        return Stamp(stat.st_size, stat.st_mtime_ns, head)


@contextmanager
def opened(file: File) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Its content, unpacked, and the raw file below, whose position tells how much is read."""
    if file.path == STDIN:
        yield sys.stdin.buffer, sys.stdin.buffer
        return
    with file.path.open("rb", buffering=0) as raw:
        if file.path.suffix == _GZ:
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield unpacked, raw  # type: ignore[misc]
        else:
            with BufferedReader(raw) as plain:
                yield plain, raw


def below(path: Path) -> Iterator[File]:
    """The file `path` is, or those of the folder it is, in the order of their names.

    In a folder what begins with a dot, and what is of no kind that is read, is passed over.
    Raises :class:`FileError` for a path that is not there, or is of no kind that is read, and
    for a folder that holds none.
    """
    if path == STDIN:
        yield File(path, None)
    elif path.is_dir():
        found = [each for each in sorted(path.rglob("*")) if _is_shown(each.relative_to(path))]
        files = [File(each, kind) for each in found if (kind := _kind(each)) and each.is_file()]
        if not files:
            raise FileError(f"holds no file of a kind that is read: {READ}")
        yield from files
    elif not path.exists():
        raise FileError("no such file or folder")
    elif kind := _kind(path):
        yield File(path, kind)
    else:
        raise FileError(f"of no kind that is read: {READ}")


def _is_shown(path: Path) -> bool:
    return not any(part.startswith(".") for part in path.parts)


def _kind(path: Path) -> Kind | None:
    name = path.name.lower().removesuffix(_GZ)
    return _KINDS.get(Path(name).suffix)
