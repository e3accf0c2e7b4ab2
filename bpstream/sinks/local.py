"""Documents in a local SQLite file: the index of a worker that has no Elasticsearch."""

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, Self

import msgspec

from bpstream.document import Entry, Found, Line, Refused, Removal
from bpstream.errors import BPStreamError, SinkError, StartError

_SCHEMA_VERSION = 1
# Times are microseconds since 1970-01-01 UTC.
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS documents (
    document_id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    patient_id TEXT NOT NULL,
    taken_at INTEGER NOT NULL,
    anomaly_type TEXT AS (json_extract(body, '$.anomaly_type')),
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS documents_by_patient ON documents (patient_id, taken_at);
CREATE INDEX IF NOT EXISTS documents_by_time ON documents (taken_at);
PRAGMA user_version = {_SCHEMA_VERSION};
COMMIT;
"""

_UPSERT = """
INSERT INTO documents (document_id, version, patient_id, taken_at, body) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (document_id) DO UPDATE SET
    version = excluded.version, patient_id = excluded.patient_id,
    taken_at = excluded.taken_at, body = excluded.body
WHERE excluded.version >= documents.version
"""

# A version that was corrected to another time has moved the row already.
_DELETE = "DELETE FROM documents WHERE document_id = ? AND taken_at = ? AND version <= ?"
_BY_ID = "SELECT body FROM documents WHERE document_id = ?"
_BY_TIME = "SELECT body FROM documents WHERE taken_at >= ? ORDER BY taken_at DESC LIMIT ?"
_BY_PATIENT = _BY_TIME.replace("WHERE", "WHERE patient_id = ? AND")
_BEFORE_ALL = -(1 << 63)

# What waiting does not mend: no SQLite file, a damaged one, or one that may not be written.
_PERMANENT = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_READONLY,
    }
)


class LocalIndex:
    """Writes each batch in one transaction, which is on the disk when `write` returns.

    As with Elasticsearch, writing a batch twice leaves one copy and an older version never
    replaces a newer.  Other processes may read the file, and write it in turn.
    """

    def __init__(self, path: Path, *, patience: float = 5.0) -> None:
        """Wait up to `patience` seconds for another process that writes."""
        self._path, self._patience = path, patience
        self._connection: sqlite3.Connection | None = None
        # A cancelled call leaves its thread at work: the next one waits for it here.
        self._turn = Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the file; a later call opens it again."""
        await asyncio.to_thread(self._close)

    async def check(self) -> None:
        """Return if the file, made where there is none, can be used.

        Raises :class:`StartError` if it cannot be opened, is no SQLite file, is damaged, or
        was written by a newer bpstream; :class:`SinkError` if another process holds it.
        """
        await asyncio.to_thread(self._check)

    async def prepare(self) -> None:
        """Make the table; as the file is never without it, this is :meth:`check`."""
        await self.check()

    async def write(self, entries: Sequence[Entry]) -> list[Refused]:
        """Return once every entry is stored; none is ever refused.  Else raise SinkError."""
        await asyncio.to_thread(self._write, entries)
        return []

    async def remove(self, removals: Sequence[Removal]) -> None:
        """Return once none of them is there in that version or a lower one; else raise SinkError.

        A document that was corrected to another time since is another one, and stays.
        """
        rows = [(document_id, at, version) for document_id, version, _, at in removals]
        await asyncio.to_thread(self._execute, _DELETE, rows)

    async def find(self, document_ids: Sequence[str]) -> list[Found]:
        """What is known of those of the documents that are there."""
        return await asyncio.to_thread(self._find, document_ids)

    async def search(
        self, patient_id: str | None = None, since: int | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """The newest `limit` documents, newest first, of one patient or of all.

        `since` is microseconds since 1970-01-01 UTC: readings taken before it are left out.
        """
        return await asyncio.to_thread(self._search, patient_id, since, limit)

    def _check(self) -> None:
        with self._opened():
            pass

    def _write(self, entries: Sequence[Entry]) -> None:
        rows = [
            (document_id, version, patient_id, taken_at, body.decode())
            for document_id, version, patient_id, _, taken_at, body in entries
        ]
        self._execute(_UPSERT, rows)

    def _execute(self, statement: str, rows: Iterable[tuple[str | int, ...]]) -> None:
        """Execute it for every row, in one transaction."""
        with self._opened() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany(statement, rows)
                connection.execute("COMMIT")
            except sqlite3.Error:
                # A full disk has rolled it back already.
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def _find(self, document_ids: Sequence[str]) -> list[Found]:
        with self._opened() as connection:
            rows = [connection.execute(_BY_ID, (each,)).fetchone() for each in set(document_ids)]
        return [msgspec.json.decode(row[0], type=Line).found for row in rows if row]

    def _search(
        self, patient_id: str | None, since: int | None, limit: int
    ) -> list[dict[str, Any]]:
        bounds = (_BEFORE_ALL if since is None else since, limit)
        with self._opened() as connection:
            if patient_id is None:
                found = connection.execute(_BY_TIME, bounds).fetchall()
            else:
                found = connection.execute(_BY_PATIENT, (patient_id, *bounds)).fetchall()
        return [msgspec.json.decode(body) for (body,) in found]

    def _close(self) -> None:
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with self._turn:
            try:
                if self._connection is None:
                    self._connection = self._open()
                yield self._connection
            except (OSError, sqlite3.Error) as error:
                raise self._failure(error) from error

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self._path, timeout=self._patience, isolation_level=None, check_same_thread=False
        )
        try:
            (schema,) = connection.execute("PRAGMA user_version").fetchone()
            if schema > _SCHEMA_VERSION:
                raise StartError(
                    f"{self._path} has schema {schema}, and this bpstream knows "
                    f"{_SCHEMA_VERSION}: update bpstream, or name another data folder"
                )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            if schema < _SCHEMA_VERSION:
                connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def _failure(self, error: OSError | sqlite3.Error) -> BPStreamError:
        # The low byte is the kind of error, the others say more of it.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if isinstance(error, OSError) or code in _PERMANENT:
            return StartError(
                f"{self._path} cannot be used ({error}): mend it, or name another data folder"
            )
        return SinkError(f"{self._path} did not take the batch: {error}")
