"""The local index: rows go some at a time, so that a worker can write in between."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bpstream.errors import SinkError
from bpstream.purge.done import Done, Left, Progress

_AT_ONCE = 2000
_PAUSE = 0.01  # seconds; SQLite lets whoever asks at the right moment in
_PATIENCE = 30.0  # seconds

_COUNT = "SELECT count(*) FROM documents WHERE taken_at < ?"
_DELETE = (
    "DELETE FROM documents WHERE rowid IN (SELECT rowid FROM documents WHERE taken_at < ? LIMIT ?)"
)


class LocalPurge:
    """Removes rows from the SQLite file at `path`, if there is one."""

    def __init__(self, path: Path, before: int) -> None:
        """`before` is in microseconds since 1970-01-01 UTC."""
        self._path, self._before = path, before

    def find(self) -> Done:
        """What would go."""
        done = Done(f"the local index {self._path}")
        if self._path.exists():
            with self._opened() as connection:
                (done.readings,) = connection.execute(_COUNT, (self._before,)).fetchone()
        return done

    def purge(self, progress: Progress) -> Done:
        """Remove the rows, then give their room back.

        Killed in between it leaves the file whole; the next call goes on.  Raises
        :class:`SinkError` where a worker holds the file for long, or the disk fails.
        """
        found = self.find()
        done = Done(found.store)
        if not self._path.exists():
            return done
        with self._opened() as connection, progress("local index", found.readings) as step:
            # What is deleted is overwritten too, also where the room is not given back.
            connection.execute("PRAGMA secure_delete = ON")
            while removed := connection.execute(_DELETE, (self._before, _AT_ONCE)).rowcount:
                done.readings += removed
                step(removed)
                time.sleep(_PAUSE)
            self._vacuum(connection, done)
        return done

    def _vacuum(self, connection: sqlite3.Connection, done: Done) -> None:
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        try:
            if free:
                connection.execute("VACUUM")
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            why = f"{error}; the same command again tries it again"
            done.left.append(Left("the room of what is gone, in the file", why))
            return
        if busy:
            why = "somebody reads it; it goes when they have ended"
            done.left.append(Left("removed rows, in the file's write-ahead log", why, True))

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(
                sqlite3.connect(
                    f"{self._path.absolute().as_uri()}?mode=rw",
                    uri=True,
                    timeout=_PATIENCE,
                    isolation_level=None,
                )
            ) as connection:
                yield connection
        except sqlite3.Error as error:
            raise SinkError(f"{self._path} cannot be purged: {error}") from error
