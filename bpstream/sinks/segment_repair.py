"""Mending segments that no worker writes: lines that are missing, and lines too many."""

import fcntl
import gzip
import os
import secrets
import zlib
from collections.abc import Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from bpstream.errors import SinkError, StartError
from bpstream.sinks.segment_files import (
    Opener,
    SegmentName,
    open_path,
    seal,
    sync_folder,
    write_all,
)

LINEAGE = "repaired"
_UNFINISHED = ".rewrite"


class RepairedSegments:
    """Adds lines to the archive, in a segment of its own for each partition.

    Its lineage is no worker's, so none continues or cuts it.  Leaving the block without an
    error seals the segments; after a crash each whole line counts all the same.
    """

    def __init__(self, folder: Path, *, opener: Opener = FileIO) -> None:
        self._folder, self._opener = folder, opener
        self._name = SegmentName(f"{LINEAGE}-{secrets.token_hex(6)}", 0, 0)
        self._files: dict[int, FileIO] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            with self._open:
                for file in self._files.values():
                    os.fsync(file.fileno())
                lengths = {number: file.tell() for number, file in self._files.items()}
            if kind is None:
                for number, length in lengths.items():
                    seal(self._within(number), self._name, length, opener=self._opener)
        except OSError as failure:
            raise SinkError(f"{self._folder} did not take the lines: {failure}") from failure

    def add(self, partition: int, bodies: Sequence[bytes]) -> None:
        """Write a line for each document of `partition`; raises SinkError."""
        try:
            file = self._files.get(partition)
            if file is None:
                within = self._within(partition)
                within.mkdir(parents=True, exist_ok=True)
                file = self._opener(open_path(within, self._name), "x")
                self._files[partition] = self._open.enter_context(file)
                sync_folder(within)
            write_all(file, b"\n".join([*bodies, b""]))
        except OSError as error:
            raise SinkError(f"{self._folder} did not take the lines: {error}") from error

    def _within(self, partition: int) -> Path:
        return self._folder / f"partition={partition}"


@contextmanager
def rewriting(folder: Path) -> Iterator[None]:
    """Be the only one that rewrites sealed segments below `folder`, if it is there.

    Of two, the later would put lines back, or take out others than it means.  Raises
    :class:`StartError` where another process is at it.
    """
    if not folder.is_dir():
        yield
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context((folder / ".rewriting").open("ab"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in folder.glob(f"partition=*/.*{_UNFINISHED}"):
                left.unlink(missing_ok=True)
        except BlockingIOError:
            raise StartError(
                f"{folder} is being rewritten by another bpstream purge, or bpstream reconcile "
                "--repair: do it again when that has ended"
            ) from None
        except OSError as error:
            raise SinkError(f"{folder} cannot be rewritten: {error}") from error
        yield


def without(path: Path, lines: Container[int], *, opener: Opener = FileIO) -> None:
    """Rewrite the sealed segment at `path` without the lines numbered `lines` (from 0).

    The old file stays until the new one is on the disk, which then has its time: by that,
    streams are put in order.  To be called within :func:`rewriting`.  Raises
    :class:`SinkError`.
    """
    # Not `.tmp`: a worker that takes the partition over removes those.
    temporary = path.with_name(f".{path.name}{_UNFINISHED}")
    kept = 0
    try:
        with opener(temporary, "w") as file:
            with gzip.open(path) as old, gzip.GzipFile("", "wb", 6, file) as new:
                for number, line in enumerate(old):
                    if number not in lines:
                        kept += 1
                        new.write(line)
            os.fsync(file.fileno())
        if kept:
            found = path.stat()
            os.utime(temporary, ns=(found.st_atime_ns, found.st_mtime_ns))
            temporary.replace(path)
        else:
            path.unlink()
        sync_folder(path.parent)
    except (OSError, EOFError, zlib.error) as error:
        raise SinkError(f"{path} cannot be rewritten: {error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
