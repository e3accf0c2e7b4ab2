"""The ledger: what was sent, what is held and what was counted, in a temporary SQLite file.

Millions of readings do not fit into memory; SQLite sorts and joins them on the disk.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import NamedTuple, Self

from bpstream.patients import COUNTERS
from bpstream.sinks.purges import Purge

_SCHEMA = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -65536;
CREATE TABLE sent (
    document_id TEXT, version INTEGER, patient_id TEXT,
    partition INTEGER, offset INTEGER, entry INTEGER,
    arrived_at INTEGER, tags INTEGER, spot INTEGER, done INTEGER, taken_at INTEGER
);
CREATE TABLE held (
    store TEXT, document_id TEXT, version INTEGER, patient_id TEXT,
    partition INTEGER, offset INTEGER, ingested_at TEXT,
    tags INTEGER, spot INTEGER, beyond INTEGER,
    path TEXT, line INTEGER, sealed INTEGER
);
CREATE TABLE retractions (document_id TEXT, version INTEGER, arrived_at INTEGER);
CREATE TABLE letters (
    reason TEXT, partition INTEGER, offset INTEGER, entry INTEGER,
    PRIMARY KEY (partition, offset, entry, reason)
) WITHOUT ROWID;
CREATE TABLE counted (patient_id TEXT, {", ".join(COUNTERS)});
CREATE TABLE purges (before INTEGER, ended INTEGER);
CREATE TABLE partitions (partition INTEGER PRIMARY KEY, first INTEGER, end INTEGER);
"""

INDEX, ARCHIVE = "index", "archive"
TOMBSTONE = "tombstone"
"""In place of a store: a line of the archive that takes a document out again."""


class Sent(NamedTuple):
    """A reading the topic holds, and what it should lead to."""

    document_id: str
    version: int
    patient_id: str
    partition: int
    offset: int
    entry: int
    """Within the message; 0 where it is the only one."""
    arrived_at: int
    """µs since 1970 UTC."""
    tags: int
    spot: bool
    done: bool
    """A checkpoint counts it as applied; else it is on its way."""
    taken_at: int = 0
    """µs since 1970 UTC."""


class Held(NamedTuple):
    """A document as a store holds it, once for each time it is there."""

    store: str
    """`INDEX`, `ARCHIVE` or `TOMBSTONE`."""
    document_id: str
    version: int
    patient_id: str
    partition: int
    offset: int
    ingested_at: str
    """ISO 8601 in UTC, with microseconds."""
    tags: int
    spot: bool
    beyond: bool
    """Of a message that no checkpoint counts as applied yet."""
    path: str = ""
    """Of the archive's file."""
    line: int = 0
    sealed: bool = False
    """In a segment that no worker writes any more."""


class Retracted(NamedTuple):
    """A retraction the topic holds, and a checkpoint counts as applied."""

    document_id: str
    version: int
    """0: of all versions."""
    arrived_at: int
    """µs since 1970 UTC."""


class Letter(NamedTuple):
    """A dead letter of a reading that is none the less not missing."""

    reason: str
    partition: int
    offset: int
    entry: int


class Ledger:
    """Takes down rows, in any order; `differences.py` reads them.  Gone with the block."""

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory(prefix="bpstream-")
        self.rows = sqlite3.connect(Path(self._folder.name) / "ledger.sqlite")
        """The connection: everything here is of one process and one run."""
        self.rows.executescript(_SCHEMA)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.rows.close()
        self._folder.cleanup()

    def partition(self, number: int, first: int, end: int) -> None:
        """The topic's partition holds the offsets from `first` to before `end`."""
        self.rows.execute("INSERT INTO partitions VALUES (?, ?, ?)", (number, first, end))

    def end(self, number: int, end: int) -> None:
        """Where the partition ends once the stores are read: what lies behind was never sent."""
        self.rows.execute("UPDATE partitions SET end = ? WHERE partition = ?", (end, number))

    def sent(self, readings: Iterable[Sent]) -> None:
        """Take down what the topic holds."""
        self._insert("sent", len(Sent._fields), readings)

    def held(self, documents: Iterable[Held]) -> None:
        """Take down what a store holds."""
        self._insert("held", len(Held._fields), documents)

    def retractions(self, retractions: Iterable[Retracted]) -> None:
        """Take down what the topic takes back."""
        self._insert("retractions", len(Retracted._fields), retractions)

    def letters(self, letters: Iterable[Letter]) -> None:
        """Take down dead letters; the same may come twice."""
        self._insert("letters", len(Letter._fields), letters)

    def purges(self, purges: Iterable[Purge]) -> None:
        """Take down what was purged from the stores."""
        self._insert("purges", len(Purge._fields), purges)

    def counted(self, counters: Iterable[tuple[str | int, ...]]) -> None:
        """Take down what the workers counted: a patient and the `COUNTERS`, in their order."""
        self._insert("counted", 1 + len(COUNTERS), counters)

    def _insert(self, table: str, columns: int, rows: Iterable[tuple[object, ...]]) -> None:
        places = ", ".join("?" * columns)
        # The table's name is one of ours.
        self.rows.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({places})", rows)  # noqa: S608
