"""The archive in layout `files`: one JSON file a reading, in one folder."""

import asyncio
import logging
import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import FileIO
from pathlib import Path
from threading import Lock
from urllib.parse import quote

import msgspec

from bpstream.document import Entry, Found, Line, Removal, latest
from bpstream.errors import SinkError, StartError

log = logging.getLogger(__name__)

_LONGEST_ID = 64
_PLAIN_ID = re.compile(rf"(?!\.)[A-Za-z0-9._-]{{1,{_LONGEST_ID}}}")
_HASH_DIGITS = 12
_NO_VERSION = -1  # below every version
_TIME_PARTS = 3  # of a name, between underscores

_MOST_OPEN = 256  # files at a time, of the 1024 a process may commonly have
_ABANDONED_AFTER = 3600.0  # seconds; no write takes as long
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FileArchive:
    """Writes each reading to a file of its own, by a temporary one that is renamed.

    A file is either there and whole or not there, and its name is the reading's: writing a
    batch twice leaves one file a reading.  Workers may share the folder.
    """

    def __init__(self, folder: Path, *, opener: Callable[[Path, str], FileIO] = FileIO) -> None:
        """Write to `folder`; `opener` opens a file as :class:`io.FileIO` does."""
        self._folder, self._opener = folder, opener
        self._token = secrets.token_hex(4)
        # A cancelled call leaves its thread at work: the next one waits for it here.
        self._turn = Lock()

    async def check(self) -> None:
        """Return if the folder, made where there is none, can be written; else raise StartError.

        Removes the temporary files that a crash has left.
        """
        await asyncio.to_thread(self._check)

    async def write(self, entries: Sequence[Entry], removals: Sequence[Removal] = ()) -> None:
        """Return once every entry is on the disk, and no removal is; else raise SinkError.

        Files are removed after all entries are on the disk, and never one of these entries.
        For removals the folder is looked through: who took the reading is in a file's name,
        and unknown.
        """
        await asyncio.to_thread(self._write, entries, removals)

    async def find(self, document_ids: Sequence[str]) -> list[Found]:
        """What is known of those of the documents that have a file; else raise SinkError.

        Of a document with two files, left by a crash, the higher version.  Looks through the
        folder, which takes seconds.
        """
        return await asyncio.to_thread(self._find, document_ids)

    def _check(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder):
                pass
            for left in self._folder.glob(".*.tmp"):
                with suppress(FileNotFoundError):  # another worker cleans up as well
                    if time.time() - left.stat().st_mtime > _ABANDONED_AFTER:
                        left.unlink()
        except OSError as error:
            raise StartError(
                f"the archive cannot be written to {self._folder} ({error}): "
                f"make the folder writable, or name another"
            ) from error

    def _write(self, entries: Sequence[Entry], removals: Sequence[Removal]) -> None:
        # Of two versions of a reading in one batch, the later stays.
        bodies = {file_name(e): e.body for e in sorted(entries, key=lambda e: e.version)}
        names = list(bodies)
        with self._turn:
            try:
                for start in range(0, len(names), _MOST_OPEN):
                    self._write_files({n: bodies[n] for n in names[start : start + _MOST_OPEN]})
                _sync_folder(self._folder)
                if removals:
                    self._remove(removals, kept=bodies)
                    _sync_folder(self._folder)
            except OSError as error:
                raise SinkError(f"{self._folder} did not take the batch: {error}") from error

    def _remove(self, removals: Sequence[Removal], *, kept: Collection[str]) -> None:
        highest: dict[tuple[str, int], int] = {}
        for document_id, version, _, taken_at in removals:
            place = document_id, taken_at
            highest[place] = max(version, highest.get(place, version))
        endings = {f"{_time(at)}_{_start(document_id)}" for document_id, at in highest}
        for path in self._ending_in(endings, parts=_TIME_PARTS + 1):
            found = None if path.name in kept else _read(path)
            if found is not None:
                place = found.document_id, found.taken_at
                if found.version <= highest.get(place, _NO_VERSION):
                    path.unlink(missing_ok=True)

    def _find(self, document_ids: Sequence[str]) -> list[Found]:
        try:
            paths = self._ending_in({_start(each) for each in document_ids}, parts=1)
            found = [each for each in map(_read, paths) if each is not None]
        except OSError as error:
            raise SinkError(f"{self._folder} cannot be searched: {error}") from error
        return latest(each for each in found if each.document_id in document_ids)

    def _ending_in(self, endings: Collection[str], *, parts: int) -> list[Path]:
        """The files whose names have these as their last `parts` parts."""
        with os.scandir(self._folder) as listing:
            return [
                self._folder / each.name
                for each in listing
                if "_".join(each.name.removesuffix(".json").rsplit("_", parts)[1:]) in endings
            ]

    def _write_files(self, bodies: dict[str, bytes]) -> None:
        temporary = {name: self._folder / f".{name}.{self._token}.tmp" for name in bodies}
        try:
            with ExitStack() as stack:
                files = []
                for name, body in bodies.items():
                    file = stack.enter_context(self._opener(temporary[name], "w"))
                    files.append(file)
                    _write_all(file, body)
                # All are written before the first is awaited: the disk takes them together.
                for file in files:
                    os.fsync(file.fileno())
            for name, path in temporary.items():
                path.replace(self._folder / name)
        except OSError:
            for path in temporary.values():
                with suppress(OSError):
                    path.unlink()
            raise


def file_name(entry: Entry) -> str:
    """The name of the entry's file: patient, practitioner, time in UTC, start of its id.

    >>> file_name(Entry("0f3a" * 8, 1, "PAT-003", "PRAC-01", 1769722371619300, b"{}"))
    'PAT-003_PRAC-01_20260129_213251_619300_0f3a0f3a0f3a.json'
    """
    practitioner = "none" if entry.practitioner_id is None else _safe(entry.practitioner_id)
    time, start = _time(entry.taken_at), _start(entry.document_id)
    return f"{_safe(entry.patient_id)}_{practitioner}_{time}_{start}.json"


def _time(taken_at: int) -> str:
    return f"{_EPOCH + timedelta(microseconds=taken_at):%Y%m%d_%H%M%S_%f}"


def _start(document_id: str) -> str:
    return document_id[:_HASH_DIGITS]


def _read(path: Path) -> Found | None:
    """What the file holds; None where another worker has removed it, or it is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Line).found
    except FileNotFoundError:
        return None
    except ValueError as error:
        log.warning("%s is passed over: %s", path, error)
        return None


def _safe(identifier: str) -> str:
    """The id as a part of a file name: never a path, never hidden, at most 64 characters."""
    if _PLAIN_ID.fullmatch(identifier):
        return identifier
    encoded = quote(identifier, safe="")
    if encoded.startswith("."):
        encoded = f"%2E{encoded[1:]}"
    if len(encoded) <= _LONGEST_ID:
        return encoded
    digest = sha256(identifier.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{encoded[: _LONGEST_ID - _HASH_DIGITS - 1]}-{digest}"


def _write_all(file: FileIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _sync_folder(folder: Path) -> None:
    """Wait until the folder's names are on the disk; a file's own fsync does not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
