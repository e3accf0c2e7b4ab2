"""Mending segments that no worker writes: lines that are missing, and lines too many."""

import gzip
import os
import secrets
from collections.abc import Container, Sequence
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from bpstream.errors import SinkError
from bpstream.sinks.segment_files import (
    Opener,
    SegmentName,
    open_path,
    seal,
    sync_folder,
    write_all,
)

LINEAGE = "repaired"


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


def without(path: Path, lines: Container[int], *, opener: Opener = FileIO) -> None:
    """Rewrite the sealed segment at `path` without the lines numbered `lines` (from 0).

    The old file stays until the new one is on the disk.  Raises :class:`SinkError`.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
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
            temporary.replace(path)
        else:
            temporary.unlink()
            path.unlink()
        sync_folder(path.parent)
    except (OSError, EOFError) as error:
        with suppress(OSError):
            temporary.unlink()
        raise SinkError(f"{path} cannot be rewritten: {error}") from error
