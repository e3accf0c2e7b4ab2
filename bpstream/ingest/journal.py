"""The journal: how far each file has been sent, so that an interrupted call can be gone on with."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bpstream.errors import StartError
from bpstream.ingest.files import STDIN, File, Stamp

_WAIT = 30.0
_TABLE = """
CREATE TABLE IF NOT EXISTS sent (
    target TEXT NOT NULL, path TEXT NOT NULL,
    size INTEGER NOT NULL, modified INTEGER NOT NULL, head TEXT NOT NULL,
    done INTEGER NOT NULL, complete INTEGER NOT NULL,
    PRIMARY KEY (target, path)
) WITHOUT ROWID
"""
_FIND = """
SELECT done, complete FROM sent
WHERE target = ? AND path = ? AND size = ? AND modified = ? AND head = ?
"""


class Journal:
    """Remembers by target and file what Kafka has confirmed; a crash loses no more than that.

    `target` names the topic.  What a table becomes depends on `options` as well.  A file that
    has changed since is unknown.
    """

    def __init__(self, path: Path, *, target: str, options: str) -> None:
        self._path, self._target, self._options = path, target, options
        self._noted: dict[File, Sent] = {}

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._path, timeout=_WAIT)
            with self._connection:
                self._connection.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            raise StartError(
                f"the journal {self._path} cannot be written ({error}): name another folder in "
                "BPSTREAM_DATA_DIR, or remove it and begin anew"
            ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    def of(self, file: File, *, resume: bool = True) -> "Sent":
        """How far a file was sent; from its beginning where it is not to be gone on with."""
        try:
            stamp = None if file.path == STDIN else file.stamp()
        except OSError:  # Whoever reads it will say why.
            stamp = None
        if stamp is None or not resume:
            return Sent(self, file, stamp)
        row = self._connection.execute(_FIND, (*self._key(file), *stamp)).fetchone()
        return Sent(self, file, stamp, *(row or ()))

    def note(self, sent: "Sent") -> None:
        """Keep in mind how far a file was sent, for the next `save`."""
        self._noted[sent.file] = sent

    def save(self) -> None:
        """Write down what was noted, in one step.  To be called once Kafka has it."""
        rows = [
            (*self._key(file), *sent.stamp, sent.done, sent.complete)
            for file, sent in self._noted.items()
            if sent.stamp is not None
        ]
        with self._connection:
            self._connection.executemany("REPLACE INTO sent VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        self._noted.clear()

    def _key(self, file: File) -> tuple[str, str]:
        options = f"?{self._options}" if file.is_table else ""
        return self._target + options, str(file.path.absolute())


@dataclass(slots=True)
class Sent:
    """How far one file was sent; stdin and what cannot be read has no stamp, and no memory."""

    journal: Journal
    file: File
    stamp: Stamp | None
    done: int = 0
    """Its first lines or rows; 1 for a file that is one message."""
    complete: bool = False

    def note(self, done: int, *, complete: bool = False) -> None:
        """Keep in mind how far it is, until the journal is saved."""
        self.done, self.complete = done, complete
        self.journal.note(self)
